"""Random points on surfaces."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from repousse.geometry.mesh import Mesh
from repousse.geometry.primitives import check_number
from repousse.geometry.vectors import unit


class SurfaceSamples(NamedTuple):
    """Points on the surfaces of B meshes, N on each.

    points   float (B, N, 3)
    normals  float (B, N, 3)  unit normals of their faces
    face_id  int32 (B, N)     row of `mesh.faces`
    bary     float (B, N, 2)  weights of the face's first two corners
    """

    points: Tensor
    normals: Tensor
    face_id: Tensor
    bary: Tensor


def sample_surface(mesh: Mesh, count: int, *, generator: torch.Generator | None = None) -> SurfaceSamples:
    """Points that are uniformly distributed over the surface: faces are chosen by area, places inside evenly.

    >>> sample_surface(icosphere(3), 1000).points.shape
    torch.Size([1, 1000, 3])

    mesh       one mesh (B = 1), B poses or B packed meshes
    count      N, points on each
    generator  on the mesh's device; torch's global one by default

    Differentiable in the positions: each point moves with its face. The choice of faces and places is not
    differentiated, so a mean over points does not notice that areas change. ValueError for a mesh without area or
    with positions that are not finite; on a GPU, which is not waited for, their points come from any face.
    """
    check_number("sample_surface", "count", count, 1, 2**31 - 1)
    positions, device = mesh.positions, mesh.positions.device
    faces = mesh.faces.long()
    if positions.ndim == 3:  # poses one after the other, as if they were packed
        poses = torch.arange(positions.shape[0], device=device)
        all_faces = (faces + positions.shape[1] * poses[:, None, None]).flatten(0, 1)
        runs = [(pose * len(faces), len(faces)) for pose in range(len(poses))]
    else:
        all_faces = faces
        runs = [(0, len(faces))] if mesh.ranges is None else mesh.ranges.tolist()
    points = positions.reshape(-1, 3)

    draws, root, share = torch.rand(3, len(runs), count, dtype=torch.float64, device=device, generator=generator)
    chosen = _chosen_faces(_areas(points, all_faces), runs, draws)
    root = root.sqrt()  # uniform in the triangle: (1 - sqrt u, sqrt u (1 - v), sqrt u v)
    bary = torch.stack([1 - root, root * (1 - share)], dim=-1).to(points.dtype)

    corners = points.index_select(0, all_faces[chosen].flatten()).view(*chosen.shape, 3, 3)
    a, b, c = corners.unbind(-2)
    weight_a, weight_b = bary.unsqueeze(-1).unbind(-2)
    return SurfaceSamples(
        points=c + weight_a * (a - c) + weight_b * (b - c),
        normals=unit(torch.linalg.cross(b - a, c - a)),
        face_id=(chosen % len(faces)).int(),
        bary=bary,
    )


@torch.no_grad()
def _areas(points: Tensor, faces: Tensor) -> Tensor:
    """float64 (F): areas of the faces."""
    a, b, c = points.double()[faces].unbind(1)
    return torch.linalg.cross(b - a, c - a).norm(dim=1) / 2


def _running_sum(areas: Tensor) -> Tensor:
    """The areas' running sum, on a GPU in whole parts of some 2^62: there that of floats is not the same in every run,
    nor always rising, and `torch.use_deterministic_algorithms` refuses it."""
    if areas.is_cpu:
        return areas.cumsum(0)
    return (areas * (2**62 / len(areas) / areas.max())).long().cumsum(0)


def _chosen_faces(areas: Tensor, runs: Sequence[tuple[int, int]], draws: Tensor) -> Tensor:
    """int64 (B, N): faces drawn by area from each run of `number` faces from `first` on; draws (B, N) in [0, 1)."""
    chosen = []
    for mesh, (first, number) in enumerate(runs):
        upto = _running_sum(areas[first : first + number])
        total = upto[-1]
        if total.is_cpu and not 0 < float(total) < math.inf:
            trouble = "has no area" if float(total) == 0 else "has positions that are not finite"
            raise ValueError(f"sample_surface: mesh {mesh} of the batch {trouble}, so there is nothing to sample.")
        # The first face that reaches beyond the draw: never one without area, unless rounding leads past the end.
        last = torch.searchsorted(upto, total).clamp(max=number - 1)
        draw = (draws[mesh] * total).to(upto.dtype)
        chosen.append(first + torch.searchsorted(upto, draw, right=True).clamp(max=last))
    return torch.stack(chosen)
