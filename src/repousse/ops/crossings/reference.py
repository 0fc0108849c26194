"""Where silhouette edges pass between two neighbouring pixel centres: the specification in plain Python."""

import math
from collections import defaultdict
from typing import Any, NamedTuple

import torch
from torch import Tensor

from repousse.ops.rasterize.clipping import PLANES, SUBPIXELS, Point, cut, place, plane_distances
from repousse.ops.rasterize.reference import Screen, project


class Crossings(NamedTuple):
    """One row per crossing, ordered by image, edge, and row or column.

    inner     int64 (N,)     pixel on the side of the edge's faces: an index into (B, H, W) read as one line
    outer     int64 (N,)     its neighbour on the other side of the edge
    vertices  int32 (N, 2)   the edge
    offset    float (N,)     distance from the inner pixel's centre to the edge, in pixels, in [0, 1]
    axis      int8 (N,)      0: the two pixels lie in one row; 1: in one column
    """

    inner: Tensor
    outer: Tensor
    vertices: Tensor
    offset: Tensor
    axis: Tensor


class End(NamedTuple):
    """One end of an edge on the screen: snapped, in 1/256 pixel, and its z / w. It lies at (1 - share) a + share b in
    clip space: 0 or 1 unless the edge was clipped."""

    x: int
    y: int
    zeta: float
    share: float


class Passage(NamedTuple):
    """An edge between pixels (row, column) `near` and `far`, `t` of the way from `near`, at depth `zeta`."""

    near: tuple[int, int]
    far: tuple[int, int]
    t: float
    zeta: float
    axis: int


def crossings(positions: Tensor, topology: Any, fragments: Any) -> Crossings:
    """Walk the silhouette edges and list where they pass in front of what the neighbouring pixel shows.

    positions  float (B, V, 4)   clip space; or (V, 4) if `fragments.ranges` is set. Rounded to float32 first
    topology   faces (F, 3), edges (E, 2), edge_faces (E, 2), consistent (E,), extra (N, 3)
    fragments  face_id, depth (B, H, W), facing (B or 1, F), ranges, as `rasterize` returned them

    An edge is a silhouette if all its faces lie on the same side of it on the screen. It is looked at on its
    dominant axis only. A crossing counts if the inner pixel is covered, by another face than the outer one,
    and the edge is nearer than the surface at the outer pixel. Not differentiable.
    """
    positions = positions.detach().to(device="cpu", dtype=torch.float32)
    images, height, width = fragments.face_id.shape
    sides = Sides(topology)
    rows = []
    for image in range(images):
        packed = fragments.ranges is not None
        vertices = positions if packed else positions[image]
        first, count = fragments.ranges[image].tolist() if packed else (0, len(topology.faces))
        facing = fragments.facing[0 if packed else image].tolist()
        face_id, depth = fragments.face_id[image].tolist(), fragments.depth[image].tolist()
        screen = project(vertices, (height, width))
        for edge, (a, b) in enumerate(sides.edges):
            if not first <= sides.owner(edge) < first + count:
                continue
            side = sides.silhouette(edge, facing)
            ends = edge_ends(vertices, screen, a, b, (height, width)) if side else None
            if ends is None:
                continue
            for passage in _passages(*ends, (height, width)):
                inner, outer, offset = _orient(passage, *ends, side)
                inner_face, outer_face = face_id[inner[0]][inner[1]], face_id[outer[0]][outer[1]]
                hidden = outer_face >= 0 and not depth[outer[0]][outer[1]] > passage.zeta
                if inner_face < 0 or inner_face == outer_face or hidden:
                    continue
                pixels = ((image * height + r) * width + c for r, c in (inner, outer))
                rows.append((*pixels, a, b, offset, passage.axis))
    return _table(rows)


def _table(rows: list[tuple]) -> Crossings:
    inner, outer, a, b, offset, axis = zip(*rows, strict=True) if rows else ((),) * 6
    return Crossings(
        torch.tensor(inner, dtype=torch.int64),
        torch.tensor(outer, dtype=torch.int64),
        torch.tensor([a, b], dtype=torch.int32).T.contiguous(),
        torch.tensor(offset, dtype=torch.float32),
        torch.tensor(axis, dtype=torch.int8),
    )


class Sides:
    """The faces around each edge and the direction in which each runs along it, as Python lists."""

    def __init__(self, topology: Any) -> None:
        faces = topology.faces.tolist()
        self.edges = topology.edges.tolist()
        self.around: list[list[tuple[int, int]]] = []  # per edge: (face, +1 if it runs from a to b, else -1)
        extra = defaultdict(list)
        for edge, face, same in topology.extra.tolist():
            extra[edge].append((face, 1 if same else -1))
        adjacent = zip(self.edges, topology.edge_faces.tolist(), topology.consistent.tolist(), strict=True)
        for edge, ((a, b), (one, two), consistent) in enumerate(adjacent):
            direction = _direction(faces[one], a, b)
            around = [(one, direction)]
            if two >= 0:
                around.append((two, -direction if consistent else direction))
            self.around.append(around + [(face, direction * same) for face, same in extra[edge]])

    def owner(self, edge: int) -> int:
        return self.around[edge][0][0]

    def silhouette(self, edge: int, facing: list[int]) -> int:
        """The common side of the edge's faces, or 0 if they lie on both sides: no silhouette."""
        sides = {direction if facing[face] > 0 else -direction for face, direction in self.around[edge]}
        return sides.pop() if len(sides) == 1 else 0


