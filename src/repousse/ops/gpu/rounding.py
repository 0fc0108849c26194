"""Rounding to whole numbers, halves to even as C's rint does: the interpreter has no library functions."""

import triton
import triton.language as tl


@triton.jit
def rint(x):
    """Float32 to the nearest whole float32. Between 2^23 and 2^24 floats are the whole numbers: adding 2^23 rounds."""
    magic = 8388608.0
    magnitude = tl.abs(x)
    rounded = (magnitude + magic) - magic
    whole = tl.where(magnitude < magic, rounded, magnitude)
    return tl.where(x < 0, -whole, whole)


@triton.jit
def rint64(x):
    """The same for float64."""
    magic = tl.full([], 4503599627370496.0, tl.float64)  # 2^52
    magnitude = tl.abs(x)
    rounded = (magnitude + magic) - magic
    whole = tl.where(magnitude < magic, rounded, magnitude)
    return tl.where(x < 0, -whole, whole)
