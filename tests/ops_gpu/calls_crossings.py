"""Calls of `crossings`."""

import math
import warnings
from collections.abc import Iterator

import torch
from calls import Call
from ops_scenes import KINDS, Scene, build, pack
from torch import Tensor

from repousse.geometry import Mesh, icosphere, topology, torus
from repousse.ops import Fragments, rasterize


def call(label: str, fragments: Fragments) -> Call:
    mesh = topology(fragments.faces, fragments.positions.shape[-2])
    described = (mesh.faces, mesh.edges, mesh.edge_faces, mesh.consistent, mesh.extra)
    picture = (fragments.face_id, fragments.depth, fragments.facing, fragments.ranges)
    return Call("crossings", label, (fragments.positions, *described, fragments.faces, *picture), tolerance=1e-7)


def drawn(positions: Tensor, faces: Tensor, size: tuple[int, int], ranges: Tensor | None = None) -> Fragments:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # faces that are not finite
        return rasterize(positions, faces.int(), size, ranges=ranges)


def turned(mesh: Mesh, batch: int, size: tuple[int, int]) -> Fragments:
    """A mesh seen from several sides."""
    images = []
    for image in range(batch):
        c, s = math.cos(0.3 + image), math.sin(0.3 + image)
        x, y, z = (mesh.positions @ torch.tensor([[1, 0, 0], [0, c, -s], [0, s, c]])).unbind(1)
        w = 2 + z
        images.append(torch.stack([1.2 * x, 1.2 * y, (0.5 + 0.3 * z) * w, w], 1))
    return drawn(torch.stack(images), mesh.faces, size)


def fan(size: tuple[int, int]) -> Fragments:
    """Edges with three, four and six faces, some of them on one side."""
    corners = torch.tensor([[0.1, -0.9], [-0.1, 0.8], [0.8, 0.1], [0.5, 0.3], [-0.7, 0.2], [-0.4, -0.5], [0.3, -0.2]])
    depth = torch.linspace(0.2, 0.8, 7)
    vertices = torch.stack([corners[:, 0], corners[:, 1], depth, torch.ones(7)], 1)
    faces = [[0, 1, tip] for tip in (2, 3, 6)] + [[1, 0, 4], [5, 1, 0], [0, 4, 5], [5, 4, 0], [2, 3, 0], [3, 2, 0]]
    return drawn(torch.stack([vertices, vertices * torch.tensor([-1, 1, 1, 1])]), torch.tensor(faces), size)


def calls(large: bool) -> Iterator[Call]:
    if large:
        yield call("8 spheres", turned(icosphere(4), 8, (512, 512)))
        yield call("a fine sphere", turned(icosphere(6), 1, (1024, 1024)))
        yield call("a torus, odd size", turned(torus(resolution=(300, 150)), 3, (999, 1501)))
        yield call("any triangles", drawn(*build(list(KINDS) * 200, 1, (700, 900), 2, shared=True)))
        yield call("two wide triangles", drawn(*build(["large", "near"], 3, (4096, 4096))))
        return
    yield call("a torus", turned(torus(resolution=(9, 6)), 2, (40, 50)))
    yield call("any triangles", drawn(*build(list(KINDS), 3, (33, 70), shared=True)))
    yield call("non-manifold", fan((24, 31)))
    parts = [build(["large", "tilted", "lattice"], seed, (20, 30), shared=seed < 2) for seed in range(3)]
    positions, faces, ranges = pack(parts)
    yield call("packed", drawn(positions, faces, (20, 30), ranges))
    yield call("packed, meshes left out", drawn(positions, faces, (20, 30), ranges[[2, 0]]))
    yield call("one pixel", drawn(*build(["large", "near"], 1, (1, 1))))
    yield call("no images", drawn(*Scene(positions[None, :9].expand(0, -1, -1), parts[0].faces, (5, 4))))
