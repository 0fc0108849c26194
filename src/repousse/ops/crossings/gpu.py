"""Crossings on a GPU: the silhouettes are listed, then walked twice, to count and to write."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from repousse.ops import borders
from repousse.ops.gpu import launch
from repousse.ops.gpu.silhouettes import find_ends, find_silhouettes, list_programs, share_of_list, side_of

# A program walks EDGES edges at once, LINES rows or columns of each in one step. Most edges are shorter; one across a
# picture of 4096 pixels takes 256 steps, some tenths of a millisecond. Wider blocks run out of registers.
_EDGES, _LINES = 16, 16


def crossings(
    positions: Tensor,
    faces: Tensor,
    edges: Tensor,
    edge_faces: Tensor,
    consistent: Tensor,
    extra: Tensor,
    rasterized: Tensor,
    face_id: Tensor,
    depth: Tensor,
    facing: Tensor,
    ranges: Tensor | None,
) -> borders.Rows:
    borders.check_faces("crossings", faces, rasterized)
    batch, height, width = face_id.shape
    found = find_silhouettes(edge_faces, consistent, extra, facing, batch, ranges)
    programs = list_programs(found.edges.shape[0], _EDGES)
    if programs == 0:
        return borders.empty_rows(positions, 0)
    counts = torch.empty_like(found.edges)
    totals = torch.empty(programs, dtype=torch.int64, device=positions.device)
    mesh = (faces, edges, edge_faces, facing, positions)
    strides = (0, 0) if positions.dim() == 2 else (facing.shape[1], positions.shape[1])
    picture = (face_id, depth, height, width, width / 2, height / 2)
    shared = (found.images, found.edges, found.count, *mesh, *strides, *picture, counts, totals)
    launch.launch(_count, (programs,), *shared, EDGES=_EDGES, LINES=_LINES)
    ends = torch.cumsum(totals, 0)
    rows = borders.empty_rows(positions, launch.read_count(ends[-1]))
    if rows[0].shape[0]:
        launch.launch(_write, (programs,), *shared, ends, *rows, EDGES=_EDGES, LINES=_LINES)
    return rows


@triton.jit
def _count(
    found_images,
    found_edges,
    found_count,
    faces,
    edges,
    edge_faces,
    facing,
    positions,
    face_stride,
    vertex_stride,
    face_id,
    depth,
    height,
    width,
    half_width,
    half_height,
    counts,
    totals,
    EDGES: tl.constexpr,
    LINES: tl.constexpr,
):
    """A program counts the crossings of its share of the silhouettes.

    faces and vertices of image b begin at b * face_stride in `facing` and b * vertex_stride in `positions`
    counts  int32 (room of the list)   of each silhouette
    totals  int64 (programs)           of each program
    """
    start, end = share_of_list(tl.load(found_count), EDGES)
    total = tl.zeros([EDGES], tl.int64)
    while start < end:
        at = start + tl.arange(0, EDGES)
        mask = at < end
        image = tl.load(found_images + at, mask=mask, other=0).to(tl.int64)
        edge = tl.load(found_edges + at, mask=mask, other=0).to(tl.int64)
        mesh = (faces, edges, edge_faces, facing + image * face_stride, positions)
        line, first, steps = _lay(mesh, image * vertex_stride, edge, mask, height, width, half_width, half_height)
        picture = (face_id, depth, (image * height * width)[:, None], height, width)
        count = tl.zeros([EDGES], tl.int32)
        step, most = 0, tl.max(steps)
        while step < most:
            passes = _pass(line, first, steps, step, picture, LINES)[0]
            count += tl.sum(passes.to(tl.int32), 1)
            step += LINES
        tl.store(counts + at, count, mask=mask)
        total += count
        start += EDGES
    tl.store(totals + tl.program_id(0), tl.sum(total))


@triton.jit
def _write(
    found_images,
    found_edges,
    found_count,
    faces,
    edges,
    edge_faces,
    facing,
    positions,
    face_stride,
    vertex_stride,
    face_id,
    depth,
    height,
    width,
    half_width,
    half_height,
    counts,
    totals,
    ends,
    found_inner,
    found_outer,
    found_vertices,
    found_offset,
    found_axis,
    EDGES: tl.constexpr,
    LINES: tl.constexpr,
):
    """The same program writes them where those of the programs before end."""
    start, end = share_of_list(tl.load(found_count), EDGES)
    row = tl.load(ends + tl.program_id(0)) - tl.load(totals + tl.program_id(0))
    while start < end:
        at = start + tl.arange(0, EDGES)
        count = tl.load(counts + at, mask=at < end, other=0)
        mask = count > 0
        image = tl.load(found_images + at, mask=mask, other=0).to(tl.int64)
        edge = tl.load(found_edges + at, mask=mask, other=0).to(tl.int64)
        mesh = (faces, edges, edge_faces, facing + image * face_stride, positions)
        line, first, steps = _lay(mesh, image * vertex_stride, edge, mask, height, width, half_width, half_height)
        picture = (face_id, depth, (image * height * width)[:, None], height, width)
        ends_at = row + tl.cumsum(count, 0) - count  # where those of each edge begin
        row += tl.sum(count)
        a, b = tl.load(edges + 2 * edge, mask=mask, other=0), tl.load(edges + 2 * edge + 1, mask=mask, other=0)
        vertices = a[:, None] + tl.zeros([EDGES, LINES], tl.int32), b[:, None] + tl.zeros([EDGES, LINES], tl.int32)
        axis = tl.where(line[5], 0, 1).to(tl.int8) + tl.zeros([EDGES, LINES], tl.int8)
        step, most = 0, tl.max(steps)
        while step < most:
            passes, inner, outer, offset = _pass(line, first, steps, step, picture, LINES)
            new = passes.to(tl.int32)
            to = ends_at[:, None] + tl.cumsum(new, 1) - new
            tl.store(found_inner + to, inner, mask=passes)
            tl.store(found_outer + to, outer, mask=passes)
            tl.store(found_vertices + 2 * to, vertices[0], mask=passes)
            tl.store(found_vertices + 2 * to + 1, vertices[1], mask=passes)
            tl.store(found_offset + to, offset, mask=passes)
            tl.store(found_axis + to, axis, mask=passes)
            ends_at += tl.sum(new, 1)
            step += LINES
        start += EDGES


@triton.jit
def _first_line(value):
    """The first line whose centre is not before `value` in 1/256 pixel."""
    return (value + 127) >> 8


@triton.jit
def _lay(mesh, first_vertex, edge, mask, height, width, half_width, half_height):
    """Edges on the screen as lines to be walked: see native.cpp, whose numbers these are.

    Returns the lines, as columns (EDGES, 1); the first row or column that each meets, and how many it does.
    """
    faces, edges, edge_faces, facing, positions = mesh
    a = tl.load(edges + 2 * edge, mask=mask, other=0)
    b = tl.load(edges + 2 * edge + 1, mask=mask, other=0)
    from_a, to_b, left = find_ends(positions, first_vertex + a, first_vertex + b, mask, half_width, half_height)
    side = side_of(faces, edges, edge_faces, facing, edge, mask)
    dX, dY = to_b[0] - from_a[0], to_b[1] - from_a[1]
    steep = tl.abs(dY) >= tl.abs(dX)  # a steep edge meets each row (line) at one column (place)
    along_a, along_b = tl.where(steep, from_a[1], from_a[0]), tl.where(steep, to_b[1], to_b[0])
    across_a, across_b = tl.where(steep, from_a[0], from_a[1]), tl.where(steep, to_b[0], to_b[1])
    begin, end = along_a.to(tl.float64) / 256.0, along_b.to(tl.float64) / 256.0
    across = across_a.to(tl.float64) / 256.0
    run = across_b.to(tl.float64) / 256.0 - across
    # A centre on the edge belongs to what lies right of it, or below it: to the farther pixel of the pair, but for an
    # edge that is flat and falls to the right.
    tie_is_far = steep | ((dX > 0) != (dY > 0))
    near_is_inner = side * tl.where(steep, dY, -dX) < 0
    first = tl.maximum(_first_line(tl.minimum(along_a, along_b)), 0)
    last = tl.minimum(_first_line(tl.maximum(along_a, along_b)), tl.where(steep, height, width))
    steps = tl.where(left, tl.maximum(last - first, 0), 0).to(tl.int32)
    length = tl.where(end == begin, 1.0, end - begin)
    line = (
        begin[:, None],
        length[:, None],
        across[:, None],
        run[:, None],
        (from_a[2][:, None], (to_b[2] - from_a[2])[:, None]),
        steep[:, None],
        tie_is_far[:, None],
        near_is_inner[:, None],
    )
    return line, first[:, None], steps


@triton.jit
def _pass(line, first, steps, step, picture, LINES: tl.constexpr):
    """Where edges pass between pixel centres in LINES rows or columns, from the one number `step` of each edge.

    Returns whether it counts as a crossing, the inner and the outer pixel, and the offset, all (EDGES, LINES).
    """
    begin, length, across, run, depths, steep, tie_is_far, near_is_inner = line
    face_id, depth, first_pixel, height, width = picture
    number = step + tl.arange(0, LINES)[None, :]
    row = first + number
    passed = row.to(tl.float64) + 0.5 - begin
    x = across + run * passed / length
    place = tl.where(tie_is_far, tl.ceil(x - 0.5) - 1, tl.floor(x - 0.5))
    places = tl.where(steep, width, height)
    passes = (number < steps[:, None]) & (place >= 0) & (place + 1 < places)
    column = tl.where(passes, place, 0.0).to(tl.int64)
    near = first_pixel + tl.where(steep, row * width + column, column * width + row)
    far = near + tl.where(steep, 1, width)
    inner, outer = tl.where(near_is_inner, near, far), tl.where(near_is_inner, far, near)
    inner_face = tl.load(face_id + inner, mask=passes, other=-1)
    outer_face = tl.load(face_id + outer, mask=passes, other=-1)
    passes = passes & (inner_face >= 0) & (inner_face != outer_face)
    behind = tl.load(depth + outer, mask=passes & (outer_face >= 0), other=0.0)
    zeta = depths[0] + depths[1] * passed / length
    passes = passes & ((outer_face < 0) | (behind > zeta))  # else something nearer hides the edge
    t = x - 0.5 - place
    return passes, inner, outer, tl.where(near_is_inner, t, 1 - t).to(tl.float32)
