"""Directions and lengths whose derivatives stay finite, and rows of many poses at once."""

import torch
from torch import Tensor


def unit(vectors: Tensor) -> Tensor:
    """Vectors (..., 3) of unit length; zero, with zero derivative, where the vector vanishes."""
    # A direction does not depend on the scale, so dividing by the largest component first changes neither the
    # result nor its derivative, and keeps the squares of tiny and of huge vectors in range.
    largest = vectors.detach().abs().amax(dim=-1, keepdim=True)
    vanishes = largest < torch.finfo(vectors.dtype).tiny
    scaled = torch.where(vanishes, 0, vectors / torch.where(vanishes, 1, largest))
    return scaled / torch.where(vanishes, 1, scaled.square().sum(dim=-1, keepdim=True)).sqrt()


def length(vectors: Tensor) -> Tensor:
    """Lengths (...) of vectors (..., 3); the derivative of a length of 0 is 0."""
    squared = vectors.square().sum(dim=-1)
    vanishes = squared == 0
    return torch.where(vanishes, 0, torch.where(vanishes, 1, squared).sqrt())


def by_vertex(positions: Tensor) -> Tensor:
    """(V, 3) or (B, V, 3) as (V, B, 3).

    With vertices first, whatever happens to one of them happens to all poses at once: picking vertices and
    adding to them is then several times faster than along the middle axis.
    """
    return positions.unsqueeze(1) if positions.ndim == 2 else positions.transpose(0, 1)


def take_rows(rows: Tensor, index: Tensor) -> Tensor:
    """Rows (V, B, C) at `index` (N, K): (N, K, B, C)."""
    _, batch, channels = rows.shape
    picked = index.long().flatten().unsqueeze(1).expand(-1, batch * channels)
    return rows.flatten(1).gather(0, picked).view(*index.shape, batch, channels)


def add_rows(rows: Tensor, index: Tensor, count: int) -> Tensor:
    """Sums (count, B, C) of the rows (N, B, C) that have the same `index` (N)."""
    _, batch, channels = rows.shape
    target = index.long().unsqueeze(1).expand(-1, batch * channels)
    sums = rows.new_zeros(count, batch * channels).scatter_add(0, target, rows.flatten(1))
    return sums.view(count, batch, channels)
