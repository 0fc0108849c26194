"""From meshes to grids and back."""

import math
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from repousse.geometry import Mesh, cube, icosphere, pack, plane, teapot, torus
from repousse.voxels import VoxelGrid, marching_cubes, to_cubes, voxel_iou, voxelize


def volume(mesh: Mesh) -> float:
    """Enclosed volume; positive if faces are counter-clockwise from outside."""
    a, b, c = mesh.positions[mesh.faces.long()].double().unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < 0.3


def test_the_default_cube() -> None:
    """Breaks if the longest side does not span the grid, or the shorter ones are not in its middle."""
    grid = voxelize(cube(2.0).with_positions(cube(2.0).positions * torch.tensor([2.0, 1.0, 1.0]) + 3), 8)
    assert grid.shape == (8, 8, 8) and grid.origin.tolist() == [1, 1, 1] and grid.cell == 0.5
    expected = torch.zeros(8, 8, 8, dtype=torch.bool)
    expected[:, 2:6, 2:6] = True
    assert torch.equal(grid.occupancy, expected)
    padded = voxelize(cube(), 8, padding=2)
    assert padded.occupancy.sum() == 4**3 and padded.occupancy[2:6, 2:6, 2:6].all()


def test_bounds() -> None:
    """Breaks if the box is shifted, turned, or loses its last cells."""
    grid = voxelize(cube(2.0), 10, bounds=((-1.0, 0.0, -2.0), (1.0, 0.5, 3.0)))
    assert grid.shape == (4, 1, 10) and grid.cell == 0.5
    assert torch.equal(grid.occupancy, (grid.centres.abs() < 1).all(-1))
    assert grid.occupancy.sum() == 4 * 1 * 4


def test_poses_and_packs() -> None:
    """Breaks if each mesh does not get its own cube."""
    small, large = icosphere(1), torus()
    grids = voxelize(pack([small, large]), 16)
    poses = voxelize(small.with_positions(torch.stack([small.positions, small.positions * 3 + 5])), 16)
    assert len(grids) == len(poses) == 2
    for index, mesh in enumerate((small, large)):
        alone = voxelize(mesh, 16)
        assert torch.equal(alone.occupancy, grids[index].occupancy)
        assert torch.equal(alone.origin, grids[index].origin) and alone.cell == grids[index].cell
    assert torch.equal(poses.occupancy[0], poses.occupancy[1])
    assert torch.allclose(poses[1].origin, poses[0].origin * 3 + 5)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
def test_huge_and_tiny_meshes(scale: float) -> None:
    """Breaks if the size of a mesh matters."""
    mesh = teapot()
    found = voxelize(mesh.with_positions(mesh.positions.double() * scale), 24)
    assert voxel_iou(found.occupancy, voxelize(mesh, 24).occupancy) > 0.999
    assert float(found.cell) == pytest.approx(float(voxelize(mesh, 24).cell) * scale)


def test_positions_may_require_gradients() -> None:
    """Breaks if a mesh in the middle of an optimisation is refused or the grid pretends to be differentiable."""
    mesh = icosphere(2)
    grid = voxelize(mesh.with_positions(mesh.positions.clone().requires_grad_()), 8)
    assert not grid.occupancy.requires_grad and not grid.origin.requires_grad


def test_empty_results_are_warned_of() -> None:
    """Breaks if a user gets an empty grid without a hint."""
    with pytest.warns(UserWarning, match='the grid is empty: the surface bounds no volume.*Try fill="carve"'):
        grid = voxelize(plane(), 8)
    assert not grid.occupancy.any()
    assert voxelize(plane(), 8, fill="carve").occupancy.any()
    with pytest.warns(UserWarning, match="empty: the surface lies outside of the grid"):
        assert not voxelize(cube(), 8, fill="none", bounds=((5.0, 5.0, 5.0), (6.0, 6.0, 6.0))).occupancy.any()


def test_broken_vertices() -> None:
    """Breaks if a vertex that is not finite spoils the bounds or the other faces."""
    mesh = icosphere(2)
    positions = mesh.positions.clone()
    positions[7] = torch.nan
    with pytest.warns(UserWarning, match="faces are not finite"):
        grid = voxelize(mesh.with_positions(positions), 16)
    assert voxel_iou(grid.occupancy, voxelize(mesh, 16).occupancy) > 0.9
    with pytest.raises(ValueError, match="no vertex that is finite"):
        voxelize(mesh.with_positions(positions * torch.nan), 16)
    point = voxelize(mesh.with_positions(mesh.positions * 0 + 3), 4, fill="none")
    assert point.occupancy.sum() == 8 and (point.centres[point.occupancy] - 3).abs().max() < 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": 0}, "`resolution` must be 1 to 4096"),
        ({"resolution": 8, "padding": 4}, "`padding` less than half"),
        ({"resolution": 8, "padding": -1}, "`padding` less than half"),
        ({"padding": 1, "bounds": ((0, 0, 0), (1, 1, 1))}, "give `bounds` or `padding`"),
        ({"bounds": ((0.0, 0.0, 0.0), (1.0, 0.0, 1.0))}, "low < high"),
        ({"bounds": ((0.0, 0.0), (1.0, 1.0))}, "three numbers each"),
        ({"fill": "full"}, "`fill` must be"),
    ],
)
def test_what_is_refused(arguments, message) -> None:
    """Breaks if an argument that makes no grid gives one."""
    with pytest.raises(ValueError, match=message):
        voxelize(cube(), **arguments)


