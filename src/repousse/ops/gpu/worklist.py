"""Work of uneven sizes, dealt out evenly: triangles of one pixel and of a whole image take their share of lanes each.

A first kernel counts the pieces (pixels, columns, lines) of every thing; their running sum tells for each piece which
thing it belongs to. The number of all pieces stays on the device: a fixed number of programs go through them in steps.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.gpu.launch import blocks

_PROGRAMS = 2048  # enough for all multiprocessors of the largest devices to be full


def running_sum(counts: Tensor) -> tuple[Tensor, int]:
    """Where the pieces of each thing end, int64 (N), and the steps that `find` needs; `counts` is int32 (N), N > 0."""
    return torch.cumsum(counts, 0), (len(counts) - 1).bit_length()


def programs(most: int, size: int) -> int:
    """How many programs go through at most `most` pieces, `size` at a time."""
    return min(blocks(most, size), _PROGRAMS)


@triton.jit
def find(ends, counts, count, steps, piece):
    """For a block of pieces, int64: which of `count` things each belongs to, and its number (int32) there.

    Pieces must be below the last of `ends`.
    """
    low = tl.zeros_like(piece)
    high = low + (count - 1)
    step = 0
    while step < steps:
        middle = (low + high) >> 1
        beyond = tl.load(ends + middle) > piece
        high = tl.where(beyond, middle, high)
        low = tl.where(beyond, low, middle + 1)
        step += 1
    first = tl.load(ends + low) - tl.load(counts + low)
    return low, (piece - first).to(tl.int32)
