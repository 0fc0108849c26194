"""Laplacians of meshes: how far a vertex lies from what its neighbours say."""

import torch
from torch import Tensor

from repousse.geometry.topology import Topology
from repousse.geometry.vectors import add_rows, by_vertex, length, take_rows

_STEEPEST = 1e3  # the largest cotangent: that of 0.057 degrees


def laplacian(
    positions: Tensor, topology: Topology, weights: Tensor | None = None, *, normalized: bool = False
) -> Tensor:
    """Sum over the neighbours j of each vertex i of w_ij (x_j - x_i).

    >>> laplacian(mesh.positions, mesh.topology, normalized=True)   # mean of the neighbours, seen from the vertex

    positions   float (V, 3) or (B, V, 3)
    weights     float (E) or (B, E), of `topology.edges`; by default 1
    normalized  divide by the sum of the weights around the vertex

    Returns float like `positions`; zero for vertices without edges, and if normalized where the weights add up to 0.
    With `cotangent_weights`, and divided by a third of the area of the faces around the vertex, it is the mean
    curvature normal -2 H n (Meyer et al. 2003). Differentiable in positions and weights. Takes time and memory in
    proportion to B E: there is no matrix.
    """
    ends = take_rows(by_vertex(positions), topology.edges)
    apart = ends[:, 1] - ends[:, 0]
    share = torch.ones_like(apart[..., :1]) if weights is None else torch.atleast_2d(weights).t().unsqueeze(-1)
    pull = share * apart
    index = topology.edges.t().flatten()
    count = positions.shape[-2]
    sums = add_rows(torch.cat([pull, -pull]), index, count)
    if normalized:
        totals = add_rows(torch.cat([share, share]), index, count)
        vanishes = totals == 0
        sums = torch.where(vanishes, 0, sums / torch.where(vanishes, 1, totals))
    batched = positions.ndim == 3 or (weights is not None and weights.ndim == 2)
    return sums.transpose(0, 1) if batched else sums[:, 0]


def cotangent_weights(positions: Tensor, topology: Topology) -> Tensor:
    """Half the sum of the cotangents of the angles across from each edge (Pinkall and Polthier 1993).

    positions  float (V, 3) or (B, V, 3)

    Returns float (E) or (B, E), of `topology.edges`: negative where the two angles exceed 180 degrees together. A
    boundary edge has one angle, a non-manifold edge more than two; all count. Cotangents are limited to +-1000, angles
    within 0.06 degrees of 0 or 180; a face that has shrunk to a point counts 0, and so do faces that name a
    vertex twice. Differentiable in positions; what is limited has derivative 0.
    """
    corners = take_rows(by_vertex(positions), topology.faces)
    # Side k runs from corner k to corner k + 1, and corner k + 2 is across from it.
    across = corners.roll(1, dims=1)
    first, second = corners - across, corners.roll(-1, dims=1) - across
    along = (first * second).sum(-1)
    area = length(torch.linalg.cross(first[:, :1], second[:, :1]))  # doubled
    limited = along.abs() >= _STEEPEST * area
    cotangents = torch.where(limited, _STEEPEST * along.sign(), along / torch.where(limited, 1, area))
    edge_count = len(topology.edges)
    edges = topology.face_edges.flatten()
    edges = torch.where(edges < 0, edge_count, edges)
    weights = add_rows(0.5 * cotangents.flatten(0, 1).unsqueeze(-1), edges, edge_count + 1)[:-1, :, 0]
    return weights[:, 0] if positions.ndim == 2 else weights.t()
