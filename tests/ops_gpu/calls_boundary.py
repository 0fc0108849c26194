"""Calls of `boundary`."""

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from calls import Call
from calls_crossings import fan, turned
from calls_intersections import crossed, shown
from ops_scenes import KINDS, build, pack
from torch import Tensor

from repousse.geometry import icosphere, topology, torus
from repousse.ops import Fragments, interpolate, rasterize


def drawn(positions: Tensor, faces: Tensor, size: tuple[int, int], ranges: Tensor | None = None) -> Fragments:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # faces that are not finite
        return rasterize(positions, faces.int(), size, ranges=ranges)


def call(label: str, fragments: Fragments, channels: int = 3, *, flat: bool = False) -> Call:
    """With an image of one colour per face, or smooth on each face."""
    generator = torch.Generator().manual_seed(1)
    mesh = topology(fragments.faces, fragments.positions.shape[-2])
    if flat:
        image = torch.rand(len(fragments.faces) + 1, channels, generator=generator)[fragments.face_id.long()]
    else:
        colors = torch.rand(fragments.positions.shape[-2], channels, generator=generator)
        image = interpolate(colors, fragments.faces, fragments)
    grad = torch.randn(image.shape, generator=generator)
    described: tuple[Any, ...] = (mesh.faces, mesh.edges, mesh.edge_faces, mesh.consistent, mesh.extra, mesh.face_edges)
    picture = (fragments.face_id, fragments.depth, fragments.facing, fragments.ranges)
    return Call("boundary", label, (fragments.positions, *described, fragments.faces, *picture, image, grad))


def squares(size: tuple[int, int]) -> Fragments:
    """Edges along borders of pixels, the image's own among them, and through corners of pixels."""
    height, width = size
    corners = torch.tensor([[2, 2], [9, 2], [2, 9], [9, 9], [6, 4], [12, 4], [6, 10], [12, 10], [0, 0], [0, 7], [7, 0]])
    xy = corners / torch.tensor([width / 2, height / 2]) - 1
    z = torch.tensor([0.5] * 4 + [0.3] * 4 + [0.7] * 3)
    faces = torch.tensor([[0, 1, 2], [1, 3, 2], [4, 5, 6], [5, 7, 6], [8, 10, 9]])
    return drawn(torch.cat([xy, z[:, None], torch.ones(11, 1)], 1)[None], faces, size)


def calls(large: bool) -> Iterator[Call]:
    if large:
        yield call("8 spheres", turned(icosphere(4), 8, (512, 512)))
        yield call("8 spheres, flat", turned(icosphere(4), 8, (512, 512)), flat=True)
        yield call("a fine sphere, many channels", turned(icosphere(6), 1, (1024, 1024)), 17)
        yield call("a torus, odd size", turned(torus(resolution=(300, 150)), 3, (999, 1501)), 1)
        yield call("any triangles", drawn(*build(list(KINDS) * 12, 1, (300, 400), 2, shared=True)))
        yield call("spheres that pass through one another", shown(crossed(icosphere(5)), (512, 512), 8), flat=True)
        yield call("two wide triangles", drawn(*build(["large", "near"], 3, (4096, 4096))), 1)
        return
    yield call("a torus, flat", turned(torus(resolution=(7, 5)), 1, (11, 13)), flat=True)
    kinds = ["large", "near", "tilted", "sliver", "wide", "nan"]
    yield call("any triangles", drawn(*build(kinds, 3, (9, 11), shared=True)), 2)
    yield call("spheres that pass through one another", shown(crossed(icosphere(1)), (11, 9), 1), 1, flat=True)
    yield call("non-manifold", fan((9, 12)), 5)
    yield call("borders of pixels", squares((11, 14)), 2)
    parts = [build(["large", "tilted", "lattice"], seed, (8, 9), shared=seed < 1) for seed in range(2)]
    positions, faces, ranges = pack(parts)
    yield call("packed", drawn(positions, faces, (8, 9), ranges))
    yield call("no channels", drawn(*build(["large", "near"], 1, (3, 2))), 0)
    # Sizes of 1 compile to kernels of their own.
    yield call("one pixel", drawn(*build(["large", "near"], 1, (1, 1))), 1)
    yield call("no images", drawn(positions[None, :9].expand(0, -1, -1), parts[0].faces, (5, 4)))
