"""Rasterisation of faces on the screen, with the released gradient.

Faces are corners (x right, y up, z into the screen); the image spans [-1, 1] in x and y, z is the distance
from the camera and 1/z is linear on the screen. Faces that run clockwise on the screen are not drawn. A pixel
shows the nearest face that holds its centre, borders included, the first of equally near ones: exactly the
pixels of the released code (`repousse.ops.kato.visible`). Faces that reach behind the camera, on which that
draws nonsense, are cut.

What a gradient reaches:

- from rgb and alpha: x and y of the corners, by the pseudo-gradient of Kato et al. as released
  (`repousse.ops.kato.released`), computed for both images *together* where one call draws both;
- from rgb: the textures, exactly. Never the corners by way of a texture that slides inside its face;
- from depth: x, y and z of the corners of the face seen, exactly; nothing from its borders.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from repousse.compat.neural_renderer.texture_sampling import sample_cubes
from repousse.ops import kato

Color = Sequence[float] | Sequence[Sequence[float]] | Tensor
Size = int | Sequence[int]

DEFAULT_IMAGE_SIZE = 256
DEFAULT_ANTI_ALIASING = True
DEFAULT_NEAR = 0.1
DEFAULT_FAR = 100
DEFAULT_EPS = 1e-4
DEFAULT_BACKGROUND_COLOR = (0, 0, 0)


class Images(NamedTuple):
    """rgb (B, 3, H, W), alpha (B, H, W) and depth (B, H, W); None for those not asked for."""

    rgb: Tensor | None
    alpha: Tensor | None
    depth: Tensor | None


def rasterize_rgbad(
    faces: Tensor,
    textures: Tensor | None = None,
    image_size: Size = DEFAULT_IMAGE_SIZE,
    anti_aliasing: bool = DEFAULT_ANTI_ALIASING,
    near: float = DEFAULT_NEAR,
    far: float = DEFAULT_FAR,
    eps: float = DEFAULT_EPS,
    background_color: Color = DEFAULT_BACKGROUND_COLOR,
    return_rgb: bool = True,
    return_alpha: bool = True,
    return_depth: bool = True,
) -> dict[str, Tensor | None]:
    """Draw faces: a dictionary of `rgb` (B, 3, H, W), `alpha` (B, H, W) and `depth` (B, H, W), row 0 on top.

    faces             float (B, F, 3, 3)        corners (x, y, z); see the head of this module
    textures          float (B, F, T, T, T, 3)  texture cubes, T >= 2; needed for rgb only
    image_size        int, or (height, width)
    anti_aliasing     draw at twice the size and average 2 x 2 pixels (depth too: it mixes with `far`)
    near, far         0 < near < far; only what lies strictly between is drawn. `depth` is `far` where empty
    eps               softens the pseudo-gradient; also keeps the last texel of a cube out of reach
    background_color  3 numbers, or (B, 3); differentiable if a tensor

    Images are float32, `None` where not asked for. Faces that reach through the near or far plane are cut
    there. Raises ValueError for shapes that do not fit.
    """
    if not (return_rgb or return_alpha or return_depth):
        raise ValueError("rasterize_rgbad: none of rgb, alpha and depth was asked for; there is nothing to draw.")
    height, width = image_shape(image_size)
    faces, textures = _checked(faces, textures, near, far, return_rgb)
    scale = 2 if anti_aliasing else 1
    wanted = (return_rgb, return_alpha, return_depth)
    planes = (float(near), float(far))
    images = _draw(faces, textures, (height * scale, width * scale), planes, eps, background_color, wanted)
    if anti_aliasing:
        images = Images(*(None if image is None else _halve(image) for image in images))
    return images._asdict()


def rasterize(
    faces: Tensor,
    textures: Tensor,
    image_size: Size = DEFAULT_IMAGE_SIZE,
    anti_aliasing: bool = DEFAULT_ANTI_ALIASING,
    near: float = DEFAULT_NEAR,
    far: float = DEFAULT_FAR,
    eps: float = DEFAULT_EPS,
    background_color: Color = DEFAULT_BACKGROUND_COLOR,
) -> Tensor:
    """Colour images (B, 3, H, W) of faces with texture cubes; arguments as in `rasterize_rgbad`."""
    images = rasterize_rgbad(
        faces, textures, image_size, anti_aliasing, near, far, eps, background_color, True, False, False
    )
    return _wanted(images["rgb"])


def rasterize_silhouettes(
    faces: Tensor,
    image_size: Size = DEFAULT_IMAGE_SIZE,
    anti_aliasing: bool = DEFAULT_ANTI_ALIASING,
    near: float = DEFAULT_NEAR,
    far: float = DEFAULT_FAR,
    eps: float = DEFAULT_EPS,
) -> Tensor:
    """Silhouettes (B, H, W) of faces (B, F, 3, 3), 1 where covered; arguments as in `rasterize_rgbad`."""
    images = rasterize_rgbad(faces, None, image_size, anti_aliasing, near, far, eps, (0, 0, 0), False, True, False)
    return _wanted(images["alpha"])


def rasterize_depth(
    faces: Tensor,
    image_size: Size = DEFAULT_IMAGE_SIZE,
    anti_aliasing: bool = DEFAULT_ANTI_ALIASING,
    near: float = DEFAULT_NEAR,
    far: float = DEFAULT_FAR,
    eps: float = DEFAULT_EPS,
) -> Tensor:
    """Depth images (B, H, W) of faces (B, F, 3, 3), `far` where empty; arguments as in `rasterize_rgbad`."""
    images = rasterize_rgbad(faces, None, image_size, anti_aliasing, near, far, eps, (0, 0, 0), False, False, True)
    return _wanted(images["depth"])


class Rasterize(nn.Module):
    """The bare step below `rasterize_rgbad`: no anti-aliasing, channels last, **row 0 at the bottom**.

    `Rasterize(image_size, near, far, eps, background_color, return_rgb, return_alpha, return_depth)(faces,
    textures)` returns rgb (B, H, W, 3), alpha (B, H, W) and depth (B, H, W), `None` for those not asked for.
    Arguments as in `rasterize_rgbad`. Raises ValueError if nothing is asked for.
    """

    def __init__(
        self,
        image_size: Size,
        near: float,
        far: float,
        eps: float,
        background_color: Color,
        return_rgb: bool = False,
        return_alpha: bool = False,
        return_depth: bool = False,
    ) -> None:
        super().__init__()
        if not (return_rgb or return_alpha or return_depth):
            raise ValueError("Rasterize: none of rgb, alpha and depth was asked for; there is nothing to draw.")
        self.image_size = image_size
        self.near = near
        self.far = far
        self.eps = eps
        self.background_color = background_color
        self.return_rgb = return_rgb
        self.return_alpha = return_alpha
        self.return_depth = return_depth

    def forward(self, faces: Tensor, textures: Tensor | None = None) -> Images:
        faces, textures = _checked(faces, textures, self.near, self.far, self.return_rgb)
        wanted = (self.return_rgb, self.return_alpha, self.return_depth)
        planes = (float(self.near), float(self.far))
        size = image_shape(self.image_size)
        rgb, alpha, depth = _draw(faces, textures, size, planes, self.eps, self.background_color, wanted)
        return Images(
            None if rgb is None else rgb.movedim(1, -1).flip(1),
            None if alpha is None else alpha.flip(1),
            None if depth is None else depth.flip(1),
        )


def use_unsafe_rasterizer(flag: bool) -> None:
    """Accepted, and without effect.

    The original switched to a faster rasteriser that used locks and did not run everywhere. The one here is
    fast and gives the same picture at every run, so there is nothing to choose (nor does
    `NEURAL_RENDERER_UNSAFE` matter).
    """


def image_shape(image_size: Size) -> tuple[int, int]:
    """(height, width) of an `image_size`: one number for a square, or the pair itself."""
    sides = [int(side) for side in torch.as_tensor(image_size).flatten().tolist()]
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise ValueError(f"image_size must be one positive number or (height, width), not {image_size!r}.")
    return sides[0], sides[-1]


def _wanted(image: Tensor | None) -> Tensor:
    assert image is not None  # the caller has just asked for it
    return image


def _checked(
    faces: Tensor, textures: Tensor | None, near: float, far: float, with_colors: bool
) -> tuple[Tensor, Tensor | None]:
    """Faces and textures as tensors, arrays included; textures only if colours are to be drawn."""
    faces = torch.as_tensor(faces)
    if faces.ndim != 4 or faces.shape[2:] != (3, 3) or not faces.is_floating_point():
        raise ValueError(
            f"rasterize: `faces` must be float (B, F, 3, 3), corners in (x, y, z), but is {faces.dtype} "
            f"{tuple(faces.shape)}. `vertices_to_faces(vertices, faces)` makes such a tensor."
        )
    if not 0 < near < far:
        raise ValueError(f"rasterize: near and far must satisfy 0 < near < far, but are {near} and {far}.")
    if not with_colors:
        return faces, None
    if textures is None:
        raise ValueError("rasterize: colours were asked for, but `textures` is None.")
    textures = torch.as_tensor(textures, device=faces.device)
    cube = textures.shape[2:5]
    if textures.ndim != 6 or textures.shape[5] != 3 or len(set(cube)) != 1 or cube[0] < 2:
        raise ValueError(
            f"rasterize: `textures` must be (B, F, T, T, T, 3) with T >= 2, but is {tuple(textures.shape)}."
        )
    if textures.shape[:2] != faces.shape[:2]:
        raise ValueError(
            f"rasterize: `textures` holds {tuple(textures.shape[:2])} (batch, faces) and `faces` "
            f"{tuple(faces.shape[:2])}. With fill_back both must be doubled."
        )
    return faces, textures


def _draw(
    faces: Tensor,
    textures: Tensor | None,
    size: tuple[int, int],
    planes: tuple[float, float],
    eps: float,
    background_color: Color,
    wanted: tuple[bool, bool, bool],
) -> Images:
    """The images at their own resolution, row 0 on top, rgb with channels first."""
    with_rgb, with_alpha, with_depth = wanted
    faces = faces.float()
    face_id, weights = kato.visible(faces, size, *planes)

    parts = []
    if textures is not None:
        background = torch.as_tensor(background_color, dtype=faces.dtype, device=faces.device)
        background = background.reshape(-1, 1, 1, 3)
        if len(background) not in (1, len(faces)):
            raise ValueError(
                f"rasterize: `background_color` holds {len(background)} colours for a batch of {len(faces)}; "
                "give 3 numbers, or (B, 3)."
            )
        parts.append(sample_cubes(textures.to(faces.dtype), face_id, weights, eps, background))
    if with_alpha:
        parts.append((face_id >= 0)[..., None].to(faces.dtype))
    image = None
    if parts:
        image = _Pull.apply(torch.cat(parts, -1), faces, face_id, eps)
    depth = _Depth.apply(faces, face_id, weights, planes[1]) if with_depth else None
    return Images(
        image[..., :3].movedim(-1, 1) if image is not None and with_rgb else None,
        image[..., -1] if image is not None and with_alpha else None,
        depth,
    )


def _halve(image: Tensor) -> Tensor:
    """The mean of every 2 x 2 pixels of (..., H, W)."""
    return image.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).mean((-1, -3))


class _Pull(torch.autograd.Function):
    """Passes an image on, and gives its faces the pseudo-gradient."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, faces: Tensor, face_id: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(image, faces, face_id)
        ctx.eps = eps
        return image.view_as(image)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        (grad,) = grad_outputs
        image, faces, face_id = ctx.saved_tensors
        grad_faces = None
        if ctx.needs_input_grad[1]:
            batch, count = faces.shape[:2]
            points = faces[..., :2].reshape(batch, 3 * count, 2)
            pull = kato.released(points, _own_corners(count, faces.device), face_id, image, grad.contiguous(), ctx.eps)
            grad_faces = functional.pad(pull.to(faces).reshape(batch, count, 3, 2), (0, 1))
        return grad, grad_faces, None, None


