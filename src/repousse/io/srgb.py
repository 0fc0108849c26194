"""The sRGB transfer curve (IEC 61966-2-1): how 8-bit pictures encode light."""

import torch
from torch import Tensor


def srgb_to_linear(encoded: Tensor) -> Tensor:
    """Values as files and screens have them, in [0, 1], to amounts of light. Differentiable."""
    curve = ((encoded.clamp(min=0.0) + 0.055) / 1.055) ** 2.4
    return torch.where(encoded <= 0.04045, encoded / 12.92, curve)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """The inverse of `srgb_to_linear`. Values above 1 go above 1. Differentiable."""
    curve = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curve)
