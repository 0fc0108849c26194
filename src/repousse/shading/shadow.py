"""Shadows: what a light sees is lit (Williams 1978, "Casting curved shadows on curved surfaces").

A depth map holds how far a light sees along each ray. A point farther away than that lies in the shadow. Because a map
has texels and surfaces have slopes, a plain comparison makes surfaces shade themselves in stripes. Against that:

- The comparison follows the surface's own plane: what is compared with a texel's depth is where the plane of the
  point's face passes under that texel (Isidoro 2006, "Shadow mapping: GPU-based tips and techniques"). Flat surfaces
  then agree with the map to rounding, at any slope.
- The depth kept is half way to the second surface behind the first (Woo 1992, "The shadow depth map revisited"), but at
  most `MOST_BIAS` texels behind the first one: curved surfaces, which leave their planes, do not shade themselves.
  What casts a shadow lies in front of the middle and what receives it behind, so shadows begin where things touch.
"""

import operator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from repousse.core.numbers import tensor_of
from repousse.geometry import Mesh
from repousse.ops import interpolate, layers
from repousse.shading.lights import Directional, Light, PointLight, Rays
from repousse.shading.points import Points

LEAST_BIAS, MOST_BIAS = 0.25, 4.0  # in widths of a texel
STEEPEST = 32.0  # slope up to which planes are followed: light that falls at 2 degrees
NEAR = 1e-4  # of the distance to the farthest vertex: what is nearer to a lamp casts no shadow
MAX_SIZE, MAX_SOFTNESS = 8192, 8
BLOCK = 2**17  # points


