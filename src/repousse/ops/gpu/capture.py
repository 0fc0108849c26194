"""CUDA graphs."""

import torch
from torch import Tensor


def is_capturing(tensor: Tensor) -> bool:
    """Whether what is done to a tensor becomes part of a graph, so that nothing can be read or copied from the CPU."""
    return tensor.is_cuda and torch.cuda.is_current_stream_capturing()


_captured: list[Tensor] = []


def keep_for_graphs(tensor: Tensor) -> Tensor:
    """The tensor, kept for good if it is used while a graph is captured: whoever replays that reads it again."""
    if is_capturing(tensor):
        _captured.append(tensor)
    return tensor
