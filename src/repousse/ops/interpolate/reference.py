"""Attributes of corners spread over pixels: the specification in plain PyTorch."""

import torch
from torch import Tensor


def interpolate(attributes: Tensor, attribute_faces: Tensor, face_id: Tensor, bary: Tensor) -> Tensor:
    """Mix the attributes of each pixel's face with the pixel's barycentrics.

    attributes       float (Va, C)      shared by the batch; or (B, Va, C)
    attribute_faces  int (F, 3)         the attribute of each face corner
    face_id          int32 (B, H, W)    -1 where empty
    bary             float (B, H, W, 2) weights of the first two corners

    Returns (B, H, W, C), 0 where empty. Differentiable in `attributes` and `bary`.
    """
    image, row, column = torch.nonzero(face_id >= 0, as_tuple=True)
    corner = attribute_faces.long()[face_id[image, row, column].long()]
    values = attributes[corner] if attributes.ndim == 2 else attributes[image[:, None], corner]
    first, second = bary[image, row, column].unbind(-1)
    weights = torch.stack([first, second, 1 - first - second], 1)
    mixed = (weights[..., None] * values).sum(1)
    empty = mixed.new_zeros((*face_id.shape, attributes.shape[-1]))
    return empty.index_put((image, row, column), mixed)
