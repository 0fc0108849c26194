"""What is seen on both sides of silhouettes, part by part: parts.h for a GPU."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.boundary.gpu_cuts import count_cuts, find_part
from repousse.ops.boundary.gpu_gradient import UNKNOWN, Parts, empty_parts, is_own, store_part
from repousse.ops.boundary.gpu_lines import (
    beside,
    beyond,
    centre,
    is_steep,
    load_depth,
    load_line,
    load_vertices,
    meets,
    point_at,
)
from repousse.ops.boundary.gpu_outline import BLOCK, Outline, Scene, count_of, find_owner
from repousse.ops.boundary.gpu_pixels import MOST_PIECES, link_pieces, load_piece
from repousse.ops.boundary.gpu_samples import change
from repousse.ops.gpu.launch import launch
from repousse.ops.gpu.silhouettes import list_programs, share_of_list

_INFINITY = tl.constexpr(float("inf"))
_TOTALS = tl.constexpr(1024)  # of programs, added at once


def find_parts(scene: Scene, lines: Outline, flat: Tensor, room: int) -> Parts:
    """The visible parts of silhouettes.

    flat  int8 (B)  whether each face of an image has one colour
    room  for how many parts
    """
    _, height, width = scene.face_id.shape
    pieces, device = len(lines.places), scene.positions.device
    programs = list_programs(pieces, BLOCK)
    parts = empty_parts(room, pieces, device)
    lists = (*lines[:2], *lines[3:], pieces, *link_pieces(lines, scene.face_id.shape), width, height)
    ends = torch.empty(pieces, dtype=torch.int32, device=device)
    totals = torch.empty(programs, dtype=torch.int64, device=device)
    launch(count_cuts, (programs,), *lists, ends, totals, parts.shown, BLOCK=BLOCK)
    launch(
        _look,
        (programs,),
        *lists,
        ends,
        totals,
        scene.edge_faces,
        scene.face_id,
        scene.depth,
        scene.image,
        scene.image.shape[3],
        flat,
        lines.known,
        *parts,
        room,
        BLOCK=BLOCK,
    )
    return parts


@triton.jit
def _look(
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
    edge_faces,
    face_id,
    depth,
    image,
    channels,
    flat,
    known,
    part_extents,
    samples,
    ways,
    shown,
    part_total,
    part_room,
    BLOCK: tl.constexpr,
):
    """A lane looks at one part; a program does those of the pieces that it has counted."""
    program = tl.program_id(0)
    before, whole = _sum_totals(totals, program)
    complete = (tl.load(total) <= room) & (whole <= part_room)
    if program == 0:
        tl.store(part_total, tl.where(complete, whole, 2**62))
    begin, end = share_of_list(count_of(total, room), BLOCK)
    pixels = width * height
    arrays = (numbers, ids, extents, places, following)
    start, stop = program * 0, tl.where(complete, tl.load(totals + program), 0)
    while start < stop:
        local = start + tl.arange(0, BLOCK)
        inside = local < stop
        low = tl.where(inside, begin, 0)
        piece = find_owner(ends, low, tl.where(inside, end, 0), local)
        index = local - tl.load(ends + piece - 1, mask=inside & (piece > low), other=0)
        pixel = tl.load(places + 2 * piece + 1, mask=inside, other=0)
        from_, to, line = load_piece(extents, places, piece, inside)
        line = tl.where(inside, line, 0).to(tl.int64)
        first_pixel = tl.load(ids + 5 * line, mask=inside, other=0).to(tl.int64) * pixels
        from_, to = find_part(arrays, first, first_pixel + pixel, line, from_, to, index.to(tl.int32), inside)
        seen = inside & (from_ < to)

        own = load_line(numbers, ids, line, inside)
        a, b = load_vertices(ids, line, inside)
        line_zeta, zeta_way = load_depth(numbers, line, inside)
        middle = (from_ + to) / 2.0
        mid_x, mid_y = point_at(own, middle)
        zeta = line_zeta + middle * zeta_way
        inner, outer, towards = beside(own, pixel, width, height)
        has_inner, has_outer = seen & (inner >= 0), seen & (outer >= 0)
        inner_x, inner_y = centre(inner, width)
        outer_x, outer_y = centre(outer, width)
        from_inner, from_outer = (inner_x, inner_y, has_inner), (outer_x, outer_y, has_outer)

        inner_face = tl.load(face_id + first_pixel + inner, mask=has_inner, other=-1)
        outer_face = tl.load(face_id + first_pixel + outer, mask=has_outer, other=-1)
        is_flat = tl.load(flat + tl.load(ids + 5 * line, mask=inside, other=0), mask=inside, other=0) != 0
        picture = (face_id, image, channels, first_pixel, width, height)
        after, reaches = _look_inwards(picture, own, inner, inner_face, towards, is_flat, has_inner)
        after_x, after_y = centre(after, width)
        further = (after_x, after_y, reaches)

        no = ~(inside | ~inside)
        found = (no, no, no, no, no, no, tl.full([BLOCK], -1, tl.int32), tl.zeros([BLOCK], tl.float64) + _INFINITY)
        across = tl.where(pixel == inner, outer, inner)
        k = tl.load(first + first_pixel + pixel, mask=seen, other=-1)
        found = _look_between(arrays, k, (line, a, b), mid_x, mid_y, zeta, from_inner, from_outer, further, found)
        k = tl.load(first + first_pixel + across, mask=seen & (across >= 0), other=-1)
        found = _look_between(arrays, k, (line, a, b), mid_x, mid_y, zeta, from_inner, from_outer, further, found)
        hidden, ended, nearer_ended, leaves, lost, parted, other, other_depth = found

        outer_depth = tl.load(depth + first_pixel + outer, mask=outer_face >= 0, other=_INFINITY).to(tl.float64)
        seen = seen & ~hidden & ~(has_outer & (outer_depth <= zeta) & ~nearer_ended)
        behind = tl.where(has_outer & ~ended, outer, UNKNOWN)
        behind = tl.where(has_outer & (other_depth < outer_depth), -2 - other, behind)
        inner_depth = tl.load(depth + first_pixel + inner, mask=inner_face >= 0, other=_INFINITY)
        strange = (inner_face < 0) | (has_outer & (inner_face == outer_face)) | lost
        surface = tl.where(strange | (leaves & (inner_depth.to(tl.float64) > zeta)), UNKNOWN, inner)

        # What parts the two pixels inwards may lie in the further one, too.
        reaches = reaches & seen & (surface >= 0) & ~parted
        k = tl.load(first + first_pixel + after, mask=reaches, other=-1)
        reaches = reaches & ~_is_parted(arrays, k, (inner_x, inner_y), (after_x, after_y))
        after_depth = tl.load(depth + first_pixel + after, mask=reaches, other=0.0)
        way = tl.where(reaches, _way(own, line_zeta, zeta_way, inner, width, inner_depth, after_depth), 0.0)

        part = before + local
        own_face = is_own(edge_faces, ids, face_id, line, surface, pixels, seen & (surface >= 0))
        parts, index = (part_extents, samples, ways), piece.to(tl.int32)
        behind_way = tl.zeros_like(way)
        store_part(parts, known, part, line, index, from_, to, surface, way, behind, behind_way, own_face, seen)
        tl.store(samples + 3 * part, tl.full([BLOCK], -1, tl.int32), mask=inside & ~seen)
        tl.atomic_min(shown + piece, surface, mask=seen & (surface >= 0), sem="relaxed")
        start += BLOCK


@triton.jit
def _sum_totals(totals, program):
    """The sum of what the programs before one have counted, and that of all."""
    start = tl.zeros([], tl.int32)
    before = tl.zeros([], tl.int64)
    whole = tl.zeros([], tl.int64)
    while start < tl.num_programs(0):
        at = start + tl.arange(0, _TOTALS)
        counted = tl.load(totals + at, mask=at < tl.num_programs(0), other=0)
        before += tl.sum(tl.where(at < program, counted, 0))
        whole += tl.sum(counted)
        start += _TOTALS
    return before, whole


@triton.jit
def _look_inwards(picture, line, inner, face, towards, is_flat, mask):
    """The pixels that come after the inner ones, away from the edge, and whether their colours may tell a change."""
    face_id, image, channels, first_pixel, width, height = picture
    steep = is_steep(line)
    place = tl.where(steep, inner % width, inner // width) + tl.where(towards < 0, 1, -1)
    mask = mask & (place >= 0) & (place < tl.where(steep, width, height)) & ((line[2] != 0.0) | (line[3] != 0.0))
    after = tl.where(mask, inner - towards, 0)
    other = tl.load(face_id + first_pixel + after, mask=mask, other=-1)
    mask = mask & (other >= 0) & ~(is_flat & (other != face))
    return after, mask & (change(image, first_pixel + inner, first_pixel + after, channels, mask) != 0.0)


@triton.jit
def _look_between(arrays, k, own, mid_x, mid_y, zeta, from_inner, from_outer, further, found):
    """What silhouettes lie between parts and the centres of the pixels beside them, by the pieces of one pixel.

    k           the first pieces of the pixel
    own         the lines of the parts, with the vertices at their ends
    mid, zeta   the middles of the parts, and their depths
    from_inner, from_outer, further  (x, y, whether it exists): centres of the pixels beside them, and of the one that
                comes after the inner one; is that parted from it?
    found       (hidden, ended, nearer_ended, leaves, lost, parted, behind, behind_depth): see struct Between
    """
    numbers, ids, extents, places, following = arrays
    hidden, ended, nearer_ended, leaves, lost, parted, behind, behind_depth = found
    line, a, b = own
    here, here_depth = tl.full(k.shape, -1, tl.int32), tl.zeros_like(zeta) + _INFINITY
    left = MOST_PIECES
    while (tl.max(k) >= 0) & (left > 0):
        listed = k >= 0
        begin, end, index = load_piece(extents, places, k, listed)
        other = load_line(numbers, ids, index, listed)
        c, d = load_vertices(ids, index, listed)
        other_zeta, other_way = load_depth(numbers, index, listed)
        parts_two, _t = meets(other, begin, end, from_inner[0], from_inner[1], further[0], further[1])
        parted = parted | (listed & further[2] & parts_two)
        foreign = listed & (index != line)
        begins = beyond(other, mid_x, mid_y) < 0.0
        met, t = meets(other, begin, end, from_outer[0], from_outer[1], mid_x, mid_y)
        met = met & foreign & from_outer[2]
        depth = other_zeta + t * other_way
        ended = ended | (met & ~begins)
        nearer_ended = nearer_ended | (met & ~begins & (depth < zeta))
        hidden = hidden | (met & begins & (depth < zeta))
        # Of several at the same depth, the order of the list on the CPU decides.
        nearer = met & begins & (depth >= zeta) & ((depth < here_depth) | ((depth == here_depth) & (k > here)))
        here, here_depth = tl.where(nearer, k, here), tl.where(nearer, depth, here_depth)
        met, _t = meets(other, begin, end, from_inner[0], from_inner[1], mid_x, mid_y)
        met = met & foreign & from_inner[2] & begins
        leaves = leaves | met
        lost = lost | (met & ((a == c) | (a == d) | (b == c) | (b == d)))
        k = tl.load(following + k.to(tl.int64), mask=listed, other=-1)
        left -= 1
    nearer = here_depth < behind_depth
    behind, behind_depth = tl.where(nearer, here, behind), tl.where(nearer, here_depth, behind_depth)
    return hidden, ended, nearer_ended, leaves, lost, parted, behind, behind_depth


@triton.jit
def _is_parted(arrays, k, start, end):
    """Is there, among the pieces that follow, one between two points?"""
    numbers, ids, extents, places, following = arrays
    parted = k < -1
    left = MOST_PIECES
    while (tl.max(k) >= 0) & (left > 0):
        listed = k >= 0
        from_, to, index = load_piece(extents, places, k, listed)
        met, _t = meets(load_line(numbers, ids, index, listed), from_, to, start[0], start[1], end[0], end[1])
        parted = parted | (met & listed)
        k = tl.load(following + k.to(tl.int64), mask=listed & ~parted, other=-1)
        left -= 1
    return parted


@triton.jit
def _way(line, zeta, zeta_way, pixel, width, depth, further_depth):
    """How much of the change since the next pixel inwards the inner colour gets: see `share` in outline.py."""
    ax, ay, dx, dy = line[0], line[1], line[2], line[3]
    x, y = centre(pixel, width)
    steep = is_steep(line)
    across = tl.where(steep, (y - ay) / tl.where(steep, dy, 1.0), (x - ax) / tl.where(steep, 1.0, dx))
    t = tl.minimum(tl.maximum(across, 0.0), 1.0)
    apart = tl.abs(tl.where(steep, ax + t * dx - x, ay + t * dy - y))
    least = tl.full([], 0.03, tl.float64)  # the share of the change grows without bound towards the edge
    d = tl.minimum(tl.maximum(apart, least), 1.0)
    root = tl.sqrt(d)
    more = tl.sqrt(d + 1.0) - root
    rise = depth.to(tl.float64) - further_depth.to(tl.float64)
    slanted = rise > 1e-5  # else it is parallel to the screen
    onwards = (zeta + t * zeta_way - depth.to(tl.float64)) / tl.where(slanted, rise, 1.0)
    round = tl.minimum(tl.maximum((onwards - d) / (root / more - d), 0.0), 1.0)
    round = tl.where(slanted, round, 0.0)
    limb = tl.where(d < 0.5, root + 0.5 / root - tl.sqrt(d + 0.5), root - tl.sqrt(tl.maximum(d - 0.5, 0.0)))
    return (0.5 + round * (limb / more - 0.5)).to(tl.float32)
