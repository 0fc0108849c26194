"""Shaders that show what a picture is made of; lights do not matter to them."""

from torch import Tensor

from repousse.shading.lights import Lights
from repousse.shading.points import Points


def albedo(points: Points, lights: Lights = ()) -> Tensor:
    """The base colour as it is."""
    return points.color


def normals(points: Points, lights: Lights = ()) -> Tensor:
    """World-space normals as colours: (n + 1) / 2, so x to the right is red, y up is green, z towards us is blue."""
    return 0.5 + 0.5 * points.normal
