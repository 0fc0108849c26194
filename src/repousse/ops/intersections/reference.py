"""Where two surfaces pass through one another between two neighbouring pixel centres: the specification in PyTorch.

Seen from pixel p, a point X pixels to the right and Y below its centre lies on the plane of a face with corners
(x, y, z, w) where

    beta_k(X, Y) = n_k . (X, Y, 1),    n_k = (v_k+1 x v_k+2) / det[v_0 v_1 v_2],    v = w * (pixel of the corner - p, 1)

are the corners' weights, divided by w: sum_k beta_k w_k = 1. The depth of the plane, z / w, is sum_k beta_k z_k: linear
on the screen, and right for corners behind the camera, too. A point is on the face if no beta_k is negative.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

TOLERANCE = 1 / 16  # how far outside of a face, in pixels, the line may be: room for rounding, and for snapped corners
FLATTEST = 1e-6  # change of the difference of two depths per pixel below which two planes count as one


class Intersections(NamedTuple):
    """One row per pair of pixels, ordered by image, first pixel, and axis.

    inner   int64 (N,)     the left or upper pixel: an index into (B, H, W) read as one line
    outer   int64 (N,)     its neighbour to the right or below
    faces   int32 (N, 2)   the faces that the two show
    offset  float (N,)     distance from the inner pixel's centre to where the faces meet, in pixels, in [0, 1]
    axis    int8 (N,)      0: the two pixels lie in one row; 1: in one column
    """

    inner: Tensor
    outer: Tensor
    faces: Tensor
    offset: Tensor
    axis: Tensor


def intersections(fragments: Any, image: Tensor) -> Intersections:
    """List where the planes of the faces of neighbouring pixels meet between the two (see the package's docstring).

    fragments  face_id (B, H, W), positions (B, V, 4) or (V, 4), faces (F, 3), as `rasterize` returned them
    image      float (B, H, W, C)
    """
    face_id = fragments.face_id
    batch, height, width = face_id.shape
    pixels = torch.arange(face_id.numel(), device=face_id.device).view(batch, height, width)
    found = []
    for axis in (0, 1):
        inner, outer = (_pairs(pixels, axis), _pairs(pixels, axis, second=True))
        shown = face_id.flatten()[torch.stack([inner, outer], 1)].long()
        colors = image.detach().flatten(0, 2)
        apart = (shown[:, 0] != shown[:, 1]) & (shown >= 0).all(1) & (colors[inner] != colors[outer]).any(1)
        inner, outer, shown = inner[apart], outer[apart], shown[apart]
        corners = fragments.faces.long()[shown]  # (N, 2, 3)
        apart = (corners[:, 0, :, None] != corners[:, 1, None, :]).all(2).all(1)
        inner, outer, shown = inner[apart], outer[apart], shown[apart]
        offset, meets = _meeting(fragments, inner, shown, axis)
        rows = inner, outer, shown.int(), offset, torch.full_like(inner, axis, dtype=torch.int8)
        found.append([column[meets] for column in rows])
    inner, outer, shown, offset, axis = (torch.cat(columns) for columns in zip(*found, strict=True))
    order = (2 * inner + axis).argsort()
    return Intersections(inner[order], outer[order], shown[order], offset[order].float(), axis[order])


def planes(positions: Tensor, faces: Tensor, pixel: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The faces (N, K) of `positions` float (B, V, 4) or (V, 4), seen from the centres of the pixels (N,).

    Returns the corners' rows in `positions` read as (-1, 4), (N, K, 3), the weights n_k (N, K, 3, 3) and the depth
    (N, K, 3) as coefficients of (X, Y, 1); float64. Not finite for faces seen edge-on.
    """
    height, width = size
    column, row, image = pixel % width, pixel // width % height, pixel // (width * height)
    corners = faces.long()
    if positions.dim() == 3:
        corners = corners + (image * positions.shape[1])[:, None, None]
    x, y, z, w = positions.detach().reshape(-1, 4)[corners].double().unbind(-1)
    u = (x + w) * (width / 2) - (column.double() + 0.5)[:, None, None] * w
    v = (y + w) * (height / 2) - (row.double() + 0.5)[:, None, None] * w
    points = torch.stack([u, v, w], -1)
    normals = torch.linalg.cross(points.roll(-1, 2), points.roll(-2, 2))
    weights = normals / (normals[..., 0, :] * points[..., 0, :]).sum(-1)[..., None, None]
    return corners, weights, (weights * z[..., None]).sum(-2)


def _pairs(pixels: Tensor, axis: int, second: bool = False) -> Tensor:
    along = 2 - axis
    return pixels.narrow(along, int(second), max(pixels.shape[along] - 1, 0)).flatten()


def _meeting(fragments: Any, inner: Tensor, shown: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Offset float64 (N,) of the meeting from the inner centre, and bool (N,): does it count?"""
    _, height, width = fragments.face_id.shape
    corners, weights, depth = planes(fragments.positions.float(), fragments.faces[shown], inner, (height, width))
    apart = depth[:, 0] - depth[:, 1]
    at_inner, along, across = apart[:, 2], apart[:, axis], apart[:, 1 - axis]
    offset = -at_inner / along
    steep = along.abs() >= across.abs() if axis == 0 else along.abs() > across.abs()
    meets = (along > FLATTEST) & steep & (at_inner <= 0) & (at_inner + along >= 0)
    beta = weights[..., 2] + offset[:, None, None] * weights[..., axis]
    outside = -beta / torch.hypot(weights[..., 0], weights[..., 1])
    meets &= (outside <= TOLERANCE).all(2).all(1)
    # Beside a sharp corner a point is far outside of a face, but not of its sides.
    size, centre = ((width, inner % width), (height, inner // width % height))[axis]
    clip = fragments.positions.detach().float().reshape(-1, 4)[corners].double()
    place, w = clip[..., axis], clip[..., 3]
    place = ((place + w) * (size / 2) - (centre.double() + 0.5)[:, None, None] * w) / w
    behind = (w <= 0).any(2)
    low = torch.where(behind, -torch.inf, place.amin(2)).amax(1) - TOLERANCE
    high = torch.where(behind, torch.inf, place.amax(2)).amin(1) + TOLERANCE
    return offset, meets & (low <= offset) & (offset <= high)
