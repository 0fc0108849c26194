"""Losses that compare pictures pixel by pixel."""

import torch
from torch import Tensor

from repousse.losses.pixels import mean, paired


def l1(image: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean absolute difference of pixels and channels.

    >>> l1(picture.color, photo, mask=photo_mask).mean()

    image, target  float (B, H, W, C) or (B, H, W)
    mask           (B, H, W) or (B, H, W, 1)  weights of the pixels, bool or float >= 0 (below counts as 0)

    Returns (B,), one number per picture. Pixels of weight 0 count for nothing, not even if they are NaN; where no
    pixel counts the loss is 0. Differentiable in both pictures, not in the mask.
    """
    image, target, weight = paired("l1", image, target, mask)
    return mean((image - target).abs(), weight)


def l2(image: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean squared difference of pixels and channels; arguments and result as for `l1`."""
    image, target, weight = paired("l2", image, target, mask)
    return mean((image - target).square(), weight)


def huber(image: Tensor, target: Tensor, *, delta: float = 0.1, mask: Tensor | None = None) -> Tensor:
    """Mean of d^2 / 2 where a channel differs by d <= delta, and delta (d - delta / 2) beyond (Huber 1964).

    delta  where it turns from a square into a straight line; > 0

    Other arguments and the result as for `l1`.
    """
    if not delta > 0:
        raise ValueError(f"huber: `delta` must be positive but is {delta}. For a straight line everywhere there is l1.")
    image, target, weight = paired("huber", image, target, mask)
    difference = (image - target).abs()
    near = difference.clamp(max=delta)
    return mean(near * (difference - near / 2), weight)


def iou(image: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """One minus intersection over union of two soft silhouettes: 1 - sum(a b) / sum(a + b - a b).

    This is the silhouette loss of Kato, Ushiku and Harada (2018), as released without an epsilon; but two silhouettes
    that are both empty agree: their loss is 0, with derivative 0.

    image, target  float (B, H, W) or (B, H, W, 1)  coverage in [0, 1]
    mask           as for `l1`: pixels of weight 0 count neither for the intersection nor for the union

    Returns (B,). Differentiable in both silhouettes.
    """
    image, target, weight = paired("iou", image, target, mask)
    both = image * target
    either = image + target - both
    if weight is not None:
        both, either = both * weight, either * weight
    intersection, union = both.sum((1, 2, 3)), either.sum((1, 2, 3))
    empty = union == 0
    return torch.where(empty, 0, 1 - intersection / torch.where(empty, 1, union))
