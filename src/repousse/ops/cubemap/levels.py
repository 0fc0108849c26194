"""Mip levels of pictures of all directions: plain PyTorch, differentiable."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Measure = Callable[[Tensor], Tensor]


def cubemap_levels(images: Tensor) -> list[Tensor]:
    """The mip levels of a cube map: (6, S, S, C), (6, S // 2, S // 2, C), ..., (6, 1, 1, C).

    A texel is the mean of what it covers on the level before, also where S is odd.
    """
    levels = [images]
    while levels[-1].shape[1] > 1:
        levels.append(_halved(_halved(levels[-1], 1, _length), 2, _length))
    return levels


def environment_levels(image: Tensor) -> list[Tensor]:
    """The mip levels of a lat-long image: (Ht, Wt, C), (Ht // 2, Wt // 2, C), ..., (1, 1, C).

    A texel is the mean of what it covers on the level before, by solid angle: the rows next to the poles are narrow.
    The last level is the mean over all directions.
    """
    levels = [image]
    while max(levels[-1].shape[:2]) > 1:
        levels.append(_halved(_halved(levels[-1], 0, _area_from_pole), 1, _length))
    return levels


def _length(share: Tensor) -> Tensor:
    return share


def _area_from_pole(share: Tensor) -> Tensor:
    """The part of the sphere above a latitude that is given as the part of the way from the upper pole to the lower."""
    return (1 - torch.cos(math.pi * share)) / 2


def _halved(image: Tensor, dim: int, measure: Measure) -> Tensor:
    """`image` with half as many texels, rounded down, along `dim`. `measure` of [0, 1] says what a piece counts."""
    before = image.shape[dim]
    after = before // 2
    if after == 0:
        return image
    device = image.device  # there, because a copy to a GPU would wait for it
    old, new = (measure(torch.arange(n + 1, dtype=torch.float64, device=device) / n) for n in (before, after))
    total = image.new_zeros(())
    for tap in range(2 + before % 2):  # an odd number of texels: the new ones cover two and a bit
        index = 2 * torch.arange(after, device=device) + tap
        covered = torch.minimum(new[1:], old[index + 1]) - torch.maximum(new[:-1], old[index])
        weight = (covered / (new[1:] - new[:-1])).to(image)
        total = total + image.index_select(dim, index) * weight.view(-1, *[1] * (image.ndim - dim - 1))
    return total
