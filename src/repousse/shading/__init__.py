"""Shading: lights, and plain functions from the points a picture sees to their colours.

A shader is a callable `(points, lights) -> color`. Your own is a function:

    >>> def normals_as_colors(points, lights):
    ...     return 0.5 + 0.5 * points.normal
    >>> picture = render(mesh, camera, (256, 256), shader=normals_as_colors)  # doctest: +SKIP
"""

from repousse.shading.contour import contour
from repousse.shading.debug import albedo, depth, normals, position
from repousse.shading.environment import Environment
from repousse.shading.harmonics import SphericalHarmonics, harmonics
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
from repousse.shading.occlusion import AmbientOcclusion, ambient_occlusion
from repousse.shading.pbr import pbr
from repousse.shading.points import Points, Shader
from repousse.shading.shadow import Shadowed
from repousse.shading.specular import blinn_phong, phong
from repousse.shading.toon import toon

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
    "Shadowed",
    "SphericalHarmonics",
    "harmonics",
    "Environment",
    "DEFAULT_LIGHTS",
    "as_lights",
    # Shaders
    "flat",
    "lambert",
    "phong",
    "blinn_phong",
    "pbr",
    "toon",
    "contour",
    "AmbientOcclusion",
    "ambient_occlusion",
    "albedo",
    "normals",
    "depth",
    "position",
]
