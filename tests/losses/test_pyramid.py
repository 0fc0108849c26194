"""Pyramids: by scipy, by hand, and what they are for."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from repousse import losses

PROFILE = np.array([1, 4, 6, 4, 1]) / 16


def filtered(values):
    for axis in (0, 1):
        values = ndimage.correlate1d(values, PROFILE, axis=axis, mode="constant")
    return values


def halved(values):
    return (filtered(values) / filtered(np.ones_like(values)))[::2, ::2]


def doubled(values, shape):
    spread, ones = np.zeros(shape), np.zeros(shape)
    spread[::2, ::2], ones[::2, ::2] = values, 1
    return filtered(spread) / filtered(ones)


@pytest.mark.parametrize("size", [(16, 16), (17, 12), (9, 21)])
@pytest.mark.parametrize("kind", ["gaussian", "laplacian"])
def test_against_scipy(size, kind):
    """Breaks if levels are blurred, halved, expanded or averaged in another way, or odd sizes are shifted."""
    image, target = torch.rand(2, 1, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    level = (image - target)[0].numpy()
    expected = []
    for remaining in (3, 2, 1, 0):
        coarser = halved(level)
        band = level - doubled(coarser, level.shape) if remaining and kind == "laplacian" else level
        expected.append(np.square(band).mean())
        level = coarser
    found = losses.pyramid(image, target, levels=4, kind=kind)
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-12)
    assert losses.pyramid(image, target, levels=1).item() == pytest.approx(losses.l2(image, target).item())


@pytest.mark.parametrize("kind", ["gaussian", "laplacian"])
def test_constant_difference(kind):
    """Breaks if borders or masks darken: a constant difference is the same on all Gaussian levels."""
    image, target = torch.full((1, 20, 13, 1), 0.75), torch.full((1, 20, 13, 1), 0.25)
    mask = torch.rand(1, 20, 13, generator=torch.Generator().manual_seed(0)) > 0.6
    for given in (None, mask):
        found = losses.pyramid(image, target, kind=kind, norm="l1", mask=given).item()
        # All but the last band of the Laplacian pyramid vanish.
        assert found == pytest.approx(0.5 if kind == "gaussian" else 0.1, abs=1e-6)


def test_shapes_attract_from_afar():
    """Breaks if coarse levels do not reach further: the loss must tell near from far, where l2 cannot."""
    columns = torch.arange(64)
    dots = [(columns == place).double().view(1, 1, 64).expand(1, 64, 64) for place in (8, 14, 40)]
    near, far = (losses.pyramid(dots[0], other, levels=6).item() for other in dots[1:])
    assert near < 0.95 * far
    assert losses.l2(dots[0], dots[1]) == losses.l2(dots[0], dots[2])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"levels": 6}, "`levels` must be a whole number from 1 to 5 for pictures of 20 x 13"),
        ({"levels": 0}, "`levels` must be"),
        ({"kind": "steerable"}, '`kind` must be "gaussian"'),
        ({"norm": 2}, "got 'gaussian' and 2"),
    ],
)
def test_bad_options(options, text):
    """Breaks if a pyramid is silently lower than asked for."""
    picture = torch.zeros(1, 20, 13, 1)
    with pytest.raises(ValueError, match=f"pyramid: .*{text}"):
        losses.pyramid(picture, picture, **options)