@dataclass(frozen=True, eq=False)
class Shadowed(Light):
    """A light that does not shine through things.

    >>> sun = Shadowed(Directional((1, 2, 1)))
    >>> picture = render(scene, camera, (512, 512), lights=[Ambient(0.3), sun])  # doctest: +SKIP

    light     `Directional`, or `PointLight`, which takes six maps
    mesh      what casts shadows; by default the mesh that is drawn. The map of a directional light covers the mesh's
              bounding sphere, so without a wide floor, which seldom casts a shadow, shadows get sharper
    size      texels along each side of a depth map, 32 to 8192
    softness  half the width of the shadows' borders in texels, 0 to 8

    Where a mesh is drawn, points belong to its faces; points given without mesh and fragments have the plane of their
    normal. Faces shut out light from both sides.

    The share of the light that arrives has no derivative: neither do shadows move with what casts them, nor does the
    edge of a shadow pull at a light. Through the light's own direction and strength gradient flows as without shadow.

    The map is drawn anew with each picture. Memory: about 60 bytes per texel, map and scene.

    Raises TypeError for other lights, ValueError for sizes and for batches that do not match.
    """

    light: Directional | PointLight
    mesh: Mesh | None = None
    size: int = 1024
    softness: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.light, Directional | PointLight):
            raise TypeError(
                f"Shadowed: `light` is a {type(self.light).__name__}. Only Directional and PointLight cast shadows."
            )
        if self.mesh is not None and not isinstance(self.mesh, Mesh):
            raise TypeError(f"Shadowed: `mesh` is a {type(self.mesh).__name__}, not a Mesh.")
        _check_whole("size", self.size, 32, MAX_SIZE)
        _check_whole("softness", self.softness, 0, MAX_SOFTNESS)

    def rays(self, points: Points) -> Rays:
        direction, strength = self.light.rays(points)
        return Rays(direction, strength * self.visibility(points))

    @torch.no_grad()
    def visibility(self, points: Points) -> Tensor:
        """Share of the light that arrives at each point: float (B, H, W, 1) from 0 to 1."""
        mesh = points.mesh if self.mesh is None else self.mesh
        if mesh is None:
            raise ValueError("Shadowed: the points have no mesh. Give what casts shadows: Shadowed(light, mesh).")
        views = _views(self.light, mesh, self.size, self.softness)
        if len(views.origin) not in (1, len(points.position)):
            raise ValueError(f"Shadowed: shadows of {len(views.origin)} meshes on {len(points.position)} pictures.")
        maps = torch.stack([_depth_map(mesh, views, k, self.size) for k in range(views.axes.shape[1])], 1)
        known = points.mesh is not None and points.fragments is not None
        normal = points.face_normal if known else points.normal
        # In parts that stay in the cache: many passes are made over each point.
        rows = max(1, BLOCK // (points.position.shape[0] * points.position.shape[2]))
        parts = zip(points.position.float().split(rows, 1), normal.float().split(rows, 1), strict=True)
        found = torch.cat([_compare(maps, views, *part, self.softness) for part in parts], 1)
        return found.to(points.position.dtype)


def _check_whole(name: str, value: int, least: int, most: int) -> None:
    try:
        good = least <= operator.index(value) <= most
    except TypeError:
        good = False
    if not good:
        raise ValueError(f"Shadowed: `{name}` must be a whole number from {least} to {most}, not {value!r}.")


# ---- what the light sees ---------------------------------------------------------------------------------------------


class _Views(NamedTuple):
    """K square pictures that a light takes of each of N scenes: one of parallel rays, or six from a lamp.

    origin  float (N, 3)
    axes    float (N, K, 3, 3)  rows: right, down, forward
    half    float (N,)          half the width; of a lamp at distance 1
    far     float (N,)          nothing is farther away from the origin
    lamp    bool
    """

    origin: Tensor
    axes: Tensor
    half: Tensor
    far: Tensor
    lamp: bool

    def texel(self, distance: Tensor, size: int) -> Tensor:
        """Width of a texel (N, ...) in world units at a distance (N, ...)."""
        width = (2 / size) * self.half.view(-1, *[1] * (distance.ndim - 1))
        return width * distance if self.lamp else width.expand_as(distance)


def _views(light: Directional | PointLight, mesh: Mesh, size: int, softness: int) -> _Views:
    positions = mesh.positions.detach().float()
    margin = size / (size - 2 * (softness + 2))  # an empty border, for what lies outside and for the filter
    low, high = _bounds(mesh, positions)
    place = light.position if isinstance(light, PointLight) else light.direction
    place = tensor_of(place, torch.float32, positions.device).detach().view(-1, 3)
    if len(place) not in (1, len(low)) and (len(low) > 1 or mesh.ranges is not None):
        raise ValueError(f"Shadowed: the light is set for {len(place)} pictures, but there are {len(low)} meshes.")
    centre, radius = (low + high) / 2, 0.5 * (high - low).norm(dim=-1)
    radius = torch.where(radius > 0, 1.001 * radius, 1)
    if isinstance(light, PointLight):
        far = radius + (centre - place).norm(dim=-1)
        origin = place.expand(len(far), 3)
        return _Views(origin, _cube(origin), torch.full_like(far, margin), far, True)
    forward = -torch.nn.functional.normalize(place, dim=-1)
    count = max(len(forward), len(centre))
    axes = _frame(forward)[:, None].expand(count, 1, 3, 3)
    return _Views(centre.expand(count, 3), axes, (margin * radius).expand(count), radius.expand(count), False)


def _bounds(mesh: Mesh, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest corner (N, 3) of the boxes around the faces' vertices; 0 if there are none."""
    used = torch.zeros(positions.shape[-2], dtype=torch.bool, device=positions.device)
    used.index_fill_(0, mesh.faces.long().flatten(), True)  # assigning a number would copy it to a GPU
    good = (used & positions.isfinite().all(-1))[..., None]
    ends = torch.where(good, positions, torch.inf), torch.where(good, positions, -torch.inf)
    if mesh.vertex_ranges is None:
        low, high = (end.view(-1, *end.shape[-2:]) for end in ends)
        low, high = low.amin(1), high.amax(1)
    else:
        parts = mesh.vertex_ranges[:, 1].tolist()
        low = torch.stack([part.amin(0) for part in ends[0].split(parts)])
        high = torch.stack([part.amax(0) for part in ends[1].split(parts)])
    some = low <= high
    return torch.where(some, low, 0), torch.where(some, high, 0)


def _frame(forward: Tensor) -> Tensor:
    """Right, down and forward (N, 3, 3), whatever way they are turned around `forward` (N, 3)."""
    aside = torch.nn.functional.one_hot(forward.abs().argmin(-1), 3).to(forward)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, aside), dim=-1)
    return torch.stack([right, torch.linalg.cross(forward, right), forward], 1)


def _cube(like: Tensor) -> Tensor:
    """The axes (N, 6, 3, 3) of views along +x, -x, +y, ...: right and down are the two axes that follow.

    Three of the views are mirrored, which no one sees.
    """
    axes = torch.eye(3, dtype=like.dtype, device=like.device)
    views = [torch.stack([axes[m - 2], axes[m - 1], sign * axes[m]]) for m in range(3) for sign in (1, -1)]
    return torch.stack(views).expand(len(like), 6, 3, 3)


