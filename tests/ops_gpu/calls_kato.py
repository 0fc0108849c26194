"""Calls of the ops of Kato et al.: bumpy balls before one another, and loose triangles."""

from collections.abc import Iterator

import torch
from calls import Call
from torch import Tensor

from repousse.geometry import icosphere, topology
from repousse.ops import crossings, rasterize

TOLERANCE = 1e-4
EPS = 1e-3


def balls(level: int, batch: int) -> tuple[Tensor, Tensor]:
    """Clip coordinates (B, V, 4) of two bumpy balls, one before the other, and their faces."""
    ball = icosphere(level)
    generator = torch.Generator().manual_seed(level)
    bumps = 1 + 0.2 * torch.rand(batch, len(ball.positions), 1, generator=generator)
    back = ball.positions * bumps * 0.57 + torch.tensor([0.13, -0.21, 2.5])
    front = ball.positions * bumps.flip(1) * 0.31 + torch.tensor([-0.32, 0.17, 1.6])
    x, y, z = torch.cat([back, front], 1).unbind(-1)
    positions = torch.stack([1.7 * x, 1.6 * y, z - 1, z], -1)
    return positions, torch.cat([ball.faces, ball.faces + len(ball.positions)])


def frame(level: int, batch: int, size: tuple[int, int], channels: int) -> tuple[Tensor, ...]:
    """Screen coordinates (y up), faces, face_id, depth, a picture and the gradient of a loss, and the crossings."""
    positions, faces = balls(level, batch)
    fragments = rasterize(positions, faces, size)
    generator = torch.Generator().manual_seed(channels)
    shades = torch.rand(len(faces) + 1, channels, generator=generator)
    image = shades[fragments.face_id.long()]
    grad = torch.randn(image.shape, generator=generator)
    screen = positions[..., :2] / positions[..., 3:] * torch.tensor([1.0, -1])
    found = crossings(positions, topology(faces), fragments)
    return screen, fragments.faces, fragments.face_id, fragments.depth, image, grad, *found


def triangles(count: int, low: float, batch: int = 2) -> Tensor:
    """Corners (B, count, 3, 3) of faces partly off the image, depths from `low` to 5; two of them are the same."""
    generator = torch.Generator().manual_seed(count)
    xy = (torch.rand(batch, count, 3, 2, generator=generator) * 3 - 1.5) * torch.tensor([1.0, 0.5])
    z = low + (5 - low) * torch.rand(batch, count, 3, 1, generator=generator)
    corners = torch.cat([xy, z], -1)
    corners[:, 1:3] = corners[:, 4:5]
    corners[:, 3, 1, 0] = torch.nan
    corners[:, 5, 2] = corners[:, 5, 1]
    return corners


def calls(large: bool) -> Iterator[Call]:
    sizes = [(512, 512), (1024, 768)] if large else [(11, 14)]
    for size in sizes:
        for low in (1.0, -3.0):  # before the camera, and around it
            corners = triangles(500 if large and low > 0 else 12, low)
            yield Call("kato_visible", f"{size}, depths from {low}", (corners, *size, 1.5, 4.0))
    square = torch.tensor(
        [[[-0.5, -0.5, 2], [0.5, -0.5, 2], [0.5, 0.5, 2]], [[-0.5, -0.5, 2], [0.5] * 2 + [2], [-0.5, 0.5, 2]]]
    )
    yield Call("kato_visible", "sides through centres", (square[None], 16, 16, 0.1, 100.0))
    yield Call("kato_visible", "no face", (torch.zeros(1, 0, 3, 3), 2, 3, 0.1, 100.0))
    yield Call("kato_visible", "no image", (torch.zeros(0, 2, 3, 3), 2, 3, 0.1, 100.0))

    scenes = [(5, 8, (512, 512), 1), (7, 1, (1024, 1024), 3)] if large else [(0, 2, (6, 7), 3), (0, 1, (4, 35), 1)]
    for level, batch, size, channels in scenes:
        screen, faces, face_id, depth, image, grad, *found = frame(level, batch, size, channels)
        name = f"{len(faces)} faces, {channels} channels"
        yield Call("kato_released", name, (screen, faces, face_id, image, grad, EPS), TOLERANCE)
        rest = face_id, depth, image, grad, EPS
        yield Call("kato_from_crossings", name, (screen, *found, *rest), TOLERANCE)
        if batch == 1:
            yield Call("kato_from_crossings", f"{name}, packed", (screen[0], *found, *rest), TOLERANCE)
    screen, faces, face_id, depth, image, grad, *found = frame(0, 1, (6, 7), 2)
    rest = face_id, depth, image, grad, EPS
    broken = screen.clone()
    broken[:, ::5] = torch.nan
    yield Call("kato_released", "broken vertices", (broken, faces, face_id, image, grad, EPS), TOLERANCE)
    yield Call("kato_from_crossings", "broken vertices", (broken, *found, *rest), TOLERANCE)
    none = [column[:0] for column in found]
    yield Call("kato_from_crossings", "no crossing", (screen, *none, *rest))
    few = face_id.where(face_id < 5, -1)
    yield Call("kato_released", "no channel", (screen, faces, few, image[..., :0], grad[..., :0], EPS))
    yield Call("kato_released", "no face", (screen, faces[:0], torch.full_like(face_id, -1), image, grad, EPS))
