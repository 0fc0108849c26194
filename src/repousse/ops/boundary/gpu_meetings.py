"""Lines along which surfaces pass through one another, on a GPU: meetings.py without a list that the host would see.

`find_candidates` queues the few pairs of pixels that may count; one kernel then finds out whether their surfaces meet,
and if so, adds what moving the corners of the two faces changes.
"""

import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.boundary.gpu_outline import Scene
from repousse.ops.gpu.launch import launch
from repousse.ops.gpu.silhouettes import list_programs, share_of_list
from repousse.ops.gpu.sums import Sum, add
from repousse.ops.intersections.gpu import PAIRS, meeting_of
from repousse.ops.intersections.gpu_surfaces import inner_of, outer_of, see


def add_meetings(
    scene: Scene, face_edges: Tensor, consistent: Tensor, candidates: tuple[Tensor, Tensor], total: Sum, mode: int
) -> None:
    """Add to the gradient of positions what moving meetings of surfaces changes.

    face_edges, consistent  of the topology
    candidates              from `find_candidates` (repousse.ops.intersections.gpu)
    """
    queue, count = candidates
    launch(
        _add_meetings,
        (list_programs(len(queue), PAIRS),),
        scene.positions,
        scene.faces,
        scene.edge_faces,
        face_edges,
        consistent,
        scene.face_id,
        scene.image,
        scene.grad,
        scene.vertices,
        *scene.image.shape[1:],
        queue,
        count,
        *total,
        MODE=mode,
        PAIRS=PAIRS,
        num_warps=2,
    )


@triton.jit
def _add_meetings(
    positions,
    faces,
    edge_faces,
    face_edges,
    consistent,
    face_id,
    image,
    grad,
    vertices,
    height,
    width,
    channels,
    queue,
    count,
    total,
    fixed,
    scale,
    MODE: tl.constexpr,
    PAIRS: tl.constexpr,
):
    """Programs share the queue."""
    scene = (positions, faces, edge_faces, face_edges, consistent, height, width)
    begin, end = share_of_list(tl.load(count), PAIRS)
    while begin < end:
        at = begin + tl.arange(0, PAIRS)[:, None]
        asked = at < end
        pair = tl.load(queue + at, mask=asked, other=0)
        line, pixel, step, met, offset, found = meeting_of(scene, face_id, vertices, pair, asked)
        if tl.max(found.to(tl.int32)) > 0:
            offset = offset.to(tl.float32).to(tl.float64)  # what the list of intersections holds
            pulls = (face_id, image, grad, channels)
            _add_lines(scene, pulls, line, pixel, step, met, offset, found, total, fixed, scale, MODE)
        begin += PAIRS


@triton.jit
def _add_lines(scene, pulls, line, pixel, step, met, offset, found, total, fixed, scale, MODE: tl.constexpr):
    """Add the gradient of the corners of faces `met` (N, 2); see meetings.py."""
    faces, height, width = scene[1], scene[5], scene[6]
    first_vertex, column, row, axis = line
    steep = axis == 0
    both = found & (met == met)
    _front, _whole, along, across, level = see(scene, line, met, both)
    apart = tl.where(found, inner_of(along[3]) - outer_of(along[3]), 1.0)
    aside = inner_of(across[3]) - outer_of(across[3])
    least = tl.full([], 1e-9, tl.float64)
    slope = tl.minimum(tl.maximum(-aside / apart, -1.0), 1.0)  # of the line: how much further it is one row below

    # The line leaves the inner pixel at Y = turn: before that it is in the one pixel, after it in the other.
    turn = tl.minimum(tl.maximum((0.5 - offset) / tl.where(slope == 0, least, slope), -0.5), 0.5)
    first = pixel + tl.where(offset - slope / 2 < 0.5, 0, step)
    second = pixel + tl.where(offset + slope / 2 < 0.5, 0, step)
    before, after = _pull(pulls, line, pixel, step, first, second, offset, found, height, width)
    before, after = before * (turn + 0.5), after * (0.5 - turn)
    early, late = (turn - 0.5) / 2, (turn + 0.5) / 2
    # Integrals of the way along the pair, across it, and of 1.
    ahead = before * (offset + slope * early) + after * (offset + slope * late)
    beside, one = before * early + after * late, before + after

    half = tl.full([], 0.5, tl.float64)
    by_x, by_y = -tl.where(steep, along[3], across[3]), -tl.where(steep, across[3], along[3])
    by_w = by_x * (width * half - (column + 0.5)) + by_y * (height * half - (row + 0.5)) - level[3]
    by_x, by_y = by_x * (width * half), by_y * (height * half)
    sign = tl.where(tl.arange(0, 2)[None, :] == 0, -1.0, 1.0)
    k = 0
    while k < 3:
        to = 4 * (first_vertex + tl.load(faces + 3 * met + k, mask=both, other=0))
        weight = _of_corner(k, along) * ahead + _of_corner(k, across) * beside + _of_corner(k, level) * one
        beta = sign * weight / apart
        add(total, fixed, scale, to, (beta * by_x).to(tl.float32), both, MODE)
        add(total, fixed, scale, to + 1, (beta * by_y).to(tl.float32), both, MODE)
        add(total, fixed, scale, to + 2, beta.to(tl.float32), both, MODE)
        add(total, fixed, scale, to + 3, (beta * by_w).to(tl.float32), both, MODE)
        k += 1


@triton.jit
def _of_corner(k, three):
    return tl.where(k == 0, three[0], tl.where(k == 1, three[1], three[2]))


@triton.jit
def _pull(pulls, line, pixel, step, first, second, offset, found, height, width):
    """The loss gradients at two pixels times the jump of the image across the lines, its inner side minus its outer.

    The colours of both sides are carried to the line by their change since the next pixel, if that shows the same face.
    """
    face_id, image, grad, channels = pulls
    _first_vertex, column, row, axis = line
    is_inner = tl.arange(0, 2)[None, :] == 0
    here = pixel + tl.where(is_inner, 0, step)
    further = here + tl.where(is_inner, -step, step)
    place = tl.where(axis == 0, column, row).to(tl.int32)
    exists = tl.where(is_inner, place > 0, place + 2 < tl.where(axis == 0, width, height)) & found
    shown = tl.load(face_id + here, mask=exists, other=-1)
    same = exists & (tl.load(face_id + further, mask=exists, other=-2) == shown)
    way = tl.where(is_inner, offset, 1.0 - offset)
    both = found & (is_inner | ~is_inner)
    before, after = tl.zeros_like(offset), tl.zeros_like(offset)
    channel = 0
    while channel < channels:
        color = tl.load(image + here * channels + channel, mask=both, other=0.0).to(tl.float64)
        other = tl.load(image + further * channels + channel, mask=same, other=0.0).to(tl.float64)
        color += tl.where(same, way * (color - other), 0.0)
        jump = inner_of(color) - outer_of(color)
        before += tl.load(grad + first * channels + channel, mask=found, other=0.0) * jump
        after += tl.load(grad + second * channels + channel, mask=found, other=0.0) * jump
        channel += 1
    return before, after
