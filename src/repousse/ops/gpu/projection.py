"""Clip coordinates to pixels: steps 1 and 2 of visibility (docs/design.md), bit for bit as on the CPU."""

import triton
import triton.language as tl

from repousse.ops.gpu.rounding import rint

_SUBPIXELS = tl.constexpr(256.0)
_GUARD = tl.constexpr(64.0)
_LEAST = tl.constexpr(1.1754943508222875e-38)  # FLT_MIN
_MOST = tl.constexpr(3.4028234663852886e38)  # FLT_MAX


@triton.jit
def project(x, y, z, w, half_width, half_height):
    """Vertices on the screen: pixels (px, py), z / w, 1 / w, and whether they need no clipping; float32 blocks.

    Where they do, the other numbers mean nothing.
    """
    limit = _GUARD * w
    safe = (w >= _LEAST) & (w <= _MOST) & (z >= 0.0) & (z <= w)
    safe = safe & (x <= limit) & (x >= -limit) & (y <= limit) & (y >= -limit)
    divisor = tl.where(safe, w, 1.0)
    px = tl.div_rn(x, divisor) * half_width + half_width
    py = tl.div_rn(y, divisor) * half_height + half_height
    return px, py, tl.div_rn(z, divisor), tl.div_rn(1.0, divisor), safe


@triton.jit
def snap(pixels, safe):
    """Pixels in whole 1/256 pixels, int32; 0 where a vertex is not safe."""
    return tl.where(safe, rint(pixels * _SUBPIXELS), 0.0).to(tl.int32)
