"""The images of a call, and where their mip levels lie, as GPU kernels know them."""

import functools
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.texture.layout import COLUMNS

_ROW = tl.constexpr(8)  # numbers per image in a table
LINEAR, NEAREST, MIXED = 0, 1, 2  # how the images of a call are filtered: all, none, or some of them


class Images(NamedTuple):
    """What all kernels take: `arguments` for `image_row`.

    A level k > 0 of an image does not lie right behind the one before, but where a formula says (`level_start`), so
    that kernels need no table of levels. That takes at most half of the image's texels instead of a third.
    """

    count: int
    arguments: tuple[Any, ...]  # table, height, width, wrap along u, along v, last level, texels of the coarser levels
    filter: int
    texels: int  # of all images
    coarser: int  # texels of their levels from 1 on
    sides: tuple[tuple[int, int], ...]  # height and width of each image that has levels
    largest: int  # texels of the largest image


@functools.lru_cache(maxsize=1024)
def describe_images(layout: tuple[int, ...], mipmaps: bool, device: torch.device) -> Images:
    """The images of a layout. Where they differ they need a table on the device: only the first call waits for it."""
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
        arguments = (None, height, width, wrap_u, wrap_v, last, start // len(rows))
        return Images(len(rows), arguments, NEAREST if nearest else LINEAR, texels, start, tuple(sides[:1]), largest)
    table = torch.tensor(rows, dtype=torch.int64).to(device)
    return Images(len(rows), (table, 0, 0, 0, 0, 0, 0), MIXED, texels, start, tuple(sides), largest)


_captured: set[Images] = set()


def images_of(layout: list[int], mipmaps: bool, device: torch.device) -> Images:
    """`describe_images`, kept for good if a graph is being captured: whoever replays it reads the table again."""
    images = describe_images(tuple(layout), mipmaps, device)
    if images.filter == MIXED and device.type != "cpu" and torch.cuda.is_current_stream_capturing():
        _captured.add(images)
    return images


@triton.jit
def image_row(image, table, height, width, wrap_u, wrap_v, last, coarser, FILTER: tl.constexpr):
    """Of images (int64): first texel, height, width, wrap along u and v, 1 if it is not filtered, the last level, and the
    first texel of the coarser levels.

    table  (images, 8) of these, or None if all images have the numbers that follow and lie one behind the other
    """
    if table is None:
        first, behind = image * height * width, image * coarser
        nearest: tl.constexpr = 1 if FILTER == 1 else 0
        found = first, height, width, wrap_u, wrap_v, nearest, last, behind
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
