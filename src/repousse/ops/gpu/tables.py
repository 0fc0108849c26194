"""Small tables of whole numbers that kernels read: sizes of images and levels."""

import functools

import torch
from torch import Tensor

from repousse.ops.gpu.capture import keep_for_graphs

Rows = tuple[tuple[int, ...], ...]


@functools.lru_cache(maxsize=1024)
def _made(rows: Rows, device: torch.device) -> Tensor:
    return torch.tensor(rows, dtype=torch.int64).to(device)


def table(rows: Rows, device: torch.device) -> Tensor:
    """int64 (len(rows), numbers). Only the first call with the same rows waits for the device.

    A table that is used while a graph is captured is kept for good: whoever replays the graph reads it again.
    """
    return keep_for_graphs(_made(rows, device))
