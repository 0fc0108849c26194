"""How much of two grids is the same."""

import torch
from torch import Tensor

from .grid import VoxelGrid


def voxel_iou(first: VoxelGrid | Tensor, second: VoxelGrid | Tensor, *, threshold: float = 0.5) -> Tensor:
    """Intersection over union of the occupied cells, of each pair of grids.

    >>> voxel_iou(predicted, truth).mean()

    first, second  grids of the same shape and at the same place, or tensors (X, Y, Z) or (B, X, Y, Z), bool or float;
                   a single grid is compared with each of a batch
    threshold      floats are occupied from this value on

    Returns float64 () or (B,). Two empty grids are equal: 1. Not differentiable.
    ValueError for different shapes or places.
    """
    if isinstance(first, VoxelGrid) and isinstance(second, VoxelGrid):
        near = (first.cell - second.cell).abs() <= 1e-6 * first.cell
        off = (first.origin - second.origin).abs().amax(-1) > 1e-3 * first.cell
        if first.shape == second.shape and not (bool(near.all()) and not bool(off.any())):
            raise ValueError("voxel_iou: the grids lie at different places. Voxelise both with the same `bounds`.")
    a, b = (_occupied(grid, threshold) for grid in (first, second))
    batches = {len(grid) for grid in (a, b) if grid.ndim == 4}
    if a.shape[-3:] != b.shape[-3:] or len(batches) > 1:
        raise ValueError(
            f"voxel_iou: {tuple(a.shape)} and {tuple(b.shape)} cells cannot be compared. resize() makes grids alike."
        )
    union = (a | b).sum((-3, -2, -1)).double()
    return torch.where(union > 0, (a & b).sum((-3, -2, -1)) / union.clamp(min=1), 1.0)


def _occupied(grid: VoxelGrid | Tensor, threshold: float) -> Tensor:
    values = grid.occupancy if isinstance(grid, VoxelGrid) else grid
    if not isinstance(values, Tensor) or values.ndim not in (3, 4):
        raise ValueError("voxel_iou: give grids, or tensors (X, Y, Z) or (B, X, Y, Z).")
    return values >= threshold if values.is_floating_point() else values != 0
