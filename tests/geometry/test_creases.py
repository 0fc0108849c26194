"""with_creased_normals: where edges are kept sharp."""

import math

import pytest
import torch

from repousse.geometry import Mesh, cube, face_normals, icosphere, pack, vertex_normals, with_creased_normals


def at_corners(mesh: Mesh) -> torch.Tensor:
    normal = mesh.attributes["normal"]
    return normal.values[normal.faces.long()]


def test_a_cube_keeps_its_edges() -> None:
    """Breaks if right angles are smoothed over, or the two triangles of a side are told apart."""
    mesh = with_creased_normals(cube())
    flat = face_normals(mesh.positions, mesh.faces)
    torch.testing.assert_close(at_corners(mesh), flat[:, None].expand(-1, 3, -1))
    assert len(mesh.attributes["normal"].values) == 24


def test_a_fine_sphere_is_smooth() -> None:
    """Breaks if smoothing stops short of all faces around a vertex."""
    mesh = with_creased_normals(icosphere(3))
    expected = vertex_normals(mesh.positions, mesh.faces)[mesh.faces.long()]
    torch.testing.assert_close(at_corners(mesh), expected)


@pytest.mark.parametrize("angle", [0.0, math.pi])
def test_extreme_angles(angle: float) -> None:
    """Breaks if the angle is measured between edges instead of normals, or in degrees."""
    mesh = with_creased_normals(icosphere(1), angle)
    expected = face_normals(mesh.positions, mesh.faces)[:, None].expand(-1, 3, -1)
    if angle:
        expected = vertex_normals(mesh.positions, mesh.faces)[mesh.faces.long()]
    torch.testing.assert_close(at_corners(mesh), expected)


def test_two_sheets_at_a_vertex_stay_apart() -> None:
    """Breaks if faces that share only a vertex are mixed: a normal of two surfaces at once."""
    positions = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, 0, 1]])
    mesh = with_creased_normals(Mesh(positions, torch.tensor([[0, 1, 2], [0, 3, 4]])), math.pi)
    assert len(mesh.attributes["normal"].values) == 6


def test_gradient_and_refusals() -> None:
    """Breaks if normals do not follow the positions, or several meshes are mixed."""
    positions = icosphere(1).positions.double().requires_grad_()
    faces = icosphere(1).faces

    def normals(moved: torch.Tensor) -> torch.Tensor:
        return with_creased_normals(Mesh(moved, faces)).attributes["normal"].values

    assert torch.autograd.gradcheck(normals, (positions,), fast_mode=True)
    with pytest.raises(ValueError, match="one by one"):
        with_creased_normals(pack([cube(), cube()]))
