"""repousse turns pictures back into shapes: a differentiable renderer for meshes.

>>> import repousse as rp
>>> picture = rp.render(rp.teapot().normalized(), rp.Camera.orbit(2.7, 0.5), (256, 256))
>>> picture.color.shape
torch.Size([1, 256, 256, 3])
"""

from importlib import metadata

from repousse import data, gradients, io, losses, metrics, optim, voxels
from repousse.camera import Camera, frame
from repousse.geometry import (
    Attribute,
    Material,
    Mesh,
    Texture,
    Topology,
    cube,
    face_normals,
    icosphere,
    inspect,
    join,
    pack,
    plane,
    sample_surface,
    teapot,
    torus,
    vertex_normals,
    with_creased_normals,
)
from repousse.ops import (
    Crossings,
    Fragments,
    SoftOptions,
    crossings,
    cubemap,
    environment,
    interpolate,
    layers,
    rasterize,
    soft,
    texture,
    with_face_id,
)
from repousse.render import Picture, Renderer, render, silhouette
from repousse.shading import (
    Ambient,
    AmbientOcclusion,
    Directional,
    Environment,
    Light,
    PointLight,
    Points,
    Shadowed,
    SphericalHarmonics,
    ambient_occlusion,
    blinn_phong,
    contour,
    flat,
    lambert,
    pbr,
    phong,
    toon,
)

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
    "with_creased_normals",
    "sample_surface",
    "inspect",
    # cameras, lights and shaders
    "Camera",
    "frame",
    "Light",
    "Ambient",
    "Directional",
    "PointLight",
    "SphericalHarmonics",
    "Environment",
    "Shadowed",
    "Points",
    "flat",
    "lambert",
    "phong",
    "blinn_phong",
    "pbr",
    "toon",
    "contour",
    "AmbientOcclusion",
    "ambient_occlusion",
    # pictures
    "render",
    "silhouette",
    "Renderer",
    "Picture",
    # the steps of a picture
    "rasterize",
    "interpolate",
    "texture",
    "cubemap",
    "environment",
    "layers",
    "with_face_id",
    "crossings",
    "soft",
    "SoftOptions",
    "Fragments",
    "Crossings",
    # modules
    "data",
    "gradients",
    "io",
    "losses",
    "metrics",
    "optim",
    "voxels",
    "__version__",
]
