"""Chamfer distance: against all pairs, its derivative, and its memory."""

import pytest
import torch
from scipy.spatial import KDTree

from repousse import losses


def clouds(batch, first, second, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, first, 3, dtype=dtype, generator=generator), torch.randn(
        batch, second, 3, dtype=dtype, generator=generator
    )


@pytest.mark.parametrize("squared", [False, True])
def test_against_all_pairs(squared):
    """Breaks if a direction is lost, averaged over the wrong cloud, or weighs double."""
    points, target = clouds(3, 50, 80)
    distances = (points[:, :, None] - target[:, None]).norm(dim=-1) ** (2 if squared else 1)
    expected = (distances.amin(2).mean(1) + distances.amin(1).mean(1)) / 2
    torch.testing.assert_close(losses.chamfer(points, target, squared=squared), expected)
    torch.testing.assert_close(losses.chamfer(target, points, squared=squared), expected)
    there, back = losses.nearest_distances(points, target, squared=squared)
    torch.testing.assert_close(there, distances.amin(2))
    torch.testing.assert_close(back, distances.amin(1))


def test_many_points():
    """Breaks if 100,000 points need a table of all pairs (80 GB), or are matched only roughly."""
    points, target = (cloud[0].float() for cloud in clouds(1, 100_000, 90_000))
    expected = KDTree(target.numpy()).query(points.numpy())[0].mean()
    expected += KDTree(points.numpy()).query(target.numpy())[0].mean()
    assert losses.chamfer(points, target).item() == pytest.approx(expected / 2, rel=1e-5)


@pytest.mark.parametrize("squared", [False, True])
def test_derivative(squared):
    """Breaks if either cloud is not pulled by its nearest neighbours."""
    points, target = (cloud.requires_grad_() for cloud in clouds(2, 9, 7))
    assert torch.autograd.gradcheck(lambda a, b: losses.chamfer(a, b, squared=squared), (points, target))


def test_equal_clouds():
    """Breaks if points that coincide have a derivative that is NaN."""
    points = clouds(1, 20, 1)[0].requires_grad_()
    loss = losses.chamfer(points, points.detach().flip(1))
    loss.sum().backward()
    assert loss.item() == 0 and points.grad is not None and (points.grad == 0).all()


def test_batches():
    """Breaks if one target for all, or a single cloud, is refused."""
    points, target = clouds(3, 10, 12)
    each = torch.cat([losses.chamfer(cloud, target[0]) for cloud in points])
    torch.testing.assert_close(losses.chamfer(points, target[0]), each)
    torch.testing.assert_close(losses.chamfer(target[:1], points), each)


def test_threads_give_equal_bits(monkeypatch):
    """Breaks if the number of threads changes which neighbour is found."""
    points, target = clouds(1, 5000, 5000, torch.float32)
    found = []
    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        found.append(losses.chamfer(points, target))
    assert torch.equal(*found)


@pytest.mark.parametrize(
    ("points", "target", "error", "text"),
    [
        (torch.zeros(2, 5, 3), torch.zeros(3, 5, 3), ValueError, "the same batch, or a batch of 1"),
        (torch.zeros(5, 2), torch.zeros(5, 3), ValueError, r"`points` must be \(N, 3\) or \(B, N, 3\)"),
        (torch.zeros(5, 3), torch.zeros(0, 3), ValueError, "`target` must be .* not empty"),
        (torch.zeros(5, 3), torch.zeros(5, 3, dtype=torch.int64), TypeError, "`target` must be a tensor of floats"),
        (torch.full((5, 3), float("inf")), torch.zeros(5, 3), ValueError, "not finite"),
    ],
)
def test_bad_input(points, target, error, text):
    """Breaks if clouds that do not fit are broadcast, or NaN finds a neighbour."""
    with pytest.raises(error, match=text):
        losses.chamfer(points, target)
