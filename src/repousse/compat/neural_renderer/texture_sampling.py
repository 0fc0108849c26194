"""Colours of texture cubes at the pixels of a rasterised image."""

import torch
from torch import Tensor
from torch.nn import functional


def sample_cubes(textures: Tensor, face_id: Tensor, weights: Tensor, eps: float, background: Tensor) -> Tensor:
    """Look up each pixel's colour in the cube of the face it shows.

    textures    float (B, F, T, T, T, 3)    a cube per face, T >= 2; axis k is the weight of its corner k
    face_id     int   (B, H, W)             -1 where empty
    weights     float (B, H, W, 2)          perspective-correct weights of the face's first two corners
    eps         positions along an axis stop at `T - 1 - eps`: the last texel is never quite reached
    background  float (B or 1, 1, 1, 3)     the colour where empty

    Returns float (B, H, W, 3). Trilinear between the 8 nearest texels; differentiable, exactly, in `textures`
    and `background` only. Takes some 200 bytes for every covered pixel while it runs.
    """
    faces, size = textures.shape[1], textures.shape[2]
    item, row, column = (face_id >= 0).nonzero(as_tuple=True)
    first = weights[item, row, column].detach()
    corner = torch.cat([first, 1 - first.sum(-1, keepdim=True)], -1)
    at = (corner * (size - 1)).clamp(0, size - 1 - eps)
    low = at.long().clamp(max=size - 2)  # an eps below the resolution of float32 would point past the cube
    part = at - low

    offsets = torch.tensor([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)], device=at.device)
    blend = torch.where(offsets.bool(), part[:, None], 1 - part[:, None]).prod(-1)
    strides = torch.tensor([size * size, size, 1], device=at.device)
    cube = item * faces + face_id[item, row, column].long()
    texel = (cube * size**3)[:, None] + ((low[:, None] + offsets) * strides).sum(-1)

    colors = functional.embedding_bag(texel, textures.reshape(-1, 3), mode="sum", per_sample_weights=blend)
    return background.expand(*face_id.shape, 3).index_put((item, row, column), colors)
