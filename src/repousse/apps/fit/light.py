"""Light and paint told apart: the light under which the surface is painted in as few colours as possible."""

import math

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor

from repousse.shading import SphericalHarmonics, harmonics

# What a matt surface keeps of each harmonic.
KEPT = torch.tensor([1.0] + [2 / 3] * 3 + [1 / 4] * 5)
_MEAN = math.sqrt(4 * math.pi)  # first coefficient of a light with mean 1
_POINTS, _NEIGHBOURS = 2048, 12
_UNLIKE = [0.75**i for i in range(12)]  # relative differences at which pairs count a quarter, from all to few
_RIDGE = 1e-6
_DARKEST = 0.2


def light_of(shape: Tensor) -> SphericalHarmonics:
    """The light whose mean is 1 in each channel; `shape` (8, 3) are its other coefficients."""
    return SphericalHarmonics(torch.cat((shape.new_full((1, 3), _MEAN), shape)))


def sky(normal: Tensor) -> Tensor:
    """What a white matt surface with this normal (..., 3) makes of each harmonic: (..., 9)."""
    return harmonics(normal) * KEPT.to(normal)


def arriving(sky: Tensor, shape: Tensor) -> Tensor:
    """What it makes of `light_of(shape)`: (..., 3) of (..., 9)."""
    return 1 + sky[..., 1:] @ shape


@torch.no_grad()
def estimated_light(points: Tensor, normals: Tensor, colors: Tensor) -> Tensor:
    """The light that explains best how the colour of a surface changes with its normal.

    points   float (N, 3)  on the surface, a few thousand of them
    normals  float (N, 3)  unit length
    colors   float (N, 3)  linear, as seen: paint times light

    Returns `shape` (8, 3) for `light_of`.

    A surface that stands still in a light that stands still can be painted with its own shading: pictures alone do not
    tell light and paint apart. So paint is taken to change in few places (Land and McCann 1971): for neighbours i and
    j, color_i / light(n_i) is mostly equal to color_j / light(n_j). With the mean of the light set to 1, this,

        color_i light(n_j) - color_j light(n_i) = 0,

    is linear in the other coefficients. Relative to color_i + color_j, this r is made small for most pairs: the sum of
    r² / (r² + s²) (Geman and McClure) is minimised by iteratively reweighted least squares while s shrinks from 1 to
    0.04, so that neighbours on both sides of an edge in the paint come to count for nothing. The light is weakened
    until no direction is nearly dark. Deterministic.
    """
    shape = colors.new_zeros(8, 3)
    if len(points) < 2 * _NEIGHBOURS:
        return shape
    few = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:_POINTS].sort().values
    points, normals, colors = points[few], normals[few], colors[few].clamp(min=1e-3)
    places = points.double().numpy()
    near = np.asarray(KDTree(places).query(places, k=_NEIGHBOURS + 1)[1])
    second = torch.from_numpy(near)[:, 1:].flatten()
    first = torch.arange(len(points)).repeat_interleave(_NEIGHBOURS)
    around = sky(normals)[:, 1:].double()
    ridge = _RIDGE * len(first) * torch.eye(8, dtype=torch.float64)
    for channel in range(3):
        color = colors[:, channel].double()
        one, other = color[first], color[second]
        both = (one + other)[:, None]
        slope = (one[:, None] * around[second] - other[:, None] * around[first]) / both
        offset = (one - other) / both[:, 0]
        x = torch.zeros(8, dtype=torch.float64)
        for unlike in _UNLIKE:
            weighted = slope * (unlike**2 / (unlike**2 + (slope @ x + offset).square()))[:, None].square()
            x = torch.linalg.solve(slope.T @ weighted + ridge, -weighted.T @ offset)
        shape[:, channel] = x.to(shape)
    darkest = (sky(_directions(256).to(shape))[:, 1:] @ shape).amin(0)
    return shape * ((1 - _DARKEST) / (-darkest).clamp(min=1 - _DARKEST))


def _directions(count: int) -> Tensor:
    """Unit vectors (count, 3), evenly over the sphere: a Fibonacci spiral."""
    i = torch.arange(count) + 0.5
    y, turn = 1 - 2 * i / count, i * math.pi * (3 - math.sqrt(5))
    level = (1 - y * y).sqrt()
    return torch.stack((level * turn.cos(), y, level * turn.sin()), -1)
