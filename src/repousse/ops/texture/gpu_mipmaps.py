"""Mip levels of images, and the transpose: gradients of the levels brought down to the images.

Where lengths are even, a texel is the mean of two by two, and the next level that of its texels: one launch does for up
to five levels. Else there is one launch for each level.
"""

from collections.abc import Iterator

import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.texture.gpu_images import Images, image_row, level_start

_BLOCK = 1024
_SIDE = tl.constexpr(32)  # of a tile of which several levels are made at once
_MOST_AT_ONCE = 5  # 2^5 = _SIDE


def _steps(images: Images) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """(level, how many levels are made of it at once, heights and widths on it), from level 0 on. 0 at once: one level,
    of lengths that need not be even."""
    level, sides = 0, [side for side in images.sides if max(side) > 1]
    while sides:
        even = min((height | width) & -(height | width) for height, width in sides)
        at_once = min(even.bit_length() - 1, _MOST_AT_ONCE)
        yield level, at_once, sides
        done = max(at_once, 1)
        level += done
        sides = [(max(1, height >> done), max(1, width >> done)) for height, width in sides]
        sides = [side for side in sides if max(side) > 1]


def build_mipmaps(texels: Tensor, images: Images) -> Tensor:
    """The levels from 1 on (N, C) of all images, each where `level_start` says."""
    channels = texels.shape[1]
    pyramid = texels.new_empty((images.coarser, channels))
    for level, at_once, sides in _steps(images):
        arguments = (pyramid if level else texels, pyramid, channels, level, *images.arguments)
        if at_once:
            count = max(blocks(height, _SIDE.value) * blocks(width, _SIDE.value) for height, width in sides)
            launch(_halve_often, (count * images.number,), *arguments, count, LEVELS=at_once)
        else:
            size = max(max(1, height // 2) * max(1, width // 2) for height, width in sides)
            count = blocks(size * channels, _BLOCK)
            launch(_halve, (count * images.number,), *arguments, count, BLOCK=_BLOCK)
    return pyramid


def gather_gradients(gradient: Tensor, images: Images) -> Tensor:
    """The gradient of the images (T, C), given that of their texels and behind them of their coarser levels'
    (T + N, C), which is used up."""
    levels, coarser = gradient[: images.texels], gradient[images.texels :]
    if images.coarser == 0:
        return levels
    channels = gradient.shape[1]
    out = gradient.new_empty((images.texels, channels))
    for level, at_once, sides in reversed(list(_steps(images))):
        size = images.largest if level == 0 else max(height * width for height, width in sides)
        count = blocks(size * channels, _BLOCK)
        pointers = (coarser, coarser, coarser) if level else (levels, coarser, out)
        arguments = (*pointers, channels, level, *images.arguments, count)
        launch(_gather, (count * images.number,), *arguments, LEVELS=at_once, BLOCK=_BLOCK)
    return out


@triton.jit
def _start(first, behind, level, height, width, channels):
    """Where a level begins: level 0 among the images, the others among the coarser levels. (Of two pointers Triton's
    compiler for AMD cannot choose one, so the host does.)
    """
    later = behind + level_start(tl.maximum(level, 1), height, width)
    return tl.where(level > 0, later, first) * channels


@triton.jit
def _share(coarse, fine, size):
    """How much of texel `fine` of a side of `size` goes into texel `coarse` of one of max(1, size // 2); 0 if one of
    the two does not exist. An odd side is cut into pieces of 2 + 1 / (size // 2) texels."""
    half, tap, odd = size >> 1, fine - 2 * coarse, size & 1
    piece = tl.where(tap == 0, half - coarse, tl.where(tap == 1, half, coarse + 1)).to(tl.float32)
    share = tl.where(odd == 1, piece / tl.cast(size, tl.float32), 0.5)
    share = tl.where(size == 1, 1.0, share)
    inside = (coarse >= 0) & (coarse < tl.maximum(half, 1)) & (fine < size)
    return tl.where(inside & (tap >= 0) & (tap < 2 + odd), share, 0.0)


@triton.jit
def _two_by_two(value, SIDE: tl.constexpr):
    """The means (SIDE, SIDE) of two by two numbers."""
    return tl.sum(tl.sum(tl.reshape(value, (SIDE, 2, SIDE, 2)), 3), 1) * 0.25


@triton.jit
def _store_tile(to, value, row, column, rows, columns, channels, SIDE: tl.constexpr):
    """Store a channel of the tile (SIDE, SIDE) in a row and a column of tiles."""
    r, c = row * SIDE + tl.arange(0, SIDE)[:, None], column * SIDE + tl.arange(0, SIDE)[None, :]
    tl.store(to + (r * columns + c) * channels, value, mask=(r < rows) & (c < columns))


@triton.jit
def _halve_often(
    source, pyramid, channels, level, table, height, width, last, coarser, tiles,
    LEVELS: tl.constexpr,
):  # fmt: skip
    """The next LEVELS levels of a tile of `level`, of which 2^LEVELS divides both lengths. From `table` on: see
    image_row; `source`: what holds `level`; `tiles` programs for each image."""
    image = (tl.program_id(0) // tiles).to(tl.int64)
    first, height, width, _, _, _, last, behind = image_row(image, table, height, width, last, coarser, 0, 0, 0)
    start = source + _start(first, behind, level, height, width, channels)
    columns, rows = width >> level, tl.where(last > level, height >> level, 0)
    across = tl.cdiv(columns, _SIDE)
    row, column = tl.program_id(0) % tiles // across, tl.program_id(0) % tiles % across
    r, c = row * _SIDE + tl.arange(0, _SIDE)[:, None], column * _SIDE + tl.arange(0, _SIDE)[None, :]
    channel = 0
    while channel < channels:
        at = start + (r * columns + c) * channels + channel
        value = tl.load(at, mask=(r < rows) & (c < columns), other=0.0)
        for step in tl.static_range(1, LEVELS + 1):
            value = _two_by_two(value, _SIDE >> step)
            to = pyramid + _start(first, behind, level + step, height, width, channels) + channel
            _store_tile(to, value, row, column, rows >> step, columns >> step, channels, _SIDE >> step)
        channel += 1


@triton.jit
def _halve(
    source, pyramid, channels, level, table, height, width, last, coarser, count,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The level after `level`, whatever its lengths; `source`: what holds `level`; `count` programs for each image,
    a lane for each number."""
    image = (tl.program_id(0) // count).to(tl.int64)
    first, height, width, _, _, _, last, behind = image_row(image, table, height, width, last, coarser, 0, 0, 0)
    start = source + _start(first, behind, level, height, width, channels)
    to = pyramid + _start(first, behind, level + 1, height, width, channels)
    rows, columns = tl.maximum(height >> level, 1), tl.maximum(width >> level, 1)
    across, down = tl.maximum(columns >> 1, 1), tl.where(last > level, tl.maximum(rows >> 1, 1), 0)
    number = tl.program_id(0) % count * BLOCK + tl.arange(0, BLOCK)
    texel, channel = number // channels, number % channels
    row, column = texel // across, texel % across
    inside = row < down
    total = tl.zeros((BLOCK,), tl.float32)
    for j in tl.static_range(3):
        part = tl.zeros((BLOCK,), tl.float32)
        row_share = _share(row, 2 * row + j, rows)
        for i in tl.static_range(3):
            share = _share(column, 2 * column + i, columns)
            at = start + ((2 * row + j) * columns + 2 * column + i) * channels + channel
            part += tl.load(at, mask=inside & (share > 0.0) & (row_share > 0.0), other=0.0) * share
        total += part * row_share
    tl.store(to + number, total, mask=inside)


@triton.jit
def _gather(
    source, coarser_levels, out, channels, level, table, height, width, last, coarser, count,
    LEVELS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients of `level` and, of what was made of it, of the next LEVELS levels (0: of one, whatever its lengths),
    added, from `source` to `out`: for level > 0 in place. `count` programs for each image, a lane for each number."""
    image = (tl.program_id(0) // count).to(tl.int64)
    first, height, width, _, _, _, last, behind = image_row(image, table, height, width, last, coarser, 0, 0, 0)
    rows, columns = tl.maximum(height >> level, 1), tl.maximum(width >> level, 1)
    start = _start(first, behind, level, height, width, channels)
    number = tl.program_id(0) % count * BLOCK + tl.arange(0, BLOCK)
    texel, channel = number // channels, number % channels
    row, column = texel // columns, texel % columns
    inside = row < tl.where(last >= level, rows, 0)
    total = tl.load(source + start + number, mask=inside, other=0.0)
    deep = row < tl.where(last > level, rows, 0)
    for step in tl.static_range(1, LEVELS + 1):
        above = _start(first, behind, level + step, height, width, channels)
        at = coarser_levels + above + ((row >> step) * (columns >> step) + (column >> step)) * channels + channel
        total += tl.load(at, mask=deep, other=0.0) * (0.25**step)
    if LEVELS == 0:
        above = _start(first, behind, level + 1, height, width, channels)
        half = tl.maximum(columns >> 1, 1)
        for j in tl.static_range(2):
            to_row = (row >> 1) - j
            row_share = _share(to_row, row, rows)
            for i in tl.static_range(2):
                to_column = (column >> 1) - i
                share = row_share * _share(to_column, column, columns)
                at = coarser_levels + above + (to_row * half + to_column) * channels + channel
                total += tl.load(at, mask=deep & (share > 0.0), other=0.0) * share
    tl.store(out + start + number, total, mask=inside)
