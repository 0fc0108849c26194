"""The released evaluation, against a slow transcription of its description."""

import itertools
import math

import numpy as np
import pytest
import torch

from repousse.geometry import Mesh, cube, icosphere, pack, plane
from repousse.voxels import released_mean, released_voxels, voxel_iou

N = 32
F = np.float32


def transcription(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The procedure as described, one line, one triangle and one cell at a time."""
    v = (vertices.astype(F) * F(31) / F(32) + F(0.5)) * F(32)
    full = np.zeros((N, N, N), dtype=bool)

    def mark(cell) -> None:
        if all(0 <= c < N for c in cell):
            full[tuple(cell)] = True

    for axis in range(3):
        # The two axes across, in the order in which the released code calls them y and x.
        p, q = {0: (2, 1), 1: (0, 2), 2: (0, 1)}[axis]
        for face in faces:
            a, b, c = v[face]
            for i, j in itertools.product(*(lines(v[face][:, k]) for k in (p, q))):
                d1, d2, dp = b - a, c - a, (F(i) - a[p], F(j) - a[q])
                determinant = d1[q] * d2[p] - d2[q] * d1[p]
                if determinant == 0:
                    continue
                s = (d2[p] * dp[1] - d2[q] * dp[0]) / determinant
                t = (d1[q] * dp[0] - d1[p] * dp[1]) / determinant
                if s < 0 or t < 0 or s + t > 1:
                    continue
                cell = [0, 0, 0]
                cell[axis] = math.floor(s * d1[axis] + t * d2[axis] + a[axis])
                for up, left in itertools.product((0, 1), (0, 1)):
                    cell[p], cell[q] = i - up, j - left
                    mark(cell)
    for index in set(faces.reshape(-1).tolist()):
        mark([int(x) for x in v[index]])  # towards 0

    outside = np.zeros_like(full)
    stack = [cell for cell in itertools.product(range(N), repeat=3) if 0 in cell or N - 1 in cell]
    while stack:
        cell = stack.pop()
        if full[cell] or outside[cell]:
            continue
        outside[cell] = True
        for axis, step in itertools.product(range(3), (-1, 1)):
            near = list(cell)
            near[axis] += step
            if 0 <= near[axis] < N:
                stack.append(tuple(near))
    return np.transpose(~outside, (1, 0, 2))[:, :, ::-1]


def lines(x: np.ndarray) -> range:
    """Lattice lines that may meet a triangle; one more on each side does no harm."""
    return range(max(0, math.floor(x.min()) - 1), min(N, math.ceil(x.max()) + 2))


def deformed(seed: int) -> Mesh:
    generator = torch.Generator().manual_seed(seed)
    mesh = icosphere(1)
    stretch = 0.15 + 0.3 * torch.rand(3, generator=generator)
    bumps = 1 + 0.2 * torch.randn(len(mesh.positions), 1, generator=generator)
    return mesh.with_positions((mesh.positions * stretch * bumps).clamp(-0.5, 0.5))


@pytest.mark.parametrize(
    "mesh",
    [
        deformed(0),
        deformed(1),
        cube(0.7),
        cube(16 / 31),  # its sides lie on lattice lines
        plane(0.6),
        deformed(2).with_positions(deformed(2).positions * 2),  # partly outside of the grid
    ],
    ids=["blob", "another", "cube", "tied", "open", "cut"],
)
def test_against_the_transcription(mesh: Mesh) -> None:
    """Breaks if a line, a cell, a tie, the flood or the order of the axes differs from the description."""
    found = released_voxels(mesh)
    expected = transcription(mesh.positions.numpy(), mesh.faces.numpy())
    assert found.shape == (N, N, N) and found.dtype == torch.bool and found.any()
    assert torch.equal(found, torch.from_numpy(expected.copy()))


def test_axes_of_the_data_sets() -> None:
    """Breaks if x and y are not exchanged, or z is not turned round."""
    mesh = cube(0.2).with_positions(cube(0.2).positions + torch.tensor([0.3, -0.2, 0.1]))
    where = released_voxels(mesh).nonzero().double().add(0.5).mean(0)
    expected = torch.tensor([-0.2, 0.3, -0.1], dtype=torch.float64) * 31 + 16
    assert torch.allclose(where, expected, atol=0.6)


def test_a_hole_lets_the_inside_out() -> None:
    """Breaks if the flood stops at an opening."""
    ball = icosphere(3)
    ball = ball.with_positions(ball.positions * 0.4)
    top = ball.positions[ball.faces.long()].amin(1)[:, 1] > 0.3
    closed, opened = released_voxels(ball), released_voxels(Mesh(ball.positions, ball.faces[~top]))
    assert closed.sum() > 8000 and opened.sum() < 5000


def test_poses_and_refusals() -> None:
    """Breaks if poses share a grid, or meshes that have none are taken."""
    a, b = deformed(0), deformed(1)
    both = released_voxels(a.with_positions(torch.stack([a.positions, b.positions])))
    assert torch.equal(both, torch.stack([released_voxels(a), released_voxels(b)]))
    assert voxel_iou(both, both.flip(0)).unique().numel() == 1
    with pytest.raises(ValueError, match="packed"):
        released_voxels(pack([a, b]))
    with pytest.raises(ValueError, match="not finite"):
        released_voxels(a.with_positions(a.positions * torch.nan))


def test_the_mean_of_categories() -> None:
    """Breaks if categories with many objects count more than others."""
    means, mean = released_mean(torch.tensor([0.2, 0.4, 0.9]), torch.tensor([1, 1, 0]))
    torch.testing.assert_close(means, torch.tensor([0.9, 0.3], dtype=torch.float64), atol=1e-7, rtol=0)
    assert mean.item() == pytest.approx(0.6)
    for category in (torch.tensor([0, 2, 2]), torch.tensor([0, 1]), torch.tensor([0.0, 1.0, 1.0])):
        with pytest.raises(ValueError, match="released_mean"):
            released_mean(torch.tensor([0.2, 0.4, 0.9]), category)
