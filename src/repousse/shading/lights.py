"""Lights: what arrives at the points of a surface.

A light's strength is what it makes of a white matt surface that faces it: strength 1 gives 1. So it is irradiance
divided by pi, and a light from everywhere of strength 1 is surroundings of radiance 1. Values are linear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from repousse.shading.points import Points
from repousse.shading.quantities import Quantity, check_quantity, dot, like, unit


class Rays(NamedTuple):
    """Light that reaches each point from one direction.

    direction  float (..., 3)  unit length, from the point towards the light
    strength   float (..., 3)  without the cosine of the surface, which is the shader's

    Both broadcast against points.position (B, H, W, 3).
    """

    direction: Tensor
    strength: Tensor


class Light:
    """Base of all lights. Override what the light has; None stands for nothing.

    A light that comes from one direction at each point has `rays`; one that comes from everywhere has `diffuse` and
    `reflected`. Results broadcast against points.position (B, H, W, 3) and should be differentiable in whatever
    the light is set with.
    """

    def rays(self, points: Points) -> Rays | None:
        """The light's direction and strength at each point."""
        return None

    def diffuse(self, points: Points) -> Tensor | None:
        """What a white matt surface with points.normal makes of light from everywhere: irradiance / pi."""
        return None

    def reflected(self, points: Points, direction: Tensor, roughness: Tensor) -> Tensor | None:
        """What light from everywhere a surface mirrors.

        direction  float (B, H, W, 3)              unit length: where a polished surface would show the surroundings
        roughness  float, broadcasts as (..., 1)   0 (polished) to 1; the lobe is GGX with alpha = roughness²
        """
        return None


Lights = Light | Sequence[Light]


@dataclass(frozen=True, eq=False)
class Ambient(Light):
    """The same light from everywhere.

    strength  float, (3,) or (B, 3)
    """

    strength: Quantity = 1.0

    def __post_init__(self) -> None:
        check_quantity("Ambient", "strength", self.strength)

    def diffuse(self, points: Points) -> Tensor:
        return like(self.strength, points.position)

    def reflected(self, points: Points, direction: Tensor, roughness: Tensor) -> Tensor:
        return like(self.strength, points.position)


@dataclass(frozen=True, eq=False)
class Directional(Light):
    """Light from far away: parallel rays.

    direction  (3,) or (B, 3)         from the surface towards the light, world space; any length but 0
    strength   float, (3,) or (B, 3)

    Differentiable in both.
    """

    direction: Sequence[float] | Tensor = (0.4, 0.8, 0.45)
    strength: Quantity = 1.0

    def __post_init__(self) -> None:
        check_quantity("Directional", "direction", self.direction, vector=True)
        check_quantity("Directional", "strength", self.strength)
        if not isinstance(self.direction, Tensor) and not any(self.direction):
            raise ValueError("Directional: `direction` is zero. Give a direction, or strength=0 for no light.")

    def rays(self, points: Points) -> Rays:
        direction = torch.nn.functional.normalize(like(self.direction, points.position), dim=-1)
        return Rays(direction, like(self.strength, points.position))


@dataclass(frozen=True, eq=False)
class PointLight(Light):
    """A lamp: shines alike to all sides, weaker with the square of the distance.

    position  (3,) or (B, 3)         world space
    strength  float, (3,) or (B, 3)  at distance 1

    Differentiable in both. A point at the very place of the lamp gets no light.
    """

    position: Sequence[float] | Tensor = (2.0, 4.0, 3.0)
    strength: Quantity = 1.0

    def __post_init__(self) -> None:
        check_quantity("PointLight", "position", self.position, vector=True)
        check_quantity("PointLight", "strength", self.strength)

    def rays(self, points: Points) -> Rays:
        towards = like(self.position, points.position) - points.position
        square = dot(towards, towards)
        apart = square > 0
        falloff = torch.where(apart, 1 / torch.where(apart, square, 1), 0)
        return Rays(unit(towards), like(self.strength, points.position) * falloff)


DEFAULT_LIGHTS: tuple[Light, ...] = (Ambient(0.5), Directional((0.4, 0.8, 0.45), 0.5))


def as_lights(lights: Lights) -> tuple[Light, ...]:
    """One light or several, as several."""
    several = (lights,) if isinstance(lights, Light) else lights
    if not isinstance(several, Sequence) or not all(isinstance(light, Light) for light in several):
        raise TypeError(
            f"`lights` must be a light or a sequence of lights, not {lights!r}. "
            "Build lights with Ambient(0.5), Directional((0, 1, 0), 0.5), ..."
        )
    return tuple(several)


def rays(points: Points, lights: Lights) -> list[Rays]:
    """The rays of those lights that have any."""
    found = (light.rays(points) for light in as_lights(lights))
    return [one for one in found if one is not None]


def surrounding(points: Points, lights: Lights) -> Tensor:
    """What a white matt surface makes of light from everywhere: the sum of `diffuse`, times points.occlusion."""
    total = points.position.new_zeros(())
    for light in as_lights(lights):
        arriving = light.diffuse(points)
        if arriving is not None:
            total = total + arriving
    return total * points.occlusion


def facing(normal: Tensor, direction: Tensor) -> Tensor:
    """Cosine between unit vectors (..., 3), 0 where the surface is turned away: (..., 1)."""
    return dot(normal, direction).clamp(min=0)
