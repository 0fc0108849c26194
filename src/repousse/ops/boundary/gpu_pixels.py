"""The pieces of each pixel, as linked lists.

They are built by atomics, so their order may change from run to run: nothing depends on it, unless a pixel has more
than MOST_PIECES pieces or a piece more than eight cuts. With `torch.use_deterministic_algorithms(True)` pieces are
sorted instead, and the order is that on the CPU.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.boundary.gpu_outline import BLOCK, Outline, count_of
from repousse.ops.gpu.launch import launch
from repousse.ops.gpu.silhouettes import list_programs, share_of_list

MOST_PIECES = tl.constexpr(256)  # of a pixel that are looked at for one part: bounds the cost of tangled meshes


class PixelLists(NamedTuple):
    """Lists of the pieces of an outline.

    first      int32 (B * H * W)  the first piece of each pixel, -1: none
    following  int32 (N)          the piece of the same pixel that comes after a piece, -1: none
    """

    first: Tensor
    following: Tensor


def link_pieces(lines: Outline, shape: torch.Size) -> PixelLists:
    """The pieces of each pixel of images (B, H, W)."""
    pieces, device = len(lines.places), lines.places.device
    programs = list_programs(pieces, BLOCK)
    lists = PixelLists(
        torch.full((shape.numel(),), -1, dtype=torch.int32, device=device),
        torch.empty(pieces, dtype=torch.int32, device=device),
    )
    outline = (lines.ids, lines.places, lines.total, pieces, shape[1] * shape[2])
    if torch.are_deterministic_algorithms_enabled():
        keys = torch.full((pieces,), shape.numel(), dtype=torch.int64, device=device)
        launch(_find_pixels, (programs,), *outline, keys, BLOCK=BLOCK)
        keys, order = torch.sort(keys, stable=True)
        launch(_link_sorted, (programs,), keys, order, pieces, shape.numel(), *lists, BLOCK=BLOCK)
    else:
        launch(_link, (programs,), *outline, *lists, BLOCK=BLOCK)
    return lists


@triton.jit
def pixel_of(ids, places, piece, mask, pixels):
    """Index in the batch of the pixel of pieces, and the index in it of their image's first; mask: those not empty."""
    line = tl.load(places + 2 * piece, mask=mask, other=0).to(tl.int64)
    pixel = tl.load(places + 2 * piece + 1, mask=mask, other=-1)
    mask = mask & (pixel >= 0)
    return tl.load(ids + 5 * line, mask=mask, other=0).to(tl.int64) * pixels + pixel, mask


@triton.jit
def load_piece(extents, places, piece, mask):
    """Where pieces begin and end, and their lines; masked ones are empty."""
    at = piece.to(tl.int64)
    begin = tl.load(extents + 2 * at, mask=mask, other=0.0)
    end = tl.load(extents + 2 * at + 1, mask=mask, other=0.0)
    return begin, end, tl.load(places + 2 * at, mask=mask, other=-1)


# Triton's compiler for AMD makes buffers of small tensors, where it knows no exchange: it is not told of `first`.
@triton.jit(do_not_specialize=("first",))
def _link(ids, places, total, room, pixels, first, following, BLOCK: tl.constexpr):
    """A lane puts one piece before the others of its pixel."""
    start, end = share_of_list(count_of(total, room), BLOCK)
    while start < end:
        piece = start + tl.arange(0, BLOCK)
        pixel, mask = pixel_of(ids, places, piece, piece < end, pixels)
        tl.store(following + piece, tl.atomic_xchg(first + pixel, piece.to(tl.int32), mask, "relaxed"), mask=mask)
        start += BLOCK


@triton.jit
def _find_pixels(ids, places, total, room, pixels, keys, BLOCK: tl.constexpr):
    """A lane writes the pixel of one piece."""
    start, end = share_of_list(count_of(total, room), BLOCK)
    while start < end:
        piece = start + tl.arange(0, BLOCK)
        pixel, mask = pixel_of(ids, places, piece, piece < end, pixels)
        tl.store(keys + piece, pixel, mask=mask)
        start += BLOCK


@triton.jit
def _link_sorted(keys, order, room, pixels, first, following, BLOCK: tl.constexpr):
    """A lane links one piece, the last of a pixel being the first of its list. `keys`: their pixels, in order."""
    start = tl.program_id(0) * BLOCK
    while start < room:
        at = start + tl.arange(0, BLOCK)
        pixel = tl.load(keys + at, mask=at < room, other=pixels)
        mask = pixel < pixels
        piece = tl.load(order + at, mask=mask, other=0)
        before = tl.load(keys + at - 1, mask=mask & (at > 0), other=-1)
        other = tl.load(order + at - 1, mask=mask & (before == pixel), other=-1)
        tl.store(following + piece, other.to(tl.int32), mask=mask)
        after = tl.load(keys + at + 1, mask=mask & (at + 1 < room), other=pixels)
        tl.store(first + pixel, piece.to(tl.int32), mask=mask & (after != pixel))
        start += tl.num_programs(0) * BLOCK
