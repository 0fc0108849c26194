"""A surface that is being remeshed: arrays that grow and shrink, and how its faces hang together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import csgraph

from repousse.geometry import topology

Array = np.ndarray


@dataclass
class Surface:
    """Vertices with all they carry, and faces.

    rows    float64 (V, 3 + 1 + C)  position, target length of the edges around, carried values: what happens to one of
                                    them (a mean, a blend) happens to all
    faces   int64 (F, 3)
    locked  bool (V)                vertices that stay where they are and as they are
    """

    rows: Array
    faces: Array
    locked: Array

    @property
    def positions(self) -> Array:
        """float64 (V, 3)."""
        return self.rows[:, :3]

    @property
    def target(self) -> Array:
        """float64 (V)."""
        return self.rows[:, 3]

    def relative_lengths(self, edges: Array) -> Array:
        """Lengths of edges (E, 2) over their target, the mean of that of their ends."""
        placed = np.ascontiguousarray(self.rows[:, :4])
        tail, head = placed[edges[:, 0]], placed[edges[:, 1]]
        return 2 * lengths(head[:, :3] - tail[:, :3]) / (tail[:, 3] + head[:, 3])

    def compact(self) -> None:
        """Drop vertices that no face has."""
        used = np.zeros(len(self.rows), dtype=bool)
        used[self.faces] = True
        self.faces = (np.cumsum(used) - 1)[self.faces]
        self.rows, self.locked = self.rows[used], self.locked[used]


@dataclass(frozen=True)
class Connectivity:
    """Which vertices and faces meet.

    edges       int64 (E, 2)  tail and head, as the first face runs along the edge
    opposite    int64 (E, 2)  vertex across from the edge in its first and second face; -1 where there is no second
    edge_faces  int64 (E, 2)  these faces; -1 where there is no second
    border      bool (E)      the edge has one face
    irregular   bool (E)      it has more than two, or two that are wound against each other
    face_edges  int64 (F, 3)  the edge from corner k to corner k + 1
    valence     int64 (V)     number of edges
    on_border   bool (V)      has a border edge
    """

    edges: Array
    opposite: Array
    edge_faces: Array
    border: Array
    irregular: Array
    face_edges: Array
    valence: Array
    on_border: Array


def connect(faces: Array, vertex_count: int) -> Connectivity:
    """The connectivity of faces (F, 3) none of which names a vertex twice."""
    found = topology(torch.from_numpy(faces), vertex_count)
    face_edges = found.face_edges.numpy().astype(np.int64)
    # The corners where each edge begins in its first and in its last face: of several assignments the last stays.
    sides = face_edges.ravel()
    number = np.arange(len(sides))
    first, last = np.empty((2, len(found.edges)), dtype=np.int64)
    first[sides[::-1]] = number[::-1]
    last[sides] = number
    border = first == last
    irregular = ~found.consistent.numpy()
    irregular[found.extra[:, 0].numpy()] = True
    following, before = faces[:, [1, 2, 0]].ravel(), faces[:, [2, 0, 1]].ravel()
    edges = np.stack([faces.ravel()[first], following[first]], 1)
    opposite = np.stack([before[first], np.where(border, -1, before[last])], 1)
    edge_faces = np.stack([first // 3, np.where(border, -1, last // 3)], 1)
    on_border = np.zeros(vertex_count, dtype=bool)
    on_border[edges[border]] = True
    valence = np.bincount(edges.ravel(), minlength=vertex_count)
    return Connectivity(edges, opposite, edge_faces, border, irregular, face_edges, valence, on_border)


def irregular_vertices(faces: Array, vertex_count: int) -> Array:
    """bool (V): the faces around the vertex are not one fan, or one of its edges is irregular."""
    links = connect(faces, vertex_count)
    locked = np.zeros(vertex_count, dtype=bool)
    locked[links.edges[links.irregular]] = True
    # Corners of one vertex belong together if their faces meet at an edge; a regular vertex has one such fan.
    inner = (~links.border & ~links.irregular).nonzero()[0]
    pairs = links.edge_faces[inner]
    joins = []
    for end in (0, 1):
        vertex = links.edges[inner, end][:, None, None]
        joins.append(3 * pairs + (faces[pairs] == vertex).argmax(2))
    first, second = np.concatenate(joins).T
    graph = sparse.coo_array((np.ones(len(first), bool), (first, second)), shape=(faces.size, faces.size))
    count, fan = csgraph.connected_components(graph, directed=False)
    vertex_of_fan = np.empty(count, dtype=np.int64)
    vertex_of_fan[fan] = faces.ravel()
    return locked | (np.bincount(vertex_of_fan, minlength=vertex_count) > 1)


def independent(groups: Array, rank: Array, vertex_count: int, edges: Array | None = None) -> Array:
    """bool (N): groups (N, K) of vertices of which no two share a vertex, or with `edges` are not even neighbours.

    rank  int (N), all different: of groups that exclude each other the lowest wins. Not every group that could be
          chosen is (Luby 1986): repeat until none is left.
    """
    best = np.full(vertex_count, len(rank))
    for column in groups.T:
        np.minimum.at(best, column, rank)
    if edges is not None:
        near = best.copy()
        for here, there in ((0, 1), (1, 0)):
            np.minimum.at(near, edges[:, here], best[edges[:, there]])
        best = near
    return np.logical_and.reduce([best[column] == rank for column in groups.T])


def shuffled_rank(cost: Array) -> Array:
    """int (N), all different: by `cost` (integers), at random among equals; the same in every run.

    Without chance, costs that rise steadily along the surface would leave one winner at a time.
    """
    rank = np.empty(len(cost), dtype=np.int64)
    rank[np.lexsort([np.random.default_rng(0).random(len(cost)), cost])] = np.arange(len(cost))
    return rank


def lengths(vectors: Array) -> Array:
    """float64 (N) of vectors (N, 3)."""
    return np.sqrt(dot(vectors, vectors))


def dot(a: Array, b: Array) -> Array:
    """float64 (N) of vectors (N, 3)."""
    return np.einsum("ij,ij->i", a, b)


def cross(a: Array, b: Array) -> Array:
    """float64 (N, 3) of vectors (N, 3). np.cross takes several times as long."""
    (x1, y1, z1), (x2, y2, z2) = a.T, b.T
    return np.stack([y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2], 1)


def doubled_areas(corners: Array) -> Array:
    """float64 (N, 3): normals of triangles (N, 3, 3), as long as twice their area."""
    return cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def qualities(corners: Array) -> Array:
    """float64 (N): 1 for equilateral triangles (N, 3, 3), 0 for those without area: 4 sqrt 3 area / sum of sides^2."""
    a, b, c = (corners[:, k] - corners[:, k - 1] for k in range(3))
    squares = dot(a, a) + dot(b, b) + dot(c, c)
    return 2 * 3**0.5 * lengths(cross(a, b)) / np.where(squares > 0, squares, 1)


def turned(before: Array, after: Array, limit: float) -> Array:
    """bool (N): the normals of triangles (N, 3, 3) turn by more than the angle whose cosine is `limit`.

    A triangle that had no area may turn as it likes; one that has lost it has turned.
    """
    old, new = doubled_areas(before), doubled_areas(after)
    length = lengths(old)
    return (dot(old, new) <= limit * length * lengths(new)) & (length > 0)
