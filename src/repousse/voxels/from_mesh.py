"""Meshes become grids."""

import math
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from repousse import ops
from repousse.geometry import Mesh
from repousse.ops.voxelize import Fill

from .grid import VoxelGrid

Box = tuple[Sequence[float] | Tensor, Sequence[float] | Tensor]


def voxelize(
    mesh: Mesh,
    resolution: int = 64,
    *,
    fill: Fill = "solid",
    padding: int = 0,
    bounds: Box | None = None,
) -> VoxelGrid:
    """Turn a mesh into a grid of cells.

    >>> voxelize(icosphere(3), 32)
    VoxelGrid(32 × 32 × 32, 16900 occupied)

    resolution  cells along the longest side, 1 to 4096
    fill        "solid": cells whose centre is inside; "none": cells that the surface touches; "carve": those and all
                that cannot be seen along the axes, for surfaces that bound nothing; see `repousse.ops.voxelize`
    padding     cells left free on either side of the longest side; without `bounds` only
    bounds      (low, high), two corners of a box in world units: the grid begins at `low`, and its cells along the
                shorter sides are as many as the box needs. By default a cube around the middle of the mesh's own
                bounding box, as large as its longest side

    Several poses give a batch of grids, and so do packed meshes; without `bounds` each lies in a cube of its own.
    The surface may be open, wound inconsistently or a soup of triangles: `repousse.ops.voxelize` says what is inside
    then. Faces that are not finite are left out, with a warning. A result that is empty is legal, but warned of.

    Not differentiable: the occupancy is bool. ValueError for a mesh without a finite vertex, for a resolution below 1
    or above 4096, a padding that leaves no cell, and bounds that are no box.
    """
    if not isinstance(mesh, Mesh):
        raise TypeError(f"voxelize: `mesh` must be a Mesh, got {type(mesh).__name__}. Load one with repousse.io.load.")
    if not 1 <= resolution <= 4096 or not 0 <= 2 * padding < resolution:
        raise ValueError(
            f"voxelize: `resolution` must be 1 to 4096 and `padding` less than half of it, got {resolution}, {padding}."
        )
    if bounds is not None and padding:
        raise ValueError("voxelize: give `bounds` or `padding`, not both. Widen the bounds instead.")
    positions = mesh.positions.detach().double()
    if mesh.ranges is not None and mesh.vertex_ranges is not None:
        parts = [
            _fill(positions[v : v + count][None], mesh.faces[f : f + faces] - v, resolution, fill, padding, bounds)
            for (v, count), (f, faces) in zip(mesh.vertex_ranges.tolist(), mesh.ranges.tolist(), strict=True)
        ]
        return VoxelGrid(
            torch.cat([part.occupancy for part in parts]),
            torch.cat([part.origin for part in parts]),
            torch.cat([part.cell for part in parts]),
        )
    grid = _fill(positions.view(-1, *positions.shape[-2:]), mesh.faces, resolution, fill, padding, bounds)
    return grid[0] if positions.ndim == 2 else grid


def _fill(positions: Tensor, faces: Tensor, resolution: int, fill: Fill, padding: int, bounds: Box | None) -> VoxelGrid:
    """A batch of grids from positions (B, V, 3)."""
    if bounds is None:
        origin, cell = _cube(positions, resolution, padding)
        size = (resolution, resolution, resolution)
    else:
        origin, cell, size = _box(bounds, resolution, positions)
    occupancy = ops.voxelize((positions - origin[:, None]) / cell[:, None, None], faces, size, fill=fill)
    empty = int((~occupancy.flatten(1).any(1)).sum())
    if empty:
        reason, advice = "lies outside of the grid", ""
        if fill == "solid":
            reason = f"bounds no volume, is thinner than a cell, or {reason}"
            advice = ' Try fill="carve", or a higher resolution.'
        which = f"{empty} of {len(occupancy)} grids are" if len(occupancy) > 1 else "the grid is"
        warnings.warn(f"voxelize: {which} empty: the surface {reason}.{advice}", stacklevel=3)
    return VoxelGrid(occupancy, origin, cell)


def _cube(positions: Tensor, resolution: int, padding: int) -> tuple[Tensor, Tensor]:
    """Origin (B, 3) and cell (B,) of the cube around each pose."""
    finite = positions.isfinite().all(-1, keepdim=True)
    if not finite.any(1).all():
        raise ValueError("voxelize: the mesh has no vertex that is finite. Was it loaded or optimised without errors?")
    low = positions.where(finite, torch.inf).amin(1)
    high = positions.where(finite, -torch.inf).amax(1)
    longest = (high - low).amax(1)
    cell = torch.where(longest > 0, longest, 1.0) / (resolution - 2 * padding)
    return (low + high) / 2 - cell[:, None] * resolution / 2, cell


def _box(bounds: Box, resolution: int, positions: Tensor) -> tuple[Tensor, Tensor, tuple[int, int, int]]:
    """Origin (B, 3), cell (B,) and size of a grid over a box."""
    low, high = (torch.as_tensor(corner, dtype=torch.float64).to(positions.device) for corner in bounds)
    fits = low.shape == high.shape == (3,)
    if not (fits and bool((low < high).all()) and bool((high - low).isfinite().all())):
        raise ValueError(f"voxelize: `bounds` must be (low, high), three numbers each, low < high, got {bounds}.")
    sides = high - low
    cell = float(sides.max()) / resolution
    # A side that is a whole number of cells up to rounding gets no cell more.
    x, y, z = (max(1, math.ceil(side / cell - 1e-6)) for side in sides.tolist())
    batch = len(positions)
    return low.expand(batch, 3), torch.full((batch,), cell, dtype=torch.float64, device=low.device), (x, y, z)
