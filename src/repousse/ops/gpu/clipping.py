"""Step 6 of visibility: cutting at the planes of clip space, in float64, bit for bit as on the CPU."""

import triton
import triton.language as tl

from repousse.ops.gpu.rounding import rint64

CLIP_PLANES = tl.constexpr(6)
_GUARD = tl.constexpr(64.0)
_MOST = tl.constexpr(3.4028234663852886e38)  # FLT_MAX


@triton.jit
def is_finite(x, y, z, w):
    """Whether all four float32 coordinates are."""
    finite = (tl.abs(x) <= _MOST) & (tl.abs(y) <= _MOST)
    return finite & (tl.abs(z) <= _MOST) & (tl.abs(w) <= _MOST)


@triton.jit
def plane_distance(x, y, z, w, PLANE: tl.constexpr):
    """How far inside one of the planes points lie; float64 blocks."""
    if PLANE == 0:
        distance = z
    elif PLANE == 1:
        distance = w - z
    elif PLANE == 2:
        distance = x + _GUARD * w
    elif PLANE == 3:
        distance = _GUARD * w - x
    elif PLANE == 4:
        distance = y + _GUARD * w
    else:
        distance = _GUARD * w - y
    return distance


@triton.jit
def cut(ix, iy, iz, iw, ox, oy, oz, ow, inside, outside):
    """Where the way from inner to outer points meets a plane, from which they lie `inside` >= 0 and `outside` < 0."""
    apart = inside - outside
    t = inside / tl.where(apart > 0, apart, 1.0)
    return ix + (ox - ix) * t, iy + (oy - iy) * t, iz + (oz - iz) * t, iw + (ow - iw) * t


@triton.jit
def place(x, y, z, w, half_width, half_height):
    """Corners on the screen, in float64: int64 X and Y in 1/256 pixel, z / w, and whether the division means anything.

    The numbers are 0 where it means nothing.
    """
    placed = (w > 0) & (tl.abs(x) <= 128.0 * w) & (tl.abs(y) <= 128.0 * w)
    divisor = tl.where(placed, w, 1.0)
    px = ((tl.where(placed, x, 0.0) / divisor) * half_width + half_width) * 256.0
    py = ((tl.where(placed, y, 0.0) / divisor) * half_height + half_height) * 256.0
    X = tl.where(placed, rint64(px).to(tl.int64), 0)
    Y = tl.where(placed, rint64(py).to(tl.int64), 0)
    return X, Y, tl.where(placed, z, 0.0) / divisor, placed
