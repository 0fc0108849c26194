"""Small sets of pictures of known objects."""

import functools
import math

import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.data import Views
from repousse.geometry import Material, Mesh, Texture, icosphere, torus, vertex_normals
from repousse.render import render
from repousse.shading import Ambient, Directional, Lights

LIGHTS = (Ambient(0.5), Directional((0.4, 0.8, 0.45), 0.5))


def all_around(count: int, distance: float = 3.0) -> Camera:
    """Cameras that look at the origin from all sides, spread evenly."""
    i = torch.arange(count) + 0.5
    return Camera.orbit(distance, torch.asin(1 - 2 * i / count), i * math.pi * (3 - math.sqrt(5)), fov=math.radians(45))


def photographed(mesh: Mesh, camera: Camera, size: int, lights: Lights = LIGHTS, supersample: int = 2) -> Views:
    with torch.no_grad():
        picture = render(mesh, camera, (size, size), lights=lights, gradient=None, supersample=supersample, smooth=True)
    names = tuple(f"picture {i}" for i in range(len(camera)))
    return Views(picture.color.clamp(0, 1), picture.mask, camera, names)


def checks(size: int = 64, across: int = 4) -> Tensor:
    """(size, size, 3): squares in two colours, and a red band."""
    i = torch.arange(size) * across // size
    even = ((i[:, None] + i) % 2 == 0)[..., None]
    image = torch.where(even, torch.tensor([0.75, 0.7, 0.55]), torch.tensor([0.1, 0.25, 0.6]))
    image[size // 8 : size // 5] = torch.tensor([0.7, 0.1, 0.1])
    return image


@functools.cache
def painted_torus() -> Mesh:
    """With smooth normals and a texture."""
    mesh = torus().normalized()
    mesh = mesh.with_attribute("normal", vertex_normals(mesh.positions, mesh.faces))
    return mesh.with_materials([Material("checks", base_color_texture=Texture(checks()))])


@functools.cache
def torus_views(size: int = 48, count: int = 12) -> Views:
    return photographed(painted_torus(), all_around(count), size)


def bare(mesh: Mesh) -> Mesh:
    return Mesh(mesh.positions, mesh.faces)


def two_tone_sphere() -> Mesh:
    """Half orange, half grey, seen from the side; vertex colours."""
    mesh = icosphere(4)
    left = mesh.positions[:, :1] > 0.2
    color = torch.where(left, torch.tensor([0.7, 0.4, 0.2]), torch.tensor([0.4, 0.4, 0.4]))
    return mesh.with_attribute("color", color)


def bowl() -> Mesh:
    """The upper half of a ball turned inwards; no silhouette shows its inside, which faces +y."""
    ball = icosphere(5)
    upper = (ball.positions[:, 1] > 1e-4)[:, None]
    return Mesh(torch.where(upper, ball.positions * torch.tensor([0.85, -0.85, 0.85]), ball.positions), ball.faces)


def bowl_views(size: int, count: int, textured: bool = True) -> Views:
    """In light that comes mostly from one side, with a pattern or in one colour."""
    mesh = bowl()
    pattern = torch.sin(7 * mesh.positions + torch.tensor([0.0, 1.0, 2.0]))
    color = 0.5 + 0.4 * pattern if textured else torch.full_like(mesh.positions, 0.6)
    return photographed(mesh.with_attribute("color", color), all_around(count, 3.2), size, supersample=3)
