"""Scenes for soft rasterization: a few triangles before the camera, some through one another."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from repousse.ops import SoftOptions, soft

# Soft enough that every face reaches most pixels, and hardly cut off: where it is, rounding decides.
BROAD = SoftOptions(sigma=1e-2, gamma=3e-2, dist_eps=1e-9, far=10.0)
EVERY_RULE = [
    replace(BROAD, distance=distance, alpha=alpha, color=color)
    for distance in ("hard", "euclidean", "barycentric")
    for alpha in ("hard", "sum", "prod")
    for color in ("hard", "softmax")
]


class Scene(NamedTuple):
    """positions (B, V, 4), faces (F, 3), colors (F, 3, C), background (B, C), pull (B, H, W, C + 1): dloss/dimage."""

    positions: Tensor
    faces: Tensor
    colors: Tensor
    background: Tensor
    pull: Tensor

    @property
    def size(self) -> tuple[int, int]:
        return self.pull.shape[1], self.pull.shape[2]

    def to(self, dtype: torch.dtype) -> "Scene":
        return Scene(*(value.to(dtype) if value.is_floating_point() else value for value in self))


def random_scene(
    seed: int, size: tuple[int, int] = (12, 17), *, batch: int = 2, triangles: int = 5, channels: int = 3
) -> Scene:
    """Triangles of either orientation at depths between 2 and 4, some partly outside the picture."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    centre = uniform(batch, triangles, 1, 2) * 1.8 - 0.9
    place = centre + (uniform(batch, triangles, 3, 2) - 0.5) * 1.2
    w = 2 + 2 * uniform(batch, triangles, 3, 1)
    positions = torch.cat([place * w, uniform(batch, triangles, 3, 1) * w, w], -1).flatten(1, 2)
    return Scene(
        positions,
        torch.arange(3 * triangles).view(-1, 3),
        uniform(triangles, 3, channels),
        uniform(batch, channels),
        uniform(batch, *size, channels + 1) - 0.5,
    )


def draw(scene: Scene, options: SoftOptions = BROAD, **settings: object) -> Tensor:
    return soft(
        scene.positions,
        scene.faces,
        scene.colors,
        scene.size,
        options,
        background=scene.background,
        **settings,  # type: ignore[arg-type]
    )


def image_and_gradients(scene: Scene, options: SoftOptions = BROAD, **settings: object) -> tuple[Tensor, ...]:
    """The image and dloss/d(positions, colors, background)."""
    wanted = tuple(
        value.detach().clone().requires_grad_() for value in (scene.positions, scene.colors, scene.background)
    )
    image = draw(Scene(wanted[0], scene.faces, wanted[1], wanted[2], scene.pull), options, **settings)
    found = torch.autograd.grad((image * scene.pull).sum(), wanted, allow_unused=True)
    zeros = (torch.zeros_like(value) for value in wanted)
    return image.detach(), *(zero if one is None else one for one, zero in zip(found, zeros, strict=True))


def distance(found: Tensor, expected: Tensor) -> float:
    """Relative distance in the L2 norm."""
    return float((found.double() - expected.double()).norm() / expected.double().norm().clamp(min=1e-12))
