"""Voxels as the released evaluation of Kato et al. (2018) makes them, for figures that can be compared with its own."""

import torch
from torch import Tensor

from repousse.geometry import Mesh

_RESOLUTION = 32
_FACES_AT_ONCE = 4096  # times 32 x 32 lines at most: 16 MiB per intermediate tensor


def released_voxels(mesh: Mesh) -> Tensor:
    """Voxelise as the released evaluation does: bool (32, 32, 32) or (B, 32, 32, 32), in the order of its data sets.

    >>> voxel_iou(released_voxels(predicted), truth).mean()

    mesh  inside [-0.5, 0.5]³, as its decoder makes them

    1. Vertices times 31/32 plus 0.5, times 32, in float32.
    2. Along each axis, lines through the corners of the cells, (i, j) for i, j in 0 to 31, are met with each triangle;
       a hit marks the four cells around the line, so the surface is two cells thick.
    3. The cell of each vertex is marked, its coordinates rounded towards 0.
    4. What is empty and reached through empty neighbours (six per cell) from the border of the grid is outside; all
       else is solid. Holes wider than a cell let the inside run out.
    5. x and y change places and z is turned round: out[y, x, 31 - z].

    The solid is fatter than the shape by up to a cell on each side: thin classes gain up to 12 points of IoU over
    sampling at centres (`voxelize`). Use one rule for both sides of a comparison. Not differentiable.
    """
    positions = mesh.positions.detach().float()
    if mesh.ranges is not None:
        raise ValueError("released_voxels: this is several meshes packed into one; pass them one by one.")
    if not bool(positions.isfinite().all()):
        raise ValueError("released_voxels: the mesh has vertices that are not finite.")
    poses = positions.view(-1, *positions.shape[-2:])
    grids = torch.stack([_surface((pose * 31 / 32 + 0.5) * _RESOLUTION, mesh.faces.long()) for pose in poses])
    solid = ~_outside(grids)
    turned = solid.transpose(1, 2).flip(3)
    return turned if positions.ndim == 3 else turned[0]


def released_mean(iou: Tensor, category: Tensor) -> tuple[Tensor, Tensor]:
    """Average IoU as the released evaluation does: per category over all objects and views, then over categories.

    >>> per_category, mean = released_mean(voxel_iou(released_voxels(predicted), truth), category)

    iou       float (N,)  one of each object and view
    category  int (N,)    from 0; each category up to the highest must occur

    Returns float64 (K,) and (). ValueError for shapes that do not fit and a category that does not occur.
    """
    if iou.ndim != 1 or category.shape != iou.shape or category.is_floating_point():
        raise ValueError(
            f"released_mean: `iou` (N,) and integer `category` (N,) belong together, got {tuple(iou.shape)} and "
            f"{category.dtype} {tuple(category.shape)}."
        )
    number = category.bincount()
    if not len(number) or not bool((number > 0).all()):
        raise ValueError(
            f"released_mean: {number.tolist()} results per category; none may be without. Number them anew."
        )
    means = category.bincount(iou.double()) / number
    return means, means.mean()


def _surface(vertices: Tensor, faces: Tensor) -> Tensor:
    """Steps 2 and 3, for vertices (V, 3) in cells."""
    grid = torch.zeros([_RESOLUTION] * 3, dtype=torch.bool, device=vertices.device)
    for axis in range(3):
        # The line's axis last; the order of the other two is that of the released code, for the same rounding.
        order = [[2, 1, 0], [0, 2, 1], [0, 1, 2]][axis]
        turned = grid.permute(order)  # these permutations undo themselves
        for part in vertices[faces][..., order].split(_FACES_AT_ONCE):
            _mark_lines(part, turned)
    _mark(grid, vertices[faces.unique()].trunc().long())
    return grid


def _mark_lines(triangles: Tensor, grid: Tensor) -> None:
    """Meet lines along the last axis with triangles (N, 3, 3)."""
    which, row, column = _candidates(triangles)
    first, second, third = triangles[which].unbind(1)
    y1, x1, z1 = (second - first).unbind(-1)
    y2, x2, z2 = (third - first).unbind(-1)
    y, x = row - first[:, 0], column - first[:, 1]
    determinant = x1 * y2 - x2 * y1
    t1 = (y2 * x - x2 * y) / determinant
    t2 = (x1 * y - y1 * x) / determinant
    hit = (determinant != 0) & (t1 >= 0) & (t2 >= 0) & (t1 + t2 <= 1)
    depth = (t1 * z1 + t2 * z2 + first[:, 2])[hit].floor().long()
    for up in (0, 1):
        for left in (0, 1):
            _mark(grid, torch.stack([row[hit] - up, column[hit] - left, depth], 1))


def _candidates(triangles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Triangle, row and column of the lines in the bounding boxes of triangles, and one more on each side."""
    across = triangles[..., :2]
    low = (across.amin(1).floor().long() - 1).clamp(min=0)
    high = (across.amax(1).ceil().long() + 1).clamp(max=_RESOLUTION - 1)
    rows, columns = (high - low + 1).clamp(min=0).unbind(1)
    number = rows * columns
    which = torch.arange(len(triangles), device=triangles.device).repeat_interleave(number)
    place = torch.arange(len(which), device=triangles.device) - (number.cumsum(0) - number)[which]
    return which, low[which, 0] + place // columns[which], low[which, 1] + place % columns[which]


def _mark(grid: Tensor, cells: Tensor) -> None:
    """Mark the cells (N, 3) that lie in the grid."""
    cells = cells[((cells >= 0) & (cells < _RESOLUTION)).all(1)]
    grid[cells.unbind(1)] = True


def _outside(full: Tensor) -> Tensor:
    """Empty cells of grids (B, X, Y, Z) that are connected to the border."""
    empty = ~full
    reached = empty.clone()
    reached[:, 1:-1, 1:-1, 1:-1] = False
    count = -1
    while count != (count := int(reached.sum())):
        spread = reached.clone()
        for axis in (1, 2, 3):
            before, after = reached.narrow(axis, 0, _RESOLUTION - 1), reached.narrow(axis, 1, _RESOLUTION - 1)
            spread.narrow(axis, 1, _RESOLUTION - 1).logical_or_(before)
            spread.narrow(axis, 0, _RESOLUTION - 1).logical_or_(after)
        reached = spread & empty
    return reached
