"""How: everything the panel sets, and the picture it makes."""

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from repousse.apps.looks import LOOKS, LookName
from repousse.apps.studio import direction_to
from repousse.apps.view.eye import axes
from repousse.apps.view.model import Model, Up
from repousse.camera import Camera
from repousse.io import linear_to_srgb, srgb_to_linear
from repousse.render import render
from repousse.shading import Ambient, AmbientOcclusion, Directional, Light, Shader, Shadowed
from repousse.shading.wireframe import wireframe

_LINE = 0.02  # colour of the wireframe
_AROUND, _WEAK = math.radians(130.0), 0.25  # where the second light comes from, and its share of the strength


@dataclass(frozen=True)
class Style:
    """How a model is drawn.

    shader      a name of `LOOKS`
    normals     a name of `Model.normals`
    wireframe   whether edges are drawn, too
    background  sRGB, three numbers from 0 to 255
    own_lights  light the model with those that it belongs in, if there are any, instead of the following
    azimuth     radians; of the directional light, to the right of the front
    elevation   radians; above the horizon
    strength    of the directional light
    ambient     strength of the light from everywhere
    shadows     whether the directional light casts some
    follow      whether azimuth and elevation are counted from the camera's line of sight, or from the model's front
    up          the model's axis that points upwards
    """

    shader: LookName = "material"
    normals: str = "smooth"
    wireframe: bool = False
    background: tuple[int, int, int] = (226, 228, 231)
    own_lights: bool = True
    azimuth: float = math.radians(-35.0)
    elevation: float = math.radians(40.0)
    strength: float = 0.75
    ambient: float = 0.3
    shadows: bool = False
    follow: bool = True
    up: Up = "y"

    def lights(self, camera: Camera) -> tuple[Light, ...]:
        """Ambient light, the directional light, and a weak one from its other side, or shadows would have no shape."""
        frame = axes(self.up)
        if self.follow:  # right, up and backward of the camera
            frame = camera.world_to_camera[:3, :3] * torch.tensor([[1.0], [-1.0], [-1.0]])
        main = Directional(_turned(frame, self.azimuth, self.elevation), self.strength)
        other = _turned(frame, self.azimuth + _AROUND, -self.elevation / 2)
        return (
            Ambient(self.ambient),
            Shadowed(main, softness=2) if self.shadows else main,
            Directional(other, self.strength * _WEAK),
        )


def _turned(frame: Tensor, azimuth: float, elevation: float) -> Tensor:
    """The direction's unit vector, where `frame` has the rows right, up and backward."""
    return torch.tensor(direction_to(azimuth, elevation)) @ frame


@torch.no_grad()
def draw(
    model: Model, style: Style, camera: Camera, size: tuple[int, int], *, supersample: int = 1, rays: int = 16
) -> Tensor:
    """The picture as a screen shows it.

    camera       one, without batch dimension
    size         (height, width) in pixels
    supersample  samples per pixel along each side
    rays         per sample, of shaders that cast some

    Returns float32 (H, W, 3) in [0, 1], sRGB.
    """
    look = LOOKS[style.shader]
    ground = torch.tensor(style.background) / 255
    mesh, smooth = model.dressed(style.normals)
    picture = render(
        mesh,
        camera,
        size,
        lights=model.lights if style.own_lights and model.lights else style.lights(camera),
        shader=_shader(model, style, rays),
        gradient=None,
        supersample=supersample,
        background=srgb_to_linear(ground) if look.linear else ground,
        smooth=smooth,
    )
    color = picture.color[0]
    return (linear_to_srgb(color) if look.linear else color).clamp(0, 1)


def _shader(model: Model, style: Style, rays: int) -> Shader:
    shader = LOOKS[style.shader].shader
    if isinstance(shader, AmbientOcclusion):
        shader = model.occlusion(rays)
    return partial(wireframe, base=shader, color=_LINE) if style.wireframe else shader
