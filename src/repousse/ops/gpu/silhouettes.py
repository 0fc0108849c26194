"""The silhouette edges of a frame, listed without waiting for the device.

All edges are asked whether they are (cheap, and nearly all say no); the few that are make a list. What is done is what
native/include/silhouettes.h does, bit for bit.
"""

from dataclasses import dataclass, replace

import torch
import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.gpu.clipping import CLIP_PLANES, cut, is_finite, place, plane_distance
from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.projection import project, snap
from repousse.ops.gpu.ranges import ranges_on

_EDGES = 512  # asked by one program
_LIST_PROGRAMS = 1024  # a few for each multiprocessor


@dataclass(frozen=True)
class Silhouettes:
    """The silhouette edges of all images, ordered by image, then by edge.

    images  int32 (N)  N is room for as many as there can be; only the first `count` entries are set
    edges   int32 (N)
    count   int64 (1)  on the device

    Kernels that work on the list start a fixed number of programs, which share what there is (see `share_of_list`).
    """

    images: Tensor
    edges: Tensor
    count: Tensor


def find_silhouettes(
    edge_faces: Tensor, consistent: Tensor, extra: Tensor, facing: Tensor, batch: int, ranges: Tensor | None
) -> Silhouettes:
    """List the silhouette edges of every image, without waiting for the device.

    edge_faces, consistent, extra  of the topology
    facing                         int8 (B, F), with ranges (1, F)
    batch                          number of images
    ranges                         int (B, 2) on the CPU: the faces of each image; None: all images have all faces
    """
    device, edges = facing.device, edge_faces.shape[0]
    if ranges is None:
        most, room, bounds = edges, batch * edges, edge_faces
    else:
        # An edge belongs to its lowest face, and a face has three.
        owned = [min(3 * count, edges) for _, count in ranges.tolist()]
        most, room = max(owned, default=0), sum(owned)
        bounds = torch.empty((batch, 2), dtype=torch.int64, device=device)
        faces = ranges_on(device, ranges)
        launch(_find_bounds, (blocks(2 * batch, 128),), edge_faces, faces, edges, 2 * batch, bounds, BLOCK=128)
    found = Silhouettes(
        torch.empty(room, dtype=torch.int32, device=device),
        torch.empty(room, dtype=torch.int32, device=device),
        torch.zeros(1, dtype=torch.int64, device=device),
    )
    per_image = blocks(most, _EDGES)
    if per_image * batch == 0:
        return found
    mesh = (edge_faces, consistent.view(torch.uint8), extra, facing, edges, facing.shape[1], extra.shape[0])
    constants = {"PACKED": ranges is not None, "EXTRA": extra.shape[0] > 0, "BLOCK": _EDGES}
    counts = torch.empty(per_image * batch, dtype=torch.int32, device=device)
    launch(_count, (per_image * batch,), *mesh, bounds, per_image, counts, **constants)
    ends = torch.cumsum(counts, 0)
    launch(_write, (per_image * batch,), *mesh, bounds, per_image, counts, ends, found.images, found.edges, **constants)
    return replace(found, count=ends[-1:])


def list_programs(room: int, block: int) -> int:
    """How many programs share a list with room for `room` entries, of which each takes `block` at a time."""
    return min(blocks(room, block), _LIST_PROGRAMS)


@triton.jit
def share_of_list(count, BLOCK: tl.constexpr):
    """The entries [begin, end) of a list of `count` that fall to a program: whole blocks, in the order of programs."""
    share = tl.cdiv(tl.cdiv(count, BLOCK), tl.num_programs(0)) * BLOCK
    begin = tl.minimum(tl.program_id(0) * share, count)
    return begin, tl.minimum(begin + share, count)


