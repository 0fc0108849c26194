"""Shading: lights, and plain functions from the points a picture sees to their colours.

A shader is a callable `(points, lights) -> color`. Your own is a function:

    >>> def normals_as_colors(points, lights):
    ...     return 0.5 + 0.5 * points.normal
    >>> picture = render(mesh, camera, (256, 256), shader=normals_as_colors)  # doctest: +SKIP
"""

from repousse.shading.debug import albedo, normals
from repousse.shading.lights import (
    DEFAULT_LIGHTS,
    Ambient,
    Directional,
    Light,
    Lights,
    PointLight,
    Rays,
    as_lights,
)
from repousse.shading.matt import flat, lambert
from repousse.shading.points import Points, Shader

__all__ = [
    "Points",
    "Shader",
    # Lights
    "Light",
    "Lights",
    "Rays",
    "Ambient",
    "Directional",
    "PointLight",
    "DEFAULT_LIGHTS",
    "as_lights",
    # Shaders
    "albedo",
    "flat",
    "lambert",
    "normals",
]
