"""Lines along which surfaces pass through one another: how the pixels beside them change.

Seen from the centre of the inner pixel, the depths D_A and D_B of the planes of two faces are linear, and the line is
where they are equal. It shifts along X by

    dX = -(d D_A - d D_B) / (D_A - D_B)_X,    d D = sum_k beta_k (dz_k - D_X dx_k - D_Y dy_k - D dw_k)

with the weights beta_k of the corners there (see `repousse.ops.intersections.reference`). Between the rows' borders
Y = -1/2 and 1/2 the line is a segment in the inner and the outer pixel; both integrals are exact, for beta is linear.
"""

from typing import Any

import torch
from torch import Tensor

from repousse.ops.intersections import Intersections, planes


def meetings(found: Intersections, fragments: Any, image: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of the corners of the faces that meet.

    found      from `repousse.ops.intersections`
    fragments  face_id (B, H, W), positions (B, V, 4) or (V, 4), faces (F, 3)
    image      float (B, H, W, C)
    grad       float (B, H, W, C)  gradient of the loss with respect to `image`

    Returns rows of positions read as (-1, 4), int64 (N, 6), and their gradients, float64 (N, 6, 4).
    """
    _, height, width = fragments.face_id.shape
    inner, outer, offset = found.inner, found.outer, found.offset.double()
    faces = fragments.faces[found.faces.long()]
    corners, weights, depth = planes(fragments.positions, faces, inner, (height, width))
    steep = (found.axis == 0)[:, None]
    apart = depth[:, 0] - depth[:, 1]
    along, across = torch.where(steep, apart[:, :2], apart[:, :2].flip(1)).unbind(1)
    slope = (-across / along).clamp(-1, 1)  # of the line: how much further it is one row below

    # The line leaves the inner pixel at Y = turn: before that it is in the one pixel, after it in the other.
    turn = ((0.5 - offset) / torch.where(slope == 0, 1e-9, slope)).clamp(-0.5, 0.5)
    first = torch.where((offset - slope / 2 < 0.5), inner, outer)
    second = torch.where((offset + slope / 2 < 0.5), inner, outer)
    jump = _jump(found, fragments.face_id, image)
    slopes = grad.detach().reshape(-1, grad.shape[-1]).double()
    moment = torch.zeros(len(inner), 3, dtype=torch.float64, device=inner.device)  # of X, Y and 1 along the line
    for pixel, begin, end in ((first, torch.full_like(turn, -0.5), turn), (second, turn, torch.full_like(turn, 0.5))):
        pulled = (slopes[pixel] * jump).sum(1) * (end - begin)
        middle = (begin + end) / 2
        moment += pulled[:, None] * torch.stack([offset + slope * middle, middle, torch.ones_like(middle)], 1)
    moment = torch.where(steep, moment, moment[:, [1, 0, 2]])

    x, y = (inner % width).double() + 0.5, (inner // width % height).double() + 0.5
    by_x, by_y, by_one = (-depth).unbind(-1)
    by_w = by_x * (width / 2 - x)[:, None] + by_y * (height / 2 - y)[:, None] + by_one
    form = torch.stack([by_x * (width / 2), by_y * (height / 2), torch.ones_like(by_w), by_w], -1)
    sign = torch.tensor([-1.0, 1.0], dtype=torch.float64, device=inner.device)[:, None]
    beta = sign * (weights * moment[:, None, None]).sum(-1) / along[:, None, None]
    return corners.flatten(1), (beta[..., None] * form[:, :, None]).flatten(1, 2)


def _jump(found: Intersections, face_id: Tensor, image: Tensor) -> Tensor:
    """The image on the inner side of each line minus that on its outer side (N, C), both carried to the line."""
    colors, ids = image.detach().flatten(0, 2).double(), face_id.flatten()
    rows, columns = face_id.shape[1:]
    step = torch.where(found.axis == 0, 1, columns)
    places = torch.where(found.axis == 0, found.inner % columns, found.inner // columns % rows)
    last = torch.where(found.axis == 0, columns, rows) - 1

    def side(pixel: Tensor, step: Tensor, exists: Tensor, way: Tensor) -> Tensor:
        further = torch.where(exists, pixel + step, pixel)
        same = ids[further] == ids[pixel]  # on another face the colour may be any
        change = torch.where(same[:, None], colors[pixel] - colors[further], 0)
        return colors[pixel] + way[:, None] * change

    offset = found.offset.double()
    inside = side(found.inner, -step, places > 0, offset)
    return inside - side(found.outer, step, places + 1 < last, 1 - offset)
