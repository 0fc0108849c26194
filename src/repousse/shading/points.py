"""What a shader is given."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Points(NamedTuple):
    """The surface points behind the samples of a picture; all zero where nothing is seen.

    position  float (B, H, W, 3)  world space
    normal    float (B, H, W, 3)  world space, unit length, on the side of the viewer
    color     float (B, H, W, 3)  albedo: the mesh's "color", white if it has none

    H and W count samples (pixels x supersampling). Differentiable in the mesh and the camera.
    """

    position: Tensor
    normal: Tensor
    color: Tensor


Shader = Callable[[Points], Tensor]
