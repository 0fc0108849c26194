"""Surface voxels: native.cpp's separating axes, a lane per column of cells of a triangle's box."""

import triton
import triton.language as tl

from repousse.ops.gpu.worklist import find
from repousse.ops.voxelize.gpu_lattice import BITS, CELL, area, in_cells, is_present, load_along, load_vertices


@triton.jit
def _span(cell, a, b, c, size):
    """First and last cell, relative to `cell`, that may touch a triangle and lie in the grid."""
    low = tl.minimum(tl.minimum(a, b), c)
    high = tl.maximum(tl.maximum(a, b), c)
    return tl.maximum((low - 1) >> BITS, -cell), tl.minimum(high >> BITS, size - 1 - cell)


@triton.jit
def _extent(a, b, c):
    return tl.maximum(tl.maximum(a, b), c) - tl.minimum(tl.minimum(a, b), c)


@triton.jit
def count_columns(points, faces, count, vertices, face_count, nx, ny, nz, counts, axes, BLOCK: tl.constexpr):
    """How many columns of cells to look at for each face of each pose, and along which axis they run.

    points int32 (B, V, 3), faces int32 (F, 3) -> counts int32, axes int8 (count = B F). A program takes BLOCK faces.

    Columns run along the axis that is steepest for the triangle's plane, and so have four cells in common with it at
    most. A triangle without area has no plane of its own; one that contains it is steepest across its longest side.
    """
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < count
    index = tl.minimum(index, count - 1)
    a, b, c = load_vertices(faces, index % face_count, index // face_count * vertices)
    x, ax, bx, cx = load_along(points, a, b, c, 0)
    y, ay, by, cy = load_along(points, a, b, c, 1)
    z, az, bz, cz = load_along(points, a, b, c, 2)
    first, last = _span(x, ax, bx, cx, nx)
    in_x = tl.maximum(last - first + 1, 0)
    first, last = _span(y, ay, by, cy, ny)
    in_y = tl.maximum(last - first + 1, 0)
    first, last = _span(z, az, bz, cz, nz)
    in_z = tl.maximum(last - first + 1, 0)
    steep_x = tl.abs(area(ay, by, cy, az, bz, cz))
    steep_y = tl.abs(area(az, bz, cz, ax, bx, cx))
    steep_z = tl.abs(area(ax, bx, cx, ay, by, cy))
    flat = (steep_x == 0) & (steep_y == 0) & (steep_z == 0)
    # For flat ones the first axis after that of the columns is the longest: see `mark_columns`.
    steep_x = tl.where(flat, _extent(ay, by, cy), steep_x)
    steep_y = tl.where(flat, _extent(az, bz, cz), steep_y)
    steep_z = tl.where(flat, _extent(ax, bx, cx), steep_z)
    axis = tl.where((steep_x >= steep_y) & (steep_x >= steep_z), 0, tl.where(steep_y >= steep_z, 1, 2))
    columns = tl.where(axis == 0, in_y * in_z, tl.where(axis == 1, in_z * in_x, in_x * in_y))
    some = is_present(points, a, b, c) & (in_x > 0) & (in_y > 0) & (in_z > 0)
    tl.store(counts + index, tl.where(some, columns, 0).to(tl.int32), mask=mask)
    tl.store(axes + index, axis.to(tl.int8), mask=mask)


@triton.jit
def _touches(au, bu, cu, av, bv, cv, u, v):
    """Whether cells (u, v) and the edge a, b, seen along the third axis, are not separated by the edge's normal."""
    mu = av - bv
    mv = bu - au
    edge = mu * au + mv * av
    opposite = mu * cu + mv * cv
    low = tl.minimum(edge, opposite) - CELL * (tl.maximum(mu, 0) + tl.maximum(mv, 0))
    high = tl.maximum(edge, opposite) - CELL * (tl.minimum(mu, 0) + tl.minimum(mv, 0))
    at = CELL * (mu * u + mv * v)
    return (low <= at) & (at <= high)


@triton.jit
def _touches_all(au, bu, cu, av, bv, cv, u, v):
    found = _touches(au, bu, cu, av, bv, cv, u, v)
    found = found & _touches(bu, cu, au, bv, cv, av, u, v)
    return found & _touches(cu, au, bu, cv, av, bv, u, v)


@triton.jit
def _normal(au, bu, cu, av, bv, cv, aw, bw, cw):
    """A normal of the triangle whose w is positive and not smaller than the other two."""
    nu = area(av, bv, cv, aw, bw, cw)
    nv = area(aw, bw, cw, au, bu, cu)
    nw = area(au, bu, cu, av, bv, cv)
    # Without area: u is the longest extent. (-w, 0, u) of the longest side is normal to it.
    flat = nw == 0
    side_u = bu - au
    side_w = bw - aw
    longer = tl.abs(cu - bu) > tl.abs(side_u)
    side_u, side_w = tl.where(longer, cu - bu, side_u), tl.where(longer, cw - bw, side_w)
    longer = tl.abs(au - cu) > tl.abs(side_u)
    side_u, side_w = tl.where(longer, au - cu, side_u), tl.where(longer, aw - cw, side_w)
    nu = tl.where(flat, -side_w, nu)
    nv = tl.where(flat, 0, nv)
    nw = tl.where(flat, tl.where(side_u == 0, 1, side_u), nw)
    sign = tl.where(nw < 0, -1, 1)
    return nu * sign, nv * sign, nw * sign


@triton.jit
def _first_not_below(limit_float, limit, step):
    """The least whole w with w * step >= limit; `limit` may have wrapped around, `limit_float` is nearly it."""
    w = tl.floor(limit_float / step.to(tl.float64)).to(tl.int64)
    over = w * step - limit
    w = tl.where(over < 0, w + 1, w)
    return tl.where(over >= step, w - 1, w)


@triton.jit
def mark_columns(
    points, faces, count, vertices, face_count, nx, ny, nz, counts, ends, axes, steps, out, BLOCK: tl.constexpr
):
    """Sets the cells that triangles touch: out uint8 (B, X, Y, Z), zero before. A lane takes one column at a time."""
    total = tl.load(ends + count - 1)
    start = tl.program_id(0).to(tl.int64) * BLOCK
    while start < total:
        piece = start + tl.arange(0, BLOCK)
        mask = piece < total
        index, column = find(ends, counts, count, steps, tl.minimum(piece, total - 1))
        pose = index // face_count
        a, b, c = load_vertices(faces, index - pose * face_count, pose * vertices)
        axis_w = tl.load(axes + index).to(tl.int32)
        axis_u = tl.where(axis_w == 2, 0, axis_w + 1)
        axis_v = tl.where(axis_w == 0, 2, axis_w - 1)
        cell_u, au, bu, cu = load_along(points, a, b, c, axis_u)
        cell_v, av, bv, cv = load_along(points, a, b, c, axis_v)
        cell_w, aw, bw, cw = load_along(points, a, b, c, axis_w)
        size_u = tl.where(axis_u == 0, nx, tl.where(axis_u == 1, ny, nz))
        size_v = tl.where(axis_v == 0, nx, tl.where(axis_v == 1, ny, nz))
        size_w = tl.where(axis_w == 0, nx, tl.where(axis_w == 1, ny, nz))
        first_u, _ = _span(cell_u, au, bu, cu, size_u)
        first_v, last_v = _span(cell_v, av, bv, cv, size_v)
        first_w, last_w = _span(cell_w, aw, bw, cw, size_w)
        in_v = (last_v - first_v + 1).to(tl.int32)
        u = first_u + column // in_v
        v = first_v + column % in_v
        mask = mask & _touches_all(au, bu, cu, av, bv, cv, u, v)
        # Cells o between the two planes that touch them: low <= n . o <= high, in whole cells.
        nu, nv, nw = _normal(au, bu, cu, av, bv, cv, aw, bw, cw)
        whole, rest = in_cells(nu, nv, nw, au, av, aw)
        low = whole + ((rest + CELL - 1) >> BITS) - (tl.maximum(nu, 0) + tl.maximum(nv, 0) + nw)
        high = whole + (rest >> BITS) - (tl.minimum(nu, 0) + tl.minimum(nv, 0))
        shift = nu * u + nv * v
        shift_float = nu.to(tl.float64) * u.to(tl.float64) + nv.to(tl.float64) * v.to(tl.float64)
        top = _first_not_below(low.to(tl.float64) - shift_float, low - shift, nw)
        bottom = _first_not_below(high.to(tl.float64) + 1.0 - shift_float, high + 1 - shift, nw) - 1
        top = tl.maximum(top, first_w)
        bottom = tl.minimum(bottom, last_w)
        stride_u = tl.where(axis_u == 0, ny * nz, tl.where(axis_u == 1, nz, 1))
        stride_v = tl.where(axis_v == 0, ny * nz, tl.where(axis_v == 1, nz, 1))
        stride_w = tl.where(axis_w == 0, ny * nz, tl.where(axis_w == 1, nz, 1))
        place = pose * nx * ny * nz + (u + cell_u) * stride_u + (v + cell_v) * stride_v
        for i in tl.static_range(4):
            w = top + i
            hit = mask & (w <= bottom)
            hit = hit & _touches_all(av, bv, cv, aw, bw, cw, v, w) & _touches_all(aw, bw, cw, au, bu, cu, w, u)
            tl.store(out + place + (w + cell_w) * stride_w, tl.full([BLOCK], 1, tl.uint8), mask=hit)
        start += tl.num_programs(0) * BLOCK
