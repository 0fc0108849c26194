"""Nearest neighbours against all pairs."""

import pytest
import torch

from repousse.geometry.nearest import nearest


def test_matches_all_pairs():
    """Breaks if the nearest is not found, or items of the batch mix."""
    generator = torch.Generator().manual_seed(0)
    points, targets = torch.randn(3, 200, 3, generator=generator), torch.randn(3, 150, 3, generator=generator)
    found = nearest(points, targets)
    assert found.dtype == torch.int64
    distances = (points[:, :, None] - targets[:, None]).double().norm(dim=-1)
    torch.testing.assert_close(distances.gather(2, found[..., None])[..., 0], distances.amin(2), rtol=0, atol=1e-7)


def test_not_finite():
    """Breaks if NaN gets an index that does not exist."""
    points = torch.zeros(1, 2, 3)
    broken = torch.full((1, 1, 3), float("nan"))
    with pytest.raises(ValueError, match="nearest: `points` holds coordinates that are not finite"):
        nearest(broken, points)
    with pytest.raises(ValueError, match="nearest: `targets`"):
        nearest(points, broken)
