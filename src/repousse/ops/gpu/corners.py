"""The corners of the faces that pixels see. What each corner has is a tuple of three blocks."""

import triton
import triton.language as tl

from repousse.ops.gpu.projection import project
from repousse.ops.gpu.vertices import load_clip


@triton.jit
def load_corners(faces, face, mask):
    """The three indices of faces (blocks, int64; 0 where `mask` is false). They have been checked."""
    at = faces + 3 * face.to(tl.int64)
    first = tl.load(at, mask=mask, other=0).to(tl.int64)
    second = tl.load(at + 1, mask=mask, other=0).to(tl.int64)
    return first, second, tl.load(at + 2, mask=mask, other=0).to(tl.int64)


@triton.jit
def load_points(positions, corners, mask, BLOCK: tl.constexpr):
    """Clip coordinates x, y, z and w of the corners; 0 where `mask` is false."""
    x0, y0, z0, w0 = load_clip(positions, corners[0], mask, BLOCK)
    x1, y1, z1, w1 = load_clip(positions, corners[1], mask, BLOCK)
    x2, y2, z2, w2 = load_clip(positions, corners[2], mask, BLOCK)
    return (x0, x1, x2), (y0, y1, y2), (z0, z1, z2), (w0, w1, w2)


@triton.jit
def project_points(x, y, z, w, half_width, half_height):
    """The corners on the screen: px, py and r = 1 / w, and which faces need no clipping."""
    px, py, _, r, safe = project_with_depth(x, y, z, w, half_width, half_height)
    return px, py, r, safe


@triton.jit
def project_with_depth(x, y, z, w, half_width, half_height):
    """The same with zeta = z / w: px, py, zeta, r and which faces need no clipping."""
    px0, py0, zeta0, r0, safe0 = project(x[0], y[0], z[0], w[0], half_width, half_height)
    px1, py1, zeta1, r1, safe1 = project(x[1], y[1], z[1], w[1], half_width, half_height)
    px2, py2, zeta2, r2, safe2 = project(x[2], y[2], z[2], w[2], half_width, half_height)
    return (px0, px1, px2), (py0, py1, py2), (zeta0, zeta1, zeta2), (r0, r1, r2), safe0 & safe1 & safe2


@triton.jit
def to_float64(a):
    """The corners' numbers in float64."""
    return a[0].to(tl.float64), a[1].to(tl.float64), a[2].to(tl.float64)
