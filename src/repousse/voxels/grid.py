"""Occupancy on a grid of cubes, and where that grid lies in the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, init=False)
class VoxelGrid:
    """A grid of cubic cells, or a batch of grids of the same shape.

    >>> grid = VoxelGrid(torch.zeros(32, 32, 32, dtype=torch.bool), origin=(-0.5, -0.5, -0.5), cell=1 / 32)
    >>> grid
    VoxelGrid(32 × 32 × 32, 0 occupied)

    occupancy  bool or float (X, Y, Z) or (B, X, Y, Z)  index [x, y, z]; floats are probabilities, >= 0.5 is occupied
    origin     (3,), or (B, 3)   world position of the lowest corner of cell (0, 0, 0); becomes float64
    cell       number, or (B,)   side of a cell in world units, greater than 0; becomes float64

    Cell i covers [origin + i * cell, origin + (i + 1) * cell) along each axis; its centre is origin + (i + 0.5) * cell.
    A grid is a value: its methods return new ones. Differentiable in a float `occupancy`.

    TypeError for an occupancy that is no bool or float tensor; ValueError for wrong shapes, an empty grid, and an
    origin or cell that is not finite.
    """

    occupancy: Tensor
    origin: Tensor
    cell: Tensor

    def __init__(
        self, occupancy: Tensor, origin: Tensor | Sequence[float] = (0.0, 0.0, 0.0), cell: Tensor | float = 1.0
    ) -> None:
        if not isinstance(occupancy, Tensor) or not (occupancy.dtype == torch.bool or occupancy.is_floating_point()):
            got = occupancy.dtype if isinstance(occupancy, Tensor) else type(occupancy).__name__
            raise TypeError(f"VoxelGrid: `occupancy` must be a bool or float tensor, got {got}. Use e.g. values > 0.")
        if occupancy.ndim not in (3, 4) or 0 in occupancy.shape[-3:]:
            raise ValueError(
                f"VoxelGrid: `occupancy` must be (X, Y, Z) or (B, X, Y, Z), not empty, but is {tuple(occupancy.shape)}."
            )
        fields = vars(self)  # the one way past a frozen dataclass
        fields["occupancy"] = occupancy
        fields["origin"] = _placed("origin", origin, (3,), occupancy)
        fields["cell"] = _placed("cell", cell, (), occupancy)
        if not bool((self.cell > 0).all()):
            raise ValueError(f"VoxelGrid: `cell` must be greater than 0, got {self.cell.tolist()}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells along x, y and z."""
        x, y, z = self.occupancy.shape[-3:]
        return x, y, z

    @property
    def occupied(self) -> Tensor:
        """bool, shaped like `occupancy`: the cells that count as full."""
        return self.occupancy if self.occupancy.dtype == torch.bool else self.occupancy >= 0.5

    @property
    def centres(self) -> Tensor:
        """float64 (X, Y, Z, 3), or (B, X, Y, Z, 3) for grids at different places: the middle of each cell."""
        steps = [torch.arange(n, dtype=torch.float64, device=self.origin.device) + 0.5 for n in self.shape]
        lattice = torch.stack(torch.meshgrid(*steps, indexing="ij"), -1)
        if self.origin.ndim == 1 and self.cell.ndim == 0:
            return self.origin + self.cell * lattice
        return self.origin.view(-1, 1, 1, 1, 3) + self.cell.view(-1, 1, 1, 1, 1) * lattice

    @property
    def volume(self) -> Tensor:
        """float64 () or (B,): volume of the occupied cells, in cubic world units."""
        return self.occupied.sum((-3, -2, -1)) * self.cell**3

    def __len__(self) -> int:
        """Number of grids in a batch."""
        if self.occupancy.ndim == 3:
            raise TypeError("VoxelGrid: a single grid has no length.")
        return len(self.occupancy)

    def __getitem__(self, index: int) -> VoxelGrid:
        """One grid of a batch."""
        if self.occupancy.ndim == 3:
            raise TypeError("VoxelGrid: this is a single grid; index its `occupancy` to ask for cells.")
        corner = self.origin if self.origin.ndim == 1 else self.origin[index]
        cell = self.cell if self.cell.ndim == 0 else self.cell[index]
        return VoxelGrid(self.occupancy[index], corner, cell)

    def with_occupancy(self, occupancy: Tensor) -> VoxelGrid:
        """Other contents of the same cells."""
        if occupancy.shape[-3:] != self.occupancy.shape[-3:]:
            raise ValueError(
                f"VoxelGrid.with_occupancy: got {tuple(occupancy.shape)} for a grid of {self.shape}. resize() changes "
                "the number of cells."
            )
        return VoxelGrid(occupancy, self.origin, self.cell)

    def to(self, target: torch.device | str | torch.dtype) -> VoxelGrid:
        """The grid on another device, or with its occupancy in another type."""
        return VoxelGrid(self.occupancy.to(target), self.origin, self.cell)

    def __repr__(self) -> str:
        batch = "" if self.occupancy.ndim == 3 else f"{len(self)} grids, "
        x, y, z = self.shape
        return f"VoxelGrid({batch}{x} × {y} × {z}, {int(self.occupied.sum())} occupied)"


def _placed(name: str, value: Tensor | Sequence[float] | float, shape: tuple[int, ...], occupancy: Tensor) -> Tensor:
    placed = torch.as_tensor(value, dtype=torch.float64).to(occupancy.device)
    batched = (*occupancy.shape[:-3], *shape)
    if placed.shape not in (shape, batched):
        raise ValueError(f"VoxelGrid: `{name}` must be {shape} or {batched} but is {tuple(placed.shape)}.")
    if not bool(placed.isfinite().all()):
        raise ValueError(f"VoxelGrid: `{name}` is not finite: {placed.tolist()}.")
    return placed


def single(caller: str, grid: VoxelGrid) -> VoxelGrid:
    """Raises ValueError if `grid` is a batch."""
    if grid.occupancy.ndim != 3:
        raise ValueError(f"{caller}: got a batch of {len(grid)} grids; pass them one by one, as grid[i].")
    return grid
