"""Plain numbers as tensors."""

from typing import Any

import torch
from torch import Tensor


def tensor_of(value: Any, dtype: torch.dtype, device: torch.device | None = None) -> Tensor:
    """torch.as_tensor, which does not wait for a GPU if `value` is a number or a sequence of numbers.

    Numbers are filled in by kernels there. To copy them from the CPU would wait, and could not be captured in a graph.
    """
    if device is None or device.type == "cpu":
        return torch.as_tensor(value, dtype=dtype, device=device)
    if isinstance(value, int | float):
        return torch.full((), value, dtype=dtype, device=device)
    if isinstance(value, (list, tuple)) and value:
        return torch.stack([tensor_of(part, dtype, device) for part in value])
    return torch.as_tensor(value, dtype=dtype, device=device)
