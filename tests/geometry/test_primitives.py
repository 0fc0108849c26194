"""Primitives: closed, outward, in the right place, with textures that fit."""

import math

import pytest
import torch

from repousse.geometry import cube, face_normals, icosphere, plane, teapot, torus

CLOSED = {
    "icosphere 0": (icosphere(0), 2, 2.536151),
    "icosphere 4": (icosphere(4), 2, 4 / 3 * math.pi * 0.997),
    "cube": (cube(), 2, 8.0),
    "cube 5": (cube(size=1.0, resolution=5), 2, 1.0),
    "torus": (torus(resolution=(96, 64)), 0, 2 * math.pi**2 * 0.7 * 0.3**2 * 0.997),
    "torus 3": (torus(resolution=(3, 3)), 0, None),
}
ALL = {name: mesh for name, (mesh, _, _) in CLOSED.items()}
ALL |= {"plane": plane(), "plane 3": plane(3.0, 3), "teapot": teapot(), "teapot 2": teapot(2)}


def volume(mesh):
    a, b, c = mesh.positions.double()[mesh.faces].unbind(1)
    return float((torch.linalg.cross(a, b) * c).sum() / 6)


def signed_areas(corners):
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]) / 2


@pytest.mark.parametrize("name", CLOSED)
def test_closed_and_outward(name):
    """Breaks if positions are not welded, faces are missing or double, or a face is inside out."""
    mesh, euler, expected = CLOSED[name]
    connections = mesh.topology
    assert connections.is_closed and len(connections.extra) == 0 and bool(connections.consistent.all())
    assert len(mesh.positions) - len(connections.edges) + len(mesh.faces) == euler
    assert len(mesh.faces.unique()) == len(mesh.positions)
    assert volume(mesh) > 0
    if expected:
        assert volume(mesh) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("name", ALL)
def test_form_of_the_data(name):
    """Breaks if a primitive is not float32 with int32 faces, or has faces without area."""
    mesh = ALL[name]
    assert mesh.positions.dtype == torch.float32 and mesh.faces.dtype == torch.int32
    assert face_normals(mesh.positions, mesh.faces).norm(dim=1).min() > 0.99


@pytest.mark.parametrize("name", ALL)
def test_texture_is_upright_and_one_to_one(name):
    """Breaks if a part of the texture is mirrored, folded or used twice."""
    uv = ALL[name].attributes["uv"]
    corners = uv.values.double()[uv.faces]
    assert signed_areas(corners).min() > 0
    assert len(uv.faces.unique()) <= len(uv.values)
    # Centres of faces lie in no other face. (The sphere's seam repeats: bring it back into the square.)
    centres = corners.mean(1)
    if len(corners) <= 2000:
        inside = torch.ones(len(centres), len(corners), dtype=torch.bool)
        for k in range(3):
            a, b = corners[:, k], corners[:, (k + 1) % 3]
            d = centres[:, None] - a
            inside &= (b - a)[:, 0] * d[..., 1] - (b - a)[:, 1] * d[..., 0] > 0
        assert torch.equal(inside, torch.eye(len(corners), dtype=torch.bool))
    # The sphere's last faces reach beyond 1, and no face is wider than a few cells.
    assert uv.values.min() >= 0 and uv.values[:, 1].max() <= 1
    assert uv.values[:, 0].max() <= (1.5 if "sphere" in name else 1)


def test_defaults_fit_the_unit_box():
    """Breaks if a default size changes: cameras and examples expect [-1, 1]."""
    for mesh in (plane(), cube(), torus(), icosphere()):
        assert float(mesh.positions.abs().max()) == pytest.approx(1.0)


def test_sphere_and_its_longitude():
    """Breaks if a vertex leaves the sphere, or the texture is not where the docstring says."""
    mesh = icosphere(4, radius=2.0)
    assert torch.allclose(mesh.positions.norm(dim=1), torch.tensor(2.0))
    assert len(mesh.positions) == 10 * 4**4 + 2 and len(mesh.faces) == 20 * 4**4
    uv = mesh.attributes["uv"]
    at_corner = uv.values[uv.faces].flatten(0, 1)
    x, y, z = (mesh.positions[mesh.faces].flatten(0, 1) / 2).unbind(1)
    lon, lat = (at_corner[:, 0] - 0.5) * 2 * math.pi, (at_corner[:, 1] - 0.5) * math.pi
    assert torch.allclose(lat.cos() * lon.sin(), x, atol=1e-5)
    assert torch.allclose(lat.sin(), y, atol=1e-3)  # asin is steep at the poles
    assert torch.allclose(lat.cos() * lon.cos(), z, atol=1e-5)


def test_plane_faces_up():
    """Breaks if the plane is upright, faces down or its texture lies on its side."""
    mesh = plane(4.0, 2)
    assert torch.equal(face_normals(mesh.positions, mesh.faces), torch.tensor([[0.0, 1, 0]]).expand(8, 3))
    uv = mesh.attributes["uv"]
    assert torch.allclose(mesh.positions[mesh.faces][..., 0], 4 * uv.values[uv.faces][..., 0] - 2)
    assert torch.allclose(mesh.positions[mesh.faces][..., 2], 2 - 4 * uv.values[uv.faces][..., 1])


def test_cube_sides_have_a_cell_each():
    """Breaks if a side of the cube moves to another cell of the texture, or is turned there."""
    mesh = cube(resolution=2)
    uv = mesh.attributes["uv"]
    cell = (uv.values[uv.faces].mean(1) * torch.tensor([3, 2])).floor().long()
    side = cell[:, 0] + 3 * cell[:, 1]
    expected = torch.cat([torch.eye(3), -torch.eye(3)])[side]
    assert torch.allclose(face_normals(mesh.positions, mesh.faces), expected)
    upright = side % 3 != 1
    height = 4 * uv.values[uv.faces][upright, :, 1] - 1 - 2 * cell[upright, 1:]
    assert torch.allclose(mesh.positions[mesh.faces][upright, :, 1], height, atol=1e-6)


def test_torus_and_its_texture():
    """Breaks if ring and tube are confused, or the texture starts elsewhere."""
    mesh = torus(2.0, 0.5)
    uv = mesh.attributes["uv"]
    angle, tube = (2 * math.pi * (uv.values[uv.faces] - 0.5)).unbind(-1)
    distance = 2 + 0.5 * tube.cos()
    expected = torch.stack([distance * angle.sin(), 0.5 * tube.sin(), distance * angle.cos()], dim=-1)
    assert torch.allclose(mesh.positions[mesh.faces], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: icosphere(-1), "icosphere: `subdivisions` must be a whole number from 0 to 12 but is -1"),
        (lambda: icosphere(1.5), "icosphere: `subdivisions` must be a whole number"),  # type: ignore
        (lambda: icosphere(radius=0.0), "icosphere: `radius` must be positive and finite but is 0"),
        (lambda: cube(size=math.inf), "cube: `size` must be positive and finite but is inf"),
        (lambda: cube(resolution=0), "cube: `resolution` must be a whole number from 1"),
        (lambda: plane(size=-1.0), "plane: `size` must be positive"),
        (lambda: torus(resolution=(2, 8)), "torus: `resolution` must be a whole number from 3"),
        (lambda: teapot(1), "teapot: `resolution` must be a whole number from 2 to 128 but is 1"),
    ],
)
def test_bad_sizes(make, text):
    """Breaks if a nonsensical size makes a broken mesh instead of a message."""
    with pytest.raises(ValueError, match=text):
        make()
