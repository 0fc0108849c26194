"""How kernels are started, and the sizes that most of them share."""

from typing import Any

from torch import Tensor


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, num_warps: int = 4, **constants: Any) -> None:
    """Run a Triton kernel on the current stream of the current device; nothing for an empty grid.

    grid       programs along up to three axes
    arguments  tensors and numbers, in the order of the kernel's parameters
    constants  its tl.constexpr parameters

    Products and sums are rounded one by one, never fused: kernels decide by the same bits as those for the CPU.
    """
    if all(grid):
        kernel[grid](*arguments, **constants, num_warps=num_warps, enable_fp_fusion=False)


def blocks(count: int, size: int) -> int:
    """How many blocks of `size` hold `count` things."""
    return -(-count // size)


def read_count(count: Tensor) -> int:
    """A number that a kernel has counted. Waits for the device: only lists, whose length is the result, need it."""
    return int(count)
