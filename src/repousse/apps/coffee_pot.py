"""A painted coffee pot: something round, hollowed and with a hole, to take pictures of and to find again."""

import math

import torch
from torch import Tensor

from repousse.geometry import Material, Mesh, Texture, vertex_normals
from repousse.voxels import VoxelGrid, marching_cubes

_SIZE = 512  # of the texture
# Its lower part goes once around the body and from the foot to the knob; above are two strips, which go once around the
# ring of the handle and along the spout.
_BODY, _SPOUT, _HANDLE = 0.75, 0.8125, 0.9375  # the body's upper end; the middles of the strips
_CREAM, _BLUE, _RUST, _GOLD = (0.87, 0.80, 0.66), (0.035, 0.10, 0.36), (0.55, 0.085, 0.03), (0.72, 0.42, 0.06)
_LOW, _HIGH = -0.8, 0.85
_RING = (-0.50, -0.02, 0.0)  # the middle of the handle's ring


def coffee_pot(resolution: int = 96) -> Mesh:
    """A coffee pot with spout, lid and handle, painted in blue, rust and gold.

    resolution  cells along its longest side, 16 to 512

    Watertight, genus 1 (the hole of the handle), concave at neck and spout; y up, longest side 2, spout at +x. In "uv"
    u goes beyond 1 where faces cross a seam, and the texture repeats. ImportError without scikit-image.
    """
    if not isinstance(resolution, int) or not 16 <= resolution <= 512:
        raise ValueError(f"coffee_pot: `resolution` must be a whole number from 16 to 512, got {resolution!r}.")
    low, high = torch.tensor([-1.0, -0.85, -0.65]), torch.tensor([1.0, 0.9, 0.65])
    cell = float((high - low).max()) / resolution
    x, y, z = (math.ceil(side / cell) for side in (high - low).tolist())
    grid = VoxelGrid(torch.zeros(x, y, z), low, cell)
    inside = -_distance(grid.centres) / (4 * cell)
    mesh = marching_cubes(grid.with_occupancy((0.5 + inside).clamp(0, 1).float()))
    normals = vertex_normals(mesh.positions, mesh.faces)
    uv, faces = _wrapped(mesh)
    mesh = mesh.with_attribute("uv", uv, faces).with_attribute("normal", normals)
    paint = Material("paint", base_color_texture=Texture(_painting(), ("repeat", "clamp")), roughness=0.35)
    return mesh.with_materials([paint]).normalized()


def _distance(points: Tensor) -> Tensor:
    """Signed distance to the pot, roughly: shapes that flow into each other."""
    body, spout, handle = _parts(points)
    return _blend(_blend(body, spout, 0.05), handle, 0.04)


