"""Angles in float64: the interpreter has no library functions."""

import triton
import triton.language as tl

_PI = tl.constexpr(3.141592653589793)


@triton.jit
def atan2(y, x):
    """As C's, to 1e-15, of finite float64 numbers of which one is not 0; but the sign of a zero counts for nothing."""
    high, wide = tl.abs(y), tl.abs(x)
    steep = high > wide
    ratio = tl.where(steep, wide, high) / tl.where(steep, high, wide)
    half = ratio / (1.0 + tl.sqrt(1.0 + ratio * ratio))  # tangent of half the angle, at most tan(pi / 8)
    # A Chebyshev fit of arctan(t) / t in t^2 for these t.
    s = half * half
    series = 0.021987397613792484 * s - 0.04418716388535792
    series = series * s + 0.057132346234582104
    series = series * s - 0.06645082638462049
    series = series * s + 0.07690524188350166
    series = series * s - 0.09090814640686362
    series = series * s + 0.11111108022574004
    series = series * s - 0.14285714227732405
    series = series * s + 0.19999999999449578
    series = series * s - 0.33333333333331167
    series = series * s + 1.0000000000000002
    angle = 2.0 * half * series
    angle = tl.where(steep, 0.5 * _PI - angle, angle)
    angle = tl.where(x < 0.0, _PI - angle, angle)
    return tl.where(y < 0.0, -angle, angle)
