"""The specification of `voxelize`: plain PyTorch in int64, every face against every cell.

Corners lie on a lattice of 1/4096 cell, so all of it is exact. A corner of ABSENT is not finite; its faces are left
out.
"""

import itertools

import torch
from torch import Tensor

UNITS = 4096  # per cell
ABSENT = -(2**31)
# Faces up to this long, this near to the origin: products of three lengths fit into int64.
LONGEST = 128 * UNITS
FARTHEST = 512 * UNITS


def surface(points: Tensor, faces: Tensor, size: tuple[int, int, int]) -> Tensor:
    """The cells that a triangle touches, their borders included: bool (X, Y, Z).

    points  int (V, 3) in lattice units
    faces   int (F, 3)

    Triangle and box are apart if and only if one of 13 directions separates them: the box's three, the triangle's
    normal, and the products of edges and axes (Akenine-Möller 2001). A triangle without area is a segment or a
    point; for these the directions that are left are enough.
    """
    axes = torch.eye(3, dtype=torch.int64)
    low = _cells(size) * UNITS
    found = torch.zeros(size, dtype=torch.bool)
    for corners in _triangles(points, faces):
        edges = corners.roll(-1, 0) - corners
        normal = torch.linalg.cross(edges[0], edges[1])
        across = [torch.linalg.cross(edge, axis) for edge in edges for axis in axes]
        touched = torch.ones(size, dtype=torch.bool)
        for direction in (*axes, normal, *across):
            reach = corners @ direction
            start = low @ direction
            touched &= start + UNITS * direction.clamp(max=0).sum() <= reach.max()
            touched &= start + UNITS * direction.clamp(min=0).sum() >= reach.min()
        found |= touched
    return found


def inside(points: Tensor, faces: Tensor, size: tuple[int, int, int]) -> Tensor:
    """The cells whose centres lie inside: bool (X, Y, Z). Arguments as in `surface`.

    From each centre six rays run along the axes. A ray counts the faces it meets, +1 for each that it leaves through
    and -1 for each that it enters by: the winding number, if the surface is closed. A ray says "inside" if its count
    is not 0.
    - Closed and consistently wound: all rays count the same, also where parts overlap.
    - Closed, wound inconsistently: all rays meet an even number of faces outside. They do so in an overlap of two
      parts as well, but there they agree. So where all meet an even number, "inside" must be unanimous.
    - Open: the rays disagree, and four of six decide.
    """
    says_inside, odd = votes(points, faces, size)
    return says_inside >= torch.where(odd == 0, 6, 4)


def votes(points: Tensor, faces: Tensor, size: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """How many of the six rays say "inside", and how many meet an odd number of faces: int64 (X, Y, Z) each.

    A centre is thought of as moved by (e, e^2, e^3) with an infinitesimal e > 0, so that no centre lies on a face
    and no ray meets an edge (simulation of simplicity, Edelsbrunner and Mücke 1990). Of faces with the same three
    vertices only the first counts: a surface drawn from both sides would cancel itself.
    """
    centre = _cells(size) * UNITS + UNITS // 2
    axes = torch.eye(3, dtype=torch.int64)
    first = {tuple(sorted(face)): face for face in reversed(faces.tolist())}
    triangles = _triangles(points, torch.tensor([*first.values()], dtype=torch.int64).view(-1, 3))
    says_inside, odd = torch.zeros(2, *size, dtype=torch.int64)
    for axis in range(3):
        before, after = torch.zeros(2, *size, dtype=torch.int64)
        for corners in triangles:
            normal = torch.linalg.cross(corners[1] - corners[0], corners[2] - corners[0])
            sign = int(normal[axis].sign())
            hit = torch.full(size, sign != 0)
            for a, b in itertools.pairwise([0, 1, 2, 0]):
                # The plane through the edge along the axis; positive on the side of the triangle.
                slope = torch.linalg.cross(axes[axis], corners[b] - corners[a]) * sign
                hit &= _moved_sign((centre - corners[a]) @ slope, slope) > 0
            beyond = _moved_sign((centre - corners[0]) @ normal, normal) * sign > 0
            before += sign * (hit & beyond)
            after += sign * (hit & ~beyond)
        says_inside += (before != 0).long() + (after != 0).long()
        odd += before % 2 + after % 2
    return says_inside, odd


def _moved_sign(value: Tensor, coefficients: Tensor) -> Tensor:
    """Sign of a linear function at moved centres: where its value is 0, that of its first coefficient that is not."""
    signs = [int(sign) for sign in coefficients.sign() if sign != 0]
    return torch.where(value == 0, signs[0] if signs else 0, value.sign())


def _cells(size: tuple[int, int, int]) -> Tensor:
    """int64 (X, Y, Z, 3): the index of each cell."""
    return torch.stack(torch.meshgrid(*map(torch.arange, size), indexing="ij"), -1)


def _triangles(points: Tensor, faces: Tensor) -> Tensor:
    """int64 (F, 3, 3): the corners of the faces that are finite."""
    corners = points.long()[faces.long()]
    corners = corners[(corners != ABSENT).flatten(1).all(1)]
    long = len(corners) and int((corners.amax(1) - corners.amin(1)).max()) > LONGEST
    if long or (len(corners) and int(corners.abs().max()) > FARTHEST):
        raise ValueError(
            "voxelize: the reference takes faces up to 128 cells long, within 512 cells of the origin. "
            'Ask for fewer cells, or for backend="native".'
        )
    return corners
