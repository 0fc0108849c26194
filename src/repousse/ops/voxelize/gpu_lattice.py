"""Triangles on the lattice of lattice.h: the same decisions, in 64 bits also where the CPU needs 128.

Products of three lengths do not fit into 64 bits, but what is decided by them is small: integers wrap around, so a
number known to be small is right whatever the terms of its sum were. A float64 says first where it is small.
"""

import triton
import triton.language as tl

from repousse.ops.gpu.rounding import rint64

BITS = tl.constexpr(12)
CELL = tl.constexpr(4096)
ABSENT = tl.constexpr(-(2**31))
_FARTHEST = tl.constexpr(65536.0)


@triton.jit
def snap(positions, count, points, BLOCK: tl.constexpr):
    """positions float (N, 3) in cells -> points int32 (N, 3) on the lattice. A program takes BLOCK rows.

    Vertices that are not finite, or too far away for exact arithmetic, are ABSENT.
    """
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = row < count
    near = mask
    for axis in tl.static_range(3):
        near = near & (tl.abs(tl.load(positions + 3 * row + axis, mask=mask, other=0.0)) <= _FARTHEST)
    for axis in tl.static_range(3):
        exact = tl.load(positions + 3 * row + axis, mask=near, other=0.0).to(tl.float64)
        snapped = rint64(exact * CELL).to(tl.int32)
        tl.store(points + 3 * row + axis, tl.where(near, snapped, ABSENT), mask=mask)


@triton.jit
def load_vertices(faces, face, first):
    """The three corners of faces as rows of the points, int64; `first` is the row of the pose's first vertex."""
    a = tl.load(faces + 3 * face)
    b = tl.load(faces + 3 * face + 1)
    c = tl.load(faces + 3 * face + 2)
    return first + a, first + b, first + c


@triton.jit
def load_along(points, a, b, c, axis):
    """One coordinate of three corners, relative to the lowest corner of the cell of the first; and that cell. int64."""
    at_a = tl.load(points + 3 * a + axis).to(tl.int64)
    at_b = tl.load(points + 3 * b + axis).to(tl.int64)
    at_c = tl.load(points + 3 * c + axis).to(tl.int64)
    cell = at_a >> BITS
    low = cell << BITS
    return cell, at_a - low, at_b - low, at_c - low


@triton.jit
def is_present(points, a, b, c):
    """Whether all corners are finite."""
    return (
        (tl.load(points + 3 * a) != ABSENT) & (tl.load(points + 3 * b) != ABSENT) & (tl.load(points + 3 * c) != ABSENT)
    )


@triton.jit
def area(au, bu, cu, av, bv, cv):
    """Twice the signed area of a triangle in the plane of u and v."""
    return (bu - au) * (cv - av) - (cu - au) * (bv - av)


@triton.jit
def in_cells(n0, n1, n2, d0, d1, d2):
    """n . d as whole cells and the units that are left, which may be several cells: both fit into 64 bits."""
    whole = (n0 >> BITS) * d0 + (n1 >> BITS) * d1 + (n2 >> BITS) * d2
    rest = (n0 & (CELL - 1)) * d0 + (n1 & (CELL - 1)) * d1 + (n2 & (CELL - 1)) * d2
    return whole, rest
