"""Line drawings."""

import math

import torch
from torch import Tensor

from repousse.shading.lights import Lights, as_lights
from repousse.shading.matt import lambert
from repousse.shading.points import Points, Shader
from repousse.shading.quantities import Quantity, dot, like


def contour(
    points: Points,
    lights: Lights,
    *,
    base: Shader = lambert,
    color: Quantity = 0.0,
    width: float = 1.5,
    step: float = 0.03,
    crease: float = math.pi / 6,
) -> Tensor:
    """Lines over another shader: silhouettes, steps in depth and creases.

    base    what is drawn between the lines
    color   float, (3,) or (B, 3)  of the lines
    width   pixels; lines are as smooth as the picture is supersampled
    step    of the depth behind a line, as a share of the size of what is seen
    crease  radians between the normals of neighbouring samples that make a line

    Lines lie inside the silhouette and on the nearer side of a step. Needs the whole picture, a camera and, if samples
    are not pixels, `points.supersample`. Returns (B, H, W, 3). Differentiable in what `base` is and in `color`; not in
    the lines' places.
    """
    if not (width > 0 and step > 0 and crease > 0):
        raise ValueError(f"contour: `width`, `step` and `crease` must be positive, not {width}, {step}, {crease}.")
    with torch.no_grad():
        covered = points.covered[..., 0]
        samples = width * points.supersample
        # Outer lines have only their inner half; inner lines are grown to both sides.
        line = _grown(_rims(covered), samples - 1) | _grown(_inner(points, step, crease), (samples - 1) / 2)
        line = (line & covered)[..., None]
    return torch.where(line, like(color, points.color), base(points, as_lights(lights)))


def _rims(covered: Tensor) -> Tensor:
    """Samples beside one that shows nothing, (B, H, W); the border of the picture is no silhouette."""
    rim = torch.zeros_like(covered)
    for dim in (1, 2):
        first, second = _pairs(covered, dim)
        rim |= _marked(covered, dim, first & ~second, second & ~first)
    return rim


def _inner(points: Points, step: float, crease: float) -> Tensor:
    """Samples (B, H, W) on the near side of a step in depth or at a crease."""
    covered, z, normal = points.covered, points.depth, points.normal
    least = step * _extent(points)
    # What is affine on the screen for a plane: 1 / z, but z of an orthographic camera.
    assert points.camera is not None  # or there would be no depth
    perspective = points.camera.eye[:, None, None, 3:] > 0
    affine = torch.where(perspective & covered, 1 / torch.where(covered, z, 1), z)
    found = torch.zeros_like(covered[..., 0])
    for dim in (1, 2):
        (z0, z1), (n0, n1), (c0, c1) = (_pairs(value, dim) for value in (z, normal, covered))
        # A step is one if the samples of neither side, continued straight on, meet the other side's.
        bend = torch.zeros_like(affine)
        if affine.shape[dim] > 2:
            bend.narrow(dim, 1, affine.shape[dim] - 2).copy_(affine.diff(n=2, dim=dim).abs())
        scale = torch.where(perspective, z * z, torch.ones_like(z))
        jump = torch.minimum(*_pairs(bend, dim)) * torch.minimum(*_pairs(scale, dim))
        both = c0 & c1
        stepped = both & (jump > least)
        folded = both & (dot(n0, n1) < math.cos(crease))
        first, second = folded | (stepped & (z0 <= z1)), folded | (stepped & (z1 < z0))
        found |= _marked(found, dim, first[..., 0], second[..., 0])
    return found


def _extent(points: Points) -> Tensor:
    """Diagonal of the box around what each picture sees, (B, 1, 1, 1)."""
    low = torch.where(points.covered, points.position, torch.inf).amin((1, 2), keepdim=True)
    high = torch.where(points.covered, points.position, -torch.inf).amax((1, 2), keepdim=True)
    return (high - low).norm(dim=-1, keepdim=True)


def _pairs(value: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The first and second of each two neighbours along a dimension."""
    count = value.shape[dim] - 1
    return value.narrow(dim, 0, count), value.narrow(dim, 1, count)


def _marked(like_what: Tensor, dim: int, first: Tensor, second: Tensor) -> Tensor:
    """Samples marked as the first or as the second of a pair of neighbours."""
    marks = torch.zeros_like(like_what)
    count = like_what.shape[dim] - 1
    marks.narrow(dim, 0, count).logical_or_(first)
    marks.narrow(dim, 1, count).logical_or_(second)
    return marks


def _grown(mask: Tensor, radius: float) -> Tensor:
    """All samples within `radius` of a marked one: bool (B, H, W)."""
    reach = math.floor(radius)
    if reach < 1:
        return mask
    offset = torch.arange(-reach, reach + 1, device=mask.device)
    disc = (offset[:, None].square() + offset.square() <= radius * radius).float()[None, None]
    return torch.nn.functional.conv2d(mask[:, None].float(), disc, padding=reach)[:, 0] > 0.5
