"""Finding folds."""

import torch
from torch import Tensor

from repousse.core.checks import describe
from repousse.geometry import topology
from repousse.geometry.checks import check_rows


@torch.no_grad()
def tangles(positions: Tensor, faces: Tensor) -> int:
    """How many faces are folded over: their normal points away from the mean normal of their neighbours.

    positions  float (V, 3)
    faces      int (F, 3)

    Faces without area count too. 0 for a well-behaved surface: an optimisation that makes tangles has taken steps that
    are too long, or smooths too little. Neighbours are the faces across edges with two faces, wound alike; a face
    without any is never folded. Cheap (linear), and blind to parts that pass through each other without a fold.
    """
    check_rows("tangles", "positions", positions, "V, 3", channels=3)
    if positions.ndim != 2:
        raise ValueError(f"tangles: `positions` must be (V, 3), got {describe(positions)}. Look at poses one by one.")
    found = topology(faces, positions.shape[-2])
    corners = positions.double()[found.faces.long()]
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = torch.nn.functional.normalize(area, dim=1, eps=torch.finfo(torch.float64).tiny)
    hinges = found.hinge_edges[found.consistent[found.hinge_edges]]
    first, second = found.edge_faces[hinges].long().t()
    around = torch.zeros_like(normals).index_add_(0, first, normals[second]).index_add_(0, second, normals[first])
    return int((((normals * around).sum(1) < 0) | (area == 0).all(1)).sum())
