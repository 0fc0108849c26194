"""Cameras and turntables of the applications; here degrees become radians."""

import math

import torch
from torch import Tensor

from repousse.apps.common import Settings
from repousse.camera import Camera
from repousse.geometry import Mesh
from repousse.render import Renderer
from repousse.shading import DEFAULT_LIGHTS, Lights

FRAMES_AT_ONCE = 10


def orbit(settings: Settings, elevation: float, azimuth: float | Tensor) -> Camera:
    """A perspective camera around the origin (or one per azimuth), angles in degrees as in `Camera.orbit`."""
    azimuths = torch.deg2rad(torch.as_tensor(azimuth, dtype=torch.float32))
    elevations = torch.full_like(azimuths, math.radians(elevation))
    return Camera.orbit(settings.distance, elevations, azimuths, fov=math.radians(settings.fov))


def turntable(
    mesh: Mesh,
    settings: Settings,
    elevation: float,
    step: float,
    *,
    lights: Lights = DEFAULT_LIGHTS,
    background: float = 0.0,
    smooth: bool = False,
) -> list[Tensor]:
    """Pictures (H, W, 3) all around `mesh`, `step` degrees apart, starting at azimuth 0."""
    renderer = Renderer(
        (settings.size, settings.size),
        lights=lights,
        gradient=None,
        supersample=settings.supersample,
        background=background,
        smooth=smooth,
    )
    frames: list[Tensor] = []
    with torch.no_grad():
        for azimuths in torch.arange(0, 360, step).split(FRAMES_AT_ONCE):
            frames.extend(renderer(mesh, orbit(settings, elevation, azimuths)).color)
    return frames
