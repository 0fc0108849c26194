"""Normals of faces and vertices."""

import torch
from torch import Tensor

from repousse.geometry.vectors import unit


def face_normals(positions: Tensor, faces: Tensor) -> Tensor:
    """Unit normals of faces by the right-hand rule: they point to where the face looks counter-clockwise.

    >>> face_normals(torch.eye(3), torch.tensor([[0, 1, 2]]))
    tensor([[0.5774, 0.5774, 0.5774]])

    positions  float (V, 3) or (B, V, 3)
    faces      int   (F, 3)
    result     float (F, 3) or (B, F, 3); zero for faces without area

    Differentiable in `positions`; faces without area get zero derivative.
    """
    return unit(doubled_areas(positions, faces))


def vertex_normals(positions: Tensor, faces: Tensor) -> Tensor:
    """Unit normals of vertices: the mean of the normals of the faces around them, weighted by area.

    >>> cube().with_attribute("normal", vertex_normals(cube().positions, cube().faces))
    Mesh(8 vertices, 12 faces, normal, uv)

    positions  float (V, 3) or (B, V, 3)
    faces      int   (F, 3)
    result     float (V, 3) or (B, V, 3); zero for vertices without faces, or whose faces cancel

    Differentiable in `positions`; where the result is zero, so is its derivative.
    """
    shares = doubled_areas(positions, faces).repeat_interleave(3, dim=-2)
    return unit(torch.zeros_like(positions).index_add(-2, faces.flatten(), shares))


def doubled_areas(positions: Tensor, faces: Tensor) -> Tensor:
    """Normals (..., F, 3) as long as twice the faces' areas."""
    # index_select, because the derivative of indexing by a tensor is many times slower on the CPU.
    corners = positions.index_select(-2, faces.flatten()).unflatten(-2, (-1, 3))
    a, b, c = corners.unbind(-2)
    return torch.linalg.cross(b - a, c - a)
