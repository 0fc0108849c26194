"""What `render` returns, and how samples become pixels."""

import functools
import operator
from typing import NamedTuple

import torch
from torch import Tensor


class Picture(NamedTuple):
    """Pictures of a batch; row 0 is the top.

    color    float (B, H, W, 3)  linear, not clamped; the mean over the pixel's samples, background included
    mask     float (B, H, W)     share of the pixel's samples that show the mesh
    depth    float (B, H, W)     camera z: the mean over the samples that show the mesh; 0 where none does
    normal   float (B, H, W, 3)  world space, unit length, on the side of the viewer; likewise, 0 where empty
    face_id  int32 (B, H, W)     the face of the sample nearest to the camera (the first of equals), -1 where
                                 no sample shows the mesh; so face_id >= 0 exactly where depth is given

    Where a picture is drawn softly (gradient="soft"), color and mask are means over samples of what `soft` draws; the
    rest is exact.

    Differentiable: color and mask, through the surface and, by the estimator, through silhouettes; depth and
    normal through the surface only. face_id is not.
    """

    color: Tensor
    mask: Tensor
    depth: Tensor
    normal: Tensor
    face_id: Tensor


def pool(samples: Tensor, supersample: int) -> Tensor:
    """The mean over blocks of supersample x supersample: (B, sH, sW, C) -> (B, H, W, C)."""
    if supersample == 1:
        return samples
    # Sums of slices: several times faster than avg_pool2d on the CPU with few channels last.
    batch, height, width, channels = samples.shape
    rows = samples.reshape(batch, height // supersample, supersample, width * channels)
    rows = functools.reduce(operator.add, rows.unbind(2))
    columns = rows.view(batch, height // supersample, width // supersample, supersample, channels)
    return functools.reduce(operator.add, columns.unbind(3)) / supersample**2


def nearest_id(face_id: Tensor, depth: Tensor, supersample: int) -> Tensor:
    """The id of the nearest covered sample of each block, (B, sH, sW) -> (B, H, W).

    face_id  int32  -1 where empty
    depth    float  what the depth test compares
    """
    if supersample == 1:
        return face_id
    depth = depth.detach().masked_fill(face_id < 0, torch.inf)
    candidates = zip(_of_blocks(face_id, supersample), _of_blocks(depth, supersample), strict=True)
    nearest, closest = next(candidates)
    for one, distance in candidates:
        nearest = torch.where(distance < closest, one, nearest)
        closest = torch.minimum(distance, closest)
    return nearest


def _of_blocks(samples: Tensor, supersample: int) -> list[Tensor]:
    """The first, second, ... sample of every block, row by row: (B, sH, sW) -> s * s times (B, H, W)."""
    batch, height, width = samples.shape
    blocks = samples.view(batch, height // supersample, supersample, width // supersample, supersample)
    return [part for row in blocks.unbind(2) for part in row.unbind(3)]
