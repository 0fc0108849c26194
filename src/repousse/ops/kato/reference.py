"""The gradient of Kato et al. (2018), as their released code computes it and on silhouettes only: slow, float64,
meant to be read.

An edge of a triangle that moves by one pixel changes the colour of that pixel; how far a corner must move for
the edge to arrive there gives a slope. Every front face asks this for every row and column its edges cross:

- *outside*: the pixels beyond the edge, up to the border of the image. They would take the colour of the
  pixel just inside the edge. Asked only if that pixel shows the face.
- *inside*: the pixels of the face itself. They would take the colour of the pixel just outside the edge.

A pixel takes part if the loss would fall (`e > 0`), and then pulls the two corners of the edge with `e /
distance`. The channels are summed *before* this test: the gradient of several channels is not the sum of
their gradients.

`from_crossings` asks the same two questions of silhouette edges alone. Outside, pixels that a surface nearer than
the edge's own covers are not asked: the edge would pass behind it. Inside, the surface counts up to the next empty
pixel, whatever faces it is made of.

Words used below: a *line* is a column (axis 0) or a row (axis 1) of pixels, at coordinate u; v is the
coordinate along the line, in which corners move. Pixel coordinates here have their origin in the lower left
corner, y up; integer coordinates are pixel centres.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from repousse.ops.crossings import Crossings

SIDES = ((1, 2), (2, 0), (0, 1))  # the corners at the ends of the edge opposite to each corner


class Edge(NamedTuple):
    """A directed edge a -> b and the third corner c, in (u, v) pixels, and the vertex indices of a and b."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    vertex_a: int
    vertex_b: int

    def outward(self, axis: int) -> int:
        """The sign of v on the outer side of this edge of a counter-clockwise face."""
        rising = self.a[0] < self.b[0]
        return -1 if rising == (axis == 0) else 1


class Line(NamedTuple):
    """The pixels of one row or column, lowest v first, and what one unit of v is worth in NDC."""

    face_id: np.ndarray
    image: np.ndarray
    grad: np.ndarray
    unit: float


def visible(corners: Tensor, size: tuple[int, int], near: float, far: float) -> tuple[Tensor, Tensor]:
    """What each pixel shows by the rules of the released code; arguments and results as in `repousse.ops.kato`.

    A pixel shows the nearest face that holds its centre, the lowest of equally near ones. A face holds its whole
    border, corners are where they are (a common edge belongs to both faces), and clockwise faces are not there.
    Depth between corners: 1/z is linear on the screen. Centres are rounded to float32, so that a corner that was
    put on one lies on it; depths too, so that two faces have the same where they meet.

    A corner behind the camera, on which the released code draws nonsense, has the place on the screen that
    dividing by its negative z gave it. Undoing that shows that corner k's share in the point seen at p is
    z_a z_b cross(a - p, b - p), a and b being the other two: for faces before the camera the usual barycentrics.
    """
    height, width = size
    centre_x = (2 * torch.arange(width, dtype=torch.float64) + 1 - width) / width
    centre_y = ((height - 1 - 2 * torch.arange(height, dtype=torch.float64)) / height)[:, None]
    places = [(centre_x, centre_y), (centre_x.float().double(), centre_y.float().double())]
    face_id = torch.full((len(corners), height, width), -1, dtype=torch.int32)
    bary = torch.zeros(len(corners), height, width, 2)
    depth = torch.full(face_id.shape, float(far))
    for item, index in np.ndindex(*corners.shape[:2]):
        x, y, z = corners[item, index].detach().double().cpu().unbind(-1)
        area = (y[2] - y[0]) * (x[1] - x[0]) - (y[1] - y[0]) * (x[2] - x[0])
        if not (corners[item, index].isfinite().all() and area * z.prod() > 0):
            continue
        exact, rounded = (
            torch.stack([z[a] * z[b] * ((py - y[a]) * (x[b] - x[a]) - (px - x[a]) * (y[b] - y[a])) for a, b in SIDES])
            for px, py in places
        )
        share = exact.clamp(min=0)
        share = share / share.sum(0)
        found = torch.tensordot(z, share, 1).float()
        nearer = (rounded >= 0).all(0) & (near < found) & (found < depth[item])
        depth[item][nearer] = found[nearer]
        face_id[item][nearer] = index
        bary[item][nearer] = share[:2, nearer].T.float()
    return face_id, bary


