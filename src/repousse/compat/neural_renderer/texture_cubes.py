"""Texture cubes: one T x T x T x 3 volume per face, whose axis k is the weight of the face's corner k.

A picture is baked into cubes by `bake_cubes` and cubes are laid out as a picture by `create_texture_image`.
"""

import math

import numpy as np
import torch
from torch import Tensor

from repousse.compat.neural_renderer.tensors import ArrayLike, float_tensor

WRAPPINGS = ("REPEAT", "MIRRORED_REPEAT", "CLAMP_TO_EDGE", "CLAMP_TO_BORDER")
ATLAS_EPS = 1e-5
CHUNK = 1 << 18  # cells or pixels handled at once, to bound memory


def wrap(uv: Tensor, wrapping: str) -> Tensor:
    """Texture coordinates of face corners brought into [0, 1], where that is what `wrapping` means.

    REPEAT leaves [0, 1] alone, both ends included, and takes the fractional part elsewhere; MIRRORED_REPEAT
    is the triangle wave; CLAMP_TO_EDGE clamps; CLAMP_TO_BORDER leaves everything: outside there is a black
    border.
    """
    if wrapping == "REPEAT":
        return torch.where((uv >= 0) & (uv <= 1), uv, uv - uv.floor())
    if wrapping == "MIRRORED_REPEAT":
        return 1 - (uv.remainder(2) - 1).abs()
    if wrapping == "CLAMP_TO_EDGE":
        return uv.clamp(0, 1)
    if wrapping == "CLAMP_TO_BORDER":
        return uv
    raise ValueError(f"load_obj: `texture_wrapping` must be one of {', '.join(WRAPPINGS)}, but is {wrapping!r}.")


def cell_weights(size: int) -> Tensor:
    """Barycentric coordinates of the cells of a cube, float64 (size^3, 3): (i, j, k) / (i + j + k).

    Cells off the plane of the face are projected onto it from the origin. Cell (0, 0, 0) has no such
    projection and takes the centre of the face, as the other cells on the diagonal do; the released Chainer
    code divides 0 by 0.
    """
    if size < 2:
        raise ValueError(f"load_obj: `texture_size` must be at least 2, but is {size}.")
    cells = torch.cartesian_prod(*[torch.arange(size, dtype=torch.float64)] * 3)
    cells[0] = 1
    return cells / cells.sum(dim=1, keepdim=True)


