"""Where silhouettes cross one another within pixels: there their pieces fall into parts."""

import triton
import triton.language as tl

from repousse.ops.boundary.gpu_lines import beyond, load_line, load_vertices, meets, point_at
from repousse.ops.boundary.gpu_outline import NOWHERE, count_of
from repousse.ops.boundary.gpu_pixels import MOST_PIECES, load_piece, pixel_of
from repousse.ops.gpu.silhouettes import share_of_list

_MOST_CUTS = tl.constexpr(8)  # of a piece
_INFINITY = tl.constexpr(float("inf"))


@triton.jit
def _ends_of(numbers, ids, line, begin, end, mask):
    """Lines from `begin` to `end`: both points, and the vertices at the ends of the whole."""
    placed = load_line(numbers, ids, line, mask)
    start_x, start_y = point_at(placed, begin)
    end_x, end_y = point_at(placed, end)
    a, b = load_vertices(ids, line, mask)
    return (start_x, start_y, end_x, end_y), a, b


@triton.jit
def _next_cut(arrays, k, own, points, a, b):
    """Whether pieces `k` cut others, and where, as a share of the way; then what follows them in their lists.

    own     the lines of the others, points: their ends, a, b: the vertices of their edges
    """
    numbers, ids, extents, places, following = arrays
    listed = k >= 0
    begin, end, other = load_piece(extents, places, k, listed)
    crossing = load_line(numbers, ids, other, listed)
    c, d = load_vertices(ids, other, listed)
    met, _t = meets(crossing, begin, end, points[0], points[1], points[2], points[3])
    met = met & listed & (other != own) & ~((a == c) | (a == d) | (b == c) | (b == d))
    before, after = beyond(crossing, points[0], points[1]), beyond(crossing, points[2], points[3])
    share = before / tl.where(met, before - after, 1.0)
    return met, share, tl.load(following + k.to(tl.int64), mask=listed, other=-1)


@triton.jit
def count_cuts(
    numbers,
    ids,
    extents,
    places,
    total,
    room,
    first,
    following,
    width,
    height,
    ends,
    totals,
    shown,
    BLOCK: tl.constexpr,
):
    """A lane counts into how many parts one piece falls; a program does a share of them.

    ends    int32 (N)  how many there are up to this piece, among those of the same program
    totals  int64 (P)  the parts of each program
    shown   int32 (N)  set to NOWHERE
    """
    start, end = share_of_list(count_of(total, room), BLOCK)
    pixels = width * height
    arrays = (numbers, ids, extents, places, following)
    sum = tl.zeros([], tl.int32)
    while start < end:
        piece = start + tl.arange(0, BLOCK)
        inside = piece < end
        pixel, mask = pixel_of(ids, places, piece, inside, pixels)
        from_, to, line = load_piece(extents, places, piece, mask)
        points, a, b = _ends_of(numbers, ids, line, from_, to, mask)
        k = tl.load(first + pixel, mask=mask, other=-1)
        count = tl.zeros([BLOCK], tl.int32)
        left = MOST_PIECES
        while (tl.max(k) >= 0) & (left > 0):
            met, _share, k = _next_cut(arrays, k, line, points, a, b)
            count += met.to(tl.int32)
            k = tl.where(count < _MOST_CUTS, k, -1)
            left -= 1
        count = tl.where(mask, count + 1, 0)
        tl.store(ends + piece, sum + tl.cumsum(count, 0), mask=inside)
        tl.store(shown + piece, tl.full([BLOCK], NOWHERE, tl.int32), mask=inside)
        sum += tl.sum(count)
        start += BLOCK
    tl.store(totals + tl.program_id(0), sum.to(tl.int64))


@triton.jit
def _insert(sorted, value):
    """Put numbers in their places among eight sorted ones; the largest is lost."""
    a, b, c, d, e, f, g, h = sorted
    a, value = tl.minimum(a, value), tl.maximum(a, value)
    b, value = tl.minimum(b, value), tl.maximum(b, value)
    c, value = tl.minimum(c, value), tl.maximum(c, value)
    d, value = tl.minimum(d, value), tl.maximum(d, value)
    e, value = tl.minimum(e, value), tl.maximum(e, value)
    f, value = tl.minimum(f, value), tl.maximum(f, value)
    g, value = tl.minimum(g, value), tl.maximum(g, value)
    return a, b, c, d, e, f, g, tl.minimum(h, value)


@triton.jit
def find_part(arrays, first, pixel, line, from_, to, index, mask):
    """Where part `index` of pieces begins and ends."""
    numbers, ids = arrays[0], arrays[1]
    points, a, b = _ends_of(numbers, ids, line, from_, to, mask)
    none = tl.zeros_like(from_) + _INFINITY
    cuts = (none, none, none, none, none, none, none, none)
    count = tl.zeros_like(index)
    k = tl.load(first + pixel, mask=mask, other=-1)
    left = MOST_PIECES
    while (tl.max(k) >= 0) & (left > 0):
        met, share, k = _next_cut(arrays, k, line, points, a, b)
        cuts = _insert(cuts, tl.where(met, from_ + (to - from_) * share, _INFINITY))
        count += met.to(tl.int32)
        k = tl.where(count < _MOST_CUTS, k, -1)
        left -= 1
    begin, end = from_, to
    for i in tl.static_range(8):
        begin = tl.where(index == i + 1, tl.maximum(from_, cuts[i]), begin)
        end = tl.where((index == i) & (index < count), cuts[i], end)
    return begin, end
