"""Losses that ask for regular meshes.

Each takes a `Mesh` and returns one number per mesh: (1,) for positions (V, 3), (B,) for B poses or B packed meshes.
Edges come from `mesh.topology`, which all meshes made by `mesh.with_positions` share, so that a training loop finds
them once. Time and memory grow with B times the number of edges. All are differentiable in the positions, any number
of times, and finite with finite derivatives for degenerate faces. Meshes may be open and non-manifold.
"""

from typing import Literal

import torch
from torch import Tensor

from repousse.core.checks import describe
from repousse.core.numbers import tensor_of
from repousse.geometry import Mesh, Topology
from repousse.geometry.laplacian import cotangent_weights
from repousse.geometry.laplacian import laplacian as laplacian_of
from repousse.geometry.vectors import add_rows, by_vertex, length, take_rows, unit


def laplacian(mesh: Mesh, *, weights: Literal["uniform", "cotangent"] = "uniform") -> Tensor:
    """Mean over vertices of the squared distance to the mean of their neighbours.

    >>> loss = silhouette_loss + 0.1 * laplacian(mesh.with_positions(positions)).mean()

    weights  "uniform": all neighbours count the same, which also evens out the sizes of faces (Sorkine 2005);
             "cotangent": the mean is weighted by the cotangents of the angles across from the edges, which leaves the
             mesh alone where the surface is flat (Desbrun et al. 1999). Negative weights (edges that are not Delaunay)
             count as 0, so that the mean lies among the neighbours. `geometry.cotangent_weights` says what degenerate
             faces count

    Along a boundary the neighbours lie to one side, so boundaries shrink. Vertices without edges count 0. The
    Laplacian loss released with SoftRas is V times the uniform one.
    """
    topology = _topology("laplacian", mesh)
    if weights == "uniform":
        pull = laplacian_of(mesh.positions, topology, normalized=True)
    elif weights == "cotangent":
        cotangents = cotangent_weights(mesh.positions, topology).clamp(min=0)
        pull = laplacian_of(mesh.positions, topology, cotangents, normalized=True)
    else:
        raise ValueError(f'laplacian: `weights` must be "uniform" or "cotangent", got {weights!r}.')
    vertices = torch.arange(mesh.positions.shape[-2], device=mesh.positions.device)
    return _mean(mesh, by_vertex(pull).square().sum(-1), vertices)


def normal_consistency(mesh: Mesh) -> Tensor:
    """Mean over edges of 1 - cos of the angle between the normals of their two faces: 0 where flat, 2 where folded.

    Faces are compared as they lie, whichever way round their corners are listed. Boundary edges and edges with more
    than two faces do not count; a face without area counts 0 at each of its edges.
    """
    hinges = _topology("normal_consistency", mesh).hinges
    origin, end, left, right = take_rows(by_vertex(mesh.positions), hinges).unbind(1)
    edge = end - origin
    first = unit(torch.linalg.cross(edge, left - origin))
    second = unit(torch.linalg.cross(right - origin, edge))
    degenerate = (first == 0).all(-1) | (second == 0).all(-1)
    return _mean(mesh, torch.where(degenerate, 0, 1 - (first * second).sum(-1)), hinges[:, 0])


def edge_length(mesh: Mesh, target: float | Tensor | None = None) -> Tensor:
    """Mean over edges of (length - target)^2.

    target  a length, or one per mesh (B,); by default the mean length of the mesh's edges, so that the loss is the
            variance of the lengths. With 0 edges shrink

    Each edge counts once, whatever its number of faces.
    """
    edges = _topology("edge_length", mesh).edges
    ends = take_rows(by_vertex(mesh.positions), edges)
    lengths = length(ends[:, 1] - ends[:, 0])
    first = edges[:, 0].long()
    wanted = _mean(mesh, lengths, first) if target is None else tensor_of(target, lengths.dtype, lengths.device)
    batch = _batch(mesh)
    if wanted.ndim > 1 or wanted.numel() not in (1, batch):
        raise ValueError(f"edge_length: `target` must be a number or ({batch},), got {tuple(wanted.shape)}.")
    if mesh.vertex_ranges is not None and wanted.numel() > 1:
        wanted = wanted[_owners(mesh)[first]].unsqueeze(1)
    return _mean(mesh, (lengths - wanted).square(), first)


