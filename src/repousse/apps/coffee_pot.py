"""A painted coffee pot: something round, hollowed and with a hole, to take pictures of and to find again."""

import math

import torch
from torch import Tensor

from repousse.geometry import Material, Mesh, Texture, vertex_normals
from repousse.voxels import VoxelGrid, marching_cubes

_SIZE = 512  # of the texture, which goes once around the pot and from its foot to its knob
_CREAM, _BLUE, _RUST, _GOLD = (0.87, 0.80, 0.66), (0.035, 0.10, 0.36), (0.55, 0.085, 0.03), (0.72, 0.42, 0.06)
_LOW, _HIGH = -0.8, 0.85


def coffee_pot(resolution: int = 96) -> Mesh:
    """A coffee pot with spout, lid and handle, painted in blue, rust and gold.

    resolution  cells along its longest side, 16 to 512

    Watertight, genus 1 (the hole of the handle), concave at neck and spout; y up, longest side 2, spout at +x. "uv" are
    the angle around the y-axis and the height; u goes beyond 1 where faces cross the seam at the handle, and the
    texture repeats. ImportError without scikit-image.
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
    belly = _ellipsoid(points, (0, -0.25, 0), (0.57, 0.47, 0.57))
    foot = _ellipsoid(points, (0, -0.72, 0), (0.40, 0.07, 0.40))
    neck = _cone(points, (0, 0.0, 0), (0, 0.42, 0), 0.36, 0.25)
    lid = _ellipsoid(points, (0, 0.52, 0), (0.34, 0.13, 0.34))
    knob = _ellipsoid(points, (0, 0.72, 0), (0.10, 0.10, 0.10))
    spout = _cone(points, (0.40, -0.28, 0), (0.72, 0.10, 0), 0.16, 0.09)
    spout = _blend(spout, _cone(points, (0.72, 0.10, 0), (0.88, 0.36, 0), 0.09, 0.065), 0.05)
    handle = _ring(points, (-0.50, 0.04, 0), (0.36, 0.36), 0.07)
    pot = belly
    for part, blend in ((foot, 0.06), (neck, 0.10), (lid, 0.03), (knob, 0.04), (spout, 0.05), (handle, 0.04)):
        pot = _blend(pot, part, blend)
    return pot


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
    """Angle and height of each corner of each face, and their index; u is continuous within every face."""
    x, y, z = mesh.positions.double().unbind(1)
    u = 0.5 - torch.atan2(z, x) / (2 * math.pi)
    v = (y - _LOW) / (_HIGH - _LOW)
    corners = torch.stack((u, v), -1)[mesh.faces.long()]
    first = corners[:, :1, 0]
    corners[..., 0] -= (corners[..., 0] - first).round()
    corners[..., 0] -= corners[..., 0].amin(1, keepdim=True).floor()
    values, index = corners.float().view(-1, 2).unique(dim=0, return_inverse=True)
    return values, index.view(-1, 3).int()


def _painting() -> Tensor:
    """(H, W, 3), linear; painted twice as fine, then averaged."""
    steps = (torch.arange(2 * _SIZE, dtype=torch.float64) + 0.5) / (2 * _SIZE)
    v, u = torch.meshgrid(1 - steps, steps, indexing="ij")
    height = _LOW + v * (_HIGH - _LOW)
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
    at_handle = (u - 0.5).abs() > 0.44
    stripes = at_handle & (height > -0.1) & (height < 0.45)
    paint(stripes, _CREAM)
    paint(stripes & ((height * 16) % 1 < 0.4), _BLUE)
    at_spout = ((u - 0.5).abs() < 0.028) & (height > 0.0)
    paint(at_spout & (height < 0.45), _CREAM)
    paint(at_spout & (height > 0.22) & (height < 0.45), _RUST)
    coarse = picture.view(_SIZE, 2, _SIZE, 2, 3).mean((1, 3))
    return coarse.float()
