"""Sums that many programs add to: gradients of vertices, attributes and texels.

By default they are float atomics, whose order, and so whose last bits, change from run to run. Under
`torch.use_deterministic_algorithms(True)` a kernel runs twice: it measures the largest contribution M, then adds
contributions as multiples of M / 2^38 in int64, where the order does not matter. What is rounded away is at most
4e-12 M per contribution; 2^25 contributions as large as M fit into one sum. Contributions that are not finite are added
as floats: any order gives the same infinity or NaN.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.gpu.launch import blocks, launch

ATOMIC = tl.constexpr(0)
MEASURE = tl.constexpr(1)
FIXED = tl.constexpr(2)
_BITS = 38
_MOST = tl.constexpr(3.4028234663852886e38)


class Sum(NamedTuple):
    """The three pointers that `add` needs; kernels take them as three parameters in this order.

    total  float32  the sums, or, in fixed point, what is not finite
    fixed  int64    the sums in fixed point (unused by ATOMIC and MEASURE)
    scale  float32 (1)  MEASURE: the largest contribution; FIXED: what contributions are multiplied by
    """

    total: Tensor
    fixed: Tensor
    scale: Tensor


def accumulate(like: Sequence[Tensor], run: Callable[[list[Sum], int], None]) -> list[Tensor]:
    """The sums to which a kernel adds.

    like  tensors of the shapes and devices that the sums have; the sums are float32
    run   starts the kernel, given a Sum for each and the mode, which the kernel passes to `add`
    """
    totals = [torch.zeros_like(tensor, dtype=torch.float32, memory_format=torch.contiguous_format) for tensor in like]
    if not torch.are_deterministic_algorithms_enabled():
        run([Sum(total, total, total) for total in totals], ATOMIC.value)
        return totals
    largest = [total.new_zeros(1) for total in totals]
    run([Sum(total, total, most) for total, most in zip(totals, largest, strict=True)], MEASURE.value)
    # Powers of two, so that scaling rounds nothing. frexp: M < 2^exponent.
    exponents = [(_BITS - torch.frexp(most).exponent).clamp(-126, 126) for most in largest]
    fixed = [torch.zeros_like(total, dtype=torch.int64) for total in totals]
    # Put together from bits, since powers that a GPU computes are not exact.
    scales = [((power + 127) << 23).view(torch.float32) for power in exponents]
    run([Sum(*three) for three in zip(totals, fixed, scales, strict=True)], FIXED.value)
    for total, whole, scale in zip(totals, fixed, scales, strict=True):
        launch(_finish, (blocks(total.numel(), 1024),), total, whole, scale, total.numel(), BLOCK=1024)
    return totals


@triton.jit
def _finish(total, fixed, scale, count, BLOCK: tl.constexpr):
    """Add the sums in fixed point to those of what is not finite, in place: BLOCK of them per program."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < count
    found = tl.load(fixed + at, mask=mask, other=0).to(tl.float64) / tl.load(scale)
    tl.store(total + at, tl.load(total + at, mask=mask, other=0.0) + found.to(tl.float32), mask=mask)


@triton.jit
def add(total, fixed, scale, offsets, values, mask, MODE: tl.constexpr):
    """Add a block of float32 `values` to the sums at `offsets` where `mask`; several may add to the same one.

    Rows of 2 or 4 numbers side by side (a block (N, 4), `offsets` multiples of 4 and what follows) are added at once
    where the GPU can.
    """
    if MODE == ATOMIC:
        tl.atomic_add(total + offsets, values, mask=mask, sem="relaxed")
    else:
        finite = tl.abs(values) <= _MOST
        if MODE == MEASURE:
            # Almost always somebody has seen a larger one. Asking is cheap; thousands of atomics on one number are not.
            most = tl.max(tl.where(mask & finite, tl.abs(values), 0.0))
            tl.atomic_max(scale, most, mask=most > tl.load(scale, cache_modifier=".cg"), sem="relaxed")
        else:
            whole = (tl.where(finite, values, 0.0) * tl.load(scale)).to(tl.int64)
            tl.atomic_add(fixed + offsets, whole, mask=mask, sem="relaxed")
            tl.atomic_add(total + offsets, values, mask=mask & ~finite, sem="relaxed")
