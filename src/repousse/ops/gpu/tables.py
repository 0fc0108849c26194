"""Small tables of whole numbers that kernels read: sizes of images and levels."""

import functools

import torch
from torch import Tensor

from repousse.ops.gpu.capture import is_capturing

Rows = tuple[tuple[int, ...], ...]


@functools.lru_cache(maxsize=1024)
def _made(rows: Rows, device: torch.device) -> Tensor:
    return torch.tensor(rows, dtype=torch.int64).to(device)


_captured: list[Tensor] = []


def table(rows: Rows, device: torch.device) -> Tensor:
    """int64 (len(rows), numbers). Only the first call with the same rows waits for the device.

    A table that is used while a graph is captured is kept for good: whoever replays the graph reads it again.
    """
    found = _made(rows, device)
    if is_capturing(found):
        _captured.append(found)
    return found
