"""Meshes, their materials, topology and normals, and simple shapes."""

from repousse.geometry.combine import join, pack
from repousse.geometry.creases import with_creased_normals
from repousse.geometry.inspection import Inspection, inspect
from repousse.geometry.laplacian import cotangent_weights, laplacian
from repousse.geometry.material import Material, Texture
from repousse.geometry.mesh import Attribute, Mesh
from repousse.geometry.nearest import nearest
from repousse.geometry.normals import face_normals, vertex_normals
from repousse.geometry.primitives import cube, icosphere, plane, torus
from repousse.geometry.sampling import SurfaceSamples, sample_surface
from repousse.geometry.teapot import teapot
from repousse.geometry.topology import Topology, topology

__all__ = [
    "Attribute",
    "Inspection",
    "Material",
    "Mesh",
    "SurfaceSamples",
    "Texture",
    "Topology",
    "cotangent_weights",
    "cube",
    "face_normals",
    "icosphere",
    "inspect",
    "join",
    "laplacian",
    "nearest",
    "pack",
    "plane",
    "sample_surface",
    "teapot",
    "topology",
    "torus",
    "vertex_normals",
    "with_creased_normals",
]
