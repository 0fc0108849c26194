"""A photographer's studio: what makes a picture of an unknown model look good without being told anything about it."""

import math

import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import Material, Mesh, with_creased_normals
from repousse.render import render
from repousse.shading import Ambient, Directional, Light, Points, Shadowed

CLAY = Material("clay", base_color=(0.60, 0.57, 0.53), roughness=0.55)
KEY_SAMPLES = 12  # directions that make one soft key light
DOME_SAMPLES = 48  # directions from which the sky casts shadows on the ground


def prepared(mesh: Mesh, up: str) -> Mesh:
    """The mesh with +y up, its longest side 2, normals that keep sharp edges, and made of clay if of nothing else."""
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
    if not mesh.materials and "color" not in mesh.attributes:
        mesh = mesh.with_materials([CLAY])
    return mesh


def studio_lights(azimuth: float, shadows: bool = True) -> list[Light]:
    """A soft key light from the left above, a weaker one from the right, a rim from behind, and a bright room.

    azimuth  of the camera, radians; the lights stand still with respect to it
    """
    key = [Directional(d, 2.1 / KEY_SAMPLES) for d in _around(_direction(azimuth - 0.75, 0.85), 0.09, KEY_SAMPLES)]
    soft: list[Light] = [Shadowed(light, size=1024, softness=2) for light in key] if shadows else list(key)
    fill = Directional(_direction(azimuth + 1.0, 0.35), 0.35)
    rim = Directional(_direction(azimuth + math.pi - 0.5, 0.6), 0.5)
    return [*soft, fill, rim, Ambient(0.42)]


def ground_shade(mesh: Mesh, camera: Camera, azimuth: float, size: tuple[int, int]) -> Tensor:
    """How much of the light arrives at the ground that the mesh stands on: float (H, W, 1), 1 where none is shut out.

    Nothing is seen of the ground but its shadow. 1 everywhere for a camera that looks up at it.
    """
    low, high = mesh.positions.amin(0), mesh.positions.amax(0)
    height = float(low[1])
    if float(camera.position[0, 1]) <= height:
        return torch.ones(*size, 1)
    middle, reach = (low + high) / 2, 40 * float((high - low).norm())
    corners = torch.tensor([[-1.0, 0, -1], [-1, 0, 1], [1, 0, 1], [1, 0, -1]]) * reach
    corners = corners + torch.stack((middle[0], low[1], middle[2]))
    ground = Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    key = _around(_direction(azimuth - 0.75, 0.85), 0.09, KEY_SAMPLES)
    dome = _around((0.0, 1.0, 0.0), 1.3, DOME_SAMPLES)

    def arriving(points: Points, lights: object) -> Tensor:
        total, most = points.position.new_zeros(()), 0.0
        for directions, weight, texels in ((key, 0.45 / KEY_SAMPLES, 1024), (dome, 0.55 / DOME_SAMPLES, 256)):
            for direction in directions:
                share = weight * direction[1]
                light = Shadowed(Directional(direction), mesh=mesh, size=texels, softness=3)
                total, most = total + share * light.visibility(points), most + share
        return (total / most).expand_as(points.color)

    picture = render(ground, camera, size, lights=(), shader=arriving, gradient=None, background=1.0)
    return picture.color[0, ..., :1]


def _direction(azimuth: float, elevation: float) -> tuple[float, float, float]:
    """Unit vector, angles as in `Camera.orbit`."""
    level = math.cos(elevation)
    return level * math.sin(azimuth), math.sin(elevation), level * math.cos(azimuth)


def _around(direction: tuple[float, float, float], spread: float, count: int) -> list[tuple[float, float, float]]:
    """`count` unit vectors, evenly over the cap within `spread` radians of a unit vector (a Fibonacci spiral)."""
    axis = torch.tensor(direction)
    helper = torch.tensor((1.0, 0.0, 0.0) if abs(direction[0]) < 0.9 else (0.0, 1.0, 0.0))
    across = torch.nn.functional.normalize(torch.linalg.cross(axis, helper), dim=0)
    along = torch.linalg.cross(axis, across)
    found = []
    for i in range(count):
        cosine = 1 - (1 - math.cos(spread)) * (i + 0.5) / count
        sine, turn = math.sqrt(1 - cosine * cosine), i * math.pi * (3 - math.sqrt(5))
        x, y, z = (axis * cosine + (across * math.cos(turn) + along * math.sin(turn)) * sine).tolist()
        found.append((x, y, z))
    return found
