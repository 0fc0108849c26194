"""Calls of the ops in repousse.ops.boundary."""

from collections.abc import Iterator

import torch
from calls import Call
from ops_scenes import KINDS, build, pack
from torch import Tensor

from repousse.geometry import icosphere, topology
from repousse.ops import interpolate, rasterize

TOLERANCE = 1e-5


def call(label: str, positions: Tensor, faces: Tensor, size: tuple[int, int], channels: int, ranges=None) -> Call:
    generator = torch.Generator().manual_seed(1)
    edges, fragments = topology(faces), rasterize(positions, faces, size, ranges=ranges)
    colors = torch.rand(positions.shape[-2], channels, generator=generator)
    image = interpolate(colors, faces, fragments)
    grad = torch.randn(image.shape, generator=generator)
    mesh = (edges.faces, edges.edges, edges.edge_faces, edges.consistent, edges.extra, edges.face_edges)
    drawn = (fragments.faces, fragments.face_id, fragments.depth, fragments.facing, fragments.ranges)
    return Call("boundary", label, (fragments.positions, *mesh, *drawn, image, grad), TOLERANCE)


def calls(large: bool) -> Iterator[Call]:
    scene = build(list(KINDS), 0, (14, 17), 1, True)
    yield call("unfriendly", *scene, 2)