def released(
    positions_ndc: Tensor, faces: Tensor, face_id: Tensor, image: Tensor, grad: Tensor, eps: float = 1e-3
) -> Tensor:
    """The pseudo-gradient of a hard image with respect to the corners' screen positions.

    positions_ndc  float (B, V, 2)     x right, y **up**, the image spans [-1, 1]
    faces          int   (F, 3)        faces that are clockwise in NDC contribute nothing
    face_id        int   (B, H, W)     the face each pixel shows, -1 for none; row 0 is the top
    image          float (B, H, W, C)  what the pixels show: alpha, colours, or both together
    grad           float (B, H, W, C)  gradient of the loss with respect to `image`
    eps            added to every distance (in NDC) so that no pull is infinite

    Returns float64 (B, V, 2). Square images reproduce the released numbers; for others the width counts for x
    and the height for y. Where the released code divides zero by zero (an edge along a line of pixel centres)
    nothing is added.
    """
    points = positions_ndc.detach().double().cpu().numpy()
    corners = faces.detach().cpu().numpy()
    # Row 0 at the bottom, as in the pixel coordinates of this file.
    ids = face_id.detach().cpu().numpy()[:, ::-1]
    pixels = image.detach().double().cpu().numpy()[:, ::-1]
    slopes = grad.detach().double().cpu().numpy()[:, ::-1]
    out = np.zeros_like(points)
    for item in range(len(points)):
        _one_image(out[item], points[item], corners, ids[item], pixels[item], slopes[item], eps)
    return torch.from_numpy(out).to(positions_ndc.device)


def from_crossings(
    positions_ndc: Tensor,
    crossings: Crossings,
    face_id: Tensor,
    depth: Tensor,
    image: Tensor,
    grad: Tensor,
    eps: float = 1e-3,
) -> Tensor:
    """The same pull on silhouette edges only.

    positions_ndc  float (B, V, 2), or (V, 2) shared by the images (packed meshes)
    crossings      where silhouette edges pass between two pixels, see `repousse.ops.crossings`
    depth          float (B, H, W)  z / w of what each pixel shows
    others         as in `released`

    Returns float64, shaped like `positions_ndc`. Edges with an end that is not finite, or that run along the line,
    add nothing.
    """
    points = positions_ndc.detach().double().cpu().numpy()
    # Row 0 at the bottom, as in the pixel coordinates of this file.
    ids = face_id.detach().cpu().numpy()[:, ::-1]
    surface = np.where(ids >= 0, depth.detach().double().cpu().numpy()[:, ::-1], np.inf)
    pixels = image.detach().double().cpu().numpy()[:, ::-1]
    slopes = grad.detach().double().cpu().numpy()[:, ::-1]
    out = np.zeros_like(points)
    size = np.array([face_id.shape[2], face_id.shape[1]])  # width, height
    for inner, outer, ends, offset, along in zip(*(column.tolist() for column in crossings), strict=True):
        item, row, column = np.unravel_index(inner, tuple(face_id.shape))
        place = int(column), int(size[1] - 1 - row)
        # The next pixel along the line: to the right (one further in the list), or up (one row back).
        outward = 1 if (outer > inner) == (along == 0) else -1
        one, gradient = (points, out) if points.ndim == 2 else (points[item], out[item])
        a, b = ((one[ends] * size + size - 1) / 2)[:, [1 - along, along]]
        if not np.isfinite([a, b]).all() or a[0] == b[0]:
            continue
        edge = Edge(a, b, a, *ends)  # no third corner: it says where a face ends, here the surface does
        u, v = place[1 - along], place[along]
        at = (item, slice(None), u) if along == 1 else (item, u)
        line = Line(ids[at], pixels[at], slopes[at], unit=2 / size[along])
        _one_crossing(gradient[:, along], edge, u, v, outward, offset, line, surface[at], eps)
    return torch.from_numpy(out).to(positions_ndc.device)


