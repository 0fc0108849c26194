"""Ambient occlusion against brute force and Mitsuba, and what is kept between pictures."""

import sys

import pytest
import torch
from torch import Tensor

from repousse import render
from repousse.camera import Camera
from repousse.geometry import Mesh, cube, icosphere, join, torus, vertex_normals
from repousse.shading import AmbientOcclusion, ambient_occlusion

pytest.importorskip("embreex", reason="needs embreex, which casts the rays")
SIZE = (24, 32)


def brute_force(mesh: Mesh, count: int) -> Tensor:
    """Open share at each vertex by `count` random rays against every face, float64 (Möller and Trumbore 1997)."""
    random = torch.Generator().manual_seed(0)
    positions = mesh.positions.double()
    normals = vertex_normals(positions, mesh.faces)
    # A unit normal and a random unit vector add up to a direction with the density of the cosine.
    spread = torch.randn(len(normals), count, 3, generator=random, dtype=torch.float64)
    direction = torch.nn.functional.normalize(spread, dim=-1) + normals[:, None]
    origin = (positions + 1e-4 * normals)[:, None, None]
    a, b, c = (positions[index] for index in mesh.faces.long().unbind(1))
    along, across = b - a, c - a
    p = torch.linalg.cross(direction[:, :, None], across.expand(1, 1, -1, 3))
    inverse = 1 / (along * p).sum(-1)
    s = origin - a
    u = (s * p).sum(-1) * inverse
    q = torch.linalg.cross(s, along.expand_as(s))
    v = (direction[:, :, None] * q).sum(-1) * inverse
    t = (across * q).sum(-1) * inverse
    return 1 - ((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)).any(-1).double().mean(1)


def cups() -> Mesh:
    return join([torus(resolution=(12, 8)), icosphere(1, radius=0.35)])


def test_agrees_with_brute_force():
    """Breaks if rays are not spread by the cosine, start below the surface, or miss faces."""
    found = ambient_occlusion(cups(), rays=256)
    expected = brute_force(cups(), 256).float()
    assert expected.min() < 0.8
    assert (found - expected).abs().mean() < 0.02


def test_agrees_with_mitsuba():
    """Breaks if the result depends on how Embree is used: Mitsuba casts other rays at the same mesh by itself."""
    mi = pytest.importorskip("mitsuba")
    mi.set_variant("scalar_rgb")
    mesh = cups()
    ball = mi.Mesh("mesh", len(mesh.positions), len(mesh.faces))
    parameters = mi.traverse(ball)
    parameters["vertex_positions"] = mesh.positions.flatten().tolist()
    parameters["faces"] = mesh.faces.flatten().tolist()
    parameters.update()
    scene = mi.load_dict({"type": "scene", "mesh": ball})
    random, count = torch.Generator().manual_seed(1), 200
    normals = vertex_normals(mesh.positions, mesh.faces)
    vertices = torch.arange(0, len(normals), 4)
    expected = []
    for vertex in vertices:
        spread = torch.nn.functional.normalize(torch.randn(count, 3, generator=random), dim=-1) + normals[vertex]
        start = (mesh.positions[vertex] + 1e-4 * normals[vertex]).tolist()
        directions = torch.nn.functional.normalize(spread, dim=-1).tolist()
        hits = sum(scene.ray_test(mi.Ray3f(start, direction)) for direction in directions)
        expected.append(1 - hits / count)
    found = ambient_occlusion(mesh, rays=256)[vertices]
    assert (found - torch.tensor(expected)).abs().mean() < 0.02


def test_a_moved_mesh_is_traced_anew():
    """Breaks if what rays hit is kept while the mesh changes."""
    shader, camera = AmbientOcclusion(16), Camera.orbit(3.0, 0.6)
    positions = cups().positions.clone()
    mesh = cups().with_positions(positions)
    before = render(mesh, camera, SIZE, shader=shader, gradient=None).color
    with torch.no_grad():
        positions[96:] += 50.0  # the ball in the middle
    after = render(mesh, camera, SIZE, shader=shader, gradient=None).color
    assert after.sum() != before.sum()
    fresh = render(mesh, camera, SIZE, shader=AmbientOcclusion(16), gradient=None).color
    assert torch.equal(after, fresh)


def test_says_what_to_install(monkeypatch):
    """Breaks if a missing library is a bare ModuleNotFoundError."""
    monkeypatch.setitem(sys.modules, "embreex.mesh_construction", None)
    with pytest.raises(ImportError, match=r"repousse\[rays\]"):
        ambient_occlusion(cube())
