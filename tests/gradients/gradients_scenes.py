"""Pictures to try estimators on: a few triangles with colours and a mask, and a gradient for each pixel."""

from typing import NamedTuple

import torch
from torch import Tensor

from repousse.geometry import topology
from repousse.gradients import Estimator
from repousse.ops import interpolate, rasterize


class Scene(NamedTuple):
    """positions (B, V, 4) with w = 1, or (V, 4); faces (F, 3); colors (V, C); pull (B, H, W, C + 1): dloss/dimage."""

    positions: Tensor
    faces: Tensor
    colors: Tensor
    pull: Tensor
    ranges: Tensor | None = None


def clip(pixels: Tensor, size: tuple[int, int], depth: Tensor | float = 0.5) -> Tensor:
    """Pixel coordinates (V, 2) as clip space with w = 1: (V, 4)."""
    height, width = size
    ndc = pixels / torch.tensor([width / 2, height / 2]) - 1
    z = torch.as_tensor(depth).expand(len(pixels))
    return torch.cat([ndc, z[:, None], torch.ones(len(pixels), 1)], 1)


def rectangle(left: float, top: float, right: float, bottom: float) -> tuple[Tensor, Tensor]:
    """Corners in pixels, from the upper left clockwise as seen, and two front faces."""
    corners = torch.tensor([[left, top], [right, top], [right, bottom], [left, bottom]])
    return corners, torch.tensor([[0, 2, 1], [0, 3, 2]])


def random_scene(seed: int, size: tuple[int, int], channels: int = 2, triangles: int = 4, batch: int = 1) -> Scene:
    """Triangles that cover one another, all in front, some joined; coordinates are multiples of 1/64 pixel."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    images = []
    for _ in range(batch):
        pixels = (uniform(3 * triangles, 2) * torch.tensor([size[1], size[0]]) * 64).round() / 64
        images.append(clip(pixels, size, (uniform(3 * triangles) * 256).round() / 256))
    positions = torch.stack(images)
    faces = torch.arange(3 * triangles).view(-1, 3)
    faces[1::2, 0] = faces[::2, 1][: len(faces[1::2])]
    a, b, c = positions[0, faces].unbind(1)
    turned = (b - a)[:, 0] * (c - a)[:, 1] > (b - a)[:, 1] * (c - a)[:, 0]  # clockwise as seen: y is down
    faces = torch.where(turned[:, None], faces.flip(1), faces)
    colors = uniform(3 * triangles, channels)
    pull = uniform(batch, *size, channels + 1) - 0.5
    return Scene(positions, faces, colors, pull)


def picture(scene: Scene, estimator: Estimator, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Colours and mask (B, H, W, C + 1), before and after the estimator."""
    fragments = rasterize(positions, scene.faces, (scene.pull.shape[1], scene.pull.shape[2]), ranges=scene.ranges)
    mask = (fragments.face_id >= 0).float()[..., None]
    image = torch.cat([interpolate(scene.colors, scene.faces, fragments), mask], -1)
    return image, estimator(image, fragments, topology(scene.faces))


def gradient(scene: Scene, estimator: Estimator) -> Tensor:
    """dloss/dpositions for the loss whose derivative by the image is `pull`."""
    positions = scene.positions.detach().clone().requires_grad_()
    _, image = picture(scene, estimator, positions)
    if not image.requires_grad:
        return torch.zeros_like(positions)
    return torch.autograd.grad((image * scene.pull).sum(), positions)[0]


def distance(found: Tensor, expected: Tensor) -> float:
    """Relative distance in the L2 norm, from something that is not 0."""
    assert expected.any(), "the scene is no test: its gradient is 0"
    return float((found.double() - expected.double()).norm() / expected.double().norm())
