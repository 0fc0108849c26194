"""The sweeps of the released code: native.cpp's, a block of lines that edges of seen faces cross at a time."""

import triton
import triton.language as tl

from repousse.ops.gpu.sums import add
from repousse.ops.gpu.worklist import find
from repousse.ops.kato.gpu_pull import ALL, EQUAL, arms, pull


@triton.jit
def mark_seen(face_id, count, pixels, face_count, seen, BLOCK: tl.constexpr):
    """face_id int32 (B, H, W), `pixels` = H W -> 1 in seen uint8 (B, F), zero before. A program takes BLOCK pixels."""
    pixel = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    face = tl.load(face_id + pixel, mask=pixel < count, other=-1)
    there = (face >= 0) & (face < face_count)
    tl.store(seen + pixel // pixels * face_count + face, tl.full([BLOCK], 1, tl.uint8), mask=there)


@triton.jit
def _in_pixels(positions, vertex, axis, size):
    """A coordinate of vertices in pixels, float64: the origin in the lower left, integers at pixel centres."""
    n = tl.cast(size, tl.float64)
    return (tl.load(positions + 2 * vertex + axis).to(tl.float64) * n + n - 1) / 2


@triton.jit
def _finite(x):
    return tl.abs(x) <= 1.7976931348623157e308


@triton.jit
def _lines(au, bu, lines):
    """The first line that edges cross and how many they cross; `lines` is their number in the image."""
    low = tl.minimum(au, bu)
    high = tl.maximum(au, bu)
    n = tl.cast(lines, tl.float64)
    first = tl.minimum(tl.maximum(tl.ceil(low), 0.0), n).to(tl.int32)
    # Towards zero, as in C: an edge that ends in (-1, 0) crosses line 0.
    last = tl.maximum(tl.minimum(high, n - 1), -1.0).to(tl.int32)
    return first, tl.where(low < high, tl.maximum(last - first + 1, 0), 0)


@triton.jit
def count_lines(positions, faces, seen, count, vertices, face_count, width, height, counts, BLOCK: tl.constexpr):
    """How many columns and rows each edge of each seen front face crosses.

    positions float32 (B, V, 2), faces int32 (F, 3), seen uint8 (B, F) -> counts int32 (2, B F, 3); count = B F. A
    program takes BLOCK faces.
    """
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < count
    face = index % face_count
    vertex = index // face_count * vertices
    a = vertex + tl.load(faces + 3 * face, mask=mask, other=0)
    b = vertex + tl.load(faces + 3 * face + 1, mask=mask, other=0)
    c = vertex + tl.load(faces + 3 * face + 2, mask=mask, other=0)
    mine = mask & (tl.load(seen + index, mask=mask, other=0) != 0)
    # Only a few faces are seen: of the others nothing is loaded.
    a = tl.where(mine, a, 0)
    b = tl.where(mine, b, 0)
    c = tl.where(mine, c, 0)
    ax = _in_pixels(positions, a, 0, width)
    ay = _in_pixels(positions, a, 1, height)
    bx = _in_pixels(positions, b, 0, width)
    by = _in_pixels(positions, b, 1, height)
    cx = _in_pixels(positions, c, 0, width)
    cy = _in_pixels(positions, c, 1, height)
    mine = mine & _finite(ax) & _finite(ay) & _finite(bx) & _finite(by) & _finite(cx) & _finite(cy)
    mine = mine & ((cy - ay) * (bx - ax) >= (by - ay) * (cx - ax))
    at = counts + 3 * index
    _store_lines(at, ax, bx, cx, width, mine, mask)
    _store_lines(at + 3 * tl.cast(count, tl.int64), ay, by, cy, height, mine, mask)


@triton.jit
def _store_lines(counts, a, b, c, lines, some, mask):
    _, crossed = _lines(a, b, lines)
    tl.store(counts, tl.where(some, crossed, 0), mask=mask)
    _, crossed = _lines(b, c, lines)
    tl.store(counts + 1, tl.where(some, crossed, 0), mask=mask)
    _, crossed = _lines(c, a, lines)
    tl.store(counts + 2, tl.where(some, crossed, 0), mask=mask)


@triton.jit
def _meet(pu, pv, qu, qv, u):
    """v at which the line through p and q has the coordinate u; p.v if it has no other."""
    run = qu - pu
    return pv + (qv - pv) / tl.where(run == 0, 1.0, run) * (u - pu)


@triton.jit
def _far_side(au, av, bu, bv, cu, cv, u, outward, places):
    """The last pixel before the triangle's other side; the border if that side runs along the line."""
    from_a = (u - au) * (u - cu) < 0
    start_u = tl.where(from_a, au, bu)
    start_v = tl.where(from_a, av, bv)
    n = tl.cast(places, tl.float64)
    other = tl.minimum(tl.maximum(_meet(start_u, start_v, cu, cv, u), -1.0), n)
    other = tl.where(outward > 0, tl.ceil(other), tl.floor(other))
    border = tl.where(outward > 0, 0.0, n - 1)
    return tl.where(start_u == cu, border, other).to(tl.int32)


@triton.jit
def sweep(
    positions,
    faces,
    count,
    vertices,
    face_count,
    width,
    height,
    counts,
    ends,
    steps,
    pixels,
    face_id,
    image,
    gradient,
    channels,
    eps,
    total,
    fixed,
    scale,
    MODE: tl.constexpr,
    EDGES: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """Both sweeps of edges along the lines they cross, added to the vertices' coordinates along the lines.

    face_id, image, gradient  of `pixels` = B H W pixels, for columns as (B, W, H, ...), then for rows as (B, H, W, ...)
    counts, ends              of count = 2 (3 B F) pairs of an axis and an edge

    A program takes EDGES crossed lines at a time.
    """
    last = tl.load(ends + count - 1)
    start = tl.program_id(0).to(tl.int64) * EDGES
    while start < last:
        piece = start + tl.arange(0, EDGES)
        index, line = find(ends, counts, count, steps, tl.minimum(piece, last - 1))
        axis = tl.where(index < count // 2, 0, 1)
        index -= axis * (count // 2)
        pose = index // (3 * face_count)
        corner = index % (3 * face_count)
        face = corner // 3
        second = tl.where(corner % 3 == 2, corner - 2, corner + 1)
        third = tl.where(corner % 3 == 0, corner + 2, corner - 1)
        a = pose * vertices + tl.load(faces + corner)
        b = pose * vertices + tl.load(faces + second)
        c = pose * vertices + tl.load(faces + third)
        lines = tl.where(axis == 0, width, height)
        places = tl.where(axis == 0, height, width)
        au = _in_pixels(positions, a, axis, lines)
        av = _in_pixels(positions, a, 1 - axis, places)
        bu = _in_pixels(positions, b, axis, lines)
        bv = _in_pixels(positions, b, 1 - axis, places)
        cu = _in_pixels(positions, c, axis, lines)
        cv = _in_pixels(positions, c, 1 - axis, places)
        first, _ = _lines(au, bu, lines)
        line += first
        u = line.to(tl.float64)
        n = places.to(tl.float64)
        # Lines and places are counted from the lower left here, in the image from the upper left.
        outward = tl.where((au < bu) == (axis == 0), -1, 1)
        step = tl.where(axis == 0, -1, 1)
        row = pose * lines + tl.where(axis == 0, line, lines - 1 - line)
        zero = row * places + tl.where(axis == 0, places - 1, pixels)
        crossing = _meet(au, av, bu, bv, u)
        inner = tl.where(outward > 0, tl.floor(crossing), tl.ceil(crossing))
        outer = inner + outward
        mask = (piece < last) & (inner >= 0) & (inner < n) & (outer >= 0) & (outer < n)
        inner = tl.where(mask, inner, 0.0).to(tl.int32)
        outer = tl.where(mask, outer, 0.0).to(tl.int32)
        inner_pixel = zero + inner * step
        outer_pixel = zero + outer * step
        arm_a, arm_b = arms(au, bu, u, 2.0 / n)

        # Both sweeps start at the edge, so that distances are most accurate where they count most.
        shown = tl.load(face_id + inner_pixel) == face
        length = tl.where(mask & shown, tl.where(outward > 0, places - outer, outer + 1), 0)
        away = (outer.to(tl.float64) - crossing).to(tl.float32)
        pull_a, pull_b = pull(
            image,
            gradient,
            channels,
            face_id,
            face,
            outer_pixel,
            step * outward,
            inner_pixel,
            length,
            outward,
            away,
            arm_a,
            arm_b,
            eps,
            ALL,
            EDGES,
            PIXELS,
        )
        far = _far_side(au, av, bu, bv, cu, cv, u, outward, places)
        far = tl.minimum(tl.maximum(far, 0), places - 1)
        length = tl.where(mask, tl.abs(far - inner) + 1, 0)
        direction = tl.where(far > inner, 1, -1)
        away = (inner.to(tl.float64) - crossing).to(tl.float32)
        more_a, more_b = pull(
            image,
            gradient,
            channels,
            face_id,
            face,
            inner_pixel,
            step * direction,
            outer_pixel,
            length,
            direction,
            away,
            arm_a,
            arm_b,
            eps,
            EQUAL,
            EDGES,
            PIXELS,
        )
        add(total, fixed, scale, 2 * a + 1 - axis, -(pull_a + more_a), mask, MODE)
        add(total, fixed, scale, 2 * b + 1 - axis, -(pull_b + more_b), mask, MODE)
        start += tl.num_programs(0) * EDGES
