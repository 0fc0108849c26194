"""Soft rasterization: rules, channels, sizes, packed meshes, and faces that are left out."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from calls import Call
from torch import Tensor

from repousse.geometry import icosphere
from repousse.ops import SoftOptions

CULL = {None: 0, "back": 1, "front": 2}
# Soft enough that every face reaches most pixels, and hardly cut off: where it is, rounding decides.
BROAD = SoftOptions(sigma=1e-2, gamma=3e-2, dist_eps=1e-9, far=10.0)
TOLERANCE = 2e-5  # exponentials are approximate on GPUs


def triangles(seed: int, count: int, batch: int = 1, size: float = 1.2) -> tuple[Tensor, Tensor]:
    """`corners` (B, V, 4) and faces of triangles of either orientation, some partly outside the picture."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    place = uniform(batch, count, 1, 2) * 1.8 - 0.9 + (uniform(batch, count, 3, 2) - 0.5) * size
    depth = 2 + 2 * uniform(batch, count, 3, 1)
    return torch.cat([place, depth, 1 / depth], -1).flatten(1, 2), torch.arange(3 * count).view(-1, 3).int()


def sphere(level: int, batch: int) -> tuple[Tensor, Tensor]:
    """An icosphere that fills most of the picture, seen from `batch` distances."""
    mesh = icosphere(level)
    depth = mesh.positions[:, 2:] + torch.linspace(2.5, 3.0, batch).view(-1, 1, 1)
    corners = torch.cat([mesh.positions[:, :2] * 2 / depth, depth, 1 / depth], -1)
    return corners, mesh.faces.int()


def both(
    label: str,
    corners: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    options: SoftOptions,
    *,
    channels: int = 3,
    ranges: Tensor | None = None,
    cull: str | None = None,
    batched: bool = False,
    wanted: tuple[bool, bool] = (True, True),
    tolerance: float = TOLERANCE,
) -> Iterator[Call]:
    """The call that draws, and that of its backward pass."""
    generator = torch.Generator().manual_seed(7)
    batch = corners.shape[0] if ranges is None else len(ranges)
    rows = len(faces) if ranges is None or not batched else int(ranges[:, 1].max())
    colors = torch.rand(*([batch] if batched else []), rows, 3, channels, generator=generator)
    background = torch.rand(batch, channels, generator=generator)
    rules, numbers = options.rules(CULL[cull]), options.numbers()
    scene = corners, faces, ranges, colors
    yield Call("soft", label, (*scene, background, *size, rules, numbers), tolerance)
    drawn = torch.ops.repousse.soft(*scene, background, *size, rules, numbers)
    pull = torch.rand(drawn[0].shape, generator=generator) - 0.5
    yield Call("soft_backward", label, (*scene, *drawn, pull, rules, numbers, *wanted), tolerance)


def calls(large: bool) -> Iterator[Call]:
    if large:
        for sigma in (1e-5, 1e-4):
            options = SoftOptions(sigma=sigma, gamma=1e-2, far=10.0)
            yield from both(f"4 x 20480 faces, sigma {sigma}", *sphere(5, 4), (512, 512), options, tolerance=1e-4)
            yield from both(f"masks, sigma {sigma}", *sphere(5, 4), (512, 512), options, channels=0, tolerance=1e-4)
        hard = SoftOptions(sigma=1e-6, color="hard", far=10.0)
        yield from both("100k faces, hard colours", *triangles(0, 100_000, size=0.01), (1024, 1024), hard)
        yield from both("wide faces", *triangles(1, 300, 3), (512, 500), BROAD, tolerance=1e-4)
        return
    yield from both("usual", *triangles(0, 3), (9, 13), BROAD)
    near = replace(BROAD, sigma=1e-3, near=2.8, far=3.2)
    yield from both("between near and far, culled", *triangles(5, 3), (8, 16), near, cull="back")
    yield from both("mask between near and far", *triangles(4, 3), (8, 11), near, channels=0, wanted=(True, False))
    sums = replace(BROAD, distance="barycentric", alpha="sum")
    corners, faces = triangles(6, 6)
    ranges = torch.tensor([[0, 3], [2, 0], [3, 2]])
    yield from both("packed, one channel", corners[0], faces, (6, 7), sums, channels=1, ranges=ranges)
    hard = replace(BROAD, distance="hard", alpha="hard", color="hard")
    settings = {"channels": 4, "ranges": ranges, "batched": True, "wanted": (False, True)}
    yield from both("packed, batched hard colours", corners[0], faces, (5, 7), hard, **settings)
    yield from both("one pixel", *triangles(7, 1), (1, 1), BROAD)
    yield from both("no faces", corners, faces[:0], (3, 4), BROAD)
    yield from both("no images", corners[:0], faces, (3, 4), BROAD)
    corners[0, 1, 0], corners[0, 3, 2], corners[0, 8] = torch.nan, torch.inf, torch.tensor([0.0, 0.0, 0.0, -1.0])
    corners[0, 9:11] = corners[0, 11]
    corners[0, 12] *= 1e7
    yield from both("left out: NaN, infinite, behind, seen edge-on, far away", corners, faces, (6, 7), BROAD)