def _direction(face: list[int], a: int, b: int) -> int:
    """+1 if the face runs from a to b, -1 if from b to a."""
    for start, end in zip(face, face[1:] + face[:1], strict=True):
        if (start, end) in ((a, b), (b, a)):
            return 1 if start == a else -1
    raise ValueError(f"crossings: face {face} has no edge ({a}, {b}); was the topology built from other faces?")


def edge_ends(vertices: Tensor, screen: Screen, a: int, b: int, size: tuple[int, int]) -> tuple[End, End] | None:
    """The edge on the screen, clipped if a vertex is unsafe; None if nothing of it is left."""
    if not bool(screen.finite[a] and screen.finite[b]):
        return None
    points = [Point(*vertices[v].tolist(), corner=k) for k, v in enumerate((a, b))]
    if bool(screen.unsafe[a] or screen.unsafe[b]):
        points = _clip_segment(*points)
    ends = []
    for point in points:
        vertex = (a, b)[point.corner]
        if point.corner >= 0 and not screen.unsafe[vertex]:
            placed = int(screen.x[vertex]), int(screen.y[vertex]), float(screen.zeta[vertex])
        else:
            placed = place(point, size)
        if placed is None:
            return None
        ends.append(End(*placed, share=_share(point, vertices[[a, b]].double())))
    return (ends[0], ends[1]) if ends else None


def _share(point: Point, ends: Tensor) -> float:
    """How far a point of the edge lies from its first end, as a share of the way."""
    if point.corner >= 0:
        return float(point.corner)
    way = ends[1] - ends[0]
    at = torch.tensor([point.x, point.y, point.z, point.w], dtype=torch.float64)
    return float((at - ends[0]) @ way / (way @ way))


def _clip_segment(start: Point, end: Point) -> list[Point]:
    """The part of a segment inside all planes: [start, end], or [] if there is none."""
    for plane in PLANES:
        start_in, end_in = (plane_distances(p)[plane] >= 0 for p in (start, end))
        if not start_in and not end_in:
            return []
        if not start_in:
            start = cut(end, start, plane)
        elif not end_in:
            end = cut(start, end, plane)
    return [start, end]


def _passages(a: End, b: End, size: tuple[int, int]) -> list[Passage]:
    """Every place on the image where the edge passes between two pixel centres, on its dominant axis."""
    steep = abs(b.y - a.y) >= abs(b.x - a.x)
    along_a, along_b, across_a, across_b = (a.y, b.y, a.x, b.x) if steep else (a.x, b.x, a.y, b.y)
    lines, places = size if steep else size[::-1]  # a steep edge meets each row (line) at one column (place)
    low, high = min(along_a, along_b), max(along_a, along_b)
    first = max(0, -((128 - low) // SUBPIXELS))  # half-open, low <= centre < high: a chain meets a line once
    last = min(lines, -((128 - high) // SUBPIXELS))
    start, end = along_a / SUBPIXELS, along_b / SUBPIXELS
    across, slope_run = across_a / SUBPIXELS, across_b / SUBPIXELS - across_a / SUBPIXELS
    # A centre on the edge belongs to what lies right of it, or below it (the fill rule): to the farther pixel
    # of the pair, but for an edge that is flat and falls to the right.
    tie_is_far = steep or (b.x > a.x) != (b.y > a.y)
    found = []
    for line in range(first, last):
        centre = line + 0.5
        x = across + slope_run * (centre - start) / (end - start)
        zeta = a.zeta + (b.zeta - a.zeta) * (centre - start) / (end - start)
        near = math.ceil(x - 0.5) - 1 if tie_is_far else math.floor(x - 0.5)
        if near < 0 or near + 1 >= places:
            continue
        pixels = [(line, p) if steep else (p, line) for p in (near, near + 1)]
        found.append(Passage(pixels[0], pixels[1], x - 0.5 - near, zeta, 0 if steep else 1))
    return found


def _orient(passage: Passage, a: End, b: End, side: int) -> tuple[tuple[int, int], tuple[int, int], float]:
    """(inner pixel, outer pixel, distance from the inner centre). The faces lie where side * E(p) < 0."""
    # E(p) = (Xb - Xa)(py - Ya) - (Yb - Ya)(px - Xa) vanishes at the crossing; `near` is left of or above it.
    at_near = b.y - a.y if passage.axis == 0 else a.x - b.x
    if side * at_near < 0:
        return passage.near, passage.far, passage.t
    return passage.far, passage.near, 1 - passage.t
