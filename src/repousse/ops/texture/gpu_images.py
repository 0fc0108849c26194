"""The images of a call, and where their mip levels lie, as GPU kernels know them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl

from repousse.ops.gpu.tables import table
from repousse.ops.texture.layout import COLUMNS

_ROW = tl.constexpr(8)  # numbers per image in a table
LINEAR, NEAREST, MIXED = 0, 1, 2  # how the images of a call are filtered: all, none, or some of them


class Images(NamedTuple):
    """What all kernels take: `arguments` for `image_row`.

    A level k > 0 of an image does not lie right behind the one before, but where a formula says (`level_start`), so
    that kernels need no table of levels. That takes at most half of the image's texels instead of a third.
    """

    number: int
    arguments: tuple[Any, ...]  # table, height, width, last level, texels of the coarser levels
    settings: dict[str, int]  # FILTER, and how all of them wrap along U and V
    texels: int  # of all images
    coarser: int  # texels of their levels from 1 on
    sides: tuple[tuple[int, int], ...]  # height and width of each image that has levels
    largest: int  # texels of the largest image


def describe_images(layout: Sequence[int], mipmaps: bool, device: torch.device) -> Images:
    """The images of a layout. Where they differ, kernels need a table of them."""
    rows, start, sides = [], 0, []
    for at in range(0, len(layout), COLUMNS):
        first, height, width, wrap_u, wrap_v, nearest = layout[at : at + COLUMNS]
        last = max(height, width).bit_length() - 1 if mipmaps and not nearest else 0
        rows.append((first, height, width, wrap_u, wrap_v, nearest, last, start))
        if last:
            start += (max(height, width) - 1) * max(1, min(height, width) // 2)
            sides.append((height, width))
    _, height, width, wrap_u, wrap_v, nearest, last, _ = rows[0]
    texels, largest = sum(row[1] * row[2] for row in rows), max(row[1] * row[2] for row in rows)
    if all(row[1:7] == rows[0][1:7] and row[0] == number * height * width for number, row in enumerate(rows)):
        settings = {"FILTER": NEAREST if nearest else LINEAR, "U": wrap_u, "V": wrap_v}
        arguments = (None, height, width, last, start // len(rows))
        return Images(len(rows), arguments, settings, texels, start, tuple(sides[:1]), largest)
    settings = {"FILTER": MIXED, "U": 0, "V": 0}
    return Images(len(rows), (table(tuple(rows), device), 0, 0, 0, 0), settings, texels, start, tuple(sides), largest)


@triton.jit
def image_row(image, table, height, width, last, coarser, FILTER: tl.constexpr, U: tl.constexpr, V: tl.constexpr):
    """Of images (int64): first texel, height, width, wrap along u and v, 1 if it is not filtered, the last level, and
    the first texel of the coarser levels.

    table  (images, 8) of these, or None if all images have the numbers that follow and lie one behind the other
    """
    if table is None:
        first, behind = image * height * width, image * coarser
        nearest: tl.constexpr = 1 if FILTER == 1 else 0
        found = first, height, width, U, V, nearest, last, behind
    else:
        row = table + image * _ROW
        high, wide = tl.load(row + 1).to(tl.int32), tl.load(row + 2).to(tl.int32)
        along_u, along_v = tl.load(row + 3).to(tl.int32), tl.load(row + 4).to(tl.int32)
        alone, coarsest = tl.load(row + 5).to(tl.int32), tl.load(row + 6).to(tl.int32)
        found = tl.load(row), high, wide, along_u, along_v, alone, coarsest, tl.load(row + 7)
    return found


@triton.jit
def level_start(level, height, width):
    """Where level > 0 begins, in texels from the first of the coarser levels.

    Along the longer side n, level k takes the n >> k columns before n - (n >> k), of at most half of the shorter side.
    """
    longer = tl.maximum(height, width)
    return (longer - (longer >> (level - 1))) * tl.maximum(tl.minimum(height, width) >> 1, 1)
