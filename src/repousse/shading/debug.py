"""Shaders that show what a picture is made of; lights do not matter to them."""

import torch
from torch import Tensor

from repousse.core.numbers import tensor_of
from repousse.shading.lights import Lights
from repousse.shading.points import Points


def albedo(points: Points, lights: Lights = ()) -> Tensor:
    """The base colour as it is."""
    return points.color


def normals(points: Points, lights: Lights = ()) -> Tensor:
    """World-space normals as colours: (n + 1) / 2, so what faces +x is red, +y (up) green, +z blue."""
    return 0.5 + 0.5 * points.normal


def position(points: Points, lights: Lights = (), *, bounds: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """World-space positions as colours: from `bounds` to [0, 1].

    bounds  lowest and highest corner (3,); by default the smallest box around all points seen in the batch
    """
    if bounds is None:
        seen = points.position.detach()
        low = torch.where(points.covered, seen, torch.inf).flatten(0, -2).amin(0)
        high = torch.where(points.covered, seen, -torch.inf).flatten(0, -2).amax(0)
        bounds = low, high
    low, high = (corner.to(points.position) for corner in bounds)
    return torch.where(points.covered, (points.position - low) / _extent(high - low), 0)


def depth(points: Points, lights: Lights = (), *, bounds: tuple[float, float] | None = None) -> Tensor:
    """Camera z as grey: near is white, far is black.

    bounds  nearest and farthest depth; by default those of each picture. Needs a camera
    """
    z = points.depth
    if bounds is None:
        seen = z.detach()
        near = torch.where(points.covered, seen, torch.inf).amin((1, 2), keepdim=True)
        far = torch.where(points.covered, seen, -torch.inf).amax((1, 2), keepdim=True)
    else:
        near, far = (tensor_of(bound, z.dtype, z.device) for bound in bounds)
    return torch.where(points.covered, (far - z) / _extent(far - near), 0).expand_as(points.position)


def _extent(size: Tensor) -> Tensor:
    """A size to divide by, whatever nothing or a flat thing has."""
    return torch.where(size.isfinite() & (size > 0), size, 1)