@functools.lru_cache(maxsize=4)
def _own_corners(count: int, device: torch.device) -> Tensor:
    """int32 (count, 3): each face has three vertices of its own. Kept, as a GPU has to be waited for to check them."""
    return torch.arange(3 * count, dtype=torch.int32, device=device).reshape(count, 3)


class _Depth(torch.autograd.Function):
    """Camera z of each pixel; its gradient is exact inside faces and knows no edges."""

    @staticmethod
    def forward(ctx: Any, faces: Tensor, face_id: Tensor, weights: Tensor, far: float) -> Tensor:
        item, row, column = (face_id >= 0).nonzero(as_tuple=True)
        index = face_id[item, row, column].long()
        first = weights[item, row, column]
        share = torch.cat([first, 1 - first.sum(-1, keepdim=True)], -1)
        z = (share * faces[item, index, :, 2]).sum(-1)
        ctx.save_for_backward(faces, item, row, column, index, share, z)
        return weights.new_full(face_id.shape, far).index_put((item, row, column), z)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        (grad,) = grad_outputs
        faces, item, row, column, index, share, z = ctx.saved_tensors
        x, y, corner_z = faces[item, index].unbind(-1)
        # A screen weight is linear on the screen; its slope is the opposite edge, turned, over the area.
        slope_x = y.roll(-1, 1) - y.roll(-2, 1)
        slope_y = x.roll(-2, 1) - x.roll(-1, 1)
        area = (x * slope_x).sum(-1)
        inverse_x = (slope_x / corner_z).sum(-1) / area
        inverse_y = (slope_y / corner_z).sum(-1) / area
        screen = share * corner_z / z[:, None]  # from perspective-correct to screen weights
        pull = grad[item, row, column, None] * screen * (z * z)[:, None]
        terms = torch.stack([pull * inverse_x[:, None], pull * inverse_y[:, None], pull / corner_z**2], -1)
        out = torch.zeros_like(faces)
        out.flatten(0, 1).index_add_(0, item * faces.shape[1] + index, terms)
        return out, None, None, None
