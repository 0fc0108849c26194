"""Edges of a triangle mesh and the faces along them: what silhouettes are found with."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from repousse.core import native
from repousse.geometry.checks import checked_faces

_MOST = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Topology:
    """Edges of a mesh in the order of the lowest face that has them, then of its corner where they begin.

    faces       int32 (F, 3)  the faces this was built from
    edges       int32 (E, 2)  vertices, the lower one first
    edge_faces  int32 (E, 2)  the two lowest faces along the edge; -1 in the second column for a boundary edge
    consistent  bool  (E)     these two run along the edge in opposite directions, as neighbours with the same
                              outside do; True for boundary edges
    extra       int32 (N, 3)  further faces of edges with more than two, as rows (edge, face, 1 if the face
                              runs along the edge in the direction of edge_faces[edge, 0], else 0), sorted
    face_edges  int32 (F, 3)  the edge from corner k to corner k + 1; -1 for faces that name a vertex twice

    A face that names a vertex twice covers nothing and has no edges: its neighbours meet directly.
    """

    faces: Tensor
    edges: Tensor
    edge_faces: Tensor
    consistent: Tensor
    extra: Tensor
    face_edges: Tensor

    @functools.cached_property
    def boundary(self) -> Tensor:
        """bool (E): the edge has one face only."""
        return self.edge_faces[:, 1] < 0

    @functools.cached_property
    def is_closed(self) -> bool:
        """No edge is a boundary edge. Edges with more than two faces may exist: see `extra`."""
        return not bool(self.boundary.any())

    @functools.cached_property
    def hinge_edges(self) -> Tensor:
        """int64 (N): the edges with exactly two faces; the others are boundary edges and those in `extra`."""
        paired = ~self.boundary
        paired[self.extra[:, 0].long()] = False
        return paired.nonzero()[:, 0]

    @functools.cached_property
    def hinges(self) -> Tensor:
        """int64 (N, 4): the vertices of each of `hinge_edges`, then that across from it in each of its two faces."""
        edges = self.edges[self.hinge_edges].long()
        faces = self.faces[self.edge_faces[self.hinge_edges].long()].long()
        return torch.cat([edges, faces.sum(2) - edges.sum(1, keepdim=True)], dim=1)

    def to(self, device: torch.device | str) -> Topology:
        """The same topology on another device."""
        return Topology(*(getattr(self, field.name).to(device) for field in fields(self)))

    def __repr__(self) -> str:
        return f"Topology({len(self.faces)} faces, {len(self.edges)} edges)"


def topology(faces: Tensor, vertex_count: int | None = None) -> Topology:
    """Find the edges of a triangle mesh and the faces along them.

    >>> topology(torch.tensor([[0, 1, 2], [2, 1, 3]])).edges.tolist()
    [[0, 1], [1, 2], [0, 2], [1, 3], [2, 3]]

    faces         int32 or int64 (F, 3)
    vertex_count  number of vertices; by default one more than the highest index

    Linear in faces and vertices; deterministic. Computed on the CPU; the result lies where `faces` does.
    TypeError for faces that are no integer tensor, ValueError for faces that are not (F, 3) or empty,
    IndexError for an index outside [0, vertex_count).
    """
    if vertex_count is None:
        vertex_count = int(faces.max()) + 1 if isinstance(faces, Tensor) and faces.numel() else 0
    faces = checked_faces("topology", faces, vertex_count, f"there are {vertex_count} vertices")
    if max(3 * len(faces), vertex_count) > _MOST:
        raise ValueError(
            f"topology: {len(faces)} faces and {vertex_count} vertices are too many: sides of faces and "
            "vertices are numbered in int32. Split the mesh into parts."
        )

    host = faces.cpu()
    face_edges = torch.empty_like(host)
    counts = (ctypes.c_int64 * 2)()
    number = native.function("rp_topology_number", "pllpp")
    _check_memory(number(host.data_ptr(), len(host), vertex_count, face_edges.data_ptr(), counts))

    edges, edge_faces = torch.empty((2, counts[0], 2), dtype=torch.int32)
    consistent = torch.empty(counts[0], dtype=torch.bool)
    extra = torch.empty((counts[1], 3), dtype=torch.int32)
    outputs = (edges, edge_faces, consistent, extra)
    fill = native.function("rp_topology_fill", "plpppppp")
    pointers = (output.data_ptr() for output in outputs)
    _check_memory(fill(host.data_ptr(), len(host), face_edges.data_ptr(), counts, *pointers))
    # The very faces that were given: to find that others were drawn, comparing addresses is enough.
    return Topology(faces, *(output.to(faces.device) for output in (*outputs, face_edges)))


def _check_memory(code: int) -> None:
    if code:
        raise MemoryError("topology: not enough memory; it takes 24 bytes per face and 16 per vertex.")
