"""Pictures of all directions: cube maps and lat-long environment images."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from repousse.core import checks
from repousse.ops.cubemap import reference
from repousse.ops.cubemap.conversion import cubemap_directions, environment_directions
from repousse.ops.cubemap.levels import cubemap_levels, environment_levels
from repousse.ops.cubemap.lookup import lookup

__all__ = [
    "cubemap",
    "cubemap_directions",
    "cubemap_from_environment",
    "cubemap_levels",
    "environment",
    "environment_directions",
    "environment_levels",
]

Levels = Tensor | Sequence[Tensor]
Backend = Literal["native", "reference"]


def cubemap(
    images: Levels, direction: Tensor, *, level: Tensor | float | None = None, backend: Backend = "native"
) -> Tensor:
    """Look up directions in a cube map.

    >>> sky = cubemap(faces, normals, level=3.5)   # (6, 64, 64, 3), (2, 48, 64, 3) -> (2, 48, 64, 3)

    images     float (6, S, S, C)     the faces +x, -x, +y, -y, +z, -z; any S
               or a sequence of such  the mip levels, finest first, of any sizes: for instance surroundings that are
                                      blurred more from level to level; else they are made by `cubemap_levels`
    direction  float (..., 3)         world space, any length; usually (B, H, W, 3)
    level      float (...) or number  mip level, clamped to those there are; None: level 0
    backend    "native", or "reference" for the slow implementation in PyTorch

    Faces and their orientation are those of OpenGL (and Vulkan, and so of glTF viewers). A direction (x, y, z) whose
    largest component m in magnitude belongs to a face's axis meets that face at column S (1 + s / |m|) / 2 and row
    S (1 + t / |m|) / 2, counted from the outer border of texel 0, row 0 being the first in memory:

        face   +x   -x   +y   -y   +z   -z
        s      -z   +z   +x   +x   +x   -x
        t      -y   -y   +z   -z   -y   -y

    So row 0 of the four faces around the horizon is up (+y), and faces are mirrored as seen from inside the cube.

    Bilinear, between two levels if `level` is given. There are no seams, at any level: beyond an edge lie the texels
    of the face there; beyond a corner, where three texels meet, their mean.

    Returns float (..., C), zero where the direction is zero (so in empty pixels) or not finite, or the level is NaN.

    Differentiable: in `images`, `direction` and `level`. The derivative is that of the piecewise bilinear function
    (next to texel centres: of one of the two pieces); nothing pulls at a level that is clamped.

    Memory of the backward pass: up to 64 MiB, or twice the texels of all levels if that is more; on a GPU nothing but
    the gradients, with `torch.use_deterministic_algorithms` some six times those of the texels.

    Raises ValueError or TypeError for wrong shapes, dtypes and devices.
    """
    levels = _levels("cubemap", images, 4, "(6, S, S, C)", level)
    for one in levels:
        if one.shape[0] != 6 or one.shape[1] != one.shape[2]:
            raise ValueError(f"cubemap: `images` must be six square faces (6, S, S, C), got {checks.describe(one)}.")
    if level is not None and isinstance(images, Tensor):
        levels = cubemap_levels(images)
    return _look_up("cubemap", levels, direction, level, backend)


def environment(
    image: Levels, direction: Tensor, *, level: Tensor | float | None = None, backend: Backend = "native"
) -> Tensor:
    """Look up directions in a lat-long image (an equirectangular panorama).

    >>> sky = environment(panorama, normals)   # (512, 1024, 3), (2, 48, 64, 3) -> (2, 48, 64, 3)

    image      float (Ht, Wt, C)      row 0 is up (+y)
               or a sequence of such  the mip levels, finest first, of any sizes; else made by `environment_levels`
    direction  float (..., 3)         world space, any length; usually (B, H, W, 3)
    level      float (...) or number  mip level, clamped to those there are; None: level 0
    backend    "native", or "reference" for the slow implementation in PyTorch

    A direction (x, y, z) of length 1 meets the image at

        column  Wt (1/2 + atan2(z, x) / 2 pi)
        row     Ht arccos(y) / pi

    counted from the outer border of texel (0, 0). The centre of the image looks along +x, a quarter further to the
    right along +z, and the left border along -x: the convention of three.js and of the Khronos glTF viewer. The
    image is not mirrored as seen from inside. Mitsuba's `envmap` has +z in its centre: `image.roll(Wt // 4, 1)`
    makes of an image for Mitsuba one for this function.

    Bilinear, between two levels if `level` is given. The image wraps around; beyond a pole lie the texels half
    around of the same row.

    Returns float (..., C), zero where the direction is zero (so in empty pixels) or not finite, or the level is NaN.

    Differentiable: in `image`, `direction` (not at the very poles, where the derivative is set to zero) and `level`,
    as in `cubemap`, which also takes the same memory.

    Raises ValueError or TypeError for wrong shapes, dtypes and devices.
    """
    levels = _levels("environment", image, 3, "(Ht, Wt, C)", level)
    if level is not None and isinstance(image, Tensor):
        levels = environment_levels(image)
    return _look_up("environment", levels, direction, level, backend)


def cubemap_from_environment(image: Tensor, size: int) -> Tensor:
    """The cube map (6, size, size, C) that shows what a lat-long image (Ht, Wt, C) shows (see both for conventions).

    A texel is the mean of lookups spread evenly over it, close enough to miss no texel of the image but for some next
    to the poles, where columns are narrow. Differentiable in `image`.

    Raises ValueError or TypeError for wrong shapes and dtypes.
    """
    if size < 1:
        raise ValueError(f"cubemap_from_environment: `size` must be at least 1, got {size}.")
    (image,) = _levels("cubemap_from_environment", image, 3, "(Ht, Wt, C)", None)
    # At the middle of a face a texel sees 2 / size radians, a texel of the image 2 pi / Wt or pi / Ht.
    spread = math.ceil(max(image.shape[1] / (math.pi * size), 2 * image.shape[0] / (math.pi * size)))
    faces = []
    for direction in cubemap_directions(size * spread, device=image.device):
        fine = environment(image, direction)
        faces.append(fine.view(size, spread, size, spread, -1).mean((1, 3)))
    return torch.stack(faces)


def _levels(op: str, images: Levels, rank: int, expected: str, level: Tensor | float | None) -> list[Tensor]:
    name = "images" if op == "cubemap" else "image"
    levels = [images] if isinstance(images, Tensor) else list(images)
    if not levels:
        raise ValueError(f"{op}: `{name}` is an empty sequence. Give at least one mip level.")
    for one in levels:
        if not isinstance(one, Tensor) or one.dim() != rank or 0 in one.shape[:-1]:
            raise ValueError(f"{op}: `{name}` must be {expected}, or a sequence of such, got {checks.describe(one)}.")
        if one.shape[-1] != levels[0].shape[-1]:
            raise ValueError(
                f"{op}: the levels in `{name}` have {levels[0].shape[-1]} and {one.shape[-1]} channels. "
                "All need the same number."
            )
    return levels if level is not None else levels[:1]


def _look_up(
    op: str, levels: list[Tensor], direction: Tensor, level: Tensor | float | None, backend: Backend
) -> Tensor:
    if not isinstance(direction, Tensor) or direction.dim() == 0 or direction.shape[-1] != 3:
        raise ValueError(f"{op}: `direction` must be a tensor (..., 3), got {checks.describe(direction)}.")
    if isinstance(level, (int, float)):
        level = direction.new_full(direction.shape[:-1], level)
    if level is not None and (not isinstance(level, Tensor) or level.shape != direction.shape[:-1]):
        raise ValueError(
            f"{op}: `level` must be a number or {tuple(direction.shape[:-1])}, one for each direction, "
            f"got {checks.describe(level)}."
        )
    tensors = {"images": levels[0], "images (last level)": levels[-1], "direction": direction}
    checks.same_device(op, **tensors if level is None else tensors | {"level": level})
    if backend == "reference":
        read = reference.read_cubemap if op == "cubemap" else reference.read_environment
        return reference.lookup(levels, direction, level, read)
    if backend != "native":
        raise ValueError(f'{op}: `backend` must be "native" or "reference", got {backend!r}.')
    rows = [checks.as_float32(op, "images", one).view(-1, one.shape[-1]) for one in levels]
    return lookup(
        rows[0] if len(rows) == 1 else torch.cat(rows),
        [side for one in levels for side in one.shape[-3:-1]],
        op == "cubemap",
        checks.as_float32(op, "direction", direction),
        None if level is None else checks.as_float32(op, "level", level),
    )