@triton.jit
def _find_bounds(edge_faces, ranges, edges, count, bounds, BLOCK: tl.constexpr):
    """A lane finds the first edge of a face: edges are ordered by their lowest face, so those of faces are a range.

    ranges  int64 (B, 2): first face and number of faces
    bounds  int64 (B, 2): first edge and one past the last edge
    """
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < count
    face = tl.load(ranges + (at // 2) * 2, mask=mask, other=0)
    face += tl.where(at % 2 == 1, tl.load(ranges + at, mask=mask, other=0), 0)
    tl.store(bounds + at, _first_row(edge_faces, 2, edges, face, mask), mask=mask)


@triton.jit
def _first_row(rows, columns, count, value, asked):
    """The first of `count` rows, ordered by their first column, whose first column is not less than `value`."""
    low = tl.zeros_like(value)
    high = tl.where(asked, count, low)
    while tl.max(high - low) > 0:
        searching = low < high
        middle = (low + high) // 2
        before = tl.load(rows + columns * middle, mask=searching, other=0) < value
        low = tl.where(searching & before, middle + 1, low)
        high = tl.where(searching & ~before, middle, high)
    return low


@triton.jit
def _count(
    edge_faces,
    consistent,
    extra,
    facing,
    edges,
    faces,
    extras,
    bounds,
    per_image,
    counts,
    PACKED: tl.constexpr,
    EXTRA: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """A program counts the silhouettes among BLOCK edges of an image."""
    mesh = (edge_faces, consistent, extra, facing, edges, faces, extras)
    _, _, found = _ask_edges(mesh, bounds, per_image, PACKED, EXTRA, BLOCK)
    tl.store(counts + tl.program_id(0), tl.sum(found.to(tl.int32)))


@triton.jit
def _write(
    edge_faces,
    consistent,
    extra,
    facing,
    edges,
    faces,
    extras,
    bounds,
    per_image,
    counts,
    ends,
    found_images,
    found_edges,
    PACKED: tl.constexpr,
    EXTRA: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The same program writes them where those of the programs before end."""
    count = tl.load(counts + tl.program_id(0))
    if count > 0:
        mesh = (edge_faces, consistent, extra, facing, edges, faces, extras)
        image, edge, found = _ask_edges(mesh, bounds, per_image, PACKED, EXTRA, BLOCK)
        rank = tl.cumsum(found.to(tl.int32), 0) - 1
        at = tl.load(ends + tl.program_id(0)) - count + rank
        tl.store(found_images + at, tl.zeros([BLOCK], tl.int32) + image, mask=found)
        tl.store(found_edges + at, edge.to(tl.int32), mask=found)


@triton.jit
def _ask_edges(mesh, bounds, per_image, PACKED: tl.constexpr, EXTRA: tl.constexpr, BLOCK: tl.constexpr):
    """The image and the edges of a program, and which of them are silhouettes."""
    edge_faces, consistent, extra, facing, edges, faces, extras = mesh
    image = tl.program_id(0) // per_image
    edge = (tl.program_id(0) % per_image).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    if PACKED:
        edge += tl.load(bounds + 2 * image)
        mask = edge < tl.load(bounds + 2 * image + 1)
    else:
        mask = edge < edges
        facing += image.to(tl.int64) * faces
    one = tl.load(edge_faces + 2 * edge, mask=mask, other=0)
    two = tl.load(edge_faces + 2 * edge + 1, mask=mask, other=-1)
    front = tl.load(facing + one, mask=mask, other=0) > 0
    other_front = tl.load(facing + two, mask=mask & (two >= 0), other=0) > 0
    differ = front != other_front
    along = tl.load(consistent + edge, mask=mask, other=0) != 0
    found = mask & ((two < 0) | (differ == along))
    if EXTRA:
        found = _extra_agree(extra, extras, facing, edge, front, found)
    return image, edge, found


@triton.jit
def _extra_agree(extra, extras, facing, edge, front, asked):
    """Which of the `asked` edges have all their further faces, if any, on the side of their first one."""
    row = _first_row(extra, 3, extras, edge, asked)
    agree = asked
    going = asked & (row < extras)
    going = going & (tl.load(extra + 3 * row, mask=going, other=-1) == edge)
    while tl.max(going.to(tl.int32)) > 0:
        face = tl.load(extra + 3 * row + 1, mask=going, other=0)
        same = tl.load(extra + 3 * row + 2, mask=going, other=0) != 0
        alike = (tl.load(facing + face, mask=going, other=0) > 0) == front
        agree = agree & ((alike == same) | ~going)
        row += 1
        going = agree & going & (row < extras)
        going = going & (tl.load(extra + 3 * row, mask=going, other=-1) == edge)
    return agree


@triton.jit
def find_ends(positions, a, b, mask, half_width, half_height):
    """The parts of edges a b that can be projected.

    positions  float32 (N, 4), clip space
    a, b       blocks of rows of it, int64

    Returns for both ends (X, Y, zeta, share): int64 coordinates snapped to 1/256 pixel, float64 z / w, and the share of
    the way from a to b at which the end lies in clip space (0 or 1 unless the edge was clipped); then whether anything
    is left of the edge. Where nothing is, the numbers mean nothing.
    """
    ax, ay, az, aw = _load_clip(positions, a, mask)
    bx, by, bz, bw = _load_clip(positions, b, mask)
    left = mask & is_finite(ax, ay, az, aw) & is_finite(bx, by, bz, bw)
    apx, apy, azeta, _, a_safe = project(ax, ay, az, aw, half_width, half_height)
    bpx, bpy, bzeta, _, b_safe = project(bx, by, bz, bw, half_width, half_height)
    aX, aY, azeta = snap(apx, a_safe).to(tl.int64), snap(apy, a_safe).to(tl.int64), azeta.to(tl.float64)
    bX, bY, bzeta = snap(bpx, b_safe).to(tl.int64), snap(bpy, b_safe).to(tl.int64), bzeta.to(tl.float64)
    a_share, b_share = tl.zeros_like(azeta), tl.zeros_like(azeta) + 1.0
    unsafe = left & ~(a_safe & b_safe)
    if tl.max(unsafe.to(tl.int32)) > 0:
        # As on the CPU: an edge with both ends safe is not clipped, a safe end keeps its float32 place if it is kept.
        from_a = ax.to(tl.float64), ay.to(tl.float64), az.to(tl.float64), aw.to(tl.float64)
        to_b = bx.to(tl.float64), by.to(tl.float64), bz.to(tl.float64), bw.to(tl.float64)
        start, end, a_kept, b_kept, some = _clip_segment(from_a, to_b)
        cX, cY, czeta, a_placed = place(start[0], start[1], start[2], start[3], half_width, half_height)
        dX, dY, dzeta, b_placed = place(end[0], end[1], end[2], end[3], half_width, half_height)
        a_new, b_new = unsafe & ~(a_kept & a_safe), unsafe & ~(b_kept & b_safe)
        left = left & (~unsafe | (some & (a_placed | ~a_new) & (b_placed | ~b_new)))
        aX, aY, azeta = tl.where(a_new, cX, aX), tl.where(a_new, cY, aY), tl.where(a_new, czeta, azeta)
        bX, bY, bzeta = tl.where(b_new, dX, bX), tl.where(b_new, dY, bY), tl.where(b_new, dzeta, bzeta)
        a_share = tl.where(unsafe & ~a_kept, _share_of(start, from_a, to_b), a_share)
        b_share = tl.where(unsafe & ~b_kept, _share_of(end, from_a, to_b), b_share)
    return (aX, aY, azeta, a_share), (bX, bY, bzeta, b_share), left


@triton.jit
def _load_clip(positions, rows, mask):
    at = positions + 4 * rows
    x = tl.load(at, mask=mask, other=0.0)
    y = tl.load(at + 1, mask=mask, other=0.0)
    z = tl.load(at + 2, mask=mask, other=0.0)
    return x, y, z, tl.load(at + 3, mask=mask, other=1.0)


@triton.jit
def _clip_segment(a, b):
    """The part of segments inside all planes; which ends are still the old ones, and whether there is any part."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    a_kept = ax == ax
    b_kept = a_kept
    some = a_kept
    for PLANE in tl.static_range(CLIP_PLANES):
        da, db = plane_distance(ax, ay, az, aw, PLANE), plane_distance(bx, by, bz, bw, PLANE)
        some = some & ~((da < 0) & (db < 0))
        cut_a, cut_b = (da < 0) & ~(db < 0), (db < 0) & ~(da < 0)
        # Always from the inner to the outer end.
        cx, cy, cz, cw = cut(bx, by, bz, bw, ax, ay, az, aw, db, da)
        ex, ey, ez, ew = cut(ax, ay, az, aw, bx, by, bz, bw, da, db)
        ax, ay, az, aw = (
            tl.where(cut_a, cx, ax),
            tl.where(cut_a, cy, ay),
            tl.where(cut_a, cz, az),
            tl.where(cut_a, cw, aw),
        )
        bx, by, bz, bw = (
            tl.where(cut_b, ex, bx),
            tl.where(cut_b, ey, by),
            tl.where(cut_b, ez, bz),
            tl.where(cut_b, ew, bw),
        )
        a_kept, b_kept = a_kept & ~cut_a, b_kept & ~cut_b
    return (ax, ay, az, aw), (bx, by, bz, bw), a_kept, b_kept, some


@triton.jit
def _share_of(point, a, b):
    """How far points of lines a b lie from a, as a share of the way."""
    along = tl.zeros_like(a[0])
    whole = tl.zeros_like(a[0])
    for axis in tl.static_range(4):
        way = b[axis] - a[axis]
        along += (point[axis] - a[axis]) * way
        whole += way * way
    return along / tl.where(whole > 0, whole, 1.0)


@triton.jit
def side_of(faces, edges, edge_faces, facing, edge, mask):
    """+1 where an edge's faces lie where E(p) < 0 for E from a to b, else -1; int32. `facing` is that of the image."""
    face = tl.load(edge_faces + 2 * edge, mask=mask, other=0).to(tl.int64)
    a = tl.load(edges + 2 * edge, mask=mask, other=0)
    b = tl.load(edges + 2 * edge + 1, mask=mask, other=0)
    first = tl.load(faces + 3 * face, mask=mask, other=-1)
    second = tl.load(faces + 3 * face + 1, mask=mask, other=-1)
    third = tl.load(faces + 3 * face + 2, mask=mask, other=-1)
    forward = ((first == a) & (second == b)) | ((second == a) & (third == b)) | ((third == a) & (first == b))
    front = tl.load(facing + face, mask=mask, other=0) > 0
    return tl.where(front == forward, 1, -1)