def bake_cubes(image: Tensor, uv: Tensor, size: int, wrapping: str, bilinear: bool) -> Tensor:
    """Texture cubes (F, size, size, size, 3) that show `image` on faces with texture coordinates `uv`.

    image  float (H, W, 3), row 0 on top
    uv     float (F, 3, 2): of the corners, v up; 0 and 1 are the centres of the outermost texels

    Wrapping acts on the corners, so a face that crosses a seam of a repeated picture is distorted, as
    released.
    """
    weights = cell_weights(size)
    corners = wrap(uv.double(), wrapping)
    bottom_up = image.flip(0).contiguous()
    chunk = max(1, CHUNK // len(weights))
    cubes = [
        _sample(bottom_up, weights @ part, wrapping == "CLAMP_TO_BORDER", bilinear) for part in corners.split(chunk)
    ]
    return torch.cat(cubes).reshape(-1, size, size, size, 3) if cubes else image.new_zeros(0, size, size, size, 3)


def _sample(image: Tensor, uv: Tensor, border: bool, bilinear: bool) -> Tensor:
    """Colours of `image` (H, W, 3), bottom row first, at `uv` (..., 2); `border`: black outside [0, 1]."""
    height, width = image.shape[:2]
    inside = ((uv >= 0) & (uv <= 1)).all(dim=-1, keepdim=True)
    last = uv.new_tensor([width - 1, height - 1])
    position = uv.clamp(0, 1) * last  # after wrapping only rounding errors are clamped away
    if bilinear:
        low = position.floor()
        fraction = (position - low).to(image).unsqueeze(-2)
        x0, y0 = low.long().unbind(dim=-1)
        x1, y1 = torch.minimum(low + 1, last).long().unbind(dim=-1)
        fx, fy = fraction.unbind(dim=-1)
        bottom = torch.lerp(image[y0, x0], image[y0, x1], fx)
        top = torch.lerp(image[y1, x0], image[y1, x1], fx)
        colors = torch.lerp(bottom, top, fy)
    else:
        x, y = (position + 0.5).floor().long().unbind(dim=-1)
        colors = image[y, x]
    return torch.where(inside, colors, 0) if border else colors


def create_texture_image(textures: ArrayLike, texture_size_out: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Lay texture cubes (F, T, T, T, 3) out as one picture; returns (image, uv) as float32 arrays.

    image  (H, W, 3), row 0 on top: square tiles of `texture_size_out` pixels, int(sqrt(F - 1)) + 1 to a row,
           the first at the bottom left; tiles without a face are black (the releases read beyond memory)
    uv     (F, 3, 2): texture coordinates of the corners, v up, at the centres of the tile's corner pixels

    The face fills one half of its tile. The pixels just beyond the diagonal repeat their left neighbour, so
    bilinear sampling along the edge sees no foreign colour. The values are neither clamped nor rounded.
    """
    cubes = float_tensor(textures, "create_texture_image: `textures`").detach()
    size = cubes.shape[1] if cubes.ndim == 5 else 0
    if size < 2 or cubes.shape[0] == 0 or cubes.shape[1:] != (size, size, size, 3):
        raise ValueError(
            "create_texture_image: `textures` must be (faces, T, T, T, 3) with T >= 2 and at least one face, "
            f"but is {tuple(cubes.shape)}."
        )
    if texture_size_out < 2:
        raise ValueError(f"create_texture_image: `texture_size_out` must be at least 2, but is {texture_size_out}.")
    count, side = len(cubes), texture_size_out
    columns = math.isqrt(count - 1) + 1
    rows = (count - 1) // columns + 1
    tiles = cubes.new_zeros(rows * columns, side, side, 3, dtype=torch.float32)
    tiles[:count] = _tiles(cubes, side)
    below = torch.arange(side - 1, device=cubes.device)
    tiles[:, below, below + 1] = tiles[:, below, below]
    image = tiles.reshape(rows, columns, side, side, 3).transpose(1, 2).reshape(rows * side, columns * side, 3)

    faces = np.arange(count)
    origin = np.stack([faces % columns, faces // columns], axis=1) * side
    corners = origin[:, None] + np.array([[0, 0], [0, 1], [1, 1]]) * (side - 1)
    uv = corners / np.array([columns * side - 1, rows * side - 1])
    return image.flip(0).cpu().numpy(), uv.astype(np.float32)


def _tiles(cubes: Tensor, side: int) -> Tensor:
    """All pixels of all tiles (F, side, side, 3), trilinear; weights outside the face are clamped."""
    size, device = cubes.shape[1], cubes.device
    steps = torch.arange(side, dtype=torch.float64, device=device) / (side - 1)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    weights = torch.stack([1 - y, y - x, x], dim=-1).reshape(-1, 3) / (1 + ATLAS_EPS)
    position = (weights * (size - 1)).clamp(0, size - 1 - ATLAS_EPS)
    low = position.floor()
    share = torch.stack([1 - (position - low), position - low])  # (2, pixels, 3)
    flat = cubes.float().reshape(len(cubes), -1, 3)
    strides = torch.tensor([size * size, size, 1], device=device)
    tiles = flat.new_zeros(len(cubes), side * side, 3)
    for corner in torch.cartesian_prod(*[torch.arange(2, device=device)] * 3):
        weight = share[corner, :, torch.arange(3, device=device)].prod(dim=0).float()
        cell = ((low.long() + corner) * strides).sum(dim=1)
        tiles += weight[:, None] * flat[:, cell]
    return tiles.reshape(len(cubes), side, side, 3)
