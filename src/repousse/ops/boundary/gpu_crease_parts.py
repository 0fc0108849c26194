"""What is seen on both sides of creases, piece by piece; creases.h for a GPU."""

import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.boundary.gpu_gradient import UNKNOWN, Parts, empty_parts, store_part
from repousse.ops.boundary.gpu_lines import beside, is_steep, load_depth, load_line
from repousse.ops.boundary.gpu_outline import BLOCK, Outline, Scene, count_of
from repousse.ops.gpu.launch import launch
from repousse.ops.gpu.silhouettes import list_programs, share_of_list


def find_crease_parts(scene: Scene, creases: Outline, flat: Tensor) -> Parts:
    """The parts of creases: pieces beside which one of their faces is seen, or nothing nearer."""
    room = len(creases.places)
    parts = empty_parts(room, 0, scene.positions.device)._replace(total=creases.total)
    launch(
        _look_beside,
        (list_programs(room, BLOCK),),
        creases.numbers,
        creases.ids,
        creases.known,
        creases.extents,
        creases.places,
        creases.total,
        room,
        scene.faces,
        scene.edge_faces,
        scene.face_id,
        scene.depth,
        flat,
        *scene.face_id.shape[1:],
        parts.extents,
        parts.samples,
        parts.ways,
        BLOCK=BLOCK,
    )
    return parts


@triton.jit
def _look_beside(
    numbers,
    ids,
    known,
    extents,
    places,
    total,
    room,
    faces,
    edge_faces,
    face_id,
    depth,
    flat,
    height,
    width,
    part_extents,
    samples,
    ways,
    BLOCK: tl.constexpr,
):
    """A lane makes one piece a part; a program does a share of them."""
    start, end = share_of_list(count_of(total, room), BLOCK)
    while start < end:
        piece = start + tl.arange(0, BLOCK)
        inside = piece < end
        pixel = tl.load(places + 2 * piece + 1, mask=inside, other=-1)
        mask = inside & (pixel >= 0)
        index = tl.load(places + 2 * piece, mask=mask, other=0).to(tl.int64)
        begin = tl.load(extents + 2 * piece, mask=mask, other=0.0)
        stop = tl.load(extents + 2 * piece + 1, mask=mask, other=0.0)
        line = load_line(numbers, ids, index, mask)
        number = tl.load(ids + 5 * index, mask=mask, other=0).to(tl.int64)
        edge = tl.load(ids + 5 * index + 1, mask=mask, other=0).to(tl.int64)
        one = tl.load(edge_faces + 2 * edge, mask=mask, other=-1)
        two = tl.load(edge_faces + 2 * edge + 1, mask=mask, other=-1)
        is_flat = tl.load(flat + number, mask=mask, other=0) != 0
        shown = face_id + number * height * width
        inner, outer, towards = beside(line, pixel, width, height)
        shows_one, has_one, way_one = _carried(shown, line, one, inner, -towards, is_flat, width, height, mask)
        shows_two, has_two, way_two = _carried(shown, line, two, outer, towards, is_flat, width, height, mask)

        # Is something unrelated seen in front?
        face = tl.load(shown + pixel, mask=mask, other=-1)
        zeta, zeta_way = load_depth(numbers, index, mask)
        there = tl.load(depth + number * height * width + pixel, mask=mask, other=0.0).to(tl.float64)
        covered = (face >= 0) & ~(there > zeta + (begin + stop) / 2.0 * zeta_way)
        a, b = tl.load(ids + 5 * index + 2, mask=mask, other=-1), tl.load(ids + 5 * index + 3, mask=mask, other=-1)
        for k in tl.static_range(3):
            corner = tl.load(faces + 3 * face + k, mask=mask & (face >= 0), other=-1)
            covered = covered & (corner != a) & (corner != b)
        mask = mask & (shows_one | shows_two | ~covered)

        # Colours of two places would make a jump out of smooth shading: both samples are taken from the same part.
        both = has_one & has_two
        inner, outer = tl.where(both, inner, UNKNOWN), tl.where(both, outer, UNKNOWN)
        parts = (part_extents, samples, ways)
        piece_id = piece.to(tl.int32)
        store_part(parts, known, piece, index, piece_id, begin, stop, inner, way_one, outer, way_two, both, mask)
        tl.store(samples + 3 * piece, tl.full([BLOCK], -1, tl.int32), mask=inside & ~mask)
        start += BLOCK


@triton.jit
def _carried(shown, line, face, pixel, away, flat, width, height, mask):
    """The colours of faces where lines pass, from `pixel` and its change since the one further away.

    Returns whether the pixel shows the face, whether there is such a colour, and how much of the change it gets.
    """
    ax, ay, dx, dy, _side = line
    steep = is_steep(line)
    column, row = pixel % width, pixel // width
    shows = mask & (pixel >= 0)
    shows = shows & (tl.load(shown + pixel, mask=shows, other=-1) == face)
    further = tl.where(steep, column, row) + tl.where(away > 0, 1, -1)
    goes_on = shows & (further >= 0) & (further < tl.where(steep, width, height))
    goes_on = goes_on & (tl.load(shown + pixel + away, mask=goes_on, other=-1) == face)
    x, y = column.to(tl.float64) + 0.5, row.to(tl.float64) + 0.5
    at_row = ax + dx * (y - ay) / tl.where(dy == 0.0, 1.0, dy) - x
    at_column = ay + dy * (x - ax) / tl.where(dx == 0.0, 1.0, dx) - y
    way = tl.minimum(tl.abs(tl.where(steep, at_row, at_column)), 1.0).to(tl.float32)
    return shows, goes_on | (shows & flat), tl.where(goes_on, way, 0.0)
