"""Shading: plain functions from the points a picture sees to their colours.

A shader is a callable `(points) -> color`. `Light` is one; your own is a function:

    >>> def normals_as_colors(points):
    ...     return 0.5 + 0.5 * points.normal
    >>> picture = render(mesh, camera, (256, 256), light=normals_as_colors)  # doctest: +SKIP
"""

from repousse.shading.light import Light, lambert
from repousse.shading.points import Points, Shader

__all__ = ["Light", "lambert", "Points", "Shader"]
