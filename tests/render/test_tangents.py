"""Tangents are those of the surface, however the file counts its uv."""

import pytest
import torch

from repousse.geometry import Attribute, Mesh, cube, icosphere
from repousse.render.tangents import tangents


def at_corners(mesh):
    values, faces = tangents(mesh)
    return values[..., faces, :]


def with_rows(mesh, kind):
    """The same uv, in other rows."""
    uv = mesh.attributes["uv"]
    corners = uv.values[uv.faces.long()].flatten(0, 1)
    if kind == "merged":
        rows, faces = torch.unique(corners, dim=0, return_inverse=True)
    elif kind == "apart":
        rows, faces = corners, torch.arange(len(corners))
    else:
        order = torch.randperm(len(uv.values), generator=torch.Generator().manual_seed(0))
        rows, faces = uv.values[order], order.argsort()[uv.faces.long()]
    return Mesh(mesh.positions, mesh.faces, {"uv": Attribute(rows, faces.reshape(-1, 3))})


@pytest.mark.parametrize("kind", ["merged", "apart", "shuffled"])
@pytest.mark.parametrize("mesh", [icosphere(2), cube(resolution=3)], ids=["sphere", "cube"])
def test_rows_of_uv_mean_nothing(mesh, kind):
    """Breaks if surfaces that share a row of uv mix their tangents, or equal uv in two rows part them."""
    assert torch.equal(at_corners(with_rows(mesh, kind)), at_corners(mesh))


def test_poses():
    """Breaks if poses, or uv of their own for each pose, do not get the tangents that each would get alone."""
    mesh = icosphere(1)
    uv = mesh.attributes["uv"]
    positions = torch.stack((mesh.positions, mesh.positions[:, [1, 2, 0]]))
    several = mesh.with_positions(positions)
    expected = torch.stack([at_corners(mesh.with_positions(one)) for one in positions])
    assert torch.equal(at_corners(several), expected)
    own = Mesh(positions, mesh.faces, {"uv": Attribute(torch.stack((uv.values, uv.values)), uv.faces)})
    assert torch.equal(at_corners(own), expected)
