"""Edges on the screen, cut at the borders of pixels: lists whose lengths only the device knows.

On the CPU a line is walked from pixel to pixel. Here each piece is found by itself, so that one long line keeps many
lanes busy: the borders of columns and those of rows that a line meets are two sorted lists, and the piece that follows
the first s borders of both is found by bisection. Where borders coincide, at corners of pixels, a piece is empty.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.boundary.gpu_lines import border, is_along_border, load_line, walk
from repousse.ops.gpu.launch import launch
from repousse.ops.gpu.silhouettes import Silhouettes, find_ends, list_programs, share_of_list, side_of

BLOCK = 128
_LEAST_ROOM = 1 << 20
NOWHERE = tl.constexpr(2**31 - 1)  # before any index was found


class Scene(NamedTuple):
    """What `boundary` gets; images of a packed batch share positions, and facing is (1, F)."""

    positions: Tensor
    faces: Tensor
    edges: Tensor
    edge_faces: Tensor
    face_id: Tensor
    depth: Tensor
    facing: Tensor
    image: Tensor
    grad: Tensor

    @property
    def vertices(self) -> int:
        """How many rows of positions an image has of its own."""
        return 0 if self.positions.dim() == 2 else self.positions.shape[1]

    @property
    def own_faces(self) -> int:
        """How many entries of `facing` an image has of its own."""
        return 0 if self.positions.dim() == 2 else self.facing.shape[1]


class Outline(NamedTuple):
    """Lines, and the pieces of them inside pixels, ordered by line.

    numbers  float64 (L, 8)  start x, y, way x, y, in pixels; depth at the start and its change; shares (see find_ends)
    ids      int32 (L, 5)    image, edge, its two vertices, side
    known    int32 (L, 6)    the first and the last part with a surface, with an own surface, with something behind
    extents  float64 (N, 2)  from where to where on its line a piece goes
    places   int32 (N, 2)    its line, and its pixel in the image; -1: it is empty, and nothing else of it is set
    total    int64 (1)       how many pieces there are. If more than N, none of them is set
    """

    numbers: Tensor
    ids: Tensor
    known: Tensor
    extents: Tensor
    places: Tensor
    total: Tensor


def most_pieces(scene: Scene) -> int:
    """How many pieces the edges of all images can have, if each crossed the whole image along a border."""
    batch, height, width = scene.face_id.shape
    return batch * scene.edges.shape[0] * 2 * (width + height + 1)


def room_for(scene: Scene, most: int) -> int:
    """For how many pieces, or parts of them, of `most` there is room.

    The outlines of large things have far fewer than there are pixels, and small faces a few for each edge. Where there
    is too little room, as for thousands of faces that all cover the whole image, the gradient becomes NaN (see gpu.py).
    """
    batch, height, width = scene.face_id.shape
    usual = batch * min(8 * scene.edges.shape[0], 4 * height * width)
    return min(most, max(usual, _LEAST_ROOM), 2**30)


def outline(scene: Scene, found: Silhouettes, room: int) -> Outline:
    """Cut the edges that a list tells at the borders of pixels; room for `room` pieces."""
    device, lines = scene.positions.device, found.edges.shape[0]
    _, height, width = scene.face_id.shape
    programs = list_programs(lines, BLOCK)
    result = Outline(
        torch.empty((lines, 8), dtype=torch.float64, device=device),
        torch.empty((lines, 5), dtype=torch.int32, device=device),
        torch.empty((lines, 6), dtype=torch.int32, device=device),
        torch.empty((room, 2), dtype=torch.float64, device=device),
        torch.empty((room, 2), dtype=torch.int32, device=device),
        torch.empty(1, dtype=torch.int64, device=device),
    )
    if lines == 0:
        result.total.zero_()
        return result
    ends = torch.empty(lines, dtype=torch.int64, device=device)
    totals = torch.empty(programs, dtype=torch.int64, device=device)
    launch(
        _trace,
        (programs,),
        scene.positions,
        scene.faces,
        scene.edges,
        scene.edge_faces,
        scene.facing,
        found.images,
        found.edges,
        found.count,
        scene.vertices,
        scene.own_faces,
        width,
        height,
        width / 2,
        height / 2,
        result.numbers,
        result.ids,
        result.known,
        ends,
        totals,
        BLOCK=BLOCK,
    )
    offsets = torch.cumsum(totals, 0)
    result = result._replace(total=offsets[-1:])
    launch(
        _cut,
        (list_programs(room, BLOCK),),
        found.count,
        result.numbers,
        result.ids,
        ends,
        totals,
        offsets,
        programs,
        width,
        height,
        result.extents,
        result.places,
        room,
        BLOCK=BLOCK,
    )
    return result


@triton.jit
def count_of(total, room):
    """The length of a list; 0 if there was too little room for it."""
    count = tl.load(total)
    return tl.where(count > room, 0, count)


@triton.jit
def find_owner(ends, low, high, index):
    """The first entries in [low, high) whose `ends` are greater than `index`: the one to which it belongs."""
    while tl.max(high - low) > 0:
        searching = low < high
        middle = (low + high) // 2
        before = tl.load(ends + middle, mask=searching, other=0) <= index
        low = tl.where(searching & before, middle + 1, low)
        high = tl.where(searching & ~before, middle, high)
    return low


@triton.jit
def _trace(
    positions,
    faces,
    edges,
    edge_faces,
    facing,
    images,
    list_edges,
    count,
    vertices,
    own_faces,
    width,
    height,
    half_width,
    half_height,
    numbers,
    ids,
    known,
    ends,
    totals,
    BLOCK: tl.constexpr,
):
    """A lane writes one line and counts its pieces; a program does a share of the list.

    ends    int64 (L)  how many pieces there are up to this line among those of the same program
    totals  int64 (P)  the pieces of each program
    """
    start, end = share_of_list(tl.load(count), BLOCK)
    total = start * 0
    while start < end:
        at = start + tl.arange(0, BLOCK)
        mask = at < end
        image = tl.load(images + at, mask=mask, other=0).to(tl.int64)
        edge = tl.load(list_edges + at, mask=mask, other=0).to(tl.int64)
        a = tl.load(edges + 2 * edge, mask=mask, other=0)
        b = tl.load(edges + 2 * edge + 1, mask=mask, other=0)
        side = side_of(faces, edges, edge_faces, facing + image * own_faces, edge, mask)
        first, second, left = find_ends(
            positions, image * vertices + a, image * vertices + b, mask, half_width, half_height
        )
        aX, aY, a_zeta, a_share = first
        bX, bY, b_zeta, b_share = second
        ax, ay = aX.to(tl.float64) / 256.0, aY.to(tl.float64) / 256.0
        dx, dy = (bX - aX).to(tl.float64) / 256.0, (bY - aY).to(tl.float64) / 256.0
        line = ax, ay, dx, dy, side.to(tl.float64)
        enters, leaves, _column, _row, columns, rows = walk(line, width, height)
        between_columns, between_rows = is_along_border(line)
        pieces = (columns + rows + 1).to(tl.int64) * tl.where(between_columns | between_rows, 2, 1)
        pieces = tl.where(left & (enters < leaves), pieces, 0)

        to = numbers + 8 * at.to(tl.int64)
        tl.store(to, ax, mask=left)
        tl.store(to + 1, ay, mask=left)
        tl.store(to + 2, dx, mask=left)
        tl.store(to + 3, dy, mask=left)
        tl.store(to + 4, a_zeta, mask=left)
        tl.store(to + 5, b_zeta - a_zeta, mask=left)
        tl.store(to + 6, a_share, mask=left)
        tl.store(to + 7, b_share, mask=left)
        to = ids + 5 * at.to(tl.int64)
        tl.store(to, image.to(tl.int32), mask=left)
        tl.store(to + 1, edge.to(tl.int32), mask=left)
        tl.store(to + 2, a, mask=left)
        tl.store(to + 3, b, mask=left)
        tl.store(to + 4, side, mask=left)
        to = known + 6 * at.to(tl.int64)
        for pair in tl.static_range(3):
            tl.store(to + 2 * pair, tl.full([BLOCK], NOWHERE, tl.int32), mask=left)
            tl.store(to + 2 * pair + 1, tl.full([BLOCK], -1, tl.int32), mask=left)
        tl.store(ends + at, total + tl.cumsum(pieces, 0), mask=mask)
        total += tl.sum(pieces)
        start += BLOCK
    tl.store(totals + tl.program_id(0), total)


@triton.jit
def _cut(
    count,
    numbers,
    ids,
    ends,
    totals,
    offsets,
    tracers,
    width,
    height,
    extents,
    places,
    room,
    BLOCK: tl.constexpr,
):
    """A lane writes one piece. `tracers`: programs that have run _trace; `offsets`: sums of their totals."""
    lines = tl.load(count)
    share = tl.cdiv(tl.cdiv(lines, BLOCK), tracers) * BLOCK
    start, last = share_of_list(count_of(offsets + tracers - 1, room), BLOCK)
    while start < last:
        piece = start + tl.arange(0, BLOCK)
        mask = piece < last
        tracer = find_owner(offsets, tl.zeros([BLOCK], tl.int64), tl.where(mask, tracers, 0).to(tl.int64), piece)
        local = piece - tl.load(offsets + tracer, mask=mask, other=0) + tl.load(totals + tracer, mask=mask, other=0)
        low = tl.where(mask, tracer * share, 0)
        line = find_owner(ends, low, tl.where(mask, tl.minimum(low + share, lines), 0), local)
        before = mask & (line > low)
        place = (local - tl.load(ends + line - 1, mask=before, other=0)).to(tl.int32)

        placed = load_line(numbers, ids, line, mask)
        ax, ay, dx, dy = placed[0], placed[1], placed[2], placed[3]
        begin, end, column, row, columns, rows = walk(placed, width, height)
        between_columns, between_rows = is_along_border(placed)
        twice = between_columns | between_rows
        # A line along a border is walked in the pixels before it, then in those behind it.
        again = twice & (place > columns + rows)
        place = tl.where(again, place - (columns + rows + 1), place)
        # The first `crossed` borders of columns, and place - crossed borders of rows, come before the piece.
        low = tl.where(mask, tl.maximum(place - rows, 0), 0)
        high = tl.where(mask, tl.minimum(place, columns), 0)
        while tl.max(high - low) > 0:
            searching = low < high
            middle = (low + high) // 2
            sooner = border(ax, dx, column, middle) <= border(ay, dy, row, place - middle - 1)
            low = tl.where(searching & sooner, middle + 1, low)
            high = tl.where(searching & ~sooner, middle, high)
        crossed, crossed_rows = low, place - low
        begin = tl.where(crossed > 0, tl.maximum(begin, border(ax, dx, column, crossed - 1)), begin)
        begin = tl.where(crossed_rows > 0, tl.maximum(begin, border(ay, dy, row, crossed_rows - 1)), begin)
        end = tl.minimum(end, border(ax, dx, column, crossed))
        end = tl.minimum(end, border(ay, dy, row, crossed_rows))
        column += tl.where(dx > 0.0, crossed, -crossed)
        row += tl.where(dy > 0.0, crossed_rows, -crossed_rows)
        column -= (between_columns & ~again).to(tl.int32)
        row -= (between_rows & ~again).to(tl.int32)
        some = (begin < end) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        tl.store(extents + 2 * piece, begin, mask=mask & some)
        tl.store(extents + 2 * piece + 1, end, mask=mask & some)
        tl.store(places + 2 * piece, line.to(tl.int32), mask=mask & some)
        tl.store(places + 2 * piece + 1, tl.where(some, row * width + column, -1), mask=mask)
        start += BLOCK
