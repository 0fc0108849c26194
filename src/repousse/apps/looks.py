"""The ways to draw a model that can be chosen by name."""

import functools
from dataclasses import dataclass
from typing import Literal

import torch

from repousse.geometry import Mesh
from repousse.shading import (
    AmbientOcclusion,
    Shader,
    albedo,
    ambient_occlusion,
    contour,
    depth,
    flat,
    lambert,
    normals,
    pbr,
    phong,
    position,
    toon,
)

LookName = Literal[
    "material", "lambert", "flat", "phong", "toon", "contour", "normals", "depth", "position", "albedo", "occlusion"
]


@dataclass(frozen=True)
class Look:
    """A shader and what belongs to it.

    shader  how the surface is drawn
    lit     lights matter: the model casts shadows, and crevices are darker
    linear  the colours are amounts of light, to be encoded as sRGB; otherwise they are data and shown as they are
    """

    shader: Shader
    lit: bool = True
    linear: bool = True


LOOKS: dict[LookName, Look] = {
    "material": Look(pbr),
    "lambert": Look(lambert),
    "flat": Look(flat),
    "phong": Look(phong),
    "toon": Look(toon),
    "contour": Look(functools.partial(contour, base=toon)),
    "normals": Look(normals, lit=False, linear=False),
    "depth": Look(depth, lit=False, linear=False),
    "position": Look(position, lit=False, linear=False),
    "albedo": Look(albedo, lit=False),
    "occlusion": Look(AmbientOcclusion(), lit=False),
}

_RAYS_IN_ALL = 2**24


def with_dark_crevices(mesh: Mesh) -> Mesh:
    """The mesh with ambient occlusion on both sides, traced in a few seconds at most. ImportError without embreex."""
    rays = min(256, max(16, _RAYS_IN_ALL // len(mesh.positions)))
    light = ambient_occlusion(mesh, rays=rays)[:, None]
    if not _shows_fronts(mesh):  # models of unknown origin are often open, or wound as it happened
        back = ambient_occlusion(Mesh(mesh.positions, mesh.faces.flip(1)), rays=rays)[:, None]
        light = torch.cat((light, back), -1)
    return mesh.with_attribute("occlusion", light)


def _shows_fronts(mesh: Mesh) -> bool:
    """Whether the mesh encloses a volume, so that nobody outside sees the back of a face."""
    topology, corners = mesh.topology, mesh.positions[mesh.faces.long()]
    volume = torch.linalg.det(corners - mesh.positions.mean(0)).sum()
    return not topology.boundary.any() and bool(topology.consistent.all()) and float(volume) > 0
