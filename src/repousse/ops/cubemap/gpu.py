"""Directions looked up on a GPU, and the derivative."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from repousse.ops.cubemap.gpu_lookup import look_up, look_up_backward
from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.sums import ATOMIC, Sum, accumulate
from repousse.ops.gpu.tables import table

_MOST_LANES = 32


def surroundings(texels: Tensor, sizes: Sequence[int], cube: bool, direction: Tensor, level: Tensor | None) -> Tensor:
    channels = texels.shape[-1]
    out = texels.new_empty((*direction.shape[:-1], channels))
    if out.numel():
        shared, grid, block = _shared(sizes, cube, direction, level, channels)
        launch(look_up, grid, texels, shared[0], direction, level, out, *shared[1:], **block)
    return out


def surroundings_backward(
    texels: Tensor,
    sizes: Sequence[int],
    cube: bool,
    direction: Tensor,
    level: Tensor | None,
    g_out: Tensor,
    wanted: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    g_texels = texels.new_empty(texels.shape if wanted[0] else (0,))
    g_direction = direction.new_empty(direction.shape if wanted[1] else (0,))
    g_level = direction.new_empty(direction.shape[:-1] if wanted[2] else (0,))
    if g_out.numel() == 0:
        return g_texels.zero_(), g_direction.zero_(), g_level.zero_()
    g_out, channels = g_out.contiguous(), texels.shape[-1]
    shared, grid, block = _shared(sizes, cube, direction, level, channels)
    by_pixel = (g_direction if wanted[1] else None, g_level if wanted[2] and level is not None else None)
    inputs = (texels, shared[0], direction, level, g_out)
    constants = {**block, "SUM_LANES": max(_padded(channels), 2)}

    # One after the other: together they need so many registers that few programs are under way at once.
    if wanted[1] or wanted[2]:
        some = (*inputs, *by_pixel, None, None, None, *shared[1:])
        launch(look_up_backward, grid, *some, MODE=ATOMIC.value, **constants)

    def add(sums: list[Sum], mode: int) -> None:
        launch(look_up_backward, grid, *inputs, None, None, *sums[0], *shared[1:], MODE=mode, **constants, num_warps=8)

    if wanted[0]:
        g_texels = accumulate([texels], add)[0]
    return g_texels, g_direction, g_level


def _shared(
    sizes: Sequence[int], cube: bool, direction: Tensor, level: Tensor | None, channels: int
) -> tuple[tuple[Any, ...], tuple[int], dict[str, Any]]:
    """What both kernels take: (table of levels, number of levels, height, width, pixels), the grid, and constants. See
    `_tiles` of textures for the lanes."""
    pixels = direction.shape[:-1].numel()
    rows, first = [], 0
    for height, width in zip(sizes[::2], sizes[1::2], strict=True):
        rows.append((first, height, width))
        first += (6 if cube else 1) * height * width
    levels = None if level is None else table(tuple(rows), direction.device)
    lanes = 1 if channels == 3 else _padded(channels)
    block = max(min(1024 // lanes, 256), 32)
    constants = {"CUBE": cube, "BLOCK": block, "CHANNELS": channels, "LANES": lanes}
    return (levels, len(rows), sizes[0], sizes[1], pixels), (blocks(pixels, block),), constants


def _padded(channels: int) -> int:
    return min(1 << (channels - 1).bit_length(), _MOST_LANES)