def _depth_map(mesh: Mesh, views: _Views, k: int, size: int) -> Tensor:
    """How far a light sees in its k-th view (N, size, size), bias included; infinity where nothing stops it."""
    positions = mesh.positions.detach().float()
    origin, axes, half, far = views.origin[:, None], views.axes[:, k], views.half[:, None], views.far[:, None]
    if mesh.vertex_ranges is None:
        seen = (positions - origin) @ axes.mT
    else:
        owner = torch.arange(len(mesh.vertex_ranges)).repeat_interleave(mesh.vertex_ranges[:, 1])
        owner = owner.to(origin.device, non_blocking=True)
        owner = owner if len(origin) > 1 else torch.zeros_like(owner)
        seen = torch.einsum("vij,vj->vi", axes[owner], positions - origin[owner, 0])
        half, far = half[owner, 0], far[owner, 0]
    x, y, z = seen.unbind(-1)
    if views.lamp:
        clip = torch.stack([x / half, y / half, (z - NEAR * far) / (1 - NEAR), z], -1)
    else:
        clip = torch.stack([x / half, y / half, (z / far + 1) / 2, torch.ones_like(z)], -1)
    found = layers(clip.contiguous(), mesh.faces, (size, size), 2, ranges=mesh.ranges)
    first, second = (interpolate(seen[..., 2:], mesh.faces, layer)[..., 0] for layer in found)
    gap = torch.where(found[1].face_id >= 0, second - first, torch.inf)
    texel = views.texel(first, size)
    bias = torch.minimum(torch.maximum(gap / 2, LEAST_BIAS * texel), MOST_BIAS * texel)
    return torch.where(found[0].face_id >= 0, first + bias, torch.inf)


# ---- what it does not see --------------------------------------------------------------------------------------------


def _compare(maps: Tensor, views: _Views, position: Tensor, normal: Tensor, softness: int) -> Tensor:
    """Percentage-closer filtering (Reeves et al. 1987): the share of the texels around a point that do not hide it.

    The texels are those of a square 2 softness + 1 wide with the point in its middle, weighted by their area in it.
    """
    size = maps.shape[-1]
    x, y, z, nx, ny, nz, view = _in_view(views, position, normal)
    texel = views.texel(z, size)
    # Along the plane of the point's face, per texel to the right and down; a ray is (x, y, 1) / z or (0, 0, 1).
    along = nx * x + ny * y + nz if views.lamp else nz
    slope = torch.where(along == 0, 0, -texel / torch.where(along == 0, 1, along))
    steep = (nx.square() + ny.square()).sqrt() * slope.abs() / (STEEPEST * texel)
    slope = slope / steep.clamp(min=1)
    half = views.half[:, None, None]
    column, row = ((c / half + 1) * (size / 2) - 0.5 for c in (x, y))  # of the point, counted from the first centre
    column, row = (c.clamp(-softness - 2, size + softness + 1) for c in (column, row))
    left, top = column.floor() - softness, row.floor() - softness
    first = (torch.arange(len(maps), device=maps.device)[:, None, None] * maps.shape[1] + view) * size
    taps = range(2 * softness + 2)
    places = [(left + j).long().clamp(0, size - 1) for j in taps]
    offsets = [slope * nx * (left + j - column) for j in taps]
    widths = [_share(column, j, taps[-1]) for j in taps]
    lit, all_lit, width = torch.zeros_like(z), torch.zeros_like(z), sum(widths, torch.zeros_like(z))
    for i in taps:
        line = (first + (top + i).long().clamp(0, size - 1)) * size
        height = z + slope * ny * (top + i - row)
        shown = torch.zeros_like(z)
        for j in taps:
            shown += (height + offsets[j] <= maps.view(-1)[line + places[j]]) * widths[j]
        share = _share(row, i, taps[-1])
        lit += shown * share
        all_lit += width * share
    return (lit / all_lit)[..., None]  # exactly 1 where nothing hides the light: both are the same sum


def _share(centre: Tensor, tap: int, last: int) -> Tensor | float:
    """How much of a texel lies in the square, along one axis: only the first and the last are cut."""
    if tap not in (0, last):
        return 1.0
    rest = centre - centre.floor()
    return 1 - rest if tap == 0 else rest


def _in_view(views: _Views, position: Tensor, normal: Tensor) -> tuple[Tensor, ...]:
    """Points and normals in the view that shows them: x, y of the ray, distance z, normal, number of the view.

    x and y are world units for parallel rays, and of a lamp those at distance 1.
    """
    towards = position - views.origin[:, None, None]
    if not views.lamp:
        axes = views.axes.mT  # (N, 1, 3, 3)
        x, y, z = (towards @ axes).unbind(-1)
        return x, y, z, *(normal @ axes).unbind(-1), torch.zeros_like(z, dtype=torch.int64)
    major = towards.abs().argmax(-1)
    order = torch.stack([(major + 1) % 3, (major + 2) % 3, major], -1)
    towards, normal = (v.expand_as(towards).gather(-1, order) for v in (towards, normal))
    (x, y, z), (nx, ny, nz) = towards.unbind(-1), normal.unbind(-1)
    behind = z < 0
    z = z.abs().clamp(min=torch.finfo(z.dtype).tiny)
    return x / z, y / z, z, nx, ny, torch.where(behind, -nz, nz), 2 * major + behind
