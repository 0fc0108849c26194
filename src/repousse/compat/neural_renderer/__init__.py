"""Stands in for `neural_renderer`: the Chainer original (Kato et al., CVPR 2018) and its PyTorch port.

>>> from repousse.compat import neural_renderer as nr

Tensors are PyTorch's and no CUDA is needed. Conventions, defaults and numbers are the released ones:
left-handed camera space, faces counter-clockwise on the screen in front, pseudo-gradients with `eps`. Their
defects are not; each docstring says where that shows. New programs are better off with `repousse` itself.
"""

from repousse.compat.neural_renderer.lighting import lighting
from repousse.compat.neural_renderer.mesh import Mesh
from repousse.compat.neural_renderer.obj_files import load_obj
from repousse.compat.neural_renderer.optimizers import Adam
from repousse.compat.neural_renderer.rasterize import (
    Rasterize,
    rasterize,
    rasterize_depth,
    rasterize_rgbad,
    rasterize_silhouettes,
    use_unsafe_rasterizer,
)
from repousse.compat.neural_renderer.renderer import Renderer
from repousse.compat.neural_renderer.save_obj import create_texture_image, save_obj
from repousse.compat.neural_renderer.transforms import (
    cross,
    get_points_from_angles,
    look,
    look_at,
    perspective,
    projection,
    vertices_to_faces,
)

__all__ = [
    "Renderer",
    "Mesh",
    "load_obj",
    "save_obj",
    "create_texture_image",
    "look_at",
    "look",
    "perspective",
    "projection",
    "get_points_from_angles",
    "lighting",
    "vertices_to_faces",
    "rasterize",
    "rasterize_silhouettes",
    "rasterize_depth",
    "rasterize_rgbad",
    "Rasterize",
    "use_unsafe_rasterizer",
    "Adam",
    "cross",
]
