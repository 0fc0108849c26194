"""Voxelisation on a GPU; the same cells as on the CPU."""

import torch
from torch import Tensor

from repousse.ops.gpu.indices import check_indices
from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.worklist import programs, running_sum
from repousse.ops.voxelize.gpu_lattice import snap
from repousse.ops.voxelize.gpu_rays import count_rays, shoot, vote
from repousse.ops.voxelize.gpu_surface import count_columns, mark_columns

_FACES = 256  # per program
_PIECES = 256
_MOST_CELLS = 2**28  # that are worked on at once: 4 bytes each


def voxelize_surface(positions: Tensor, faces: Tensor, x: int, y: int, z: int) -> Tensor:
    out = positions.new_zeros((positions.shape[0], x, y, z), dtype=torch.bool)
    count = positions.shape[0] * faces.shape[0]
    if count == 0:
        return out
    points = _lattice(positions, faces)
    counts = faces.new_empty(count)
    axes = faces.new_empty(count, dtype=torch.int8)
    scene = (points, faces, count, positions.shape[1], faces.shape[0], x, y, z)
    launch(count_columns, (blocks(count, _FACES),), *scene, counts, axes, BLOCK=_FACES)
    ends, steps = running_sum(counts)
    grid = (programs(count * _largest_side(x, y, z), _PIECES),)
    launch(mark_columns, grid, *scene, counts, ends, axes, steps, out.view(torch.uint8), BLOCK=_PIECES, num_warps=8)
    return out


def voxelize_inside(positions: Tensor, faces: Tensor, x: int, y: int, z: int) -> Tensor:
    out = positions.new_zeros((positions.shape[0], x, y, z), dtype=torch.bool)
    if positions.shape[0] * faces.shape[0] == 0:
        return out
    points = _lattice(positions, faces)
    chosen = _first_of_each(faces)
    poses = max(1, _MOST_CELLS // (x * y * z))
    for some, cells in zip(points.split(poses), out.view(torch.uint8).split(poses), strict=True):
        _cast_rays(some, faces, chosen, cells)
    return out


def _cast_rays(points: Tensor, faces: Tensor, chosen: Tensor, out: Tensor) -> None:
    batch, *size = out.shape
    count = batch * faces.shape[0]
    scene = (points.shape[1], faces.shape[0], *size)
    counts = faces.new_empty((3, count))
    launch(count_rays, (blocks(count, _FACES),), points, faces, chosen, count, *scene, counts, BLOCK=_FACES)
    grid = (programs(count * _largest_side(*size), _PIECES),)
    for axis in range(3):
        ends, steps = running_sum(counts[axis])
        hits = out.new_zeros(out.shape, dtype=torch.int32)
        rays = out.numel() // size[axis]
        totals = out.new_zeros(rays, dtype=torch.int32)
        lists = (counts[axis], ends, steps)
        launch(shoot, grid, points, faces, count, *scene, *lists, hits, totals, AXIS=axis, BLOCK=_PIECES, num_warps=8)
        launch(
            vote,
            (blocks(rays, 32),),
            hits,
            totals,
            rays,
            size[axis],
            hits.stride(axis + 1),
            out,
            DIM=1 if axis == 2 else 0,
            RAYS=32,
            CELLS=32,
            FIRST=axis == 0,
            LAST=axis == 2,
        )


def _lattice(positions: Tensor, faces: Tensor) -> Tensor:
    """int32 (B, V, 3): positions in units of 1/4096 cell."""
    check_indices("voxelize", "faces", faces, positions.shape[1], "positions")
    if positions.dtype not in (torch.float32, torch.float64):
        positions = positions.float()
    positions = positions.contiguous()
    points = torch.empty_like(positions, dtype=torch.int32)
    count = points.numel() // 3
    launch(snap, (blocks(count, _FACES),), positions, count, points, BLOCK=_FACES)
    return points


def _first_of_each(faces: Tensor) -> Tensor:
    """bool (F): all but the faces that have the same three vertices as an earlier one."""
    a, b, c = faces.sort(1).values.long().unbind(1)
    pair = a << 32 | b
    order = c.argsort(stable=True)
    order = order[pair[order].argsort(stable=True)]
    pair, c = pair[order], c[order]
    differs = torch.ones_like(faces[:, 0], dtype=torch.bool)
    differs[1:] = (pair[1:] != pair[:-1]) | (c[1:] != c[:-1])
    return torch.empty_like(differs).index_copy_(0, order, differs)


def _largest_side(x: int, y: int, z: int) -> int:
    """Cells in the largest side of a grid."""
    return max(x * y, y * z, z * x)
