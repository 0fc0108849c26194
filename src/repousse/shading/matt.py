"""Shaders of matt surfaces."""

from dataclasses import replace

from torch import Tensor

from repousse.shading.lights import Lights, facing, rays, surrounding
from repousse.shading.points import Points


def lambert(points: Points, lights: Lights) -> Tensor:
    """Matt: color * (light from everywhere + sum of strength * max(0, n . l)) + emission.

    >>> up = torch.tensor([0.0, 1.0, 0.0]).expand(1, 1, 1, 3)
    >>> points = Points(position=torch.zeros(1, 1, 1, 3), normal=up, color=torch.ones(1, 1, 1, 3))
    >>> lambert(points, [Ambient(0.25), Directional((0, 2, 0), 0.5)])
    tensor([[[[0.7500, 0.7500, 0.7500]]]])

    Returns (B, H, W, 3), linear, never clamped. Differentiable in all tensors, but not where the surface turns
    from a light (n . l = 0).
    """
    light = surrounding(points, lights)
    for ray in rays(points, lights):
        light = light + ray.strength * facing(points.normal, ray.direction)
    return glowing(points.color * light, points)


def flat(points: Points, lights: Lights) -> Tensor:
    """`lambert` with the normals of the faces themselves, whatever is interpolated. Needs mesh and fragments."""
    return lambert(replace(points, normal=points.face_normal), lights)


def glowing(color: Tensor, points: Points) -> Tensor:
    """`color` and what the surface gives off itself."""
    if isinstance(points.emission, float | int) and points.emission == 0:
        return color
    return color + points.emission
