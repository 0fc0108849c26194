"""Where two surfaces pass through one another between two neighbouring pixel centres: the specification in Python.

Seen from pixel p, a point X pixels to the right and Y below its centre lies on the plane of a face with corners
(x, y, z, w) where

    beta_k(X, Y) = n_k . (X, Y, 1),    n_k = (v_k+1 x v_k+2) / det[v_0 v_1 v_2],    v = w * (pixel of the corner - p, 1)

are the corners' weights, divided by w: sum_k beta_k w_k = 1. The depth of the plane, z / w, is sum_k beta_k z_k: linear
on the screen, and right for corners behind the camera, too. A point is on the face if no beta_k is negative.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

FLATTEST = 1e-6  # change of the difference of two depths per pixel below which two surfaces count as one
SLACK = 1.0  # how far outside of the pair the planes of the two faces may meet, in pixels: surfaces are curved
MAX_STEPS = 64  # faces between two pixel centres


class Intersections(NamedTuple):
    """One row per pair of pixels, ordered by image, inner pixel, and axis.

    inner   int64 (N,)     the left or upper pixel: an index into (B, H, W) read as one line
    outer   int64 (N,)     its neighbour to the right or below
    faces   int32 (N, 2)   the faces that meet: of the surface that the inner pixel shows, and the outer one
    offset  float (N,)     distance from the inner pixel's centre to where the faces meet, in pixels, in [0, 1]
    axis    int8 (N,)      0: the two pixels lie in one row; 1: in one column
    """

    inner: Tensor
    outer: Tensor
    faces: Tensor
    offset: Tensor
    axis: Tensor


class Seen(NamedTuple):
    """A face as seen along the line from a pixel centre to its neighbour.

    front    counter-clockwise as seen
    weights  beta_k: at the centre, change per pixel along the line, change per pixel aside of it
    depth    likewise: their sum with z
    """

    face: int
    front: bool
    weights: list[list[float]]
    depth: list[float]


def intersections(fragments: Any, image: Tensor, topology: Any) -> Intersections:
    """List where the surfaces that neighbouring pixels show meet (see the package's docstring).

    fragments  face_id (B, H, W), positions (B, V, 4) or (V, 4), faces (F, 3), as `rasterize` returned them
    image      float (B, H, W, C)
    topology   edge_faces (E, 2), face_edges (F, 3), consistent (E,) of the same faces
    """
    width = fragments.face_id.shape[2]
    rows = []
    for inner, axis in _candidates(fragments, image):
        found = _Line(fragments, topology, inner, axis).meeting()
        if found is not None:
            rows.append((inner, inner + (width if axis else 1), *found, axis))
    inner, outer, one, two, offset, axis = zip(*rows, strict=True) if rows else ((),) * 6
    return Intersections(
        torch.tensor(inner, dtype=torch.int64),
        torch.tensor(outer, dtype=torch.int64),
        torch.tensor([one, two], dtype=torch.int32).T.contiguous(),
        torch.tensor(offset, dtype=torch.float32),
        torch.tensor(axis, dtype=torch.int8),
    )


def planes(positions: Tensor, faces: Tensor, pixel: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The faces (N, K) of `positions` float (B, V, 4) or (V, 4), seen from the centres of the pixels (N,).

    Returns the corners' rows in `positions` read as (-1, 4), (N, K, 3), the weights n_k (N, K, 3, 3) and the depth
    (N, K, 3) as coefficients of (X, Y, 1); float64. Not finite for faces seen edge-on.
    """
    height, width = size
    column, row, image = pixel % width, pixel // width % height, pixel // (width * height)
    corners = faces.long()
    if positions.dim() == 3:
        corners = corners + (image * positions.shape[1])[:, None, None]
    x, y, z, w = positions.detach().reshape(-1, 4)[corners].double().unbind(-1)
    u = (x + w) * (width / 2) - (column.double() + 0.5)[:, None, None] * w
    v = (y + w) * (height / 2) - (row.double() + 0.5)[:, None, None] * w
    points = torch.stack([u, v, w], -1)
    one, two, three = points.unbind(-2)
    (a, b, c), (d, e, f) = (torch.stack(rows, -2).unbind(-1) for rows in ((two, three, one), (three, one, two)))
    normals = torch.stack([b * f - c * e, c * d - a * f, a * e - b * d], -1)
    weights = normals / (normals[..., 0, :] * points[..., 0, :]).sum(-1)[..., None, None]
    return corners, weights, (weights * z[..., None]).sum(-2)


def _candidates(fragments: Any, image: Tensor) -> list[tuple[int, int]]:
    """(inner pixel, axis) of the pairs that differ in colour and show two faces without a common vertex, in order."""
    face_id = fragments.face_id
    pixels = torch.arange(face_id.numel()).view(face_id.shape)
    colors, found = image.detach().flatten(0, 2), []
    for axis in (0, 1):
        along = 2 - axis
        length = max(pixels.shape[along] - 1, 0)
        inner, outer = pixels.narrow(along, 0, length).flatten(), pixels.narrow(along, -length, length).flatten()
        shown = face_id.flatten()[torch.stack([inner, outer], 1)].long()
        corners = fragments.faces.long()[shown]  # (N, 2, 3)
        apart = (corners[:, 0, :, None] != corners[:, 1, None, :]).flatten(1).all(1) & (shown >= 0).all(1)
        apart &= (colors[inner] != colors[outer]).any(1)
        found += [(pixel, axis) for pixel in inner[apart].tolist()]
    return sorted(found)


class _Line:
    """The line between the centres of a pair of pixels, and the surfaces along it."""

    def __init__(self, fragments: Any, topology: Any, inner: int, axis: int) -> None:
        self.fragments, self.topology, self.inner, self.axis = fragments, topology, inner, axis

    def meeting(self) -> tuple[int, int, float] | None:
        """The two faces that meet and where, in pixels from the inner centre."""
        shown = self.fragments.face_id.flatten()
        one = self.see(int(shown[self.inner]))
        two = self.see(int(shown[self.inner + (self.fragments.face_id.shape[2] if self.axis else 1)]))
        if one is None or two is None:
            return None
        guess = _planes_meet(one, two)
        if guess is None or not -SLACK <= guess <= 1 + SLACK:
            return None
        (end_of_one, last), (end_of_two, first) = self.follow(one, 1, 1.0), self.follow(two, -1, 0.0)
        if end_of_one.face == two.face or end_of_two.face == one.face or not first < last:
            return None  # the same surface, or none behind
        before, after = (self.behind(one, two, place) for place in (first, last))
        if not (before <= 0 <= after and after - before > FLATTEST * (last - first)):
            return None
        guess = first - before * (last - first) / (after - before)
        one, two = self.follow(one, 1, guess)[0], self.follow(two, -1, guess)[0]
        if set(self.corners(one.face)) & set(self.corners(two.face)):
            return None
        offset = _planes_meet(one, two)
        along, across = (one.depth[k] - two.depth[k] for k in (1, 2))
        steep = along >= abs(across) if self.axis == 0 else along > abs(across)
        return (one.face, two.face, min(1.0, max(0.0, offset))) if offset is not None and steep else None

    def see(self, face: int) -> Seen | None:
        """None if the face is seen edge-on."""
        _, height, width = self.fragments.face_id.shape
        pixel = torch.tensor([self.inner])
        faces = torch.tensor([self.corners(face)])[None]
        _, weights, depth = planes(self.fragments.positions.float(), faces, pixel, (height, width))
        if not weights.isfinite().all():
            return None
        order = [2, self.axis, 1 - self.axis]
        image = slice(None) if self.fragments.ranges is not None else self.inner // (height * width)
        clip = self.fragments.positions[image][self.corners(face)].float().double()
        front = bool(torch.linalg.det(clip[:, [0, 1, 3]]) < 0)
        return Seen(face, front, weights[0, 0][:, order].tolist(), depth[0, 0][order].tolist())

    def corners(self, face: int) -> list[int]:
        return self.fragments.faces[face].tolist()

    def behind(self, one: Seen, two: Seen, place: float) -> float:
        """How far the first surface is behind the second at a place to which both go."""
        return _at(self.follow(one, 1, place)[0], place) - _at(self.follow(two, -1, place)[0], place)

    def follow(self, seen: Seen, direction: int, place: float) -> tuple[Seen, float]:
        """Follow the surface from face to face, in the direction +1 or -1, to the face at `place`.

        Returns that face and the place, or the last face and where it ends if the surface ends or turns back before.
        """
        entered, steps = -1, 0
        while True:
            exits = []
            for k, (at, along, _) in enumerate(seen.weights):
                edge = int(self.topology.face_edges[seen.face, (k + 1) % 3])  # across from corner k
                if direction * along < 0 and edge != entered:
                    exits.append((direction * (-at / along), k, edge))
            reached, _, edge = min(exits, default=(torch.inf, 0, -1))
            if reached >= direction * place:
                return seen, place
            if edge < 0 or steps == MAX_STEPS:
                return seen, direction * reached
            sides = self.topology.edge_faces[edge].tolist()
            face = sides[1] if sides[0] == seen.face else sides[0]
            following = self.see(face) if face >= 0 else None
            if following is None or (following.front == seen.front) != bool(self.topology.consistent[edge]):
                return seen, direction * reached
            seen, entered, steps = following, edge, steps + 1


def _at(seen: Seen, place: float) -> float:
    return seen.depth[0] + place * seen.depth[1]


def _planes_meet(one: Seen, two: Seen) -> float | None:
    """Where the depths are equal; None if the planes hardly part, or the first is not the nearer one before."""
    along = one.depth[1] - two.depth[1]
    return (two.depth[0] - one.depth[0]) / along if along > FLATTEST else None