def _parts(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Signed distances to body, spout and handle."""
    body = _ellipsoid(points, (0, -0.25, 0), (0.57, 0.47, 0.57))
    foot = _ellipsoid(points, (0, -0.72, 0), (0.40, 0.07, 0.40))
    neck = _cone(points, (0, 0.0, 0), (0, 0.42, 0), 0.36, 0.25)
    lid = _ellipsoid(points, (0, 0.52, 0), (0.34, 0.13, 0.34))
    knob = _ellipsoid(points, (0, 0.72, 0), (0.10, 0.10, 0.10))
    for part, blend in ((foot, 0.06), (neck, 0.10), (lid, 0.05), (knob, 0.04)):
        body = _blend(body, part, blend)
    low, bend, tip = (0.40, -0.28, 0), (0.72, 0.10, 0), (0.88, 0.36, 0)
    spout = _blend(_cone(points, low, bend, 0.16, 0.09), _cone(points, bend, tip, 0.09, 0.065), 0.05)
    return body, spout, _ring(points, _RING, (0.36, 0.34), 0.07)


def _ellipsoid(points: Tensor, centre: tuple[float, ...], radii: tuple[float, ...]) -> Tensor:
    scaled = (points - points.new_tensor(centre)) / points.new_tensor(radii)
    slope = (scaled / points.new_tensor(radii)).norm(dim=-1).clamp(min=1e-9)
    length = scaled.norm(dim=-1)
    return length * (length - 1) / slope


def _cone(points: Tensor, start: tuple[float, ...], end: tuple[float, ...], first: float, last: float) -> Tensor:
    """A stick with round ends whose radius goes from `first` to `last`."""
    origin, axis = points.new_tensor(start), points.new_tensor(end) - points.new_tensor(start)
    along = (((points - origin) @ axis) / axis.square().sum()).clamp(0, 1)
    return (points - origin - along[..., None] * axis).norm(dim=-1) - (first + along * (last - first))


def _ring(points: Tensor, centre: tuple[float, ...], radii: tuple[float, float], tube: float) -> Tensor:
    """A ring in the xy-plane."""
    x, y, z = (points - points.new_tensor(centre)).unbind(-1)
    around = torch.hypot(x / radii[0], y / radii[1])
    return torch.hypot((around - 1) * min(radii), z) - tube


def _blend(a: Tensor, b: Tensor, width: float) -> Tensor:
    """The union, with a fillet (a polynomial smooth minimum)."""
    share = (0.5 + 0.5 * (b - a) / width).clamp(0, 1)
    return b + (a - b) * share - width * share * (1 - share)


def _wrapped(mesh: Mesh) -> tuple[Tensor, Tensor]:
    """Places on the texture of each corner of each face, and their index; continuous within every face."""
    points = mesh.positions.double()
    x, y, z = points.unbind(1)
    body = torch.stack((0.5 - torch.atan2(z, x) / (2 * math.pi), (y - _LOW) / (_HIGH - _LOW) * _BODY), -1)
    spout = torch.stack((0.1 + 0.8 * (x - 0.4) / 0.55, torch.full_like(x, _SPOUT)), -1)
    angle = torch.atan2(y - _RING[1], x - _RING[0]) / (2 * math.pi)
    handle = torch.stack((angle, torch.full_like(x, _HANDLE)), -1)
    faces = mesh.faces.long()
    part = torch.stack(_parts(points[faces].mean(1))).argmin(0)
    corners = torch.stack((body, spout, handle))[part[:, None], faces]
    first = corners[:, :1, 0]
    corners[..., 0] -= (corners[..., 0] - first).round()
    corners[..., 0] -= corners[..., 0].amin(1, keepdim=True).floor()
    values, index = corners.float().view(-1, 2).unique(dim=0, return_inverse=True)
    return values, index.view(-1, 3).int()


def _painting() -> Tensor:
    """(H, W, 3), linear; painted twice as fine, then averaged."""
    steps = (torch.arange(2 * _SIZE, dtype=torch.float64) + 0.5) / (2 * _SIZE)
    v, u = torch.meshgrid(1 - steps, steps, indexing="ij")
    height = _LOW + v / _BODY * (_HIGH - _LOW)
    picture = torch.tensor(_CREAM, dtype=torch.float64).expand(*u.shape, 3).clone()

    def paint(where: Tensor, color: tuple[float, ...]) -> None:
        picture[where] = picture.new_tensor(color)

    def petals(count: int, middle: float, width: float, tall: float) -> tuple[Tensor, Tensor]:
        """Radius and angle around the nearest of `count` places along a circle."""
        across = ((u * count) % 1 - 0.5) * width
        up = (height - middle) * tall
        return torch.hypot(across, up), torch.atan2(up, across)

    for middle, half, color in (
        (-0.60, 0.022, _BLUE),
        (0.075, 0.020, _BLUE),
        (0.40, 0.028, _RUST),
        (0.58, 0.012, _BLUE),
    ):
        paint((height - middle).abs() < half, color)
    paint(height < -0.68, _BLUE)
    paint(height > 0.63, _RUST)
    radius, angle = petals(7, -0.25, 2.2, 3.4)  # flowers around the belly
    paint(radius < 0.55 + 0.27 * torch.cos(6 * angle), _BLUE)
    paint(radius < 0.30 + 0.12 * torch.cos(6 * angle), _GOLD)
    paint(radius < 0.13, _RUST)
    saw = ((u * 16) % 1 - 0.5).abs() * 2  # a zigzag on the neck
    paint((height - (0.17 + 0.10 * saw)).abs() < 0.018, _RUST)
    radius, _ = petals(16, 0.335, 1.0, 9.0)  # dots below the lid
    paint(radius < 0.24, _BLUE)
    radius, _ = petals(28, -0.53, 1.0, 16.0)
    paint(radius < 0.3, _GOLD)
    strips = v > _BODY
    paint(strips, _CREAM)
    paint((v > 0.875) & ((u * 28) % 1 < 0.4), _BLUE)
    paint(strips & (v < 0.875) & (u > 0.62), _RUST)
    paint(strips & (v < 0.875) & ((u - 0.56).abs() < 0.02), _BLUE)
    coarse = picture.view(_SIZE, 2, _SIZE, 2, 3).mean((1, 3))
    return coarse.float()
