"""Shapes of the audit that are no primitives, and what colours and turns them."""

import math

import torch
from torch import Tensor

from repousse.geometry import Material, Mesh, Texture, cube, join, plane, torus
from repousse.geometry.mesh import Attribute


def painted(mesh: Mesh) -> Mesh:
    """With vertex colours that vary smoothly over its extent."""
    waves = torch.tensor([[2.6, 1.1, -0.7], [-1.3, 2.9, 0.8], [0.9, -1.5, 3.1]])
    color = 0.5 + 0.4 * torch.sin(mesh.positions @ waves.T + torch.tensor([0.3, 1.4, 2.2]))
    return mesh.with_attribute("color", color)


def coloured(mesh: Mesh, color: tuple[float, float, float]) -> Mesh:
    return mesh.with_attribute("color", torch.tensor(color).expand(len(mesh.positions), 3))


def turned(mesh: Mesh, angles: tuple[float, float, float], shift: tuple[float, float, float] = (0, 0, 0)) -> Mesh:
    """Rotated by a rotation vector in radians, then moved."""
    return mesh.with_positions(mesh.positions @ rotation(torch.tensor(angles)).T + torch.tensor(shift))


def rotation(vector: Tensor) -> Tensor:
    """The rotation (3, 3) about `vector` (3,) by its length in radians."""
    return torch.linalg.matrix_exp(cross_matrix(vector))


def cross_matrix(vector: Tensor) -> Tensor:
    """(3, 3) with cross_matrix(a) @ b = a x b."""
    x, y, z = vector.unbind()
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).view(3, 3)


def torus_knot(around: int = 240, along: int = 20, radius: float = 0.17) -> Mesh:
    """A tube along the (2, 3) torus knot."""
    mesh = torus(resolution=(around, along))
    t = torch.arange(around, dtype=torch.float64) * (2 * math.pi / around)

    def knot(t: Tensor) -> Tensor:
        ring = 0.5 + 0.22 * torch.cos(3 * t)
        return torch.stack([ring * torch.cos(2 * t), ring * torch.sin(2 * t), 0.32 * torch.sin(3 * t)], 1) * 1.15

    tangent = torch.nn.functional.normalize(knot(t + 1e-4) - knot(t - 1e-4), dim=1)
    out = torch.stack([torch.cos(2 * t), torch.sin(2 * t), torch.zeros_like(t)], 1)  # from the axis: never along it
    side = torch.nn.functional.normalize(torch.linalg.cross(tangent, out), dim=1)
    up = torch.linalg.cross(side, tangent)
    turn = torch.arange(along, dtype=torch.float64) * (2 * math.pi / along)
    tube = turn.cos()[:, None, None] * side + turn.sin()[:, None, None] * up
    return Mesh((knot(t) + radius * tube).view(-1, 3).float(), mesh.faces)


def rods(radius: float) -> Mesh:
    """Seven prisms with six sides, criss-cross, none along an axis of the picture."""
    generator = torch.Generator().manual_seed(8)
    parts = []
    for k in range(7):
        ends = torch.randn(3, generator=generator)
        color = 0.25 + 0.7 * torch.rand(3, generator=generator)
        shift = torch.tensor([0.26 * (k - 3), 0.1 * math.sin(2.0 * k), 0.12 * math.cos(3.0 * k)])
        turn = (0.5 * float(ends[0].tanh()), 1.2 * float(ends[1]), 0.25 + 0.5 * float(ends[2].tanh()))
        rod = _prism(radius, 1.5)
        parts.append(coloured(turned(rod, turn, tuple(shift.tolist())), tuple(color.tolist())))
    return join(parts)


def _prism(radius: float, length: float, sides: int = 6) -> Mesh:
    """Along y, closed, around the origin."""
    angle = torch.arange(sides) * (2 * math.pi / sides)
    ring = torch.stack([radius * angle.sin(), torch.zeros(sides), radius * angle.cos()], 1)
    half = torch.tensor([0.0, length / 2, 0.0])
    k = torch.arange(sides)
    n = (k + 1) % sides
    walls = [torch.stack([k, n, n + sides], 1), torch.stack([k, n + sides, k + sides], 1)]
    low = torch.stack([torch.zeros(sides - 2).long(), k[2:], k[1:-1]], 1)
    high = torch.stack([torch.zeros(sides - 2).long(), k[1:-1], k[2:]], 1) + sides
    return Mesh(torch.cat([ring - half, ring + half]), torch.cat([*walls, low, high]))


def cloth(resolution: int = 32) -> Mesh:
    """A sheet with waves and a fold, open all around."""
    mesh = plane(1.35, resolution)
    x, _, z = mesh.positions.unbind(1)
    height = 0.16 * torch.sin(3.2 * x + 1.5 * z) + 0.12 * torch.cos(4.1 * z - 1.2 * x)
    lean = 0.25 * torch.sin(2.3 * z + x)
    return Mesh(torch.stack([x + lean * height, 1.6 * height - 0.1 * x, z + 0.6 * lean], 1), mesh.faces)


def crumbs(count: int, size: float) -> Mesh:
    """Cubes here and there in a ball."""
    generator = torch.Generator().manual_seed(11)
    parts = []
    for _ in range(count):
        place = torch.randn(3, generator=generator)
        place = 0.9 * place / place.norm() * torch.rand((), generator=generator) ** (1 / 3)
        turn, color = torch.randn(3, generator=generator), 0.2 + 0.8 * torch.rand(3, generator=generator)
        part = turned(cube(size), tuple(turn.tolist()), tuple(place.tolist()))
        parts.append(coloured(part, tuple(color.tolist())))
    return join(parts)


def seamed_plane(resolution: int = 4, texels: int = 128) -> Mesh:
    """A bent square whose left half lies in the right half of its texture and the other way round.

    The colours are continuous across the seam between the halves: both islands of the texture reach a little
    further than the surface does.
    """
    flat = plane(1.5, resolution)
    x, _, z = flat.positions.unbind(1)
    s = x / 1.5 + 0.5
    right = s[flat.faces.long()].mean(1) > 0.5
    uv = flat.attributes["uv"]
    corners = uv.values[uv.faces.long()]  # (F, 3, 2), of which u is s
    # 0.45 of the texture for each half and a margin of 0.025 on both sides of it.
    u = torch.where(right[:, None], 0.025 + 0.9 * (corners[..., 0] - 0.5), 0.525 + 0.9 * corners[..., 0])
    table = torch.stack([u, corners[..., 1]], -1).view(-1, 2)
    attribute = Attribute(table, torch.arange(len(table)).view(-1, 3))
    texture = Texture(_islands(texels), wrap=("clamp", "clamp"))
    bent = torch.stack([x, 0.12 * torch.sin(2.5 * x + z), z], 1)
    return Mesh(bent, flat.faces, {"uv": attribute}).with_materials([Material(base_color_texture=texture)])


def _islands(texels: int) -> Tensor:
    """(texels, texels, 3): the pattern's right half on the left, its left half on the right."""
    centre = (torch.arange(texels) + 0.5) / texels
    u, v = centre[None, :].expand(texels, texels), 1 - centre[:, None].expand(texels, texels)
    s = torch.where(u < 0.5, 0.5 + (u - 0.025) / 0.9, (u - 0.525) / 0.9)
    waves = [torch.sin(17 * s + 4 * v), torch.sin(15 * v - 6 * s + 1), torch.cos(10 * (s + v))]
    return 0.5 + 0.4 * torch.stack(waves, -1)
