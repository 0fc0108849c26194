"""What the parts of lines change in the loss, added to the gradient of the vertices at their ends.

Parts of a line without a sample of one side get that of the nearest part that has one. The nearest is looked for from
each of them, forwards and backwards, between the first and the last part of the line that have one: so the parts of
lines that show none at all, as beside faces narrower than a pixel, do not look.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.boundary.gpu_lines import beside, is_along_border, load_depth, load_line
from repousse.ops.boundary.gpu_outline import BLOCK, NOWHERE, Outline, Scene
from repousse.ops.boundary.gpu_samples import jump
from repousse.ops.gpu.launch import launch
from repousse.ops.gpu.silhouettes import list_programs, share_of_list
from repousse.ops.gpu.sums import Sum, add

UNKNOWN = tl.constexpr(-1)
NOTHING = tl.constexpr(-(2**31))
_INFINITY = tl.constexpr(float("inf"))


class Parts(NamedTuple):
    """Parts of pieces, ordered by piece, those of one piece by where they begin.

    extents  float64 (N, 2)  from where to where on its line a part goes
    samples  int32 (N, 3)    its piece, -1 if there is no part here (then nothing else is set); the pixel with the
                             colour of its surface, UNKNOWN if there is none; that of what lies behind it, UNKNOWN, or
                             -2 - piece: that of the surface of another piece
    ways     float32 (N, 2)  how much of the change since the pixel further away from the edge these colours get
    shown    int32 (M)       for each piece the first pixel that shows its surface, NOWHERE if there is none
    total    int64 (1)       how many parts there are. If more than N, none of them counts, and the gradient becomes NaN
    """

    extents: Tensor
    samples: Tensor
    ways: Tensor
    shown: Tensor
    total: Tensor


def empty_parts(room: int, pieces: int, device: torch.device) -> Parts:
    """Room for as many parts, of as many pieces."""
    return Parts(
        torch.empty((room, 2), dtype=torch.float64, device=device),
        torch.empty((room, 3), dtype=torch.int32, device=device),
        torch.empty((room, 2), dtype=torch.float32, device=device),
        torch.empty(pieces, dtype=torch.int32, device=device),
        torch.empty(1, dtype=torch.int64, device=device),
    )


def add_parts(scene: Scene, lines: Outline, parts: Parts, total: Sum, mode: int) -> None:
    """Add to the gradient of positions what parts of lines change."""
    _, height, width = scene.face_id.shape
    room = len(parts.samples)
    launch(
        _add,
        (list_programs(len(lines.places), BLOCK),),
        scene.positions,
        scene.edge_faces,
        scene.face_id,
        scene.depth,
        scene.image,
        scene.grad,
        *lines[:5],
        *parts,
        room,
        scene.positions.numel(),
        scene.vertices,
        width,
        height,
        scene.image.shape[3],
        *total,
        MODE=mode,
        BLOCK=BLOCK,
    )


@triton.jit
def store_part(parts, known, at, line, piece, begin, end, surface, way, behind, behind_way, own, mask):
    """Write the parts at `at`, and note for their lines where there are such.

    parts  the pointers extents, samples and ways of Parts
    own    whether a part's surface is that of one of the edge's own faces
    """
    extents, samples, ways = parts
    at = at.to(tl.int64)
    tl.store(extents + 2 * at, begin, mask=mask)
    tl.store(extents + 2 * at + 1, end, mask=mask)
    tl.store(samples + 3 * at, piece, mask=mask)
    tl.store(samples + 3 * at + 1, surface, mask=mask)
    tl.store(samples + 3 * at + 2, behind, mask=mask)
    tl.store(ways + 2 * at, way, mask=mask)
    tl.store(ways + 2 * at + 1, behind_way, mask=mask)
    to = known + 6 * line.to(tl.int64)
    _note(to, at, mask & (surface >= 0))
    _note(to + 2, at, mask & (surface >= 0) & own)
    _note(to + 4, at, mask & (behind != UNKNOWN))


@triton.jit
def _note(ends, at, mask):
    tl.atomic_min(ends, at.to(tl.int32), mask=mask, sem="relaxed")
    tl.atomic_max(ends + 1, at.to(tl.int32), mask=mask, sem="relaxed")


@triton.jit
def is_own(edge_faces, ids, face_id, line, pixel, pixels, mask):
    """Does a pixel show one of the faces of a line's edge?"""
    image = tl.load(ids + 5 * line.to(tl.int64), mask=mask, other=0).to(tl.int64)
    edge = tl.load(ids + 5 * line.to(tl.int64) + 1, mask=mask, other=0).to(tl.int64)
    face = tl.load(face_id + image * pixels + pixel, mask=mask, other=-1)
    one = tl.load(edge_faces + 2 * edge, mask=mask, other=-1)
    two = tl.load(edge_faces + 2 * edge + 1, mask=mask, other=-1)
    return mask & (face >= 0) & ((face == one) | (face == two))


