"""Drawing the edges of the faces."""

from functools import lru_cache

import torch
from torch import Tensor

from repousse.ops import interpolate
from repousse.shading.lights import Lights, as_lights
from repousse.shading.matt import lambert
from repousse.shading.points import Points, Shader
from repousse.shading.quantities import Quantity, like


def wireframe(
    points: Points, lights: Lights, *, base: Shader = lambert, color: Quantity = 0.0, width: float = 1.0
) -> Tensor:
    """The edges of the faces seen, over another shader.

    base   shader between the lines
    color  of the lines, float, (3,) or (B, 3)
    width  of the lines in pixels; half of it on either side of an edge

    Hidden edges are not drawn. Lines become fainter on faces whose inscribed circle is smaller than they are wide, or
    finely tessellated surfaces would be black. Use supersampling for smooth lines. Needs points that come from
    `render`. Returns (B, H, W, 3); differentiable in `base` and `color`, not in where lines are.
    """
    if points.mesh is None or points.fragments is None:
        raise ValueError("wireframe: this shader needs `mesh` and `fragments`. Use it in render().")
    with torch.no_grad():
        mesh = points.mesh
        each = (_same_rows if mesh.faces.is_cpu else _kept_same_rows)(len(mesh.faces), mesh.faces.device)
        corners = torch.eye(3, dtype=mesh.positions.dtype, device=mesh.positions.device)
        weights, slopes = interpolate(corners, each, points.fragments, derivatives=True)
        # The weight of a corner is its height above the opposite edge; over its slope, in samples.
        slope = slopes.norm(dim=-1)
        distance = (weights / slope).amin(-1, keepdim=True)
        circle = 1 / slope.sum(-1, keepdim=True)
        half = width * points.supersample / 2
        strength = (half + 0.5 - distance).clamp(0, 1) * (circle / (2 * half)).clamp(max=1)
        strength = torch.where(points.covered, strength, 0)
    between = base(points, as_lights(lights))
    return torch.lerp(between, like(color, points.position).expand_as(between), strength.to(between.dtype))


def _same_rows(count: int, device: torch.device) -> Tensor:
    """int32 (count, 3): 0, 1, 2 for each face."""
    return torch.arange(3, dtype=torch.int32, device=device).expand(count, 3).contiguous()


# On a GPU, which has to be waited for to check a new tensor of indices.
_kept_same_rows = lru_cache(maxsize=4)(torch.inference_mode(False)(_same_rows))
