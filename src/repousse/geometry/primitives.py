"""Simple shapes: y-up, right-handed, faces counter-clockwise seen from outside, float32 on the CPU.

By default they just fit into [-1, 1]. Positions are welded: closed shapes have no boundary edges. "uv" has
its own index, so its seams are no edges of the shape, and maps the surface one-to-one: no two places share a
piece of the texture. u grows to the right and v upwards for someone who looks at the surface from outside (at
planes from above, with -z ahead); (0, 0) is the lower left corner of the texture.
"""

import math

import torch
from torch import Tensor

from repousse.geometry.mesh import Attribute, Mesh
from repousse.geometry.topology import topology


def plane(size: float = 2.0, resolution: int = 1) -> Mesh:
    """A square in the xz-plane that faces up, resolution x resolution cells of two faces.

    >>> plane()
    Mesh(4 vertices, 2 faces, uv)
    """
    _check_positive("plane", size=size, resolution=resolution)
    uv, faces = grid(resolution, resolution)
    u, v = (uv - 0.5).unbind(1)
    return _mesh(torch.stack([u, torch.zeros_like(u), -v], dim=1) * size, faces, uv, faces)


def cube(size: float = 2.0, resolution: int = 1) -> Mesh:
    """A cube around the origin, each side resolution x resolution cells of two faces.

    >>> cube()
    Mesh(8 vertices, 12 faces, uv)

    The texture holds the sides +x, +y, +z in its lower row and -x, -y, -z in its upper row.
    """
    _check_positive("cube", size=size, resolution=resolution)
    lattice, cells = grid(resolution, resolution)
    steps = (lattice * resolution).round().long()
    # Right and up of each side as it is seen from outside; their cross product is its normal.
    axes = {"x": [1, 0, 0], "y": [0, 1, 0], "z": [0, 0, 1], "-x": [-1, 0, 0], "-z": [0, 0, -1]}
    sides = [("-z", "y"), ("x", "-z"), ("x", "y"), ("z", "y"), ("x", "z"), ("-x", "y")]
    corners, uv = [], []
    for number, (right, up) in enumerate(sides):
        frame = torch.tensor([axes[right], axes[up]])
        normal = torch.linalg.cross(frame[0], frame[1])
        corners.append((2 * steps - resolution) @ frame + resolution * normal)
        uv.append((lattice + torch.tensor([number % 3, number // 3])) / torch.tensor([3, 2]))
    offsets = len(lattice) * torch.arange(6)
    uv_faces = (cells + offsets[:, None, None]).flatten(0, 1)
    positions, index = weld(torch.cat(corners))
    return _mesh(positions * (size / (2 * resolution)), index[uv_faces], torch.cat(uv), uv_faces)


def torus(ring_radius: float = 0.7, tube_radius: float = 0.3, resolution: tuple[int, int] = (48, 24)) -> Mesh:
    """A ring around the y-axis.

    >>> torus()
    Mesh(1152 vertices, 2304 faces, uv)

    ring_radius  from the axis to the middle of the tube
    tube_radius  of the tube
    resolution   cells around the axis, cells around the tube

    u runs once around the axis; v once around the tube, from its inner side down and up along its outer side.
    """
    around, along = resolution
    _check_positive("torus", ring_radius=ring_radius, tube_radius=tube_radius)
    for count in resolution:
        check_number("torus", "resolution", count, 3, 2**15)
    uv, uv_faces = grid(around, along)
    row, column = torch.arange(along + 1) % along, torch.arange(around + 1) % around
    index = (row[:, None] * around + column).flatten()
    kept = uv.view(along + 1, around + 1, 2)[:-1, :-1].flatten(0, 1)
    angle, tube = (2 * math.pi * (kept - 0.5)).unbind(1)
    distance = ring_radius + tube_radius * tube.cos()
    positions = torch.stack([distance * angle.sin(), tube_radius * tube.sin(), distance * angle.cos()], dim=1)
    return _mesh(positions, index[uv_faces], uv, uv_faces)


def icosphere(subdivisions: int = 3, radius: float = 1.0) -> Mesh:
    """A sphere of 20 * 4**subdivisions nearly equal faces: an icosahedron, split and pushed onto the sphere.

    >>> icosphere(3)
    Mesh(642 vertices, 1280 faces, uv)

    u is the longitude, 0.5 in front (+z), and v the latitude. The seam runs down the back, and u exceeds 1 in
    the faces it crosses: let the texture repeat.
    """
    _check_positive("icosphere", radius=radius)
    check_number("icosphere", "subdivisions", subdivisions, 0, 12)
    positions, faces = _icosahedron()
    for _ in range(subdivisions):
        connections = topology(faces, len(positions))
        middles = positions[connections.edges].sum(dim=1)
        a, b, c = faces.unbind(1)
        ab, bc, ca = (connections.face_edges + len(positions)).unbind(1)
        positions = torch.cat([positions, middles / middles.norm(dim=1, keepdim=True)])
        faces = torch.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], dim=1).view(-1, 3)
    return _mesh(positions * radius, faces, *_spherical(positions, faces))


def _icosahedron() -> tuple[Tensor, Tensor]:
    """Unit positions with vertices 0 and 11 at the poles, and faces."""
    k = torch.arange(5)
    angle = torch.cat([k, k + 0.5]).double() * (2 * math.pi / 5)
    height = torch.tensor([0.5, -0.5], dtype=torch.float64).repeat_interleave(5)
    ring = torch.stack([angle.sin(), height, angle.cos()], dim=1) * (2 / math.sqrt(5))
    pole = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    top, upper, after = torch.zeros(5, dtype=torch.long), 1 + k, 1 + (k + 1) % 5
    lower, after_lower, bottom = upper + 5, after + 5, top + 11
    corners = [
        (top, upper, after),
        (upper, lower, after),
        (lower, after_lower, after),
        (lower, bottom, after_lower),
    ]
    faces = torch.stack([torch.stack(triple, dim=1) for triple in corners], dim=1).view(-1, 3)
    return torch.cat([pole, ring, -pole]), faces.int()


def _spherical(points: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Longitude and latitude in [0, 1] of points on the unit sphere, and their index per face corner."""
    x, y, z = points.where(points.abs() > 1e-12, 0).unbind(1)
    u = 0.5 + torch.atan2(x, z) / (2 * math.pi)
    v = 0.5 + y.clamp(-1, 1).asin() / math.pi
    corners = u[faces]
    at_pole = (faces == 0) | (faces == 11)
    # A face the seam crosses continues to the right of it.
    others = corners.masked_fill(at_pole, math.nan)
    widest = others.nan_to_num(-1).amax(1) - others.nan_to_num(2).amin(1)
    beyond = (widest > 0.5)[:, None] & (corners < 0.5) & ~at_pole
    corners = corners + beyond
    # A pole has no longitude: each face there takes the middle of its other two corners.
    pole_faces, pole_corners = at_pole.nonzero(as_tuple=True)
    middle = corners.masked_fill(at_pole, 0).sum(1)[pole_faces] / 2
    pole_uv = torch.stack([middle, v[faces[pole_faces, pole_corners]]], dim=1)

    table = torch.cat([torch.stack([u, v], 1), torch.stack([u + 1, v], 1), pole_uv])
    index = faces.long() + len(points) * beyond
    index[pole_faces, pole_corners] = 2 * len(points) + torch.arange(len(pole_faces))
    used = torch.zeros(len(table), dtype=torch.bool)
    used[index] = True
    return table[used], (used.cumsum(0) - 1)[index]


def grid(columns: int, rows: int) -> tuple[Tensor, Tensor]:
    """A lattice over the unit square.

    Its points row by row from below, float64 ((rows + 1)(columns + 1), 2), and the two counter-clockwise
    faces of each cell, int64 (2 rows columns, 3).
    """
    v, u = torch.meshgrid(
        torch.arange(rows + 1, dtype=torch.float64) / rows,
        torch.arange(columns + 1, dtype=torch.float64) / columns,
        indexing="ij",
    )
    number = torch.arange((rows + 1) * (columns + 1)).view(rows + 1, columns + 1)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    faces = torch.stack([a, b, c, a, c, d], dim=-1).view(-1, 3)
    return torch.stack([u, v], dim=-1).view(-1, 2), faces


def weld(points: Tensor) -> tuple[Tensor, Tensor]:
    """The different rows of an integer tensor (N, C) and the index (N) of each row among them."""
    return torch.unique(points, dim=0, return_inverse=True)


def _mesh(positions: Tensor, faces: Tensor, uv: Tensor, uv_faces: Tensor) -> Mesh:
    return Mesh(positions.float(), faces, {"uv": Attribute(uv.float(), uv_faces)})


def _check_positive(owner: str, **sizes: float) -> None:
    for name, size in sizes.items():
        if name == "resolution":
            check_number(owner, name, size, 1, 2**13)
        elif not 0 < size < math.inf:
            raise ValueError(f"{owner}: `{name}` must be positive and finite but is {size}.")


def check_number(owner: str, name: str, count: float, least: int, most: int) -> None:
    if not isinstance(count, int) or not least <= count <= most:
        raise ValueError(f"{owner}: `{name}` must be a whole number from {least} to {most} but is {count!r}.")
