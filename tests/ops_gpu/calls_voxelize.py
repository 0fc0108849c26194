"""Calls of the voxelisation ops: closed surfaces, and soups with every kind of tie."""

from collections.abc import Iterator

import torch
from calls import Call
from torch import Tensor

from repousse.geometry import icosphere

OPS = ("voxelize_surface", "voxelize_inside")


def soup(grain: float | None, size: tuple[int, int, int], faces: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    """Triangles in and about a grid, with corners on multiples of 1 / grain cells; the last of each kind is special."""
    generator = torch.Generator().manual_seed(faces)
    positions = (torch.rand(batch, 3 * faces, 3, generator=generator) * 1.4 - 0.2) * torch.tensor(size)
    if grain:
        positions = (positions * grain).round() / grain
    index = torch.arange(3 * faces, dtype=torch.int32).view(-1, 3).clone()
    index[-1] = index[0].flip(0)  # the other side of another face
    index[-2, 2] = index[-2, 1]  # a segment
    index[-3, 1:] = index[-3, 0]  # a point
    positions[0, 3 * faces - 12] = torch.nan
    return positions, index


def calls(large: bool) -> Iterator[Call]:
    scenes: dict[str, tuple[Tensor, Tensor, tuple[int, int, int]]] = {}
    if large:
        ball = icosphere(5)
        poses = torch.stack([ball.positions * radius + 100 for radius in (40.0, 60.0, 99.0)])
        scenes["spheres"] = poses, ball.faces, (200, 190, 256)
        ball = icosphere(6)
        scenes["many faces"] = ball.positions[None] * 250 + 256, ball.faces, (512, 512, 512)
        scenes["soup"] = *soup(None, (64, 200, 100), 20000), (64, 200, 100)
        scenes["tied soup"] = *soup(2, (100, 90, 64), 20000), (100, 90, 64)
        scenes["wide faces"] = *soup(None, (700, 300, 300), 12), (700, 300, 300)
    else:
        ball = icosphere(1)
        scenes["sphere"] = ball.positions.double()[None] * 3 + 3.5, ball.faces, (7, 33, 6)
        for grain in (None, 2):
            scenes[f"soup of grain {grain}"] = *soup(grain, (7, 5, 6), 14), (7, 5, 6)
        # Longer than 128 cells, for which the CPU needs 128 bits.
        corners = torch.tensor([[-3.0, -70, -9], [197, 8, -1], [90, 60, 11], [50, -30, 60000], [-65536, 3.7, 65536]])
        faces = torch.tensor([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3], [4, 2, 1], [4, 4, 1]], dtype=torch.int32)
        scenes["wide faces"] = corners[None], faces, (17, 3, 4)
        scenes["wide faces elsewhere"] = corners.roll(1, 1)[None], faces, (2, 17, 3)
        scenes["half precision"] = (ball.positions * 2).half()[None], ball.faces, (2, 1, 3)
        scenes["no pose"] = torch.zeros(0, 4, 3), faces[:0], (2, 3, 4)
        scenes["no face"] = torch.zeros(2, 4, 3), faces[:0], (2, 3, 4)
    for name, (positions, faces, size) in scenes.items():
        for op in OPS:
            yield Call(op, name, (positions, faces, *size))
