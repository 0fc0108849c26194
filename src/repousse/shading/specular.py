"""Shaders with a highlight, before physics: Phong's and Blinn's."""

from collections.abc import Callable

import torch
from torch import Tensor

from repousse.shading.lights import Lights, Rays, facing, rays
from repousse.shading.matt import lambert
from repousse.shading.points import Points
from repousse.shading.quantities import Quantity, dot, like, unit


def phong(points: Points, lights: Lights, *, specular: Quantity = 0.5, shininess: float | Tensor = 20.0) -> Tensor:
    """`lambert` and highlights: + specular * strength * max(0, r . v)^shininess (Phong 1975).

    specular   float, (3,) or (B, 3)  brightness of the highlights
    shininess  float or ()            at least 1; the higher, the smaller the highlight

    r is the light's mirrored direction, v leads to the eye. Surfaces turned from a light have no highlight. Light from
    everywhere makes none either. Returns (B, H, W, 3). Needs a camera. Differentiable in all tensors.
    """
    view = points.view

    def towards_eye(ray: Rays) -> Tensor:
        mirrored = 2 * dot(points.normal, ray.direction) * points.normal - ray.direction
        return facing(mirrored, view)

    return _highlighted(points, lights, specular, shininess, towards_eye)


def blinn_phong(
    points: Points, lights: Lights, *, specular: Quantity = 0.5, shininess: float | Tensor = 80.0
) -> Tensor:
    """`phong` with max(0, n . h)^shininess, where h is half-way between light and eye (Blinn 1977).

    Four times the shininess of `phong` makes highlights of about the same size.
    """
    view = points.view

    def half_way(ray: Rays) -> Tensor:
        return facing(points.normal, unit(ray.direction + view))

    return _highlighted(points, lights, specular, shininess, half_way)


def _highlighted(
    points: Points,
    lights: Lights,
    specular: Quantity,
    shininess: float | Tensor,
    cosine: Callable[[Rays], Tensor],
) -> Tensor:
    color = lambert(points, lights)
    for ray in rays(points, lights):
        lit = facing(points.normal, ray.direction) > 0
        # The base is kept from 0, where the derivative in the exponent is not a number.
        base = cosine(ray).clamp(min=torch.finfo(color.dtype).tiny)
        color = color + like(specular, color) * ray.strength * torch.where(lit, base**shininess, 0)
    return color
