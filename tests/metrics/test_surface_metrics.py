"""Figures of surfaces: where the answer is known, and against all pairs."""

import pytest
import torch

from repousse import losses, metrics
from repousse.geometry import Mesh, cube, icosphere, pack, plane
from repousse.geometry.sampling import sample_surface


def seeded():
    return torch.Generator().manual_seed(0)


def test_f_score_against_all_pairs():
    """Breaks if precision and recall are not shares of their own cloud, or the mean is not harmonic."""
    points, target = torch.rand(2, 60, 3, generator=seeded()), torch.rand(2, 90, 3, generator=seeded())
    distances = torch.cdist(points.double(), target.double())
    precision = (distances.amin(2) < 0.15).double().mean(1)
    recall = (distances.amin(1) < 0.15).double().mean(1)
    expected = 2 * precision * recall / (precision + recall)
    found = metrics.f_score(points, target, 0.15)
    torch.testing.assert_close(found.double(), expected)
    torch.testing.assert_close(
        metrics.f_score(points, target, torch.tensor([0.15, 9.0])), torch.tensor([found[0], 1.0])
    )
    assert metrics.f_score(points, target + 100, 0.15).tolist() == [0, 0]


def test_parallel_planes():
    """Breaks if distances between surfaces are not those between their points."""
    low, high = plane(size=2), plane(size=2)
    high = high.with_positions(high.positions + torch.tensor([0.0, 0.25, 0.0]))
    found = metrics.compare(low, high, samples=20_000, threshold=0.26, generator=seeded())
    for value in (found.accuracy, found.completeness, found.chamfer):
        assert value.item() == pytest.approx(0.25, rel=2e-3)
    assert found.normal_consistency.item() == pytest.approx(1)
    assert (
        found.precision.item() > 0.99
        and found.f_score.item() > 0.99
        and found.threshold.tolist() == [pytest.approx(0.26)]
    )
    assert metrics.compare(low, high, samples=2000, threshold=0.2, generator=seeded()).f_score.item() == 0


def test_missing_half():
    """Breaks if accuracy and completeness, or precision and recall, change places."""
    ball = icosphere(3)
    half = Mesh(ball.positions, ball.faces[ball.positions[ball.faces.long()].mean(1)[:, 1] > 0])
    found = metrics.compare(half, ball, samples=5000, threshold=0.1, generator=seeded())
    assert found.accuracy.item() < 0.05 < 0.2 < found.completeness.item()
    assert found.precision.item() > 0.99 and 0.5 < found.recall.item() < 0.6


def test_normals_are_compared_whichever_way_they_point():
    """Breaks if a mesh turned inside out differs, or perpendicular surfaces do not."""
    ball = icosphere(3)
    inside_out = Mesh(ball.positions, ball.faces.flip(1))
    assert metrics.compare(ball, inside_out, samples=3000, generator=seeded()).normal_consistency.item() > 0.99
    floor = plane()
    wall = floor.with_positions(floor.positions[:, [1, 0, 2]])
    assert metrics.compare(floor, wall, samples=500, generator=seeded()).normal_consistency.item() == 0


def test_equal_surfaces_keep_the_distance_of_samples():
    """Breaks if the docstring's estimate of what is left between equal surfaces is off."""
    found = metrics.compare(cube(), cube(), samples=10_000, generator=seeded())
    assert found.chamfer.item() == pytest.approx(0.5 * (24 / 10_000) ** 0.5, rel=0.05)
    assert found.threshold.tolist() == [pytest.approx(0.02)]  # one percent of the side


def test_poses_and_packed_meshes():
    """Breaks if a mesh is compared with another's target, or measured with another's box."""
    ball = icosphere(1)
    poses = ball.with_positions(torch.stack([ball.positions, 3 * ball.positions]))
    found = metrics.compare(poses, ball, samples=500, generator=seeded())
    assert found.chamfer.shape == (2,) and found.accuracy[0] < 0.2 and found.accuracy[1] > 1.5
    packed = metrics.compare(pack([ball, cube(size=20)]), pack([ball, cube(size=20)]), samples=500, generator=seeded())
    assert packed.threshold.tolist() == [pytest.approx(0.02, rel=0.1), pytest.approx(0.2)]
    assert "chamfer=" in repr(packed)


def test_agrees_with_the_losses():
    """Breaks if the figures and the loss measure different things."""
    first, second = icosphere(1), cube()
    found = metrics.compare(first, second, samples=400, generator=seeded())
    generator = seeded()
    clouds = [sample_surface(mesh, 400, generator=generator).points for mesh in (first, second)]
    torch.testing.assert_close(found.chamfer, losses.chamfer(*clouds))
    torch.testing.assert_close(found.f_score, metrics.f_score(*clouds, 0.02))


@pytest.mark.parametrize("threshold", [0, -1.0, float("nan"), torch.ones(2)])
def test_bad_threshold(threshold):
    """Breaks if a threshold that no distance is below gives a score of 0."""
    with pytest.raises(ValueError, match="f_score: `threshold` must be positive"):
        metrics.f_score(torch.zeros(5, 3), torch.zeros(5, 3), threshold)
