"""Grids with more or fewer cells over the same box."""

from typing import Literal

from torch import Tensor
from torch.nn import functional

from .grid import VoxelGrid


def resize(grid: VoxelGrid, resolution: int, *, mode: Literal["max", "mean"] = "max") -> VoxelGrid:
    """The same box, cut into `resolution` cells along its longest side.

    >>> resize(VoxelGrid(torch.ones(64, 64, 64)), 32).shape
    (32, 32, 32)

    mode  for fewer cells. "max": a cell is as full as the fullest of those it meets, so nothing thin is lost.
          "mean": their average, as float, >= 0.5 where half is full; differentiable. For whole factors the cells are
          exact blocks; for others each takes all cells that it meets, equally.

    More cells: each takes the value of the cell that its centre lies in. The kind of occupancy (bool or float) stays,
    but for "mean" of fewer cells.

    ValueError if a shorter side would not be a whole number of cells.
    """
    shape = grid.shape
    longest = max(shape)
    if resolution < 1 or any(side * resolution % longest for side in shape):
        raise ValueError(
            f"resize: {shape} cells cannot become {resolution} along the longest side: cells are cubes, and each side "
            "must be a whole number of them."
        )
    if mode not in ("max", "mean"):
        raise ValueError(f'resize: `mode` must be "max" or "mean", got {mode!r}.')
    x, y, z = (side * resolution // longest for side in shape)
    size = (x, y, z)
    values: Tensor = grid.occupancy
    is_bool = not values.is_floating_point()
    values = (values.float() if is_bool else values).reshape(-1, 1, *shape)
    if resolution >= longest:
        values = functional.interpolate(values, size, mode="nearest-exact")
    elif mode == "max":
        values = functional.adaptive_max_pool3d(values, size)
    else:
        values = functional.adaptive_avg_pool3d(values, size)
    values = values.reshape(*grid.occupancy.shape[:-3], *size)
    keeps_kind = is_bool and (mode == "max" or resolution >= longest)
    return VoxelGrid(values > 0.5 if keeps_kind else values, grid.origin, grid.cell * longest / resolution)
