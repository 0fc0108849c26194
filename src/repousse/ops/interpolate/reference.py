"""Attributes of corners spread over pixels: the specification in plain PyTorch."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp

from repousse.ops.rasterize.reference import homogeneous, on_screen, project


def interpolate(attributes: Tensor, attribute_faces: Tensor, face_id: Tensor, bary: Tensor) -> Tensor:
    """Mix the attributes of each pixel's face with the pixel's barycentrics.

    attributes       float (Va, C)      shared by the batch; or (B, Va, C)
    attribute_faces  int (F, 3)         the attribute of each face corner
    face_id          int32 (B, H, W)    -1 where empty
    bary             float (B, H, W, 2) weights of the first two corners

    Returns (B, H, W, C), 0 where empty. Differentiable in `attributes` and `bary`.
    """
    pixels = torch.nonzero(face_id >= 0, as_tuple=True)
    values = _of_corners(attributes, attribute_faces, face_id, pixels)
    first, second = bary[pixels].unbind(-1)
    weights = torch.stack([first, second, 1 - first - second], 1)
    mixed = (weights[..., None] * values).sum(1)
    empty = mixed.new_zeros((*face_id.shape, attributes.shape[-1]))
    return empty.index_put(pixels, mixed)


def derivatives(
    attributes: Tensor, attribute_faces: Tensor, positions: Tensor, faces: Tensor, face_id: Tensor
) -> Tensor:
    """How the interpolated attributes change where the pixel centre moves on its face.

    positions  float (B, V, 4)   clip space; or (V, 4) shared by the batch
    faces      int (F, 3)

    Returns (B, H, W, C, 2), per column and per row, 0 where empty. Differentiable in `attributes` and `positions`.
    Like the derivative of the barycentrics, it is that of the unclamped formula, taken at the clamped values.
    """
    pixels = torch.nonzero(face_id >= 0, as_tuple=True)
    values = _of_corners(attributes, attribute_faces, face_id, pixels)
    points = _of_corners(positions, faces, face_id, pixels)
    size = (face_id.shape[1], face_id.shape[2])
    clipped = project(points.detach().to(torch.float32), size).unsafe.any(1)
    found = values.new_zeros((*face_id.shape, attributes.shape[-1], 2))
    for chosen, formula in ((~clipped, on_screen), (clipped, homogeneous)):
        where = tuple(index[chosen] for index in pixels)
        change = _change_of_weights(formula, points[chosen], where[1], where[2], size).to(values.dtype)
        found = found.index_put(where, torch.einsum("nka,nkc->nca", change, values[chosen]))
    return found


def _of_corners(values: Tensor, corners: Tensor, face_id: Tensor, pixels: tuple[Tensor, ...]) -> Tensor:
    """The values (N, 3, C) of the corners that each of `pixels` (image, row, column) sees."""
    corner = corners.long()[face_id[pixels].long()]
    return values[corner] if values.ndim == 2 else values[pixels[0][:, None], corner]


def _change_of_weights(
    formula: Callable[..., tuple[Tensor, Tensor]], points: Tensor, row: Tensor, column: Tensor, size: tuple[int, int]
) -> Tensor:
    """Derivative (N, 3, 2) of the three weights per column and per row, by forward-mode differentiation."""
    centre = row.to(points.dtype), column.to(points.dtype)
    still, step = torch.zeros_like(centre[0]), torch.ones_like(centre[0])

    def weights(row: Tensor, column: Tensor) -> Tensor:
        return formula(points, row, column, size)[0]

    return torch.stack([jvp(weights, centre, (still, step))[1], jvp(weights, centre, (step, still))[1]], -1)
