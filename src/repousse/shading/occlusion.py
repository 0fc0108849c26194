"""Ambient occlusion: how much of the light from everywhere arrives, by rays through Embree."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from repousse.geometry import Mesh, vertex_normals
from repousse.shading.lights import Lights
from repousse.shading.points import Points

_AT_ONCE = 2**21  # rays
_OFFSET = 1e-4  # of the bounding box's diagonal, along the normal: a surface does not shade itself


def with_occlusion(mesh: Mesh, rays: int = 256, distance: float = math.inf) -> Mesh:
    """The mesh with an attribute "occlusion" (V, 1): the share of ambient light that reaches each vertex.

    >>> render(with_occlusion(teapot()), camera, (256, 256))  # doctest: +SKIP

    rays      per vertex, over the hemisphere around its normal, distributed by the cosine (so that their mean is the
              share of light of a matt surface)
    distance  in world units: what is farther away does not occlude

    `render` dims ambient light by it. Rays start slightly above the surface; vertices are coarse: where a mesh has few
    of them, use `AmbientOcclusion`, which asks per sample. Not differentiable. ImportError without embreex; ValueError
    for poses, packed meshes and rays < 1.
    """
    _check("with_occlusion", mesh, rays)
    tracer = _Tracer(mesh)
    normals = vertex_normals(mesh.positions, mesh.faces).detach()
    seen = tracer.openness(mesh.positions.detach(), normals, rays, distance)
    return mesh.with_attribute("occlusion", seen[:, None].to(mesh.positions))


@dataclass(frozen=True)
class AmbientOcclusion:
    """A shader: white where all ambient light arrives, black where none does, whatever the lights.

    rays      per pixel (shared between its samples), over the hemisphere around the normal, cosine-distributed
    distance  in world units: what is farther away does not occlude

    One mesh for all pictures. Not differentiable. ImportError without embreex; ValueError for poses, packed meshes and
    points that do not come from `render`.
    """

    rays: int = 128
    distance: float = math.inf

    def __call__(self, points: Points, lights: Lights) -> Tensor:
        if points.mesh is None:
            raise ValueError("AmbientOcclusion: the points have no `mesh`. Use it in render, or give Points(mesh=...).")
        _check("AmbientOcclusion", points.mesh, self.rays)
        each = math.ceil(self.rays / points.supersample**2)
        covered = points.covered[..., 0]
        tracer = _Tracer(points.mesh)
        position, normal = points.position.detach()[covered], points.normal.detach()[covered]
        seen = torch.zeros_like(points.position[..., 0])
        seen[covered] = tracer.openness(position, normal, each, self.distance).to(seen)
        return seen[..., None].expand_as(points.color)


class _Tracer:
    """Embree's structure of a mesh."""

    def __init__(self, mesh: Mesh) -> None:
        try:
            from embreex import rtcore_scene
            from embreex.mesh_construction import TriangleMesh
        except ImportError as error:
            raise ImportError(
                "Ambient occlusion needs embreex, which traces its rays: pip install repousse[rays]"
            ) from error
        positions = mesh.positions.detach().cpu().double()
        low, high = positions.amin(0), positions.amax(0)
        # Embree computes in float32: around the origin, and with size 1, it has the most digits.
        self.middle = (low + high) / 2
        self.size = float((high - low).norm()) or 1.0
        triangles = ((positions - self.middle) / self.size).float()[mesh.faces.cpu().long()]
        self.scene: Any = rtcore_scene.EmbreeScene()
        self.triangles = TriangleMesh(self.scene, np.ascontiguousarray(triangles.numpy()))

    def openness(self, positions: Tensor, normals: Tensor, rays: int, distance: float) -> Tensor:
        """Share of `rays` rays that meet nothing within `distance`, float32 (N,), for positions and normals (N, 3)."""
        normals = normals.cpu().float()
        starts = ((positions.cpu().double() - self.middle) / self.size).float() + _OFFSET * normals
        along, across = _tangents(normals)
        limit = min(distance / self.size, 1e9)
        open_rays = torch.zeros(len(starts))
        hemisphere = _hemisphere(rays)
        rows = max(1, _AT_ONCE // rays)
        for first in range(0, len(starts), rows):
            part = slice(first, first + rows)
            x, y, z = _turned(hemisphere, first, len(starts[part]))
            frame = (along[part, None], across[part, None], normals[part, None])
            directions = x[..., None] * frame[0] + y[..., None] * frame[1] + z[..., None] * frame[2]
            origins = starts[part, None].expand_as(directions)
            hits = self.scene.run(
                np.ascontiguousarray(origins.reshape(-1, 3).numpy()),
                np.ascontiguousarray(directions.reshape(-1, 3).numpy()),
                dists=np.full(origins.shape[0] * rays, limit, dtype=np.float32),
                query="OCCLUDED",
            )
            open_rays[part] = torch.from_numpy(np.asarray(hits) < 0).view(-1, rays).float().mean(-1)
        return open_rays


def _hemisphere(count: int) -> tuple[Tensor, Tensor]:
    """Low-discrepancy points in the unit square (R2 sequence, Roberts 2018), (count,) each."""
    index = torch.arange(1, count + 1, dtype=torch.float64)
    golden = 1.32471795724474602596  # the real root of x³ = x + 1
    return (0.5 + index / golden) % 1, (0.5 + index / golden**2) % 1


def _turned(square: tuple[Tensor, Tensor], first: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Directions around +z with density cos / pi, (count, rays) each: the sequence shifted differently for every point.

    Without the shift all points would ask in the same directions, and errors would show as bands.
    """
    index = torch.arange(first, first + count, dtype=torch.int64)
    shift = [((index * factor) % 2**31).double() / 2**31 for factor in (1103515245, 1597334677)]
    u, v = ((part + s[:, None]) % 1 for part, s in zip(square, shift, strict=True))
    radius, angle = u.sqrt(), 2 * math.pi * v
    return (radius * angle.cos()).float(), (radius * angle.sin()).float(), (1 - u).clamp(min=0).sqrt().float()


def _tangents(normals: Tensor) -> tuple[Tensor, Tensor]:
    """Two unit vectors at right angles to unit normals (N, 3) (Duff et al. 2017)."""
    x, y, z = normals.unbind(-1)
    sign = torch.where(z < 0, -1.0, 1.0)
    a = -1 / (sign + z)
    b = x * y * a
    first = torch.stack((1 + sign * x * x * a, sign * b, -sign * x), -1)
    return first, torch.stack((b, sign + y * y * a, -y), -1)


def _check(caller: str, mesh: Mesh, rays: int) -> None:
    if mesh.positions.ndim != 2 or mesh.ranges is not None:
        raise ValueError(f"{caller}: this is more than one mesh. Give them one by one.")
    if rays < 1:
        raise ValueError(f"{caller}: `rays` must be at least 1, not {rays}.")
