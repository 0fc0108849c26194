"""Packed meshes: which faces each image has. Callers keep it on the CPU, where sizes are known; kernels need it."""

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

# The version of ranges when they were copied, and the copy.
_copies: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def ranges_on(device: torch.device, ranges: Tensor) -> Tensor:
    """int64 (B, 2): `ranges` on a device. Copied once for each tensor, and again if it changes.

    So what draws packed meshes can be captured in a CUDA graph once it has run: nothing is copied any more.
    """
    state = (None if ranges.is_inference() else ranges._version, device)
    found = _copies.get(ranges)
    if found is None or found[0] != state:
        found = state, ranges.to(device=device, dtype=torch.int64, copy=True)
        _copies[ranges] = found
    return found[1]
