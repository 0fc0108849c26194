"""How: everything the panel sets, and the picture it makes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from repousse.apps.view.eye import axes
from repousse.apps.view.model import Model, Up
from repousse.camera import Camera
from repousse.io import linear_to_srgb, srgb_to_linear
from repousse.render import render
from repousse.shading import Ambient, Directional, Light, Lights, Points, Shader, albedo, flat, lambert, normals
from repousse.shading.contour import contour
from repousse.shading.occlusion import AmbientOcclusion
from repousse.shading.toon import toon
from repousse.shading.wireframe import wireframe

_LINE = 0.02  # colour of the wireframe
_AROUND, _WEAK = math.radians(130.0), 0.25  # where the second light comes from, and its share of the strength


class Drawn(NamedTuple):
    """What a shader of the menu is made by.

    make   function of the model and of the rays per pixel
    light  whether its colours are amounts of light, which screens show by the sRGB curve; numbers are shown as they are
    """

    make: Callable[[Model, int], Shader]
    light: bool = True


def position(points: Points, lights: Lights) -> Tensor:
    """Where the point lies in the box from -1 to 1: red to the right (x), green up (y), blue to the front (z)."""
    return 0.5 + 0.5 * points.position


def depth(points: Points, lights: Lights, *, radius: float) -> Tensor:
    """White in front, nearly black behind: by the distance along the line of sight, within the sphere of `radius`."""
    assert points.camera is not None
    middle = points.camera.to_camera(points.position.new_zeros(1, 3))[..., 2].view(-1, 1, 1, 1)
    return (0.5 - 0.45 * (points.depth - middle) / radius).expand_as(points.position)


SHADERS: dict[str, Drawn] = {
    "material": Drawn(lambda model, rays: lambert),
    "lambert": Drawn(lambda model, rays: lambert),
    "flat": Drawn(lambda model, rays: flat),
    "toon": Drawn(lambda model, rays: toon),
    "contour": Drawn(lambda model, rays: contour),
    "ambient occlusion": Drawn(lambda model, rays: AmbientOcclusion(rays), light=False),
    "albedo": Drawn(lambda model, rays: albedo),
    "normals": Drawn(lambda model, rays: normals, light=False),
    "position": Drawn(lambda model, rays: position, light=False),
    "depth": Drawn(lambda model, rays: partial(depth, radius=model.radius), light=False),
}


@dataclass(frozen=True)
class Look:
    """How a model is drawn.

    shader          a name of `SHADERS`
    normals         a name of `Model.normals`
    wireframe       whether edges are drawn, too
    azimuth         radians; of the directional light, to the right of the front
    elevation       radians; above the horizon
    strength        of the directional light
    ambient         strength of the light from everywhere
    follow          whether azimuth and elevation are counted from the camera's line of sight, or from the world's front
    background      sRGB, three numbers from 0 to 255
    up              the axis of the world that points upwards
    """

    shader: str = "material"
    normals: str = "smooth"
    wireframe: bool = False
    azimuth: float = math.radians(-35.0)
    elevation: float = math.radians(40.0)
    strength: float = 0.75
    ambient: float = 0.3
    follow: bool = True
    background: tuple[int, int, int] = (226, 228, 231)
    up: Up = "y"

    def lights(self, camera: Camera) -> tuple[Light, ...]:
        """Ambient light, the directional light, and a weak one from its other side, or shadows would have no shape."""
        frame = axes(self.up)
        if self.follow:  # right, up and backward of the camera
            frame = camera.world_to_camera[:3, :3] * torch.tensor([[1.0], [-1.0], [-1.0]])
        main = _direction(self.azimuth, self.elevation) @ frame
        other = _direction(self.azimuth + _AROUND, -self.elevation / 2) @ frame
        return Ambient(self.ambient), Directional(main, self.strength), Directional(other, self.strength * _WEAK)


def _direction(azimuth: float, elevation: float) -> Tensor:
    """Unit vector (right, up, backward)."""
    level = math.cos(elevation)
    return torch.tensor((level * math.sin(azimuth), math.sin(elevation), level * math.cos(azimuth)))


@torch.no_grad()
def draw(
    model: Model, look: Look, camera: Camera, size: tuple[int, int], *, supersample: int = 1, rays: int = 32
) -> Tensor:
    """The picture as a screen shows it.

    camera       one, without batch dimension
    size         (height, width) in pixels
    supersample  samples per pixel along each side
    rays         per pixel, of shaders that cast some

    Returns float32 (H, W, 3) in [0, 1], sRGB.
    """
    kind = SHADERS[look.shader]
    shader = kind.make(model, rays)
    if look.wireframe:
        shader = partial(wireframe, base=shader, color=_LINE)
    ground = torch.tensor(look.background) / 255
    mesh, smooth = model.dressed(look.normals)
    picture = render(
        mesh,
        camera,
        size,
        lights=look.lights(camera),
        shader=shader,
        gradient=None,
        supersample=supersample,
        background=srgb_to_linear(ground) if kind.light else ground,
        smooth=smooth,
    )
    color = picture.color[0]
    return (linear_to_srgb(color) if kind.light else color).clamp(0, 1)