@triton.jit
def _add(
    positions,
    edge_faces,
    face_id,
    depth,
    image,
    grad,
    numbers,
    ids,
    known,
    piece_extents,
    places,
    extents,
    samples,
    ways,
    shown,
    count,
    room,
    values,
    vertices,
    width,
    height,
    channels,
    total,
    fixed,
    scale,
    MODE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """A lane adds one part; a program does a share of them."""
    parts = tl.load(count)
    if parts > room:
        _add_nan(values, total, fixed, scale, MODE, BLOCK)
        parts = parts * 0
    pixels = width * height
    start, end = share_of_list(parts, BLOCK)
    while start < end:
        part = start + tl.arange(0, BLOCK)
        mask = part < end
        piece = tl.load(samples + 3 * part, mask=mask, other=-1).to(tl.int64)
        mask = mask & (piece >= 0)
        line = tl.load(places + 2 * piece, mask=mask, other=0).to(tl.int64)
        pixel = tl.load(places + 2 * piece + 1, mask=mask, other=0)
        number = tl.load(ids + 5 * line, mask=mask, other=0).to(tl.int64)
        edge = tl.load(ids + 5 * line + 1, mask=mask, other=0).to(tl.int64)
        first_pixel = number * pixels
        own_faces = (
            tl.load(edge_faces + 2 * edge, mask=mask, other=-1),
            tl.load(edge_faces + 2 * edge + 1, mask=mask, other=-1),
        )

        arrays = (extents, samples, ways, shown, face_id + first_pixel)
        first = tl.load(known + 6 * line, mask=mask, other=NOWHERE)
        last = tl.load(known + 6 * line + 1, mask=mask, other=-1)
        first_own = tl.load(known + 6 * line + 2, mask=mask, other=NOWHERE)
        only_own = first_own < NOWHERE
        first = tl.where(only_own, first_own, first)
        last = tl.where(only_own, tl.load(known + 6 * line + 3, mask=mask, other=-1), last)
        surface, way = _nearest(arrays, part, mask, first, last, own_faces, only_own, 0)
        first = tl.load(known + 6 * line + 4, mask=mask, other=NOWHERE)
        last = tl.load(known + 6 * line + 5, mask=mask, other=-1)
        behind, behind_way = _nearest(arrays, part, mask, first, last, own_faces, only_own, 1)
        mask = mask & (behind >= 0)

        from_ = tl.load(extents + 2 * part, mask=mask, other=0.0)
        to = tl.load(extents + 2 * part + 1, mask=mask, other=0.0)
        middle = (from_ + to) / 2.0
        zeta, zeta_way = load_depth(numbers, line, mask)
        lacking = mask & (surface < 0)
        if tl.max(lacking.to(tl.int32)) > 0:
            picture = (face_id + first_pixel, depth + first_pixel, width, height)
            found = _nearby(picture, pixel, behind, zeta + middle * zeta_way, lacking)
            surface = tl.where(lacking, found, surface)
            way = tl.where(lacking, 0.0, way)
        mask = mask & (surface >= 0)

        placed = load_line(numbers, ids, line, mask)
        dx, dy, side = placed[2], placed[3], placed[4]
        _inner, _outer, towards = beside(placed, pixel, width, height)
        between_columns, between_rows = is_along_border(placed)
        weight = tl.where(between_columns | between_rows, 0.5, 1.0) * (to - from_)
        inside = (first_pixel + surface, first_pixel + surface - towards, way)
        outside = (first_pixel + behind, first_pixel + behind + towards, behind_way)
        moved = weight * jump(image, grad, first_pixel + pixel, inside, outside, channels, mask)

        a = number * vertices + tl.load(ids + 5 * line + 2, mask=mask, other=0)
        b = number * vertices + tl.load(ids + 5 * line + 3, mask=mask, other=0)
        share_a = tl.load(numbers + 8 * line + 6, mask=mask, other=0.0)
        share_b = tl.load(numbers + 8 * line + 7, mask=mask, other=1.0)
        x, y = -side * dy * width / 2.0, side * dx * height / 2.0  # away from the face, as long as the edge
        xs, ys, ws = _end(positions, a, b, share_a, x, y, moved * (1.0 - middle), mask)
        xt, yt, wt = _end(positions, a, b, share_b, x, y, moved * middle, mask)
        mask = mask & (moved != 0.0)
        _add_vertex(total, fixed, scale, a, 1.0 - share_a, 1.0 - share_b, (xs, ys, ws), (xt, yt, wt), mask, MODE)
        _add_vertex(total, fixed, scale, b, share_a, share_b, (xs, ys, ws), (xt, yt, wt), mask, MODE)
        start += BLOCK


@triton.jit
def _add_nan(values, total, fixed, scale, MODE: tl.constexpr, BLOCK: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * BLOCK
    while start < values:
        at = start + tl.arange(0, BLOCK)
        add(total, fixed, scale, at, tl.full([BLOCK], float("nan"), tl.float32), at < values, MODE)
        start += tl.num_programs(0) * BLOCK


@triton.jit
def _sample(arrays, part, own_faces, only_own, mask, SIDE: tl.constexpr):
    """The pixel of one sample of parts, as far as it counts: negative if there is none."""
    samples, shown, face_id = arrays[1], arrays[3], arrays[4]
    mask = mask & (tl.load(samples + 3 * part, mask=mask, other=-1) >= 0)
    pixel = tl.load(samples + 3 * part + 1 + SIDE, mask=mask, other=UNKNOWN)
    if SIDE == 0:
        # Beside a narrow face the inner pixel may show its neighbour: where other parts of the edge show one of its
        # own faces, that colour is taken.
        face = tl.load(face_id + pixel, mask=mask & only_own & (pixel >= 0), other=-1)
        own = (face >= 0) & ((face == own_faces[0]) | (face == own_faces[1]))
        pixel = tl.where(only_own & ~own, UNKNOWN, pixel)
    else:
        other = mask & (pixel < UNKNOWN)
        seen = tl.load(shown - 2 - pixel.to(tl.int64), mask=other, other=0)
        pixel = tl.where(other, tl.where(seen == NOWHERE, NOTHING, seen), pixel)
    return pixel


@triton.jit
def _middle(extents, part, mask):
    begin = tl.load(extents + 2 * part, mask=mask, other=0.0)
    return (begin + tl.load(extents + 2 * part + 1, mask=mask, other=0.0)) / 2.0


@triton.jit
def _nearest(arrays, part, mask, first, last, own_faces, only_own, SIDE: tl.constexpr):
    """The samples of one side of parts, or those of the nearest parts of the same line that have one."""
    extents, ways = arrays[0], arrays[2]
    pixel = _sample(arrays, part, own_faces, only_own, mask, SIDE)
    lacking = mask & (pixel == UNKNOWN) & (first <= last)
    at = part
    if tl.max(lacking.to(tl.int32)) > 0:
        before, below = part, pixel
        searching = lacking
        before = tl.where(lacking, tl.minimum(part, last + 1), before)
        while tl.max(searching.to(tl.int32)) > 0:
            before -= searching.to(tl.int64)
            searching = searching & (before >= first)
            found = _sample(arrays, before, own_faces, only_own, searching, SIDE)
            below = tl.where(searching, found, below)
            searching = searching & (found < 0)
        after, above = part, pixel
        searching = lacking
        after = tl.where(lacking, tl.maximum(part, first - 1), after)
        while tl.max(searching.to(tl.int32)) > 0:
            after += searching.to(tl.int64)
            searching = searching & (after <= last)
            found = _sample(arrays, after, own_faces, only_own, searching, SIDE)
            above = tl.where(searching, found, above)
            searching = searching & (found < 0)
        has_before, has_after = lacking & (below >= 0), lacking & (above >= 0)
        middle = _middle(extents, part, lacking)
        down = tl.where(has_before, middle - _middle(extents, before, has_before), _INFINITY)
        up = tl.where(has_after, _middle(extents, after, has_after) - middle, _INFINITY)
        back = has_before & tl.where(down == up, below <= above, down < up)
        onward = has_after & ~back
        pixel = tl.where(back, below, tl.where(onward, above, pixel))
        at = tl.where(back, before, tl.where(onward, after, at))
    return pixel, tl.load(ways + 2 * at + SIDE, mask=mask & (pixel >= 0), other=0.0)


@triton.jit
def _nearby(picture, pixel, behind, zeta, mask):
    """The pixels around that show something at about the depth of an edge, but not the face `behind` it; -1: none."""
    face_id, depth, width, height = picture
    column, row = pixel % width, pixel // width
    hidden = tl.load(face_id + behind, mask=mask, other=-1)
    best = tl.full(pixel.shape, -1, tl.int32)
    least = tl.full(pixel.shape, _INFINITY, tl.float64)
    for index in tl.static_range(9):
        c, r = column + (index % 3 - 1), row + (index // 3 - 1)
        exists = mask & (c >= 0) & (c < width) & (r >= 0) & (r < height)
        at = r * width + c
        face = tl.load(face_id + at, mask=exists, other=-1)
        apart = tl.abs(tl.load(depth + at, mask=exists, other=0.0).to(tl.float64) - zeta)
        better = exists & (face >= 0) & (face != hidden) & (apart < least)
        best = tl.where(better, at, best)
        least = tl.where(better, apart, least)
    return best


@triton.jit
def _end(positions, a, b, share, x, y, moved, mask):
    """The gradient of the ends of lines in clip space (x, y, w), each end at its `share` of the edge."""
    px = _between(positions, a, b, share, mask, 0)
    py = _between(positions, a, b, share, mask, 1)
    w = _between(positions, a, b, share, mask, 3)
    w = tl.where(mask, w, 1.0)
    gx, gy = x * moved / w, y * moved / w
    return gx, gy, -(gx * px + gy * py) / w


@triton.jit
def _between(positions, a, b, share, mask, AXIS: tl.constexpr):
    start = tl.load(positions + 4 * a + AXIS, mask=mask, other=0.0).to(tl.float64)
    return start + share * (tl.load(positions + 4 * b + AXIS, mask=mask, other=0.0).to(tl.float64) - start)


@triton.jit
def _add_vertex(total, fixed, scale, vertex, one, two, first, second, mask, MODE: tl.constexpr):
    x, y, w = one * first[0] + two * second[0], one * first[1] + two * second[1], one * first[2] + two * second[2]
    add(total, fixed, scale, 4 * vertex, x.to(tl.float32), mask, MODE)
    add(total, fixed, scale, 4 * vertex + 1, y.to(tl.float32), mask, MODE)
    add(total, fixed, scale, 4 * vertex + 3, w.to(tl.float32), mask, MODE)
