"""The operations between which everything else is plain PyTorch. One folder per operation."""

from repousse.ops.crossings import Crossings, crossings
from repousse.ops.cubemap import cubemap, cubemap_from_environment, environment
from repousse.ops.interpolate import interpolate
from repousse.ops.intersections import Intersections, intersections
from repousse.ops.layers import layers
from repousse.ops.rasterize import Fragments, rasterize, with_face_id
from repousse.ops.soft import SoftOptions, soft
from repousse.ops.texture import texture
from repousse.ops.voxelize import voxelize

__all__ = [
    "Crossings",
    "Fragments",
    "Intersections",
    "SoftOptions",
    "crossings",
    "cubemap",
    "cubemap_from_environment",
    "environment",
    "interpolate",
    "intersections",
    "layers",
    "rasterize",
    "soft",
    "texture",
    "voxelize",
    "with_face_id",
]
