"""Packed meshes: which faces each image has. Callers keep it on the CPU, where sizes are known; kernels need it."""

import torch
from torch import Tensor

from repousse.core.remembered import Remembered
from repousse.ops.gpu.capture import keep_for_graphs

_copies = Remembered()


def ranges_on(device: torch.device, ranges: Tensor) -> Tensor:
    """int64 (B, 2): `ranges` on a device. Copied once for each tensor, and again if it changes.

    So what draws packed meshes can be captured in a CUDA graph once it has run: nothing is copied any more. A copy that
    is used while a graph is captured is kept for good: whoever replays the graph reads it again, even if `ranges` is
    gone by then.
    """

    def copy() -> Tensor:
        return ranges.contiguous().to(device=device, dtype=torch.int64, copy=True)

    return keep_for_graphs(_copies.get(ranges, device, copy))
