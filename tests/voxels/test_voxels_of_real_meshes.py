"""Solids of the real meshes against two independent judges of what is inside."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from repousse.geometry import Mesh
from repousse.io import load
from repousse.voxels import VoxelGrid, voxel_iou, voxelize

CLOSED = (
    *("teapot", "tetrahedron", "bunny_manifold", "spot", "cow", "fandisk", "armadillo", "penguin", "blub_fish"),
    *("sphere_642", "sphere_1352", "fuze", "pizza"),
)
OPEN = ("bunny_nmr", "suzanne")


def winding_number(mesh: Mesh, points: Tensor) -> Tensor:
    """Generalised winding number of points (N, 3): solid angles of all faces over 4 pi (Jacobson et al. 2013)."""
    corners = mesh.positions.double()[mesh.faces.long()]
    found = []
    for part in points.split(max(1, 20_000 // len(corners))):  # small enough for the cache
        a, b, c = (corners[:, k] - part[:, None] for k in range(3))
        la, lb, lc = (side.norm(dim=-1) for side in (a, b, c))
        volume = (a * torch.linalg.cross(b, c)).sum(-1)
        rest = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
        found.append(torch.atan2(volume, rest).sum(1) / (2 * torch.pi))
    return torch.cat(found)


def mesh_file(shared_data: Path, name: str) -> Mesh:
    mesh = load(shared_data / "meshes" / f"{name}.obj.gz")
    return Mesh(mesh.positions, mesh.faces)


@pytest.mark.filterwarnings("ignore:load")
@pytest.mark.parametrize("name", CLOSED)
def test_closed_meshes_against_trimesh(shared_data: Path, name: str) -> None:
    """Breaks if a ray through an edge or a corner of a real mesh is miscounted, or the grid is shifted."""
    pytest.importorskip("embreex", reason="trimesh needs it to cast rays")
    mesh = mesh_file(shared_data, name)
    grid = voxelize(mesh, 32)
    judge = trimesh.Trimesh(mesh.positions.numpy(), mesh.faces.numpy(), process=False)
    inside = judge.contains(grid.centres.view(-1, 3).numpy()).reshape(grid.shape)
    assert inside.any()
    assert voxel_iou(grid, torch.from_numpy(inside)) >= 0.99


@pytest.mark.filterwarnings("ignore:load")
@pytest.mark.parametrize("name", OPEN)
def test_open_meshes_against_winding_numbers(shared_data: Path, name: str) -> None:
    """Breaks if holes and overlapping parts are not judged as the winding number does."""
    mesh = mesh_file(shared_data, name)
    assert not mesh.topology.is_closed
    grid = voxelize(mesh, 18)
    inside = winding_number(mesh, grid.centres.view(-1, 3)).view(grid.shape) >= 0.5
    assert voxel_iou(grid, inside) >= 0.99


@pytest.mark.parametrize("category", ["table", "airplane", "car"])
def test_carving_gives_the_stored_voxels_of_soups(shared_data: Path, category: str) -> None:
    """Breaks if carving, or the index order of grids, is not that of the data set (sides on borders differ)."""
    with np.load(shared_data / "shapes" / f"meshes_{category}.npz") as file:
        data = {key: file[key] for key in ("verts_q", "faces", "vert_start", "face_start", "vox64")}
    found = []
    for i in range(0, 40, 4):
        vertices = data["verts_q"][slice(*data["vert_start"][i : i + 2])].astype(np.float64) / 65535 - 0.5
        faces = data["faces"][slice(*data["face_start"][i : i + 2])].astype(np.int64)
        mesh = Mesh(torch.from_numpy(vertices), torch.from_numpy(faces))
        grid = voxelize(mesh, 64, fill="carve", bounds=((-0.5,) * 3, (0.5,) * 3))
        stored = np.unpackbits(data["vox64"][i]).reshape(64, 64, 64).astype(bool)
        found.append(voxel_iou(grid, VoxelGrid(torch.from_numpy(stored), grid.origin, grid.cell)))
    assert torch.stack(found).median() > 0.96