def released_depth(faces_ndc: Tensor, face_id: Tensor, grad: Tensor) -> Tensor:
    """The gradient of a depth image with respect to its faces' corners: exact inside, none across edges.

    faces_ndc  float (B, F, 3, 3)  corners (x right, y up, camera z); 1/z is linear on the screen
    face_id    int   (B, H, W)     the face each pixel shows, -1 for none; row 0 is the top
    grad       float (B, H, W)     gradient of the loss with respect to the depth of each pixel

    Returns float64 (B, F, 3, 3). With screen weights w and `1/z = sum w_k / z_k`: `dz/dz_k = w_k z^2 / z_k^2`
    and `dz/dx_k = w_k z^2 d(1/z)/dx`, because a corner that moves carries the field along in proportion to
    its weight.
    """
    height, width = face_id.shape[1:]
    out = torch.zeros(faces_ndc.shape, dtype=torch.float64)
    for item, row, column in (face_id >= 0).nonzero().tolist():
        index = int(face_id[item, row, column])
        corners = faces_ndc[item, index].detach().double().cpu()
        matrix = torch.cat([corners[:, :2], torch.ones(3, 1, dtype=torch.float64)], 1).T
        inverse = torch.linalg.inv(matrix)  # w = inverse @ (x, y, 1)
        x, y = (2 * column + 1 - width) / width, (height - 1 - 2 * row) / height
        w = (inverse @ torch.tensor([x, y, 1.0], dtype=torch.float64)).clamp(0, 1)
        w = w / w.sum()
        z = 1 / (w / corners[:, 2]).sum()
        slope = (inverse[:, :2] / corners[:, 2:]).sum(0)  # d(1/z) / d(x, y)
        pull = float(grad[item, row, column]) * w * z * z
        out[item, index, :, :2] += pull[:, None] * slope
        out[item, index, :, 2] += pull / corners[:, 2] ** 2
    return out.to(faces_ndc.device)


def _one_image(
    out: np.ndarray,
    points: np.ndarray,
    faces: np.ndarray,
    face_id: np.ndarray,
    image: np.ndarray,
    grad: np.ndarray,
    eps: float,
) -> None:
    """Adds one image's gradient to `out` (V, 2)."""
    size = np.array([face_id.shape[1], face_id.shape[0]])  # width, height
    pixel = (points * size + size - 1) / 2
    # Both sweeps need a pixel that shows the face, so a face that is nowhere seen has no gradient.
    for index in np.unique(face_id[face_id >= 0]):
        face = faces[index]
        if _clockwise(points[face]):
            continue
        for k in range(3):
            trio = face[[k, (k + 1) % 3, (k + 2) % 3]]
            for axis in (0, 1):
                a, b, c = pixel[trio][:, [axis, 1 - axis]]
                edge = Edge(a, b, c, int(trio[0]), int(trio[1]))
                for u in _lines(edge, int(size[axis])):
                    at = (slice(None), u) if axis == 0 else u
                    line = Line(face_id[at], image[at], grad[at], unit=2 / size[1 - axis])
                    _one_line(out[:, 1 - axis], edge, u, edge.outward(axis), line, int(index), eps)


def _clockwise(p: np.ndarray) -> bool:
    return bool((p[2, 1] - p[0, 1]) * (p[1, 0] - p[0, 0]) < (p[1, 1] - p[0, 1]) * (p[2, 0] - p[0, 0]))


