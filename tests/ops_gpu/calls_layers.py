"""Calls of depth layers."""

from collections.abc import Iterator

from calls import Call
from calls_rasterize import packed, soup, spheres
from ops_scenes import KINDS, build


def calls(large: bool) -> Iterator[Call]:
    if large:
        scenes = (("8 spheres", spheres(8, 4, (512, 512)), 3), ("about the eye", soup(2000, 0.5, (700, 900)), 8))
    else:
        scenes = (
            ("all kinds of triangles", build(list(KINDS), 6, (17, 31)), 3),
            ("ties", build(["lattice", "copy", "copy"] * 3, 2, (16, 12), batch=2), 2),
            ("one layer", build(["large", "near"], 2, (5, 9)), 1),
        )
    for label, (positions, faces, size), count in scenes:
        yield Call("layers", label, (positions, faces, None, *size, 0, count))
    positions, faces, ranges, size = packed(large)
    yield Call("layers", "packed", (positions, faces, ranges, *size, 1, 4))
