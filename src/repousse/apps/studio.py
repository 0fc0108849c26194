"""A photographer's studio: what makes a picture of an unknown model look good without being told anything about it."""

import math
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import Material, Mesh, Texture, with_creased_normals
from repousse.render import render
from repousse.shading import Ambient, Directional, Light, Points, Shadowed, albedo

CLAY = Material("clay", base_color=(0.52, 0.49, 0.455), roughness=0.55)
KEY = (-0.75, 0.85)  # azimuth of the main light with respect to the camera, and its elevation, radians


def prepared(mesh: Mesh, up: str) -> Mesh:
    """The mesh with +y up, its longest side 2, normals that keep sharp edges, and made of clay if of nothing else.

    Vertices that no face has are left out: they would count as part of what is to be seen.
    """
    used, faces = mesh.faces.unique(return_inverse=True)
    if len(used) < len(mesh.positions):
        kept = mesh.positions[used.long()]  # attributes have their own index
        mesh = Mesh(kept, faces, mesh.attributes, materials=mesh.materials, material_id=mesh.material_id)
    if up == "z":
        x, y, z = mesh.positions.unbind(-1)
        mesh = mesh.with_positions(torch.stack((x, z, -y), -1))
        if "normal" in mesh.attributes:
            normal = mesh.attributes["normal"]
            x, y, z = normal.values.unbind(-1)
            mesh = mesh.with_attribute("normal", torch.stack((x, z, -y), -1), normal.faces)
    mesh = mesh.normalized()
    if "normal" not in mesh.attributes:
        mesh = with_creased_normals(mesh)
    return of_something(mesh)


def of_something(mesh: Mesh) -> Mesh:
    """The mesh, made of clay if it has neither materials nor colours."""
    return mesh if mesh.materials or "color" in mesh.attributes else mesh.with_materials([CLAY])


LightName = Literal["studio", "sun", "soft", "lamp"]


def lights_of(name: LightName, azimuth: float) -> list[Light]:
    """Lights that stand still with respect to a camera at `azimuth` (radians).

    studio  a main light from the left above that casts shadows, a weak one from the right, a rim from behind, and a
            bright room
    sun     hard shadows and a little sky
    soft    from everywhere, and a little from the camera
    lamp    from the camera alone
    """
    sun = Directional(direction_to(azimuth + KEY[0], KEY[1]), 1.25)
    camera = Directional(direction_to(azimuth, 0.3), 1.0)
    if name == "studio":
        return [
            Shadowed(sun, size=1024, softness=2),
            Directional(direction_to(azimuth + 1.0, 0.35), 0.22),
            Directional(direction_to(azimuth + math.pi - 0.5, 0.6), 0.3),
            Ambient(0.36),
        ]
    if name == "sun":
        return [Shadowed(replace(sun, strength=1.6), size=2048, softness=1), Ambient((0.14, 0.16, 0.2))]
    if name == "soft":
        return [Ambient(0.8), replace(camera, strength=0.25)]
    return [camera]


class Ground:
    """The ground that a mesh stands on, of which nothing is seen but the mesh's soft shadow.

    How much light arrives is computed on a grid around the mesh, for many directions in the sky and in the main light,
    and laid over the ground as a texture: shadows on it are smooth, so a coarse grid does.
    """

    SKY, SUN = 72, 12  # directions
    CELLS, REACH = 128, 2.6  # of the grid along each side; half its side in radii of the mesh

    def __init__(self, mesh: Mesh) -> None:
        low, high = mesh.positions.amin(0), mesh.positions.amax(0)
        middle = (low + high) / 2
        self.mesh = mesh
        self.foot = torch.stack((middle[0], low[1], middle[2]))
        self.half = self.REACH * float((high - low).norm()) / 2
        centres = (torch.arange(self.CELLS) + 0.5) / self.CELLS * 2 - 1
        z, x = torch.meshgrid(centres, centres, indexing="ij")
        spots = torch.stack((x, torch.zeros_like(x), z), -1)[None] * self.half + self.foot
        up = torch.tensor([0.0, 1.0, 0.0]).expand_as(spots)
        self.spots = Points(spots, up, torch.ones_like(spots))
        self.sky = self._arriving(_around((0.0, 1.0, 0.0), 1.3, self.SKY), 64)

    def light(self, camera: Camera, azimuth: float, size: tuple[int, int]) -> Tensor:
        """The share of the light that arrives, seen by the camera: float (H, W, 1), 1 where nothing is shut out.

        1 everywhere for a camera that looks up at the ground.
        """
        if float(camera.position[0, 1]) <= float(self.foot[1]):
            return torch.ones(*size, 1)
        sun = self._arriving(_around(direction_to(azimuth + KEY[0], KEY[1]), 0.12, self.SUN), 192)
        shade = 0.5 * self.sky + 0.5 * sun
        # Where the grid ends nothing is to be seen, whatever long shadows still lie there.
        distance = (self.spots.position[0] - self.foot).norm(dim=-1, keepdim=True) / self.half
        shade = 1 + (shade - 1) * (1 - distance.clamp(0.5, 1).sub(0.5).mul(2).square())
        corners = torch.tensor([[-1.0, 0, -1], [-1, 0, 1], [1, 0, 1], [1, 0, -1]]) * self.half + self.foot
        uv = torch.tensor([[0.0, 1], [0, 0], [1, 0], [1, 1]])
        surface = Material(base_color_texture=Texture(shade.expand(-1, -1, 3), ("clamp", "clamp")))
        ground = Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]])).with_attribute("uv", uv).with_materials([surface])
        return render(ground, camera, size, shader=albedo, gradient=None, background=1.0).color[0, ..., :1]

    def _arriving(self, directions: Tensor, texels: int) -> Tensor:
        """The share of the light from `directions` (K, 3) that reaches each cell, (CELLS, CELLS, 1)."""
        total = torch.zeros(self.CELLS, self.CELLS, 1)
        for some in directions.split(self.SUN):
            light = Shadowed(Directional(some), mesh=self.mesh, size=texels, softness=1)
            spots = self.spots.position.expand(len(some), -1, -1, -1), self.spots.normal, self.spots.color
            total += torch.einsum("k,k...->...", some[:, 1], light.visibility(Points(*spots)))
        return total / directions[:, 1].sum()


def direction_to(azimuth: float, elevation: float) -> tuple[float, float, float]:
    """Unit vector, angles as in `Camera.orbit`."""
    level = math.cos(elevation)
    return level * math.sin(azimuth), math.sin(elevation), level * math.cos(azimuth)


def _around(direction: tuple[float, float, float], spread: float, count: int) -> Tensor:
    """`count` unit vectors (count, 3), evenly over the cap within `spread` of a unit vector (a Fibonacci spiral)."""
    axis = torch.tensor(direction)
    helper = torch.tensor((1.0, 0.0, 0.0) if abs(direction[0]) < 0.9 else (0.0, 1.0, 0.0))
    across = torch.nn.functional.normalize(torch.linalg.cross(axis, helper), dim=0)
    along = torch.linalg.cross(axis, across)
    number = torch.arange(count)[:, None]
    cosine = 1 - (1 - math.cos(spread)) * (number + 0.5) / count
    turn = number * (math.pi * (3 - math.sqrt(5)))
    return axis * cosine + (across * turn.cos() + along * turn.sin()) * (1 - cosine * cosine).sqrt()
