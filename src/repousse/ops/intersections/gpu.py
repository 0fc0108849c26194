"""Intersections on a GPU: pairs that may count are queued, few of nearly all; those that do are sorted, then described.

The list has the rows of the CPU's in the same order: a pair's number, by which they are sorted, is that order.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from repousse.ops import borders
from repousse.ops.gpu import launch
from repousse.ops.gpu.pairs import differ, pairs_of_block, show_two_faces
from repousse.ops.gpu.queues import places, queue_programs
from repousse.ops.intersections.gpu_surfaces import common_vertex, find_meeting

_PIXELS = 512  # whose pairs one program looks at
PAIRS = 32  # of a queue that one program looks at in one go


def intersections(
    positions: Tensor,
    faces: Tensor,
    edge_faces: Tensor,
    face_edges: Tensor,
    consistent: Tensor,
    rasterized: Tensor,
    face_id: Tensor,
    image: Tensor,
) -> borders.Rows:
    borders.check_faces("intersections", faces, rasterized)
    queue, count = find_candidates(faces, face_id, image)
    scene = (positions, faces, edge_faces, face_edges, consistent.view(torch.uint8), face_id)
    sizes = (0 if positions.dim() == 2 else positions.shape[1], *face_id.shape[1:])
    options = {"PAIRS": PAIRS, "num_warps": 2}
    met, met_count = torch.empty_like(queue), torch.zeros_like(count)
    programs = queue_programs(len(queue), PAIRS)
    launch.launch(_keep, (programs,), *scene, *sizes, queue, count, met, met_count, **options)
    pairs = torch.sort(met[: launch.read_count(met_count)]).values
    rows = borders.empty_rows(positions, len(pairs))
    programs = launch.blocks(len(pairs), PAIRS)
    launch.launch(_describe, (programs,), *scene, *sizes, pairs, len(pairs), *rows, **options)
    return rows


def find_candidates(faces: Tensor, face_id: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """The pairs of neighbouring pixels that differ in colour and show two faces without a common vertex, in any order.

    Returns a queue with room for all pairs, int32 or int64, of which only the first entries are set, and their number,
    int64 (1), on the device. An entry is twice the first pixel's index in (B, H, W), plus 1 for pairs in columns.
    """
    batch, height, width, channels = image.shape
    room = 2 * face_id.numel() if channels else 0
    queue = face_id.new_empty(room, dtype=torch.int32 if room < 2**31 else torch.int64)
    count = face_id.new_zeros(1, dtype=torch.int64)
    programs = batch * launch.blocks(height * width, _PIXELS) if channels else 0
    sizes = (height, width, channels)
    constants = {"MASKS": channels == 1, "PIXELS": _PIXELS}
    launch.launch(_find_candidates, (programs,), faces, face_id, image, *sizes, queue, count, **constants)
    return queue, count


@triton.jit
def _find_candidates(
    faces, face_id, image, height, width, channels, queue, count, MASKS: tl.constexpr, PIXELS: tl.constexpr
):
    """A program looks at the pairs of PIXELS pixels. Most are alike: what tells that is read first."""
    number, inner, outer, axis, _place, _limit, asked = pairs_of_block(height, width, PIXELS)
    first_pixel = number * height * width
    face_id, image = face_id + first_pixel, image + first_pixel * channels
    if MASKS:  # nearly all pixels are like their neighbours: the faces need not be read
        asked = differ(image, inner, outer, channels, asked)
    if tl.max(asked.to(tl.int32)) > 0:
        one, two, asked = show_two_faces(face_id, inner, outer, asked)
        if tl.max(asked.to(tl.int32)) > 0:
            if not MASKS:
                asked = differ(image, inner, outer, channels, asked)
            asked = asked & ~common_vertex(faces, one, two, asked)
            if tl.max(asked.to(tl.int32)) > 0:
                pair = 2 * (first_pixel + inner) + axis
                tl.store(queue + places(count, asked), pair.to(queue.dtype.element_ty), mask=asked)


@triton.jit
def line_of(pair, vertices, height, width):
    """The lines between the pixels of queued pairs (N, 1), as `see` takes them; their first pixels, and the steps."""
    pixel = pair.to(tl.int64) // 2
    axis = (pair % 2).to(tl.int32)
    number = pixel // (height * width)
    place = (pixel - number * height * width).to(tl.int32)
    line = (number * vertices, (place % width).to(tl.float64), (place // width).to(tl.float64), axis)
    return line, pixel, tl.where(axis == 0, 1, width)


@triton.jit
def meeting_of(scene, face_id, vertices, pair, asked):
    """The lines of queued pairs, their first pixels and steps, then what `find_meeting` tells about them."""
    height, width = scene[5], scene[6]
    line, pixel, step = line_of(pair, vertices, height, width)
    shown = tl.load(face_id + pixel + tl.where(tl.arange(0, 2)[None, :] == 0, 0, step), mask=asked, other=-1)
    faces, offset, found = find_meeting(scene, line, shown, asked)
    return line, pixel, step, faces, offset, found


@triton.jit
def _keep(
    positions,
    faces,
    edge_faces,
    face_edges,
    consistent,
    face_id,
    vertices,
    height,
    width,
    queue,
    count,
    met,
    met_count,
    PAIRS: tl.constexpr,
):
    """Programs share the queue, and put those of its pairs whose surfaces meet into another one."""
    scene = (positions, faces, edge_faces, face_edges, consistent, height, width)
    total = tl.load(count)
    begin = tl.program_id(0).to(tl.int64) * PAIRS
    while begin < total:
        at = begin + tl.arange(0, PAIRS)[:, None]
        asked = at < total
        pair = tl.load(queue + at, mask=asked, other=0)
        _line, _pixel, _step, _faces, _offset, found = meeting_of(scene, face_id, vertices, pair, asked)
        found = tl.reshape(found, [PAIRS])
        if tl.max(found.to(tl.int32)) > 0:
            tl.store(met + places(met_count, found), tl.reshape(pair, [PAIRS]), mask=found)
        begin += tl.num_programs(0) * PAIRS


@triton.jit
def _describe(
    positions,
    faces,
    edge_faces,
    face_edges,
    consistent,
    face_id,
    vertices,
    height,
    width,
    pairs,
    count,
    inner,
    outer,
    met_faces,
    offset,
    axis,
    PAIRS: tl.constexpr,
):
    """A program writes the rows of PAIRS pairs whose surfaces meet."""
    scene = (positions, faces, edge_faces, face_edges, consistent, height, width)
    at = tl.program_id(0).to(tl.int64) * PAIRS + tl.arange(0, PAIRS)[:, None]
    asked = at < count
    pair = tl.load(pairs + at, mask=asked, other=0)
    _line, pixel, step, faces_there, there, _found = meeting_of(scene, face_id, vertices, pair, asked)
    tl.store(inner + at, pixel, mask=asked)
    tl.store(outer + at, pixel + step, mask=asked)
    tl.store(met_faces + 2 * at + tl.arange(0, 2)[None, :], faces_there, mask=asked)
    tl.store(offset + at, there.to(tl.float32), mask=asked)
    tl.store(axis + at, (pair % 2).to(tl.int8), mask=asked)
