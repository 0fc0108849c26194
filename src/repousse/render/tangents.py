"""Tangent space: which way a normal map's x axis points on the surface."""

import torch
from torch import Tensor
from torch.utils.weak import WeakIdRef

from repousse.core.remembered import Remembered, version
from repousse.geometry import Attribute, Mesh


def tangents(mesh: Mesh) -> tuple[Tensor, Tensor]:
    """Tangents for normal mapping, as values and faces of an attribute.

    Returns values (N, 4) or (B, N, 4) and their faces (F, 3), one row for each vertex: corners at the same position
    with the same uv. The first three channels are the direction in which u grows, the mean over the faces around the
    vertex, weighted by area in uv times length; not normalised. The sign of the fourth tells whether v grows to the
    left (+) or to the right of u, seen from outside (mirrored texture).

    With the edges e1, e2 of a face and those of its uv, (u1, v1) and (u2, v2),
    dp/du = (v2 e1 - v1 e2) / (u1 v2 - u2 v1).
    """
    uv = mesh.attributes["uv"]
    corners = mesh.positions[..., mesh.faces.long(), :]
    coordinates = uv.values[..., uv.faces.long(), :]
    e1, e2 = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    u1, v1 = (coordinates[..., 1, :] - coordinates[..., 0, :]).split(1, -1)
    u2, v2 = (coordinates[..., 2, :] - coordinates[..., 0, :]).split(1, -1)
    side = torch.sign(u1 * v2 - u2 * v1)
    tangent = (v2 * e1 - v1 * e2) * side  # times |area in uv|: no division, degenerate faces add nothing
    per_face = torch.cat((tangent, side.expand(*tangent.shape[:-1], 1)), -1)
    # A face whose uv is not a number should not spoil those around it.
    per_face = torch.where(per_face.isfinite().all(-1, keepdim=True), per_face, 0)
    vertices, count = _vertices(mesh.faces, uv)
    sums = per_face.new_zeros(*per_face.shape[:-2], count, 4)
    for corner in range(3):
        sums = sums.index_add(-2, vertices[:, corner], per_face)
    return sums, vertices


def _vertices(faces: Tensor, uv: Attribute) -> tuple[Tensor, int]:
    """int (F, 3), equal where position and uv are, and how many there are. On a GPU found once for each mesh: that
    waits for it."""

    def find() -> tuple[Tensor, int]:
        vertices, count = _distinct(faces, uv)
        return vertices.int(), count  # as kernels read them, or they were converted and checked in every picture

    if faces.is_cpu:
        return _distinct(faces, uv)
    versions = version(faces), version(uv.faces)
    return _found.get(uv.values, (WeakIdRef(faces), WeakIdRef(uv.faces), versions), find)


_found = Remembered()


@torch.inference_mode(False)
@torch.no_grad()
def _distinct(faces: Tensor, uv: Attribute) -> tuple[Tensor, int]:
    """What `_vertices` returns, int64.

    Rows of uv do not tell: files use one row for many positions, and several rows may hold the same uv.
    """
    corner = uv.faces.long()
    if uv.values.ndim == 2:
        u, v = (torch.unique(column, return_inverse=True)[1] for column in uv.values.unbind(-1))
        corner = (u * len(u) + v)[corner]
        corner = torch.unique(corner, return_inverse=True)[1]
    rows, vertices = torch.unique(faces.long() * (int(corner.max()) + 1) + corner, return_inverse=True)
    return vertices, len(rows)


def bend(normal: Tensor, tangent: Tensor, sampled: Tensor, scale: Tensor | float) -> Tensor:
    """Normals bent by a normal map.

    normal   float (..., 3)  unit, outwards
    tangent  float (..., 4)  as from `tangents`
    sampled  float (..., 3)  the map's colours in [0, 1]
    scale    of the map's x and y

    Returns (..., 3), unit; `normal` itself where the tangent or the bent normal has no direction.
    """
    offset = sampled * 2 - 1
    x, y, z = (offset[..., :1] * scale, offset[..., 1:2] * scale, offset[..., 2:])
    along = tangent[..., :3] - normal * (normal * tangent[..., :3]).sum(-1, keepdim=True)
    flat = (along * along).sum(-1, keepdim=True) < 1e-24
    along = torch.nn.functional.normalize(torch.where(flat, torch.ones_like(along), along), dim=-1)
    across = torch.linalg.cross(normal, along, dim=-1) * torch.where(tangent[..., 3:] < 0, -1.0, 1.0)
    bent = x * along + y * across + z * normal
    lost = flat | ((bent * bent).sum(-1, keepdim=True) < 1e-24)
    bent = torch.where(lost, torch.ones_like(bent), bent)
    return torch.where(lost, normal, torch.nn.functional.normalize(bent, dim=-1))
