"""The operations between which everything else is plain PyTorch. One folder per operation."""

from repousse.ops.crossings import Crossings, crossings
from repousse.ops.interpolate import interpolate
from repousse.ops.rasterize import Fragments, rasterize
from repousse.ops.texture import texture

__all__ = ["Crossings", "Fragments", "crossings", "interpolate", "rasterize", "texture"]
