"""Ambient and directional light on a matt surface."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from repousse.shading.points import Points

Quantity = float | Sequence[float] | Tensor


@dataclass(frozen=True)
class Light:
    """Light from everywhere and from one direction: color = albedo * (ambient + directional * max(0, n . d)).

    ambient      float, (3,) or (B, 3)  strength, per channel if three numbers
    directional  float, (3,) or (B, 3)  strength of the directional part
    direction    (3,) or (B, 3)         from the surface towards the light, world space; any length but 0

    Linear values, never clamped. Tensors are differentiable and give one light per picture if (B, 3).
    """

    ambient: Quantity = 0.5
    directional: Quantity = 0.5
    direction: Sequence[float] | Tensor = (0.4, 0.8, 0.45)

    def __post_init__(self) -> None:
        for name in ("ambient", "directional", "direction"):
            _check(name, getattr(self, name))

    def __call__(self, points: Points) -> Tensor:
        """Shade: `lambert` of the points' colour and normal."""
        return lambert(points.color, points.normal, self)


def lambert(albedo: Tensor, normal: Tensor, light: Light) -> Tensor:
    """Colour of a matt surface under `light`.

    >>> up = torch.tensor([0.0, 1.0, 0.0])
    >>> lambert(torch.ones(3), up, Light(ambient=0.25, directional=0.5, direction=(0, 2, 0)))
    tensor([0.7500, 0.7500, 0.7500])

    albedo  float (..., 3)
    normal  float (..., 3)  unit length
    light   of the batch (B, 3) or shared; (B, 3) needs albedo and normal (B, ..., 3)

    Returns (..., 3). Differentiable in all tensors, but not where the surface turns from the light.
    """
    direction = torch.as_tensor(light.direction, dtype=normal.dtype, device=normal.device)
    direction = torch.nn.functional.normalize(direction, dim=-1)
    if direction.ndim == 1:
        cosine = (normal @ direction).unsqueeze(-1)
    else:
        cosine = (normal.flatten(1, -2) @ direction.unsqueeze(-1)).unflatten(1, normal.shape[1:-1])
    facing = cosine.clamp(min=0)
    return albedo * (_like(light.ambient, albedo) + _like(light.directional, albedo) * facing)


def _like(value: Quantity, points: Tensor) -> Tensor:
    """`value` with the device and type of `points`, broadcastable against them."""
    tensor = torch.as_tensor(value, dtype=points.dtype, device=points.device)
    if tensor.ndim == 2:
        return tensor.view(tensor.shape[0], *[1] * (points.ndim - 2), tensor.shape[1])
    return tensor


def _check(name: str, value: Quantity) -> None:
    shape: tuple[int, ...]
    if isinstance(value, Tensor):
        shape = tuple(value.shape)
    elif isinstance(value, (int, float)):
        shape = ()
    elif isinstance(value, Sequence) and all(isinstance(part, (int, float)) for part in value):
        shape = (len(value),)
    else:
        got = f"{type(value).__name__} {value!r}"
        raise TypeError(f"Light: `{name}` must be a number, three numbers or a tensor, not {got}.")
    allowed = len(shape) <= 2 and shape[-1:] == (3,)
    if name != "direction":
        allowed = allowed or shape == ()
    if not allowed:
        wanted = "(3,) or (B, 3)" if name == "direction" else "(), (3,) or (B, 3)"
        raise ValueError(f"Light: `{name}` must have shape {wanted}, not {shape}.")
    if name == "direction" and not isinstance(value, Tensor) and not any(value):  # type: ignore[arg-type]
        raise ValueError("Light: `direction` is zero. Give a direction, or directional=0 for no directional light.")
