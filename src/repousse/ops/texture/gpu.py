"""Texture lookups on a GPU, and their derivative."""

from collections.abc import Sequence

from torch import Tensor

from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.sums import ATOMIC, Sum, accumulate
from repousse.ops.texture.gpu_backward import look_up_backward
from repousse.ops.texture.gpu_images import describe_images
from repousse.ops.texture.gpu_lookup import look_up
from repousse.ops.texture.gpu_mipmaps import build_mipmaps, gather_gradients

_MOST_LANES = 32


def texture(
    texels: Tensor,
    layout: Sequence[int],
    uv: Tensor,
    which: Tensor | None,
    derivatives: Tensor | None,
    level: Tensor | None,
) -> Tensor:
    channels = texels.shape[1]
    out = uv.new_empty((*uv.shape[:3], channels))
    if out.numel() == 0:
        return out
    mipmaps = derivatives is not None or level is not None
    images = describe_images(layout, mipmaps, uv.device)
    pyramid = build_mipmaps(texels, images) if mipmaps else None
    size, grid, tile = _tiles(uv, channels)
    inputs = (texels, pyramid, uv, which, derivatives, level)
    launch(look_up, grid, *inputs, out, images.number, *size, *images.arguments, **images.settings, **tile)
    return out


def texture_backward(
    texels: Tensor,
    layout: Sequence[int],
    uv: Tensor,
    which: Tensor | None,
    derivatives: Tensor | None,
    level: Tensor | None,
    g_out: Tensor,
    wanted: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    found = [
        uv.new_empty(tensor.shape if want and tensor is not None else (0,))
        for want, tensor in zip(wanted, (texels, uv, derivatives, level), strict=True)
    ]
    g_texels, g_uv, g_derivatives, g_level = found
    if g_out.numel() == 0:
        return g_texels.zero_(), g_uv.zero_(), g_derivatives.zero_(), g_level.zero_()
    g_out = g_out.contiguous()
    channels = texels.shape[1]
    mipmaps = derivatives is not None or level is not None
    images = describe_images(layout, mipmaps, uv.device)
    by_pixel = [gradient if gradient.numel() else None for gradient in found[1:]]
    coordinates = any(gradient is not None for gradient in by_pixel)
    pyramid = build_mipmaps(texels, images) if mipmaps and coordinates else None
    size, grid, tile = _tiles(uv, channels)
    constants = {**images.settings, **tile, "SUM_LANES": max(_padded(channels), 2)}

    inputs = (uv, which, derivatives, level, g_out)
    arguments = (images.texels, images.number, *size, *images.arguments)

    # One after the other: together they need so many registers that few programs are under way at once.
    if coordinates:
        some = (texels, pyramid, *inputs, *by_pixel, None, None, None)
        launch(look_up_backward, grid, *some, *arguments, MODE=ATOMIC.value, **constants)

    def add(sums: list[Sum], mode: int) -> None:
        some = (texels, None, *inputs, None, None, None, *sums[0])
        launch(look_up_backward, grid, *some, *arguments, MODE=mode, **constants, num_warps=8)

    if wanted[0]:
        everything = texels.new_empty(1).expand(images.texels + images.coarser, channels)  # no memory: for its shape
        g_texels = gather_gradients(accumulate([everything], add)[0], images)
    return g_texels, g_uv, g_derivatives, g_level


def _tiles(uv: Tensor, channels: int) -> tuple[tuple[int, int], tuple[int, int], dict[str, int]]:
    """Height and width of the pictures, the grid of tiles that they are cut into, and the tiles' sizes.

    Channels lie in lanes side by side, so that texels are read in one piece. Three lanes of four do not pay off,
    though: of three channels, a lane reads one after the other.
    """
    batch, height, width = uv.shape[:3]
    # Tiles would be empty for the most part, or too many for the grid's second axis; rows of pixels do as well.
    if height < 8 or width < 16 or height > 4 * 65535:
        height, width = 1, height * width
    lanes = 1 if channels == 3 else _padded(channels)
    pixels = max(min(1024 // lanes, 256), 32)
    rows = 1 if height == 1 else 8 if pixels > 64 else 4
    columns = pixels // rows
    grid = (batch * blocks(width, columns), blocks(height, rows))
    return (height, width), grid, {"ROWS": rows, "COLUMNS": columns, "CHANNELS": channels, "LANES": lanes}


def _padded(channels: int) -> int:
    return min(1 << (channels - 1).bit_length(), _MOST_LANES)
