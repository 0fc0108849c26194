"""Calls of `intersections`."""

import math
from collections.abc import Iterator

import torch
from calls import Call
from ops_scenes import build, pack
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import Mesh, Topology, cube, icosphere, join, plane, topology
from repousse.ops import Fragments, rasterize


def calls(large: bool) -> Iterator[Call]:
    if large:
        for name, level, size, batch in (("8 x 40960 faces", 5, 512, 8), ("1.3 M faces", 8, 1024, 1)):
            mesh = crossed(icosphere(level))
            yield call(name, mesh.topology, shown(mesh, (size, size), batch), 3)
        for seed in range(4):
            clip, faces, size = build(
                ["large", "tilted", "near", "wide"] * 20, seed, (400, 300), batch=2, shared=seed % 2 == 0
            )
            yield call(f"80 faces, seed {seed}", topology(faces), rasterize(clip, faces, size), 2)
        return
    mesh = crossed(icosphere(2))
    yield call("solids", mesh.topology, shown(mesh, (8, 7), 2), 3)
    walls = join([turned(plane(), 30, up=True), turned(plane(), -30, up=True)])
    yield call("crossed walls, one channel", walls.topology, shown(walls, (5, 17), 1), 1)
    clip, faces, size = build(["large", "tilted", "near", "large", "wide", "nan", "tilted"], 93, (23, 30), shared=True)
    yield call("surfaces that share vertices, cut by the near plane", topology(faces), rasterize(clip, faces, size), 2)
    kinds = ["large", "tilted", "near", "large"]
    positions, faces, ranges = pack([build(kinds, seed, (17, 20)) for seed in (127, 128, 129)])
    yield call("packed", topology(faces), rasterize(positions, faces, (17, 20), ranges=ranges), 2)
    for size in ((1, 1), (1, 9), (9, 1)):
        yield call(f"{size}", walls.topology, shown(walls, size, 1), 2)
    yield call("no channels", walls.topology, shown(walls, (5, 6), 1), 0)
    nothing = rasterize(torch.zeros(0, 9, 4), faces[:3], (5, 6))
    yield call("no images", topology(faces[:3]), nothing, 1)


def call(label: str, edges: Topology, fragments: Fragments, channels: int) -> Call:
    """Every face has a colour of its own."""
    generator = torch.Generator().manual_seed(0)
    colors = torch.rand(len(fragments.faces) + 1, channels, generator=generator)
    arguments = (
        fragments.positions.contiguous(),
        edges.faces,
        edges.edge_faces,
        edges.face_edges,
        edges.consistent,
        fragments.faces,
        fragments.face_id,
        colors[fragments.face_id.long()],
    )
    return Call("intersections", label, arguments)


def shown(mesh: Mesh, size: tuple[int, int], batch: int) -> Fragments:
    cameras = Camera.orbit(4.0, torch.linspace(0.5, -0.9, batch), 0.4)
    return rasterize(cameras.project(mesh.positions, size).contiguous(), mesh.faces, size)


def turned(mesh: Mesh, degrees: float, shift: tuple[float, float, float] = (0.0, 0.0, 0.0), up: bool = False) -> Mesh:
    a = math.radians(degrees)
    rotation = torch.tensor([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    positions: Tensor = mesh.positions[:, [0, 2, 1]] if up else mesh.positions
    return mesh.with_positions(positions @ rotation.T + torch.tensor(shift))


def crossed(mesh: Mesh) -> Mesh:
    """Two of them and two cubes that pass through one another."""
    box = cube().with_positions(cube().positions * 0.6)
    return join([mesh, turned(mesh, 20, (0.7, 0.3, 0.1)), box, turned(box, 35, (0.4, -0.3, 0.1))])
