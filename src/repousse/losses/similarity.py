"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli 2004)."""

import math

import torch
from torch import Tensor

from repousse.core.numbers import tensor_of
from repousse.losses.pixels import mean, paired

_RADIUS = 5  # windows of 11 x 11 pixels
_GAUSSIAN = [math.exp(-0.5 * (x / 1.5) ** 2) for x in range(-_RADIUS, _RADIUS + 1)]
_PROFILE = [weight / sum(_GAUSSIAN) for weight in _GAUSSIAN]


def ssim(image: Tensor, target: Tensor, *, peak: float = 1.0, mask: Tensor | None = None) -> Tensor:
    """One minus the structural similarity, which compares brightness, contrast and structure of windows.

    With means m, variances v and covariance c of two windows, weighted by a Gaussian of 1.5 pixels cut at 11 x 11:

        ssim = (2 m1 m2 + C1) (2 c + C2) / ((m1^2 + m2^2 + C1) (v1 + v2 + C2))
        C1 = (0.01 peak)^2,  C2 = (0.03 peak)^2

    averaged over channels and over all windows that lie inside the picture.

    image, target  float (B, H, W, C) or (B, H, W), at least 11 x 11 pixels
    peak           difference of white and black
    mask           (B, H, W) or (B, H, W, 1)  weights of the pixels, bool or float >= 0: they weigh what a window sees,
                   and how much the window around the pixel counts

    Returns (B,), 0 for equal pictures and at most 2; 0 where no window counts. Differentiable in both pictures, not
    in the mask.
    """
    image, target, weight = paired("ssim", image, target, mask)
    similarity, weight = similarity_map("ssim", image, target, peak, weight)
    return mean(1 - similarity, weight)


def similarity_map(
    owner: str, image: Tensor, target: Tensor, peak: float, weight: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Similarity (B, H - 10, W - 10, C) of the windows inside the pictures, and the weights of their centres."""
    if not 0 < peak < math.inf:
        raise ValueError(f"{owner}: `peak` must be positive and finite but is {peak}.")
    if min(image.shape[1:3]) <= 2 * _RADIUS:
        height, width = image.shape[1:3]
        raise ValueError(
            f"{owner}: pictures must have at least 11 x 11 pixels, the size of a window, not {height} x {width}."
        )
    image, target = torch.broadcast_tensors(image, target)
    # A variance is a small difference of large numbers unless grey is in the middle.
    grey = peak / 2
    a, b = image - grey, target - grey
    moments = torch.cat([a, b, a * a, b * b, a * b], dim=-1)
    if weight is None:
        moments = _windows(moments)
    else:
        seen = _windows(weight)
        moments = _windows(moments * weight) / torch.where(seen > 0, seen, 1)
        weight = weight[:, _RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    mean_a, mean_b, square_a, square_b, product = moments.split(image.shape[-1], dim=-1)
    variances = square_a + square_b - mean_a.square() - mean_b.square()
    covariance = product - mean_a * mean_b
    mean_a, mean_b = mean_a + grey, mean_b + grey
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    brightness = (2 * mean_a * mean_b + c1) / (mean_a.square() + mean_b.square() + c1)
    return brightness * (2 * covariance + c2) / (variances + c2), weight


def _windows(values: Tensor) -> Tensor:
    """Gaussian means (B, H - 10, W - 10, C) of the windows inside (B, H, W, C)."""
    channels = values.shape[-1]
    profile = tensor_of(_PROFILE, values.dtype, values.device).expand(channels, 1, 1, -1)
    with torch.autocast(values.device.type, enabled=False):
        rows = torch.nn.functional.conv2d(values.movedim(-1, 1), profile, groups=channels)
        return torch.nn.functional.conv2d(rows, profile.transpose(2, 3), groups=channels).movedim(1, -1)