def smoothness(mesh: Mesh, *, edges: Literal["all", "released"] = "all", epsilon: float = 1e-6) -> Tensor:
    """Sum over edges of (cos + 1)^2 of the angle between their two faces: 0 where flat (cos = -1), 4 where folded.

    The smoothness loss of Kato, Ushiku and Harada (2018), SoftRas' "flatten" loss, number by number. With the edge a
    and the other sides b1, b2 of its faces from the lower of its vertices,

        |v| = sqrt(v.v + eps),  cos(a, b) = a.b / (|a| |b| + eps),  p = b - a (a.b) / (a.a + eps)
        cos = p1.p2 / (|b1| sin(a, b1) |b2| sin(a, b2) + eps),  sin^2 = 1 - cos^2(a, b) + eps

    edges    "all": every edge with two faces; "released": as the released code, only those that run from the first
             to the second or from the second to the third corner of one of their faces, which leaves out a few on
             most meshes
    epsilon  as released; it is absolute, so the loss fades for meshes much smaller than 1

    It is a sum, as released, so it grows with the number of edges. Boundary edges and edges with more than two faces
    do not count (the released code fails for both).
    """
    if edges not in ("all", "released"):
        raise ValueError(f'smoothness: `edges` must be "all" or "released", got {edges!r}.')
    if not epsilon > 0:
        raise ValueError(f"smoothness: `epsilon` must be positive but is {epsilon}.")
    topology = _topology("smoothness", mesh)
    hinges = topology.hinges
    origin, end, left, right = take_rows(by_vertex(mesh.positions), hinges).unbind(1)
    edge = end - origin
    first, first_length = _perpendicular(edge, left - origin, epsilon)
    second, second_length = _perpendicular(edge, right - origin, epsilon)
    cosine = (first * second).sum(-1) / (first_length * second_length + epsilon)
    terms = (cosine + 1).square()
    if edges == "released":
        terms = torch.where(_listed(topology)[:, None], terms, 0)
    return _sum(mesh, terms, hinges[:, 0])


def _perpendicular(edge: Tensor, side: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """The part of `side` that is perpendicular to `edge`, and its length as the released code has it."""
    edge_squared, side_squared = edge.square().sum(-1), side.square().sum(-1)
    along = (edge * side).sum(-1)
    side_length = (side_squared + epsilon).sqrt()
    cosine = along / ((edge_squared + epsilon).sqrt() * side_length + epsilon)
    sine = (1 - cosine.square() + epsilon).sqrt()
    return side - edge * (along / (edge_squared + epsilon)).unsqueeze(-1), side_length * sine


def _listed(topology: Topology) -> Tensor:
    """bool (N): the hinges that the released code finds."""
    found = torch.zeros(len(topology.edges) + 1, dtype=torch.bool, device=topology.edges.device)
    sides = topology.face_edges[:, :2].flatten().long()
    found = found.index_fill(0, torch.where(sides < 0, len(topology.edges), sides), True)
    return found[topology.hinge_edges]


def _topology(owner: str, mesh: Mesh) -> Topology:
    if not isinstance(mesh, Mesh):
        raise TypeError(f"{owner}: `mesh` must be a Mesh, got {describe(mesh)}. Give mesh.with_positions(positions).")
    return mesh.topology


def _batch(mesh: Mesh) -> int:
    if mesh.vertex_ranges is not None:
        return len(mesh.vertex_ranges)
    return 1 if mesh.positions.ndim == 2 else mesh.positions.shape[0]


def _owners(mesh: Mesh) -> Tensor:
    """int64 (V): which of the packed meshes each vertex belongs to."""
    assert mesh.vertex_ranges is not None
    firsts = mesh.vertex_ranges[:, 0].contiguous().to(mesh.faces.device, non_blocking=True)
    vertices = torch.arange(mesh.positions.shape[-2], device=firsts.device)
    return torch.searchsorted(firsts, vertices, right=True) - 1


def _sum(mesh: Mesh, terms: Tensor, vertices: Tensor) -> Tensor:
    """Sums (B) of terms (N, B), or of (N, 1) over each packed mesh; `vertices` (N) tell where a term belongs."""
    if mesh.vertex_ranges is None:
        return terms.sum(0)
    return add_rows(terms.unsqueeze(-1), _owners(mesh)[vertices], _batch(mesh)).flatten()


def _mean(mesh: Mesh, terms: Tensor, vertices: Tensor) -> Tensor:
    """Likewise their means; 0 where there are none."""
    return _sum(mesh, terms, vertices) / _sum(mesh, torch.ones_like(terms), vertices).clamp(min=1)
