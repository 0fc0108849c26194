"""repousse turns pictures back into shapes: a differentiable renderer for meshes.

>>> import repousse as rp
>>> picture = rp.render(rp.teapot().normalized(), rp.Camera.orbit(2.7, 0.5), (256, 256))
>>> picture.color.shape
torch.Size([1, 256, 256, 3])
"""

from importlib import metadata

from repousse import gradients, io, losses, metrics
from repousse.camera import Camera
from repousse.geometry import (
    Attribute,
    Material,
    Mesh,
    Texture,
    Topology,
    cube,
    face_normals,
    icosphere,
    join,
    pack,
    plane,
    teapot,
    torus,
    vertex_normals,
)
from repousse.ops import Crossings, Fragments, crossings, interpolate, rasterize
from repousse.render import Picture, Renderer, render, silhouette
from repousse.shading import Ambient, Directional, Light, PointLight, Points, lambert

try:
    __version__ = metadata.version("repousse")
except metadata.PackageNotFoundError:  # a source tree that was not installed
    __version__ = "0+source"

__all__ = [
    # shapes
    "Mesh",
    "Attribute",
    "Material",
    "Texture",
    "Topology",
    "pack",
    "join",
    "icosphere",
    "cube",
    "plane",
    "torus",
    "teapot",
    "face_normals",
    "vertex_normals",
    # cameras, lights and shaders
    "Camera",
    "Light",
    "Ambient",
    "Directional",
    "PointLight",
    "Points",
    "lambert",
    # pictures
    "render",
    "silhouette",
    "Renderer",
    "Picture",
    # the steps of a picture
    "rasterize",
    "interpolate",
    "crossings",
    "Fragments",
    "Crossings",
    # modules
    "gradients",
    "io",
    "losses",
    "metrics",
    "__version__",
]
