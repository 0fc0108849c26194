"""Meshes, their topology and normals, and simple shapes."""

from repousse.geometry.mesh import Attribute, Mesh, pack
from repousse.geometry.normals import face_normals, vertex_normals
from repousse.geometry.primitives import cube, icosphere, plane, torus
from repousse.geometry.teapot import teapot
from repousse.geometry.topology import Topology, topology

__all__ = [
    "Attribute",
    "Mesh",
    "Topology",
    "cube",
    "face_normals",
    "icosphere",
    "pack",
    "plane",
    "teapot",
    "topology",
    "torus",
    "vertex_normals",
]
