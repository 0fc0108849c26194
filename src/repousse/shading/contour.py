"""Drawing with lines: outlines, and edges inside the shape."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from repousse.shading.lights import Lights
from repousse.shading.matt import lambert
from repousse.shading.points import Points
from repousse.shading.quantities import Quantity, like


def contour(
    points: Points,
    lights: Lights,
    *,
    base: Callable[[Points, Lights], Tensor] | None = lambert,
    color: Quantity = 0.0,
    width: float = 1.5,
    crease: float = math.radians(35.0),
    depth_step: float = 4.0,
) -> Tensor:
    """Lines over another shader, where the surface ends, where depth jumps and where it is bent sharply.

    base        shader between the lines; None for the plain colours
    color       of the lines, float, (3,) or (B, 3)
    width       of the lines in pixels
    crease      radians between the normals of neighbouring samples
    depth_step  jump of depth between neighbouring samples, in units of what a pixel spans at that distance

    Lines lie on the surface: outlines grow inwards. Depth is compared by second differences of 1 / depth, which vanish
    on planes however steep (for an orthographic camera, of depth). Use supersampling for smooth lines. Needs a camera
    and points on the grid of a picture. Returns (B, H, W, 3); differentiable in `base` and `color`, not in where lines
    are.
    """
    with torch.no_grad():
        end, jump, bend = _ends(points.covered), _jumps(points, depth_step), _bends(points, crease)
        radius = width * points.supersample
        lines = _grown(end, radius) | _grown(jump | bend, radius / 2)
    between = points.color if base is None else base(points, lights)
    return torch.where(lines, like(color, points.position), between)


def _ends(covered: Tensor) -> Tensor:
    """bool (B, H, W, 1): covered, and one of the four neighbours is not. The picture's border is no end."""
    found = torch.zeros_like(covered)
    for axis in (1, 2):
        here, there = _pairs(covered, axis)
        found |= _on_both(here & ~there, axis, 0) | _on_both(there & ~here, axis, 1)
    return found


def _jumps(points: Points, depth_step: float) -> Tensor:
    """bool (B, H, W, 1): depth jumps between this covered sample and a covered neighbour."""
    depth = points.depth  # says so if there is no camera
    assert points.camera is not None
    lens = points.camera.projection.to(depth.dtype).reshape(-1, 1, 1, 4, 4)
    perspective = lens[..., 3, 2].unsqueeze(-1) != 0
    pixels = depth.shape[1] / points.supersample
    span = 2 * torch.where(perspective, depth, 1.0) / (lens[..., 1, 1].unsqueeze(-1).abs() * pixels)
    straight = torch.where(perspective, 1 / depth.clamp(min=1e-20), depth)  # linear on the screen over a plane
    scale = torch.where(perspective, depth * depth, 1.0) / (depth_step * span)
    found = torch.zeros_like(points.covered)
    for axis in (1, 2):
        here, there = _pairs(straight, axis)
        together = torch.logical_and(*_pairs(points.covered, axis))
        step = torch.where(together, there - here, 0)
        # A jump is a step that neither the one before nor the one after continues.
        bent = torch.minimum(_difference(step, axis, -1).abs(), _difference(step, axis, 1).abs())
        jump = together & (bent * torch.minimum(*_pairs(scale, axis)) > 1)
        found |= _on_both(jump, axis, 0) | _on_both(jump, axis, 1)
    return found


def _bends(points: Points, crease: float) -> Tensor:
    """bool (B, H, W, 1): the normals of this covered sample and a covered neighbour differ by more than `crease`."""
    found = torch.zeros_like(points.covered)
    for axis in (1, 2):
        here, there = _pairs(points.normal, axis)
        together = torch.logical_and(*_pairs(points.covered, axis))
        bend = together & ((here * there).sum(-1, keepdim=True) < math.cos(crease))
        found |= _on_both(bend, axis, 0) | _on_both(bend, axis, 1)
    return found


def _pairs(grid: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Neighbours along an axis: all but the last, all but the first."""
    count = grid.shape[axis] - 1
    return grid.narrow(axis, 0, count), grid.narrow(axis, 1, count)


def _on_both(pairs: Tensor, axis: int, side: int) -> Tensor:
    """Values of pairs at their first (side 0) or second (1) member, on the whole grid."""
    shape = list(pairs.shape)
    shape[axis] = 1
    missing = pairs.new_zeros(shape)
    return torch.cat((missing, pairs) if side else (pairs, missing), axis)


def _difference(steps: Tensor, axis: int, offset: int) -> Tensor:
    """Each step less the one `offset` before or after it; less 0 where there is none."""
    rolled = steps.roll(-offset, axis)
    edge = 0 if offset < 0 else steps.shape[axis] - 1
    if steps.shape[axis]:
        rolled.narrow(axis, edge, 1).zero_()
    return steps - rolled


def _grown(mask: Tensor, radius: float) -> Tensor:
    """Everything within `radius` samples of the mask, itself included."""
    reach = math.floor(max(radius - 1, 0))
    if not bool(mask.any()) or reach == 0:
        return mask
    plane = mask[..., 0].float()
    height = plane.shape[1]
    grown = plane.clone()
    for row in range(-min(reach, height - 1), min(reach, height - 1) + 1):
        half = math.floor(math.sqrt(max(radius - 1, 0) ** 2 - row * row))
        wide = torch.nn.functional.max_pool1d(plane, 2 * half + 1, 1, half) if half else plane
        low, high = max(0, row), min(height, height + row)
        grown[:, low:high] = torch.maximum(grown[:, low:high], wide[:, low - row : high - row])
    return (grown > 0)[..., None]
