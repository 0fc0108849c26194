"""The container, resizing and IoU."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from repousse.voxels import VoxelGrid, resize, voxel_iou


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < 0.3


def test_cells_lie_where_the_convention_says() -> None:
    """Breaks if the origin is a centre instead of a corner, or axes are exchanged."""
    grid = VoxelGrid(noise(2, 3, 4), (1.0, -2.0, 5.0), 0.5)
    assert grid.centres.shape == (2, 3, 4, 3)
    assert grid.centres[0, 0, 0].tolist() == [1.25, -1.75, 5.25]
    assert grid.centres[1, 2, 3].tolist() == [1.75, -0.75, 6.75]
    assert grid.volume == grid.occupancy.sum() * 0.125
    assert repr(grid) == f"VoxelGrid(2 × 3 × 4, {int(grid.occupancy.sum())} occupied)"


def test_a_batch_and_its_grids() -> None:
    """Breaks if the places of single grids are lost in a batch."""
    batch = VoxelGrid(noise(3, 2, 3, 4).float(), torch.arange(9.0).view(3, 3), torch.tensor([1.0, 2.0, 0.5]))
    assert len(batch) == 3 and batch.centres.shape == (3, 2, 3, 4, 3)
    assert [grid.origin.tolist() for grid in batch] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert torch.equal(batch[2].centres, batch.centres[2])
    assert torch.equal(batch.volume, torch.stack([grid.volume for grid in batch]))
    shared = VoxelGrid(noise(3, 2, 3, 4), (1.0, 2.0, 3.0), 0.5)
    assert shared[1].origin.tolist() == [1, 2, 3] and shared.centres.shape == (2, 3, 4, 3)
    assert "3 grids" in repr(shared)
    assert batch.to(torch.float64).occupancy.dtype == torch.float64


def test_other_contents() -> None:
    """Breaks if a float occupancy loses its gradient, or another shape is taken for the same cells."""
    grid = VoxelGrid(noise(2, 3, 4), (1.0, 2.0, 3.0), 0.5)
    density = torch.rand(2, 3, 4, requires_grad=True)
    other = grid.with_occupancy(density)
    assert other.occupancy is density and torch.equal(other.origin, grid.origin)
    assert torch.equal(other.occupied, density >= 0.5)
    with pytest.raises(ValueError, match=r"got \(2, 3, 5\) for a grid of \(2, 3, 4\)"):
        grid.with_occupancy(torch.zeros(2, 3, 5))


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((torch.zeros(2, 2, 2, dtype=torch.int64),), TypeError, "bool or float tensor, got torch.int64"),
        (([[[True]]],), TypeError, "got list"),
        ((torch.zeros(2, 2),), ValueError, r"but is \(2, 2\)"),
        ((torch.zeros(2, 0, 2),), ValueError, "not empty"),
        ((torch.zeros(2, 2, 2), (0.0, 0.0)), ValueError, r"`origin` must be \(3,\)"),
        ((torch.zeros(2, 2, 2), (0.0, 0.0, float("nan"))), ValueError, "`origin` is not finite"),
        ((torch.zeros(2, 2, 2), (0.0, 0.0, 0.0), 0.0), ValueError, "`cell` must be greater than 0"),
        ((torch.zeros(3, 2, 2, 2), (0.0, 0.0, 0.0), [1.0, 2.0]), ValueError, r"`cell` must be \(\) or \(3,\)"),
    ],
)
def test_what_is_no_grid(arguments, kind, message) -> None:
    """Breaks if a grid is made that later steps choke on."""
    with pytest.raises(kind, match=message):
        VoxelGrid(*arguments)


def test_single_grids_are_no_batches() -> None:
    """Breaks if indexing a single grid gives a slice that looks like a grid."""
    grid = VoxelGrid(noise(2, 3, 4))
    with pytest.raises(TypeError, match="single grid"):
        grid[0]
    with pytest.raises(TypeError, match="no length"):
        len(grid)


# ---- resize ----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 4), st.tuples(*[st.integers(1, 4)] * 3), st.booleans())
def test_up_and_down_again(seed: int, factor: int, shape: tuple[int, int, int], batched: bool) -> None:
    """Breaks if blocks are shifted by a cell, or the box changes."""
    occupancy = noise(*([2] if batched else []), *shape, seed=seed)
    grid = VoxelGrid(occupancy, (1.0, 2.0, 3.0), 0.3)
    large = resize(grid, max(shape) * factor)
    expected = occupancy
    for axis in (-3, -2, -1):
        expected = expected.repeat_interleave(factor, axis)
    assert large.occupancy.dtype == torch.bool and torch.equal(large.occupancy, expected)
    assert torch.equal(large.origin, grid.origin) and torch.allclose(large.cell * factor, grid.cell)
    for mode in ("max", "mean"):
        assert torch.equal(resize(large, max(shape), mode=mode).occupied, occupancy)


def test_fewer_cells() -> None:
    """Breaks if "max" loses a thin part, or "mean" is no average."""
    fine = noise(6, 4, 8)
    blocks = fine.view(3, 2, 2, 2, 4, 2).movedim((1, 3, 5), (-3, -2, -1)).flatten(3)
    largest, mean = (resize(VoxelGrid(fine), 4, mode=mode).occupancy for mode in ("max", "mean"))
    assert largest.dtype == torch.bool and torch.equal(largest, blocks.any(-1))
    torch.testing.assert_close(mean, blocks.float().mean(-1))
    odd = resize(VoxelGrid(torch.ones(7, 7, 7)), 3, mode="mean").occupancy
    assert odd.shape == (3, 3, 3) and (odd == 1).all()
    density = torch.rand(4, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda d: resize(VoxelGrid(d), 2, mode="mean").occupancy, density)


def test_cells_stay_cubes() -> None:
    """Breaks if a side is rounded to another number of cells, which would stretch the shape."""
    with pytest.raises(ValueError, match=r"\(4, 3, 4\) cells cannot become 2"):
        resize(VoxelGrid(noise(4, 3, 4)), 2)
    with pytest.raises(ValueError, match="cannot become 0"):
        resize(VoxelGrid(noise(4, 4, 4)), 0)
    with pytest.raises(ValueError, match='`mode` must be "max" or "mean"'):
        resize(VoxelGrid(noise(4, 4, 4)), 2, mode="min")  # type: ignore[arg-type]


# ---- IoU -------------------------------------------------------------------------------------------------------------


def test_iou_by_hand() -> None:
    """Breaks if intersection, union, threshold or batches are wrong."""
    a, b = torch.zeros(2, 2, 2, 2), torch.zeros(2, 2, 2, 2)
    a[0, 0], b[0, :, 0] = 0.5, 1.0  # four cells each, two in common
    a[1] = 0.4
    assert voxel_iou(a, b).tolist() == [2 / 6, 1.0]  # the second pair is empty
    assert voxel_iou(a, b, threshold=0.3).tolist() == [2 / 6, 0.0]
    assert voxel_iou(a[0], b).tolist() == [2 / 6, 0.0]
    assert voxel_iou(a[0] > 0, b[0] > 0).item() == 2 / 6
    assert voxel_iou(VoxelGrid(a), b > 0).dtype == torch.float64


def test_iou_of_what_cannot_be_compared() -> None:
    """Breaks if grids of other shapes or places are compared cell by cell."""
    with pytest.raises(ValueError, match=r"\(2, 2, 2\) and \(3, 3, 3\) cells"):
        voxel_iou(noise(2, 2, 2), noise(3, 3, 3))
    with pytest.raises(ValueError, match="cannot be compared"):
        voxel_iou(noise(2, 2, 2, 2), noise(3, 2, 2, 2))
    with pytest.raises(ValueError, match="give grids, or tensors"):
        voxel_iou(noise(2, 2), noise(2, 2))
    here = VoxelGrid(noise(2, 2, 2))
    for there in (VoxelGrid(here.occupancy, (1.0, 0.0, 0.0)), VoxelGrid(here.occupancy, cell=2.0)):
        with pytest.raises(ValueError, match="different places"):
            voxel_iou(here, there)
    assert voxel_iou(here, VoxelGrid(here.occupancy, (1e-9, 0.0, 0.0))) == 1
