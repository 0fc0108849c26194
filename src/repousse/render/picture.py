"""What `render` returns, and how samples become pixels."""

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
    return torch.nn.functional.avg_pool2d(samples.movedim(-1, 1), supersample).movedim(1, -1)


def pool_covered(samples: Tensor, covered: Tensor, supersample: int) -> Tensor:
    """The mean over the covered samples of each block, 0 where there are none.

    samples  float (B, sH, sW, C)  0 where not covered
    covered  float (B, sH, sW, 1)
    """
    if supersample == 1:
        return samples
    share = pool(covered, supersample).clamp(min=0.5 / supersample**2)
    return pool(samples, supersample) / share


def nearest_id(face_id: Tensor, depth: Tensor, supersample: int) -> Tensor:
    """The id of the nearest covered sample of each block.

    face_id  int32 (B, sH, sW)  -1 where empty
    depth    float (B, sH, sW)  what the depth test compares
    """
    if supersample == 1:
        return face_id
    depth = depth.detach().masked_fill(face_id < 0, torch.inf)
    nearest = _blocks(depth, supersample).argmin(-1, keepdim=True)
    return _blocks(face_id, supersample).gather(-1, nearest).squeeze(-1)


def _blocks(samples: Tensor, supersample: int) -> Tensor:
    """(B, sH, sW) -> (B, H, W, s * s)."""
    batch, height, width = samples.shape
    blocks = samples.view(batch, height // supersample, supersample, width // supersample, supersample)
    return blocks.transpose(2, 3).flatten(3)
