"""Figures that say how much pictures are alike."""

import math

import torch
from torch import Tensor

from repousse.losses.pixels import mean, paired
from repousse.losses.similarity import similarity_map


def psnr(image: Tensor, target: Tensor, *, peak: float = 1.0, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio in decibels: 10 log10(peak^2 / mean squared difference).

    >>> psnr(picture.color.clamp(0, 1), photo)

    image, target  float (B, H, W, C) or (B, H, W)
    peak           difference of white and black
    mask           (B, H, W) or (B, H, W, 1)  weights of the pixels, bool or float >= 0

    Returns (B,); infinite for equal pictures, and where no pixel counts. Figures are usually given for sRGB values;
    the renderer's are linear: convert first.
    """
    if not 0 < peak < math.inf:
        raise ValueError(f"psnr: `peak` must be positive and finite but is {peak}.")
    image, target, weight = paired("psnr", image, target, mask)
    return -10 * torch.log10(mean((image - target).square(), weight) / peak**2)


def ssim(image: Tensor, target: Tensor, *, peak: float = 1.0, mask: Tensor | None = None) -> Tensor:
    """Structural similarity, 1 for equal pictures; equation and arguments are those of `losses.ssim`.

    Returns (B,); 1 where no window counts.
    """
    image, target, weight = paired("ssim", image, target, mask)
    similarity, weight = similarity_map("ssim", image, target, peak, weight)
    return 1 - mean(1 - similarity, weight)


def iou(image: Tensor, target: Tensor, *, threshold: float = 0.5, mask: Tensor | None = None) -> Tensor:
    """Intersection over union of two silhouettes: pixels covered in both / pixels covered in either.

    image, target  float (B, H, W) or (B, H, W, 1)  covered where above the threshold
    mask           (B, H, W) or (B, H, W, 1)        weights of the pixels, bool or float >= 0

    Returns (B,); 1 where both are empty. Not differentiable: that is `losses.iou`.
    """
    image, target, weight = paired("iou", image, target, mask)
    a, b = image > threshold, target > threshold
    both, either = (a & b).to(image.dtype), (a | b).to(image.dtype)
    if weight is not None:
        both, either = both * weight, either * weight
    intersection, union = both.sum((1, 2, 3)), either.sum((1, 2, 3))
    return torch.where(union == 0, 1, intersection / torch.where(union == 0, 1, union))
