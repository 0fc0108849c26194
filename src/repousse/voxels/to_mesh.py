"""Grids become meshes: a smooth surface, or the cubes themselves."""

import numpy as np
import torch
from torch import Tensor

from repousse.geometry import Mesh

from .grid import VoxelGrid, single


def marching_cubes(grid: VoxelGrid, *, level: float = 0.5) -> Mesh:
    """The surface where the occupancy, interpolated between the centres of cells, crosses `level`.

    >>> marching_cubes(voxelize(icosphere(3), 32))
    Mesh(5046 vertices, 10088 faces)

    level  from 0 to 1, both excluded; bool grids count as 0 and 1

    Watertight also where the grid is full up to its border, for outside all is empty. World units, float32, faces
    counter-clockwise from outside (Lewiner et al. 2003, by scikit-image). Not differentiable.

    ImportError without scikit-image; ValueError for a batch, a level out of range, and if no cell reaches `level`.
    """
    try:
        from skimage import measure  # an optional dependency
    except ImportError as error:
        raise ImportError("marching_cubes needs scikit-image: pip install 'repousse[voxels]'") from error
    values = single("marching_cubes", grid).occupancy.detach().cpu().float().numpy()
    if not 0 < level < 1:
        raise ValueError(f"marching_cubes: `level` must lie between 0 and 1, got {level}.")
    if not np.isfinite(values).all():
        raise ValueError("marching_cubes: the occupancy is not finite everywhere.")
    if not (values > level).any():
        raise ValueError(f"marching_cubes: no cell is fuller than {level}, so there is no surface.")
    corners, faces, _, _ = measure.marching_cubes(np.pad(values, 1), level, gradient_direction="ascent")
    steps = torch.from_numpy(corners.astype(np.float64)) - 0.5  # one cell of padding; values sit in the middle of cells
    positions = grid.origin.cpu() + grid.cell.cpu() * steps
    return _mesh(positions, torch.from_numpy(faces.astype(np.int32)), grid)


def to_cubes(grid: VoxelGrid) -> Mesh:
    """The occupied cells as cubes: those of their sides that border on an empty cell or on the outside.

    >>> to_cubes(VoxelGrid(torch.ones(2, 2, 2)))
    Mesh(26 vertices, 48 faces)

    World units, float32, faces counter-clockwise from outside. Closed; where two cubes meet in an edge only, it has
    four faces. ValueError for a batch and for a grid without an occupied cell.
    """
    full = torch.nn.functional.pad(single("to_cubes", grid).occupied, [1] * 6)
    if not full.any():
        raise ValueError("to_cubes: no cell is occupied, so there is nothing to show.")
    corners = []
    for axis in range(3):
        # Two directions along the side; their cross product points along the axis.
        u, v = torch.eye(3, dtype=torch.int64, device=full.device).roll(-(axis + 1), 0)[:2]
        square = torch.stack([torch.zeros_like(u), u, u + v, v])
        for step in (1, -1):
            cells = (full & ~full.roll(-step, axis)).nonzero() - 1
            cells[:, axis] += step > 0  # the side on the far border of the cell
            corners.append(cells[:, None] + (square if step > 0 else square.flip(0)))
    lattice, index = torch.cat(corners).flatten(0, 1).unique(dim=0, return_inverse=True)
    quads = index.view(-1, 4)
    faces = quads[:, [0, 1, 2, 0, 2, 3]].view(-1, 3).int()
    return _mesh(grid.origin + grid.cell * lattice, faces, grid)


def _mesh(positions: Tensor, faces: Tensor, grid: VoxelGrid) -> Mesh:
    device = grid.occupancy.device
    return Mesh(positions.to(device, torch.float32), faces.to(device))
