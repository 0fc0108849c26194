"""Drawing as in cartoons: a few tones instead of smooth shading."""

import torch
from torch import Tensor

from repousse.shading.lights import Lights, facing, rays, surrounding
from repousse.shading.matt import glowing
from repousse.shading.points import Points
from repousse.shading.quantities import Quantity, dot, like


def toon(
    points: Points,
    lights: Lights,
    *,
    levels: int = 4,
    rim: Quantity = 0.3,
    rim_width: float = 0.3,
    softness: float = 0.02,
) -> Tensor:
    """`lambert` with its light rounded to a few tones, and a bright rim where the surface turns from the viewer.

    levels     tones between dark and full light
    rim        strength of the rim, float, (3,) or (B, 3); 0 for none, and then no camera is needed
    rim_width  the rim lies where 1 - n . v is above 1 - rim_width
    softness   width of the transition between two tones, in units of light; 0 makes them hard

    The brightest channel of the light is rounded to a multiple of 1 / levels (light above 1 goes on in these steps),
    and the others keep their proportion to it. Returns (B, H, W, 3). Differentiable in colour and emission; the tones
    have a derivative in their transitions only. ValueError for levels < 1 or a negative softness.
    """
    if levels < 1 or softness < 0:
        raise ValueError(f"toon: `levels` is at least 1 and `softness` at least 0, not {levels} and {softness}.")
    light = surrounding(points, lights)
    for ray in rays(points, lights):
        light = light + ray.strength * facing(points.normal, ray.direction)
    light = light.expand_as(points.color)
    brightest = light.amax(-1, keepdim=True).clamp(min=1e-6)
    color = points.color * light * (_tones(brightest, levels, softness) / brightest)
    if not isinstance(rim, int | float) or rim != 0:
        turned = 1 - dot(points.normal, points.view)
        color = color + like(rim, points.position) * _step(turned - (1 - rim_width), softness)
    return glowing(color, points)


def _tones(light: Tensor, levels: int, softness: float) -> Tensor:
    """Rounded to multiples of 1 / levels, with a ramp above each step."""
    scaled = light * levels - 0.5
    below = torch.floor(scaled).detach()
    return (below + _step((scaled - below) / levels, softness)) / levels


def _step(value: Tensor, softness: float) -> Tensor:
    """0 up to 0, 1 from `softness` on, a smooth ramp (3 t² - 2 t³) between."""
    if softness == 0:
        return (value > 0).to(value.dtype)
    t = (value / softness).clamp(0, 1)
    return t * t * (3 - 2 * t)
