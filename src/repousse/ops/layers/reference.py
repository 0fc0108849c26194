"""The faces behind each pixel, in order: the specification in plain PyTorch.

Steps 1 to 6 are those of `ops.rasterize`; only what is kept of them differs.
"""

import math
from functools import partial
from itertools import groupby

import torch
from torch import Tensor

from repousse.ops.rasterize.reference import Pieces, covered_boxes, draw_images


def layers(
    positions: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    count: int,
    ranges: Tensor | None = None,
    cull: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the `count` nearest faces at each pixel centre.

    Arguments as for `rasterize.reference.visibility`. Returns `face_id` int32 (count, B, H, W), ascending by (depth,
    face id), -1 where there are no more, and `facing`. Not differentiable.
    """
    face_id, facing = draw_images(positions, faces, size, ranges, cull, partial(_nearest, count=count))
    return torch.stack(face_id, 1) if face_id else torch.empty((count, 0, *size), dtype=torch.int32), facing


def _nearest(pieces: Pieces, size: tuple[int, int], count: int) -> Tensor:
    nearest = torch.full((count, *size), math.inf, dtype=torch.float32)
    face_id = torch.full((count, *size), -1, dtype=torch.int32)
    for face, boxes in groupby(covered_boxes(pieces, size), key=lambda box: box[0]):
        depth = torch.full(size, math.inf, dtype=torch.float32)
        for _, box, covered, z in boxes:  # the pieces of a clipped face may overlap: the nearest counts
            depth[box] = torch.where(covered, torch.minimum(z, depth[box]), depth[box])
        own_id = torch.where(depth.isfinite(), face, -1).to(torch.int32)
        depths, order = torch.cat([nearest, depth[None]]).sort(dim=0, stable=True)  # stable: lower ids stay before
        nearest, face_id = depths[:count], torch.cat([face_id, own_id[None]]).gather(0, order)[:count]
    return face_id
