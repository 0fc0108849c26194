"""Cartoon shading."""

import torch
from torch import Tensor

from repousse.shading.lights import Lights, facing, rays, surrounding
from repousse.shading.matt import glowing
from repousse.shading.points import Points
from repousse.shading.quantities import Quantity, like


def toon(
    points: Points,
    lights: Lights,
    *,
    steps: int = 3,
    softness: float = 0.04,
    rim: Quantity = 0.4,
    rim_width: float = 0.3,
) -> Tensor:
    """Few flat tones, and a bright rim on the lit side.

    steps      tones from dark to lit, for each light; at least 2
    softness   width of the ramp between two tones, in steps of n . l; 0 is a hard edge without gradient
    rim        float, (3,) or (B, 3)  brightness of the rim, added where the surface turns from the eye
    rim_width  where the rim begins: 1 - n . v above 1 - rim_width

    n . l is replaced by k / (steps - 1), where k counts the thresholds 1 / steps, 2 / steps, ... below it. Returns
    (B, H, W, 3). Needs a camera. Differentiable in all tensors, through tones on their ramps only.
    """
    if not isinstance(steps, int) or steps < 2:
        raise ValueError(f"toon: `steps` must be a whole number of tones, at least 2, not {steps!r}.")
    light = surrounding(points, lights)
    lit = points.position.new_zeros(())
    for ray in rays(points, lights):
        cosine = facing(points.normal, ray.direction)
        above = (_ramp(cosine, threshold / steps, softness) for threshold in range(1, steps))
        tone = sum(above, torch.zeros_like(cosine)) / (steps - 1)
        light = light + ray.strength * tone
        lit = torch.maximum(lit, tone)
    edge = _ramp(1 - facing(points.normal, points.view), 1 - rim_width, max(softness, 0.02))
    return glowing(points.color * light + like(rim, points.color) * edge * lit, points)


def _ramp(value: Tensor, middle: float, width: float) -> Tensor:
    """0 below, 1 above, smooth between."""
    if width <= 0:
        return (value >= middle).to(value.dtype)
    share = ((value - middle) / width + 0.5).clamp(0, 1)
    return share * share * (3 - 2 * share)
