"""The teapot: classic shape, welded, outward."""

import gzip

import pytest
import torch
import trimesh

from repousse.geometry import teapot


def sheets(mesh):
    """The connected parts."""
    whole = trimesh.Trimesh(mesh.positions.double().numpy(), mesh.faces.numpy(), process=False)
    return whole.split(only_watertight=False, repair=False)


def test_classic_size():
    """Breaks if a control point at an extreme of the shape is wrong."""
    positions = teapot(32).positions
    assert positions.amin(0).tolist() == pytest.approx([-3.0, 0.0, -2.0], abs=1e-6)
    assert positions.amax(0).tolist() == pytest.approx([3.434, 3.15, 2.0], abs=1e-3)


@pytest.mark.parametrize("resolution", [2, 3, 8, 11])
def test_four_sheets_welded_along_patches(resolution):
    """Breaks if patches do not meet exactly, poles keep collapsed faces, or sheets are welded together."""
    mesh = teapot(resolution)
    connections = mesh.topology
    assert len(connections.extra) == 0 and bool(connections.consistent.all())
    assert len(mesh.positions) - len(connections.edges) + len(mesh.faces) == 2  # two discs, two tubes
    # Rim and lid have four sides of a patch as their border; each end of handle and spout has two.
    assert int(connections.boundary.sum()) == resolution * (4 + 4 + 2 * 2 + 2 * 2)
    assert sorted(sheet.euler_number for sheet in sheets(mesh)) == [0, 0, 1, 1]
    assert len(mesh.faces) == 64 * resolution**2 - 8 * resolution


def test_outward():
    """Breaks if a sheet is inside out, or a control point moves."""
    volumes = []
    for sheet in sheets(teapot(16)):
        # All openings contain the z-direction, so the flux of (0, 0, z) through a sheet is its volume.
        flux = sheet.area_faces * sheet.face_normals[:, 2] * sheet.triangles_center[:, 2]
        volumes.append(float(flux.sum()))
    # handle, spout, lid, body
    assert sorted(volumes) == pytest.approx([0.260909, 0.650307, 0.846789, 24.35137], rel=1e-5)


def test_texture_seams():
    """Breaks if a patch gets a cell that does not continue its neighbour's."""
    n = 6
    mesh = teapot(n)
    uv, topology = mesh.attributes["uv"], mesh.topology
    at_pole = (mesh.positions[topology.edges][..., [0, 2]].abs().sum(-1) == 0).any(dim=1)
    edges = (~topology.boundary & ~at_pole).nonzero()[:, 0]
    seam = torch.zeros(len(edges), dtype=torch.bool)
    for end in range(2):
        vertex = topology.edges[edges, end, None, None]
        faces = topology.edge_faces[edges]
        corner = (mesh.faces[faces] == vertex).int().argmax(dim=2)
        both = uv.values[uv.faces[faces].gather(2, corner[..., None])[..., 0]]
        seam |= (both[:, 0] - both[:, 1]).abs().amax(1) > 1e-6
    # Down the back of body and lid (without the edges at their poles), along the halves of handle and spout.
    assert int(seam.sum()) == n * (4 + 2) - 2 + 2 * (2 * 2 * n)


def test_symmetry():
    """Breaks if a mirrored or turned patch is not where its twin is."""
    positions = teapot(6).positions
    mirrored = positions * torch.tensor([1.0, 1.0, -1.0])
    assert torch.cdist(positions.double(), mirrored.double()).amin(1).max() < 1e-6


def test_same_surface_at_any_resolution():
    """Breaks if patches are evaluated at wrong places: a coarse teapot's vertices are a fine one's, too."""
    coarse, fine = teapot(3).positions.double(), teapot(6).positions.double()
    assert torch.cdist(coarse, fine).amin(1).max() < 1e-6


def test_largest_resolution_is_exact():
    """Breaks if whole-number evaluation overflows before the resolution that is allowed."""
    mesh = teapot(128)
    assert mesh.positions.amax(0).tolist() == pytest.approx([3.434, 3.15, 2.0], abs=1e-3)
    assert len(mesh.topology.extra) == 0
    assert int(mesh.topology.boundary.sum()) == 128 * 16


def test_vertices_of_another_teapot(shared_data):
    """Breaks if a control point differs from the published ones: the other teapot has this resolution."""
    with gzip.open(shared_data / "meshes" / "teapot.obj.gz") as file:
        other = torch.tensor(trimesh.load_mesh(file, file_type="obj", process=False).vertices)
    distance = torch.cdist(teapot(6).positions.double(), other * (3.15 / other[:, 1].max())).amin(1)
    # It was made watertight: what sticks in the body is missing.
    assert (distance < 1e-4).double().mean() > 0.94
