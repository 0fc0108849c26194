"""Texture lookup in plain PyTorch: the specification, and through autograd that of all derivatives."""

from collections.abc import Sequence

import torch
from torch import Tensor


def texture(
    images: Sequence[Tensor],
    uv: Tensor,
    image_id: Tensor,
    derivatives: Tensor | None,
    level: Tensor | None,
    filters: Sequence[str],
    wraps: Sequence[tuple[str, str]],
) -> Tensor:
    """The image that each pixel shows, at the place that it shows.

    images       float (H_i, W_i, C) each
    uv           float (B, H, W, 2)
    image_id     int (B, H, W)            index of the image, -1 for none
    derivatives  float (B, H, W, 2, 2)    of (u, v) by (column, row), or None
    level        float (B, H, W)          the mip level, or None
    filters      "linear" or "nearest" for each image
    wraps        "repeat", "clamp" or "mirror" along u and along v, for each image

    Returns (B, H, W, C), 0 where there is no image. Differentiable in images, uv, derivatives and level.
    """
    out = uv.new_zeros((*uv.shape[:-1], images[0].shape[-1] if images else 0))
    for index, (image, filter, wrap) in enumerate(zip(images, filters, wraps, strict=True)):
        pixels = torch.nonzero(image_id == index, as_tuple=True)
        if len(pixels[0]) == 0:
            continue
        at, lost = place(uv[pixels], wrap)
        if filter == "nearest":
            values = nearest(image, at)
        elif derivatives is not None:
            values = trilinear(image, at, level_of(derivatives[pixels], image), wrap)
        elif level is not None:
            values = trilinear(image, at, clamped(level[pixels], image), wrap)
        else:
            values = trilinear(image, at, at.new_zeros(len(at)), wrap)
        values = torch.where(lost[:, None], torch.nan, values)
        out = out.index_put(pixels, values)
    return out


def place(uv: Tensor, wrap: tuple[str, str]) -> tuple[Tensor, Tensor]:
    """uv (P, 2) brought into [0, 1], and whether there is no such place (P,): NaN, or infinite where it repeats."""

    def wrapped(x: Tensor, mode: str) -> Tensor:
        if mode == "clamp":
            return x.clamp(0, 1)
        if mode == "repeat":
            return x - x.detach().floor()
        turn = x - 2 * (x.detach() / 2).floor()
        return torch.where(turn <= 1, turn, 2 - turn)

    at = torch.stack([wrapped(x, mode) for x, mode in zip(uv.unbind(-1), wrap, strict=True)], -1)
    lost = at.isnan().any(-1)
    return torch.where(lost[:, None], 0, at), lost


def nearest(image: Tensor, at: Tensor) -> Tensor:
    """The texel in which `at` (P, 2) lies."""
    height, width = image.shape[:2]
    column = (at[:, 0].detach() * width).floor().long().clamp(0, width - 1)
    row = height - 1 - (at[:, 1].detach() * height).floor().long().clamp(0, height - 1)
    return image[row, column] + 0 * at.sum(-1, keepdim=True)  # the derivative by uv is 0, not missing


def trilinear(image: Tensor, at: Tensor, level: Tensor, wrap: tuple[str, str]) -> Tensor:
    """Mix of two mip levels; level (P,) in [0, last]."""
    levels = mipmaps(image)
    fine = level.detach().floor().long()
    coarse = (fine + 1).clamp(max=len(levels) - 1)
    share = (level - fine)[:, None]
    a, b = bilinear(levels, fine, at, wrap), bilinear(levels, coarse, at, wrap)
    return a + share * (b - a)


def bilinear(levels: list[Tensor], level: Tensor, at: Tensor, wrap: tuple[str, str]) -> Tensor:
    """Mix of the four texels around `at` (P, 2), on the level of each (P,)."""
    sizes = torch.tensor([image.shape[:2] for image in levels])
    first = sizes.prod(1).cumsum(0) - sizes.prod(1)
    texels = torch.cat([image.flatten(0, 1) for image in levels])
    height, width = sizes[level].unbind(1)

    def neighbours(x: Tensor, size: Tensor, mode: str) -> tuple[Tensor, Tensor, Tensor]:
        x = x * size - 0.5  # in texels, from the middle of texel 0
        low = x.detach().floor()
        share, low = x - low, low.long()
        if mode == "repeat":
            return low % size, (low + 1) % size, share
        return low.clamp(min=0), torch.minimum(low + 1, size - 1), share

    left, right, across = neighbours(at[:, 0], width, wrap[0])
    bottom, top, up = neighbours(at[:, 1], height, wrap[1])

    def texel(row_from_below: Tensor, column: Tensor) -> Tensor:
        return texels[first[level] + (height - 1 - row_from_below) * width + column]

    across, up = across[:, None], up[:, None]
    lower = texel(bottom, left) * (1 - across) + texel(bottom, right) * across
    upper = texel(top, left) * (1 - across) + texel(top, right) * across
    return lower * (1 - up) + upper * up


def mipmaps(image: Tensor) -> list[Tensor]:
    """The image and its coarser levels, down to one texel: each texel is the mean of the area that it covers."""
    levels = [image]
    while max(levels[-1].shape[:2]) > 1:
        finer = levels[-1]
        down, across = (halving(size, image) for size in finer.shape[:2])
        levels.append(torch.einsum("ih,jw,hwc->ijc", down, across, finer))
    return levels


def halving(size: int, like: Tensor) -> Tensor:
    """(max(1, size // 2), size): how much of texel j, which covers [j, j + 1], goes into each of the larger texels."""
    half = max(1, size // 2)
    borders = torch.arange(half + 1, dtype=torch.float64) * size / half
    texel = torch.arange(size, dtype=torch.float64)
    low = torch.maximum(borders[:-1, None], texel)
    high = torch.minimum(borders[1:, None], texel + 1)
    return ((high - low).clamp(min=0) * half / size).to(like)


def level_of(derivatives: Tensor, image: Tensor) -> Tensor:
    """The level (P,) on which a pixel's footprint is a texel long: log2 of its longer side, in texels of level 0."""
    height, width = image.shape[:2]
    derivatives = derivatives.nan_to_num(nan=0).clamp(-1e12, 1e12)  # so that float32 can hold the squares
    footprint = derivatives * derivatives.new_tensor([[width], [height]])
    by_column, by_row = footprint.square().sum(-2).unbind(-1)
    return torch.log2(torch.maximum(by_column, by_row).clamp(1, 4.0 ** last(image))) / 2


def clamped(level: Tensor, image: Tensor) -> Tensor:
    """`level` (P,) as one that the image has; NaN is level 0."""
    return level.nan_to_num(nan=0, posinf=1e30, neginf=-1e30).clamp(0, last(image))


def last(image: Tensor) -> int:
    """The level that has one texel."""
    return max(image.shape[:2]).bit_length() - 1