def _lines(edge: Edge, count: int) -> range:
    """The lines an edge crosses. The upper end is truncated towards zero, as C does with (-1, 0)."""
    low, high = sorted((edge.a[0], edge.b[0]))
    if low == high:
        return range(0)
    return range(max(math.ceil(low), 0), math.trunc(min(high, count - 1)) + 1)


def _one_line(out: np.ndarray, edge: Edge, u: int, outward: int, line: Line, index: int, eps: float) -> None:
    """Both sweeps of one edge along one line; `out` (V,) is the gradient of the vertices' v."""
    count = len(line.face_id)
    crossing = _meet(edge.a, edge.b, u)
    inner = math.floor(crossing) if outward > 0 else math.ceil(crossing)
    outer = inner + outward
    if not (0 <= inner < count and 0 <= outer < count):
        return

    if line.face_id[inner] == index:
        beyond = np.arange(outer, count) if outward > 0 else np.arange(0, outer + 1)
        _pull(out, edge, u, crossing, beyond, inner, line, eps)

    limit = _far_side(edge, u, outward, count)
    low, high = max(min(inner, limit), 0), min(max(inner, limit), count - 1)
    span = np.arange(low, high + 1)
    _pull(out, edge, u, crossing, span[line.face_id[span] == index], outer, line, eps)


def _one_crossing(
    out: np.ndarray,
    edge: Edge,
    u: int,
    inner: int,
    outward: int,
    offset: float,
    line: Line,
    depth: np.ndarray,
    eps: float,
) -> None:
    """Both sweeps of one crossing; `depth` is that of the line's pixels, infinite where nothing is seen."""
    outer, crossing = inner + outward, inner + outward * offset
    beyond = np.arange(outer, len(depth)) if outward > 0 else np.arange(0, outer + 1)
    _pull(out, edge, u, crossing, beyond[depth[beyond] > depth[inner]], inner, line, eps)

    last = inner
    while 0 <= last - outward < len(depth) and np.isfinite(depth[last - outward]):
        last -= outward
    _pull(out, edge, u, crossing, np.arange(min(inner, last), max(inner, last) + 1), outer, line, eps)


def _meet(p: np.ndarray, q: np.ndarray, u: float) -> float:
    """v at which the straight line through p and q has the coordinate u."""
    return float(p[1] + (q[1] - p[1]) / (q[0] - p[0]) * (u - p[0]))


def _far_side(edge: Edge, u: int, outward: int, count: int) -> int:
    """The last pixel before the triangle's other side; the border if that side runs along the line."""
    a, b, c = edge.a, edge.b, edge.c
    start = a if (u - a[0]) * (u - c[0]) < 0 else b
    if start[0] == c[0]:
        return 0 if outward > 0 else count - 1
    other = min(max(_meet(start, c, u), -1.0), float(count))  # farther is of no use, and may not fit an integer
    return math.ceil(other) if outward > 0 else math.floor(other)


def _pull(
    out: np.ndarray,
    edge: Edge,
    u: int,
    crossing: float,
    where: np.ndarray,
    other: int,
    line: Line,
    eps: float,
) -> None:
    """Pixels `where` that would gain from the colour of pixel `other` pull the edge towards themselves."""
    gain = ((line.image[where] - line.image[other]) * line.grad[where]).sum(-1)
    where, gain = where[gain > 0], gain[gain > 0]
    for vertex, own, opposite in ((edge.vertex_a, edge.a, edge.b), (edge.vertex_b, edge.b, edge.a)):
        if opposite[0] == u:  # the edge turns about its other corner: no motion of this one moves it here
            continue
        lever = (opposite[0] - own[0]) / (opposite[0] - u)
        distance = lever * (where - crossing) * line.unit
        distance = np.where(distance > 0, distance + eps, distance - eps)
        out[vertex] -= (gain / distance).sum()
