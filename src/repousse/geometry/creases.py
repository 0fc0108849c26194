"""Normals that are smooth but for sharp edges."""

import math

import torch
from torch import Tensor

from repousse.geometry.components import component_labels
from repousse.geometry.mesh import Mesh
from repousse.geometry.normals import doubled_areas
from repousse.geometry.vectors import unit


def with_creased_normals(mesh: Mesh, angle: float = math.radians(40.0)) -> Mesh:
    """The mesh with an attribute "normal" that is smooth across edges flatter than `angle` and broken at others.

    angle  radians between the normals of two faces; 0 makes every face flat, pi everything smooth

    A corner's normal is the mean over the faces around its vertex that can be reached without crossing a sharp edge,
    weighted by area. Borders, and edges whose faces are wound against each other, are sharp; so are the further faces
    of edges with more than two. Differentiable in positions; which edges are sharp is not. ValueError for packed
    meshes and poses.
    """
    if mesh.positions.ndim != 2 or mesh.ranges is not None:
        raise ValueError("with_creased_normals: this is more than one mesh. Give them one by one.")
    area = doubled_areas(mesh.positions, mesh.faces)
    smooth = _smooth_edges(mesh, unit(area.detach()), angle)
    label = component_labels(3 * len(area), _corner_pairs(mesh, smooth))
    rows, index = label.unique(return_inverse=True)
    sums = area.new_zeros(len(rows), 3).index_add(0, index, area.repeat_interleave(3, 0))
    return mesh.with_attribute("normal", unit(sums), index.view(-1, 3))


def _smooth_edges(mesh: Mesh, normals: Tensor, angle: float) -> Tensor:
    """int64 (N,): edges to be smoothed over."""
    first, second = mesh.topology.edge_faces.long().unbind(-1)
    cosine = (normals[first] * normals[second]).sum(-1)  # for a border, of some face: not used
    flat = cosine >= math.cos(angle) - 1e-6
    return (flat & mesh.topology.consistent & ~mesh.topology.boundary).nonzero()[:, 0]


def _corner_pairs(mesh: Mesh, edges: Tensor) -> Tensor:
    """int64 (2 N, 2): corners (3 * face + k) at the same end of an edge, on its two sides."""
    first, second = mesh.topology.edge_faces[edges].long().unbind(-1)
    here = (mesh.topology.face_edges[first] == edges[:, None]).int().argmax(-1)
    there = (mesh.topology.face_edges[second] == edges[:, None]).int().argmax(-1)
    # The two faces run along the edge in opposite directions: where one starts, the other ends.
    starts = torch.stack((3 * first + here, 3 * second + (there + 1) % 3), -1)
    ends = torch.stack((3 * first + (here + 1) % 3, 3 * second + there), -1)
    return torch.cat((starts, ends))
