"""Six rays from the centre of each cell: native_rays.cpp's decisions, a lane per ray and triangle, then a scan."""

import triton
import triton.language as tl

from repousse.ops.gpu.worklist import find
from repousse.ops.voxelize.gpu_lattice import BITS, CELL, area, in_cells, is_present, load_along, load_vertices

_CENTRE = tl.constexpr(2048)


@triton.jit
def _span(cell, a, b, c, size):
    """First and last cell, relative to `cell`, whose centre a triangle may hold and that lies in the grid."""
    low = tl.minimum(tl.minimum(a, b), c) - _CENTRE
    high = tl.maximum(tl.maximum(a, b), c) - _CENTRE
    return tl.maximum((low + CELL - 1) >> BITS, -cell), tl.minimum(high >> BITS, size - 1 - cell)


@triton.jit
def _length(cell, a, b, c, size):
    first, last = _span(cell, a, b, c, size)
    return tl.maximum(last - first + 1, 0)


@triton.jit
def count_rays(points, faces, chosen, count, vertices, face_count, nx, ny, nz, counts, BLOCK: tl.constexpr):
    """How many rays along each axis to try for each face of each pose; none for faces that are not `chosen`.

    points int32 (B, V, 3), faces int32 (F, 3), chosen bool (F) -> counts int32 (3, B F). A program takes BLOCK faces.
    """
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < count
    index = tl.minimum(index, count - 1)
    face = index % face_count
    a, b, c = load_vertices(faces, face, index // face_count * vertices)
    x, ax, bx, cx = load_along(points, a, b, c, 0)
    y, ay, by, cy = load_along(points, a, b, c, 1)
    z, az, bz, cz = load_along(points, a, b, c, 2)
    some = (tl.load(chosen + face) != 0) & is_present(points, a, b, c)
    in_x = _length(x, ax, bx, cx, nx)
    in_y = _length(y, ay, by, cy, ny)
    in_z = _length(z, az, bz, cz, nz)
    along_x = tl.where(some & (area(ay, by, cy, az, bz, cz) != 0), in_y * in_z, 0)
    along_y = tl.where(some & (area(az, bz, cz, ax, bx, cx) != 0), in_z * in_x, 0)
    along_z = tl.where(some & (area(ax, bx, cx, ay, by, cy) != 0), in_x * in_y, 0)
    counts += index
    tl.store(counts, along_x.to(tl.int32), mask=mask)
    tl.store(counts + count, along_y.to(tl.int32), mask=mask)
    tl.store(counts + 2 * tl.cast(count, tl.int64), along_z.to(tl.int32), mask=mask)


@triton.jit
def _edge(ar, ac, br, bc, row, column, sign):
    """An edge's function at a centre, positive inside, and whether the infinitesimal move lets 0 be inside."""
    slope_row = (ac - bc) * sign
    slope_column = (br - ar) * sign
    value = slope_row * (row * CELL + _CENTRE - ar) + slope_column * (column * CELL + _CENTRE - ac)
    return value, _moved_sign(slope_row, slope_column, slope_column) >= 0


@triton.jit
def _moved_sign(x, y, z):
    """The sign that the infinitesimal move gives to a linear function that is 0; takes its coefficients."""
    first = tl.where(x != 0, x, tl.where(y != 0, y, z))
    return tl.where(first > 0, 1, tl.where(first < 0, -1, 0))


@triton.jit
def shoot(
    points,
    faces,
    count,
    vertices,
    face_count,
    nx,
    ny,
    nz,
    counts,
    ends,
    steps,
    hits,
    totals,
    AXIS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Adds the sign of each hit to the first cell whose centre lies beyond it, and to its ray. A lane tries one ray.

    hits int32 (B, X, Y, Z); totals int32 (B, the other two axes): also what the ray hits beyond the grid.
    """
    total = tl.load(ends + count - 1)
    start = tl.program_id(0).to(tl.int64) * BLOCK
    while start < total:
        piece = start + tl.arange(0, BLOCK)
        mask = piece < total
        index, ray = find(ends, counts, count, steps, tl.minimum(piece, total - 1))
        pose = index // face_count
        a, b, c = load_vertices(faces, index - pose * face_count, pose * vertices)
        x, ax, bx, cx = load_along(points, a, b, c, 0)
        y, ay, by, cy = load_along(points, a, b, c, 1)
        z, az, bz, cz = load_along(points, a, b, c, 2)
        n_x = area(ay, by, cy, az, bz, cz)
        n_y = area(az, bz, cz, ax, bx, cx)
        n_z = area(ax, bx, cx, ay, by, cy)
        # Row and column are the other two axes in order; d is the depth along the ray.
        if AXIS == 0:
            cell_r, ar, br, cr, cell_c, ac, bc, cc, cell_d, ad, bd, cd = y, ay, by, cy, z, az, bz, cz, x, ax, bx, cx
            n_r, n_c, n_d, winding, rows, columns, cells = n_y, n_z, n_x, n_x, ny, nz, nx
        elif AXIS == 1:
            cell_r, ar, br, cr, cell_c, ac, bc, cc, cell_d, ad, bd, cd = x, ax, bx, cx, z, az, bz, cz, y, ay, by, cy
            n_r, n_c, n_d, winding, rows, columns, cells = n_x, n_z, n_y, -n_y, nx, nz, ny
        else:
            cell_r, ar, br, cr, cell_c, ac, bc, cc, cell_d, ad, bd, cd = x, ax, bx, cx, y, ay, by, cy, z, az, bz, cz
            n_r, n_c, n_d, winding, rows, columns, cells = n_x, n_y, n_z, n_z, nx, ny, nz
        first_row, _ = _span(cell_r, ar, br, cr, rows)
        first_column, last_column = _span(cell_c, ac, bc, cc, columns)
        in_column = (last_column - first_column + 1).to(tl.int32)
        row = first_row + ray // in_column
        column = first_column + ray % in_column
        sign = tl.where(winding > 0, 1, -1)
        e_c, holds_c = _edge(ar, ac, br, bc, row, column, sign)
        e_a, holds_a = _edge(br, bc, cr, cc, row, column, sign)
        e_b, holds_b = _edge(cr, cc, ar, ac, row, column, sign)
        mask = mask & ((e_a > 0) | ((e_a == 0) & holds_a)) & ((e_b > 0) | ((e_b == 0) & holds_b))
        mask = mask & ((e_c > 0) | ((e_c == 0) & holds_c))
        # Edges' functions are the corners' weights: a mean of their depths, so nothing cancels.
        depth = e_a.to(tl.float64) * ad.to(tl.float64) + e_b.to(tl.float64) * bd.to(tl.float64)
        depth = (depth + e_c.to(tl.float64) * cd.to(tl.float64)) / tl.maximum(tl.abs(n_d), 1).to(tl.float64)
        cell = tl.floor((depth - _CENTRE) / CELL).to(tl.int64)
        # How far its centre lies beyond the plane, in whole cells times the step; a centre on it is moved off it.
        facing = tl.where(n_d > 0, 1, -1)
        back = tl.where(facing * _moved_sign(n_x, n_y, n_z) < 0, 1, 0)
        whole, rest = in_cells(n_r * facing, n_c * facing, n_d * facing, _CENTRE - ar, _CENTRE - ac, _CENTRE - ad)
        beyond = (n_d * cell + n_r * row + n_c * column) * facing + whole + ((rest - back) >> BITS)
        step = n_d * facing
        cell = tl.where(beyond < 0, cell + 1, tl.where(beyond >= step, cell - 1, cell))
        cell = tl.maximum(cell + cell_d, 0)
        row += cell_r
        column += cell_c
        if AXIS == 0:
            place = (cell * ny + row) * nz + column
        elif AXIS == 1:
            place = (row * ny + cell) * nz + column
        else:
            place = (row * ny + column) * nz + cell
        place += pose * nx * ny * nz
        tl.atomic_add(hits + place, facing, mask=mask & (cell < cells), sem="relaxed")
        tl.atomic_add(totals + (pose * rows + row) * columns + column, facing, mask=mask, sem="relaxed")
        start += tl.num_programs(0) * BLOCK


@triton.jit
def vote(
    hits,
    totals,
    rays,
    cells,
    stride,
    votes,
    DIM: tl.constexpr,
    RAYS: tl.constexpr,
    CELLS: tl.constexpr,
    FIRST: tl.constexpr,
    LAST: tl.constexpr,
):
    """Turns hits into votes: in the low half of a byte how many rays count a winding number other than 0, in the high
    half how many meet an odd number of faces. FIRST writes votes, others add; LAST turns them into the verdict.

    hits int32 and votes uint8 (outer, cells, stride), totals int32 (outer, stride) = (rays). A program takes RAYS rays,
    CELLS cells at a time, in blocks whose dimension DIM runs along the ray: the last one if cells are neighbours.
    """
    ray = tl.expand_dims(tl.program_id(0).to(tl.int64) * RAYS + tl.arange(0, RAYS), DIM)
    there = ray < rays
    all_hits = tl.load(totals + ray, mask=there, other=0)
    place = ray // stride * stride * cells + ray % stride
    met = tl.zeros_like(all_hits)
    start = 0
    while start < cells:
        cell = tl.expand_dims(start + tl.arange(0, CELLS), 1 - DIM)
        mask = there & (cell < cells)
        at = place + cell.to(tl.int64) * stride
        own = tl.load(hits + at, mask=mask, other=0)
        before = tl.cumsum(own, DIM) + met
        met += tl.expand_dims(tl.sum(own, DIM), DIM)
        after = all_hits - before
        found = (before != 0).to(tl.int32) + (after != 0).to(tl.int32) + 16 * ((before & 1) + (after & 1))
        if not FIRST:
            found += tl.load(votes + at, mask=mask, other=0).to(tl.int32)
        if LAST:
            found = ((found & 15) >= tl.where(found < 16, 6, 4)).to(tl.int32)
        tl.store(votes + at, found.to(tl.uint8), mask=mask)
        start += CELLS
