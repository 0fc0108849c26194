"""Cameras and turntables of the applications; here degrees become radians."""

import math

import torch
from torch import Tensor

from repousse.apps.common import Settings
from repousse.camera import Camera
from repousse.geometry import Mesh
from repousse.render import render
from repousse.shading import Light

FRAMES_AT_ONCE = 10


def orbit(settings: Settings, elevation: float, azimuth: float | Tensor) -> Camera:
    """A perspective camera around the origin (or one per azimuth), angles in degrees as in `Camera.orbit`."""
    azimuths = torch.deg2rad(torch.as_tensor(azimuth, dtype=torch.float32))
    elevations = torch.full_like(azimuths, math.radians(elevation))
    return Camera.orbit(settings.distance, elevations, azimuths, fov=math.radians(settings.fov))


def turntable(
    mesh: Mesh, settings: Settings, elevation: float, step: float, light: Light | None = None
) -> list[Tensor]:
    """Pictures (H, W, 3) all around `mesh`, `step` degrees apart, starting at azimuth 0."""
    azimuths = torch.arange(0, 360, step)
    frames: list[Tensor] = []
    with torch.no_grad():
        for some in azimuths.split(FRAMES_AT_ONCE):
            picture = render(
                mesh,
                orbit(settings, elevation, some),
                (settings.size, settings.size),
                light=light or Light(),
                gradient=None,
                supersample=settings.supersample,
            )
            frames.extend(picture.color)
    return frames