# ---- back to meshes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 5, 6)])
def test_cubes_of_noise(shape: tuple[int, int, int]) -> None:
    """Breaks if a side is missing, inside, doubled or turned: the mesh then has another volume or a boundary."""
    grid = VoxelGrid(noise(*shape) | (torch.tensor(shape).prod() == 1), (1.0, -2.0, 3.0), 0.5)
    mesh = to_cubes(grid)
    assert mesh.topology.is_closed
    assert volume(mesh) == pytest.approx(float(grid.volume), rel=1e-5)
    again = voxelize(mesh, max(shape), bounds=(grid.origin, grid.origin + grid.cell * torch.tensor(shape)))
    assert torch.equal(again.occupancy, grid.occupancy)


def test_cubes_of_a_block() -> None:
    """Breaks if sides between full cells are kept, or vertices not shared."""
    mesh = to_cubes(VoxelGrid(torch.ones(2, 3, 4), (0.0, 0.0, 0.0), 2.0))
    assert len(mesh.faces) == 2 * 2 * (2 * 3 + 3 * 4 + 4 * 2)
    assert len(mesh.positions) == 3 * 4 * 5 - 1 * 2 * 3
    assert mesh.positions.amin(0).tolist() == [0, 0, 0] and mesh.positions.amax(0).tolist() == [4, 6, 8]


@pytest.mark.parametrize("make", [lambda: icosphere(3), torus, teapot], ids=["sphere", "torus", "teapot"])
def test_marching_cubes_there_and_back(make) -> None:
    """Breaks if the surface is open, inside out, shifted by half a cell or scaled."""
    grid = voxelize(make(), 40)
    mesh = marching_cubes(grid)
    assert mesh.topology.is_closed and bool(mesh.topology.consistent.all())
    assert volume(mesh) == pytest.approx(float(grid.volume), rel=0.02)
    again = voxelize(mesh, 40, bounds=(grid.origin, grid.origin + 40 * grid.cell))
    assert voxel_iou(again, grid) == 1


def test_marching_cubes_of_a_smooth_ball() -> None:
    """Breaks if float occupancy is rounded before, or axes of unequal length are exchanged."""
    grid = VoxelGrid(torch.zeros(20, 24, 28), (-1.0, -1.2, -1.4), 0.1)
    radius = grid.centres.norm(dim=-1)
    smooth = marching_cubes(grid.with_occupancy((0.5 + (0.7 - radius) / 0.2).clamp(0, 1)))
    assert (smooth.positions.norm(dim=-1) - 0.7).abs().max() < 0.01
    assert volume(smooth) == pytest.approx(4 / 3 * math.pi * 0.7**3, rel=0.02)
    larger = marching_cubes(grid.with_occupancy((0.5 + (0.7 - radius) / 0.2).clamp(0, 1)), level=0.25)
    assert larger.positions.norm(dim=-1).mean() == pytest.approx(0.75, abs=0.01)


def test_a_full_grid_is_closed_at_its_border() -> None:
    """Breaks if the surface ends where the grid does."""
    mesh = marching_cubes(VoxelGrid(torch.ones(3, 3, 3)))
    assert mesh.topology.is_closed and volume(mesh) > 20


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31))
def test_marching_cubes_of_noise_is_watertight(seed: int) -> None:
    """Breaks if ambiguous cells leave holes or the surface is turned in places."""
    grid = VoxelGrid(noise(5, 5, 5, seed=seed))
    mesh = marching_cubes(grid)
    assert mesh.topology.is_closed and volume(mesh) > 0


def test_what_has_no_surface(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if an empty grid, a batch or a missing package ends in another library's error."""
    empty = VoxelGrid(torch.zeros(2, 2, 2))
    for convert, message in ((marching_cubes, "no cell is fuller than 0.5"), (to_cubes, "no cell is occupied")):
        with pytest.raises(ValueError, match=message):
            convert(empty)
        with pytest.raises(ValueError, match="batch of 2 grids"):
            convert(VoxelGrid(torch.ones(2, 2, 2, 2)))
    with pytest.raises(ValueError, match="`level` must lie between 0 and 1"):
        marching_cubes(VoxelGrid(torch.ones(2, 2, 2)), level=1.0)
    with pytest.raises(ValueError, match="not finite"):
        marching_cubes(VoxelGrid(torch.full((2, 2, 2), torch.nan)))
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"pip install 'repousse\[voxels\]'"):
        marching_cubes(VoxelGrid(torch.ones(2, 2, 2)))
