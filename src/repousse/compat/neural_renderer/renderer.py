"""The renderer object: a camera, a light and the options of the rasteriser in one place."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from repousse.compat.neural_renderer.lighting import lighting
from repousse.compat.neural_renderer.rasterize import (
    Color,
    Size,
    rasterize,
    rasterize_depth,
    rasterize_rgbad,
    rasterize_silhouettes,
)
from repousse.compat.neural_renderer.tensors import ArrayLike, float_tensor
from repousse.compat.neural_renderer.transforms import (
    look,
    look_at,
    perspective,
    projection,
    vertices_to_faces,
)

CAMERA_MODES = ("look_at", "look", "projection", "none")


class Calibration(NamedTuple):
    """A calibrated camera, as passed to one call; None stands for the renderer's own attribute."""

    K: ArrayLike | None
    R: ArrayLike | None
    t: ArrayLike | None
    dist_coeffs: ArrayLike | None
    orig_size: ArrayLike | None

    def __bool__(self) -> bool:
        return self.K is not None or self.R is not None or self.t is not None


class Renderer(nn.Module):
    """Draws meshes. Serves programs written for the Chainer original and for the PyTorch port alike.

    The original takes no arguments: set attributes afterwards; `render` returns rgb. The port takes arguments
    (every attribute below is one, in this order, except `eye` and `rasterizer_eps`), can be called, and its
    `render` returns (rgb, depth, alpha). A renderer is taken to be the port's if `camera_mode` is given to the
    constructor, or `K`, `R` or `t` to it, to an attribute or to a call; the port draws nothing without one.

    image_size        int, or (height, width)
    anti_aliasing     draw at twice the size and average
    background_color  3 numbers, or (B, 3)
    fill_back         draw both sides of every face (the reversed faces are appended, with reversed textures)
    camera_mode       "look_at": from `eye` to the origin. "look": from `eye` along `camera_direction`.
                      "projection": by K, R, t, dist_coeffs, orig_size. "none": vertices are on the screen
                      already (in the original's kind of renderer `perspective` still applies). Default:
                      "projection" as soon as K, R or t is given, else "look_at", the original's default
    K, R, t           intrinsics (B, 3, 3), rotation (B, 3, 3), translation (B, 1, 3)
    dist_coeffs       (B, 5), OpenCV's k1, k2, p1, p2, k3
    orig_size         side in pixels of the picture that K refers to
    perspective       False: x and y of the camera space are the screen's (look_at and look)
    viewing_angle     half of the field of view, degrees
    camera_direction  (3,) or (B, 3)
    near, far         only what lies between them is drawn
    light_*           intensities; colours (3,) or (B, 3); the direction to the light, (3,) or (B, 3)
    eye               (3,) or (B, 3)
    rasterizer_eps    softens the gradient

    Nothing is changed in place. Other than in both released versions `near`, `far` and `rasterizer_eps` count
    for silhouettes and depth too.
    """

    def __init__(
        self,
        image_size: Size = 256,
        anti_aliasing: bool = True,
        background_color: Color = (0, 0, 0),
        fill_back: bool = True,
        camera_mode: str | None = None,
        K: ArrayLike | None = None,
        R: ArrayLike | None = None,
        t: ArrayLike | None = None,
        dist_coeffs: ArrayLike | None = None,
        orig_size: ArrayLike = 1024,
        perspective: bool = True,
        viewing_angle: ArrayLike = 30,
        camera_direction: ArrayLike = (0, 0, 1),
        near: float = 0.1,
        far: float = 100,
        light_intensity_ambient: ArrayLike = 0.5,
        light_intensity_directional: ArrayLike = 0.5,
        light_color_ambient: ArrayLike = (1, 1, 1),
        light_color_directional: ArrayLike = (1, 1, 1),
        light_direction: ArrayLike = (0, 1, 0),
    ) -> None:
        super().__init__()
        self._camera_was_chosen = camera_mode is not None

        self.image_size = image_size
        self.anti_aliasing = anti_aliasing
        self.background_color = background_color
        self.fill_back = fill_back

        self.camera_mode = "look_at" if camera_mode is None else camera_mode
        _check_mode(self.camera_mode)
        self.K = K
        self.R = R
        self.t = t
        self.dist_coeffs = dist_coeffs
        self.orig_size = orig_size
        self.perspective = perspective
        self.viewing_angle = viewing_angle
        self.eye = [0, 0, -(1 / math.tan(math.radians(float(torch.as_tensor(viewing_angle).max()))) + 1)]
        self.camera_direction = camera_direction
        self.near = near
        self.far = far

        self.light_intensity_ambient = light_intensity_ambient
        self.light_intensity_directional = light_intensity_directional
        self.light_color_ambient = light_color_ambient
        self.light_color_directional = light_color_directional
        self.light_direction = light_direction

        self.rasterizer_eps = 1e-3

    def __setattr__(self, name: str, value: Any) -> None:
        # A Parameter assigned as `eye` is registered with the module, which then refuses a plain position.
        if name in self.__dict__.get("_parameters", {}) and not isinstance(value, nn.Parameter):
            delattr(self, name)
        super().__setattr__(name, value)
        if name in ("K", "R", "t") and value is not None and not self._camera_was_chosen:
            self.camera_mode = "projection"

    def forward(
        self,
        vertices: Tensor,
        faces: Tensor,
        textures: Tensor | None = None,
        mode: str | None = None,
        K: ArrayLike | None = None,
        R: ArrayLike | None = None,
        t: ArrayLike | None = None,
        dist_coeffs: ArrayLike | None = None,
        orig_size: ArrayLike | None = None,
    ) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Draw by `mode`: None for (rgb, depth, alpha), "rgb", "silhouettes" or "depth". See `render`."""
        call = Calibration(K, R, t, dist_coeffs, orig_size)
        if mode is None:
            return self._all(vertices, faces, textures, call)
        if mode == "rgb":
            return self._rgb(vertices, faces, textures, call)
        if mode == "silhouettes":
            return self.render_silhouettes(vertices, faces, *call)
        if mode == "depth":
            return self.render_depth(vertices, faces, *call)
        raise ValueError(f"Renderer: mode must be None, 'rgb', 'silhouettes' or 'depth', not {mode!r}.")

    def render(
        self,
        vertices: Tensor,
        faces: Tensor,
        textures: Tensor,
        K: ArrayLike | None = None,
        R: ArrayLike | None = None,
        t: ArrayLike | None = None,
        dist_coeffs: ArrayLike | None = None,
        orig_size: ArrayLike | None = None,
    ) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Images of lit meshes, row 0 on top: rgb, or (rgb, depth, alpha); see `Renderer` for which.

        vertices  float (B, V, 3)           world space
        faces     int   (B, F, 3)
        textures  float (B, F, T, T, T, 3)  texture cubes
        K, R, t, dist_coeffs, orig_size     instead of the attributes, for this call

        rgb (B, 3, H, W), depth and alpha (B, H, W). Differentiable in vertices, textures, camera and light.
        """
        call = Calibration(K, R, t, dist_coeffs, orig_size)
        if self._is_port(call):
            return self._all(vertices, faces, textures, call)
        return self._rgb(vertices, faces, textures, call)

    def render_rgb(
        self,
        vertices: Tensor,
        faces: Tensor,
        textures: Tensor,
        K: ArrayLike | None = None,
        R: ArrayLike | None = None,
        t: ArrayLike | None = None,
        dist_coeffs: ArrayLike | None = None,
        orig_size: ArrayLike | None = None,
    ) -> Tensor:
        """Colour images (B, 3, H, W). Arguments as in `render`."""
        return self._rgb(vertices, faces, textures, Calibration(K, R, t, dist_coeffs, orig_size))

    def render_silhouettes(
        self,
        vertices: Tensor,
        faces: Tensor,
        K: ArrayLike | None = None,
        R: ArrayLike | None = None,
        t: ArrayLike | None = None,
        dist_coeffs: ArrayLike | None = None,
        orig_size: ArrayLike | None = None,
    ) -> Tensor:
        """Silhouettes (B, H, W), 1 where a mesh is. Arguments as in `render`."""
        call = Calibration(K, R, t, dist_coeffs, orig_size)
        corners = self._to_screen(*self._both_sides(vertices, faces), call)
        options = (self.image_size, self.anti_aliasing, self.near, self.far, self.rasterizer_eps)
        return rasterize_silhouettes(corners, *options)

    def render_depth(
        self,
        vertices: Tensor,
        faces: Tensor,
        K: ArrayLike | None = None,
        R: ArrayLike | None = None,
        t: ArrayLike | None = None,
        dist_coeffs: ArrayLike | None = None,
        orig_size: ArrayLike | None = None,
    ) -> Tensor:
        """Camera z (B, H, W), `far` where empty. Arguments as in `render`."""
        call = Calibration(K, R, t, dist_coeffs, orig_size)
        corners = self._to_screen(*self._both_sides(vertices, faces), call)
        options = (self.image_size, self.anti_aliasing, self.near, self.far, self.rasterizer_eps)
        return rasterize_depth(corners, *options)

    def _is_port(self, call: Calibration) -> bool:
        own = Calibration(self.K, self.R, self.t, self.dist_coeffs, self.orig_size)
        return self._camera_was_chosen or bool(call) or bool(own)

    def _rgb(self, vertices: Tensor, faces: Tensor, textures: Tensor | None, call: Calibration) -> Tensor:
        return rasterize(*self._textured(vertices, faces, textures, call))

    def _all(
        self, vertices: Tensor, faces: Tensor, textures: Tensor | None, call: Calibration
    ) -> tuple[Tensor, Tensor, Tensor]:
        images = rasterize_rgbad(*self._textured(vertices, faces, textures, call))
        rgb, depth, alpha = images["rgb"], images["depth"], images["alpha"]
        assert rgb is not None and depth is not None and alpha is not None  # all three are the default
        return rgb, depth, alpha

    def _textured(
        self, vertices: Tensor, faces: Tensor, textures: Tensor | None, call: Calibration
    ) -> tuple[Tensor, Tensor, Size, bool, float, float, float, Color]:
        """The arguments of `rasterize`."""
        if textures is None:
            raise ValueError("Renderer: colours need `textures`; mode='silhouettes' and mode='depth' do without.")
        vertices, faces = self._both_sides(vertices, faces)
        corners = self._to_screen(vertices, faces, call)
        textures = torch.as_tensor(textures, device=vertices.device)
        if self.fill_back:
            textures = torch.cat([textures, textures.permute(0, 1, 4, 3, 2, 5)], 1)
        lit = lighting(
            vertices_to_faces(vertices, faces),
            textures,
            self.light_intensity_ambient,
            self.light_intensity_directional,
            self.light_color_ambient,
            self.light_color_directional,
            self.light_direction,
        )
        if len(lit) == 1:
            lit = lit.expand(len(corners), *lit.shape[1:])
        options = (self.image_size, self.anti_aliasing, self.near, self.far, self.rasterizer_eps)
        return corners, lit, *options, self.background_color

    def _both_sides(self, vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        """The mesh as tensors (arrays will do, too), with the backs of its faces if they are to be seen."""
        vertices = float_tensor(vertices, "Renderer: `vertices`")
        faces = torch.as_tensor(faces, device=vertices.device)
        faces = faces[None] if faces.ndim == 2 else faces
        return vertices, torch.cat([faces, faces.flip(-1)], 1) if self.fill_back else faces

    def _to_screen(self, vertices: Tensor, faces: Tensor, call: Calibration) -> Tensor:
        """Corners (B, F, 3, 3) on the screen, with their distance from the camera as z."""
        _check_mode(self.camera_mode)
        if self.camera_mode == "projection" or (call and not self._camera_was_chosen):
            return vertices_to_faces(self._project(vertices, call), faces)
        if self.camera_mode == "look_at":
            vertices = look_at(vertices, self.eye)
        elif self.camera_mode == "look":
            vertices = look(vertices, self.eye, self.camera_direction)
        if self.perspective and not (self.camera_mode == "none" and self._is_port(call)):
            vertices = perspective(vertices, self.viewing_angle)
        return vertices_to_faces(vertices, faces)

    def _project(self, vertices: Tensor, call: Calibration) -> Tensor:
        own = Calibration(self.K, self.R, self.t, self.dist_coeffs, self.orig_size)
        used = Calibration(*(theirs if mine is None else mine for mine, theirs in zip(call, own, strict=True)))
        missing = [name for name in ("K", "R", "t") if getattr(used, name) is None]
        if used.K is None or used.R is None or used.t is None:
            raise ValueError(
                f"Renderer: camera_mode 'projection' needs K, R and t, but {', '.join(missing)} is neither "
                "an attribute nor an argument of this call. For a camera at `eye` set camera_mode='look_at'."
            )
        size = 1024 if used.orig_size is None else used.orig_size
        return projection(vertices, used.K, used.R, used.t, used.dist_coeffs, size)


def _check_mode(camera_mode: str) -> None:
    if camera_mode not in CAMERA_MODES:
        raise ValueError(f"Renderer: camera_mode must be one of {', '.join(CAMERA_MODES)}, not {camera_mode!r}.")
