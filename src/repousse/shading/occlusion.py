"""Ambient occlusion: how much of the light from everywhere is kept away by the mesh itself, by casting rays."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from repousse.geometry import Mesh, vertex_normals
from repousse.shading.lights import Lights, as_lights
from repousse.shading.points import Points, Shader

_RAYS_AT_ONCE = 2**19
_GOLDEN, _PLASTIC = (math.sqrt(5) - 1) / 2, 0.7548776662466927
# Rays start so far above the surface, as a share of the mesh's size, lest they hit where they start.
_LIFT = 1e-4


def ambient_occlusion(mesh: Mesh, *, rays: int = 128, distance: float | None = None) -> Tensor:
    """Share of the light from everywhere that reaches each vertex, from 0 (closed in) to 1 (open).

    >>> light = ambient_occlusion(mesh)                           # doctest: +SKIP
    >>> mesh = mesh.with_attribute("occlusion", light[:, None])   # `render` darkens ambient light by it
    ... # doctest: +SKIP

    rays      per vertex, over the hemisphere of its normal, more of them near the normal (cosine-weighted); from a
              fixed sequence of low discrepancy, so that the result is the same each time
    distance  of an obstacle that does not matter any more, world units; by default all matter

    Returns float (V,), or (B, V) for poses. The meshes of a pack do not shade each other. Both sides of faces keep
    light away; vertices are lit on the side of their normal. Not differentiable.

    ImportError without `embreex`, which casts the rays on the CPU: pip install repousse[rays].
    """
    _check("ambient_occlusion", rays, distance)
    normals = vertex_normals(mesh.positions, mesh.faces).detach()
    positions = mesh.positions.detach()
    if mesh.vertex_ranges is not None:
        parts = [slice(first, first + count) for first, count in mesh.vertex_ranges.tolist()]
        found = [
            _Obstacles.of(mesh, i).open_share(positions[part], normals[part], normals[part], rays, distance)
            for i, part in enumerate(parts)
        ]
        return torch.cat(found)
    if positions.ndim == 2:
        return _Obstacles.of(mesh, 0).open_share(positions, normals, normals, rays, distance)
    poses = range(len(positions))
    shares = [_Obstacles.of(mesh, i).open_share(positions[i], normals[i], normals[i], rays, distance) for i in poses]
    return torch.stack(shares)


@dataclass(frozen=True, eq=False)
class AmbientOcclusion:
    """A shader: `ambient_occlusion` at every sample, finer than at vertices and slower.

    rays      per sample
    distance  as in `ambient_occlusion`
    base      a shader that is given points with the occlusion; None: show the occlusion itself as grey

    Needs points with a mesh and fragments, and `embreex`: pip install repousse[rays]. Rays that would start into the
    face, because normals are smooth, are mirrored out of it. What the rays are cast at is kept with the shader for as
    long as the mesh is the same. Not differentiable in the occlusion.
    """

    rays: int = 64
    distance: float | None = None
    base: Shader | None = None
    _kept: list[tuple[Tensor, int, "list[_Obstacles]"]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        _check("AmbientOcclusion", self.rays, self.distance)

    def __call__(self, points: Points, lights: Lights) -> Tensor:
        face_normal = points.face_normal.detach()  # says what is missing, if it is
        assert points.mesh is not None
        obstacles = self._obstacles(points.mesh)
        share = torch.ones_like(points.position[..., :1])
        for i in range(len(share)):
            seen = points.covered[i, ..., 0]
            at, normal, above = (value[i][seen].detach() for value in (points.position, points.normal, face_normal))
            scene = obstacles[i % len(obstacles)]
            share[i][seen] = scene.open_share(at, normal, above, self.rays, self.distance)[:, None]
        if self.base is None:
            return share.expand_as(points.position)
        return self.base(replace(points, occlusion=points.occlusion * share), as_lights(lights))

    def _obstacles(self, mesh: Mesh) -> "list[_Obstacles]":
        """One for all pictures, or one for each."""
        positions = mesh.positions
        if not self._kept or self._kept[0][0] is not positions or self._kept[0][1] != positions._version:
            count = len(mesh.ranges) if mesh.ranges is not None else len(positions) if positions.ndim == 3 else 1
            self._kept[:] = [(positions, positions._version, [_Obstacles.of(mesh, i) for i in range(count)])]
        return self._kept[0][2]


class _Obstacles:
    """A mesh that rays can hit."""

    def __init__(self, positions: Tensor, faces: Tensor) -> None:
        try:
            from embreex.mesh_construction import TriangleMesh
            from embreex.rtcore_scene import EmbreeScene
        except ImportError as error:
            raise ImportError("Ambient occlusion casts rays with Embree: pip install repousse[rays]") from error
        corners = positions.detach().float().cpu()[faces.long().cpu()].contiguous().numpy()
        finite = np.isfinite(corners).all((1, 2))
        self.scene: Any = EmbreeScene()
        self.geometry = TriangleMesh(self.scene, corners[finite])
        used = corners[finite].reshape(-1, 3)
        self.lift = _LIFT * float(np.linalg.norm(used.max(0) - used.min(0))) if len(used) else 0.0

    @staticmethod
    def of(mesh: Mesh, index: int) -> "_Obstacles":
        """The pose or packed mesh with this index."""
        if mesh.ranges is not None:
            first, count = mesh.ranges[index].tolist()
            return _Obstacles(mesh.positions, mesh.faces[first : first + count])
        return _Obstacles(mesh.positions if mesh.positions.ndim == 2 else mesh.positions[index], mesh.faces)

    def open_share(
        self, positions: Tensor, normals: Tensor, above: Tensor, rays: int, distance: float | None
    ) -> Tensor:
        """Share of rays from points (N, 3) that hit nothing, (N,).

        normals  (N, 3)  middle of each hemisphere; 1 where it is 0
        above    (N, 3)  the surface's own normals: rays start on this side
        """
        start, normal, up = (value.float().cpu().numpy() for value in (positions, normals, above))
        share = np.ones(len(start), np.float32)
        at_once = max(1, _RAYS_AT_ONCE // rays)
        for first in range(0, len(start), at_once):
            part = slice(first, first + at_once)
            directions = _hemisphere(normal[part], rays, first)
            below = np.minimum(0, np.einsum("nrc,nc->nr", directions, up[part]))[..., None]
            directions = directions - 2 * below * up[part, None]
            origins = np.broadcast_to((start[part] + self.lift * up[part])[:, None], directions.shape)
            reach = None if distance is None else np.full(directions.shape[0] * rays, distance, np.float32)
            hits = self.scene.run(
                np.ascontiguousarray(origins.reshape(-1, 3), np.float32),
                np.ascontiguousarray(directions.reshape(-1, 3), np.float32),
                reach,
                query="OCCLUDED",
            )
            share[part] = (hits.reshape(-1, rays) < 0).mean(1)
        share[~(normal != 0).any(1)] = 1
        return torch.from_numpy(share).to(positions)


def _hemisphere(normals: np.ndarray, rays: int, first: int) -> np.ndarray:
    """Unit directions (N, rays, 3) about normals (N, 3), density proportional to the cosine.

    Vogel's spiral on the disc, raised to the hemisphere and turned differently for each point. The frame around a
    normal is that of Duff et al., Building an Orthonormal Basis, Revisited (JCGT 2017).
    """
    number = np.arange(rays)
    radius = np.sqrt((number + 0.5) / rays)
    turn = ((first + np.arange(len(normals))) * _PLASTIC) % 1
    angle = 2 * np.pi * (number * _GOLDEN + turn[:, None])
    a, b = radius * np.cos(angle), radius * np.sin(angle)
    c = np.broadcast_to(np.sqrt(1 - radius**2), a.shape)
    x, y, z = normals.T
    sign = np.where(z < 0, -1.0, 1.0)
    p = -1 / (sign + z)
    q = x * y * p
    tangent = np.stack([1 + sign * x * x * p, sign * q, -sign * x], -1)
    bitangent = np.stack([q, sign + y * y * p, -y], -1)
    frame = np.stack([tangent, bitangent, normals], 1)
    return np.stack([a, b, c], -1) @ frame


def _check(owner: str, rays: int, distance: float | None) -> None:
    if not isinstance(rays, int) or not 1 <= rays <= 2**16:
        raise ValueError(f"{owner}: `rays` must be a whole number from 1 to 65536, not {rays!r}.")
    if distance is not None and not distance > 0:
        raise ValueError(f"{owner}: `distance` must be positive, or None for no limit, not {distance!r}.")
