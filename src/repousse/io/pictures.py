"""Picture files."""

import io
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .files import read_bytes, write_bytes
from .images import eight_bits, fractions, open_picture


def save_png(path: str | os.PathLike[str], image: Tensor | np.ndarray) -> None:
    """Write a picture as an 8-bit PNG.

    image  (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); float in [0, 1] (what lies outside is clipped) or uint8;
           row 0 is the top

    The file appears in one step. ValueError for other shapes, types, and values that are not a number.
    """
    pixels = as_bytes("save_png", image, (2, 3))
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    write_bytes("save_png", Path(path), _encode("PNG", Image.fromarray(pixels), optimize=True))


def save_gif(path: str | os.PathLike[str], frames: Tensor | np.ndarray, fps: float = 25.0) -> None:
    """Write frames as an endless GIF.

    frames  (N, H, W, 3); float in [0, 1] or uint8
    fps     frames per second, up to 50; the format counts in 1/100 s, so delays alternate to keep the mean

    All frames share one palette of 256 colours, chosen from all of them, without dithering: what does not
    move does not flicker. The file appears in one step. ValueError as for `save_png`, and for no frames or a
    bad fps.
    """
    pixels = as_bytes("save_gif", frames, (4,))
    if not len(pixels) or pixels.shape[-1] != 3:
        raise ValueError(f"save_gif: `frames` should be (N, H, W, 3) with N > 0, got {pixels.shape}")
    if not 0 < fps <= 50:
        raise ValueError(f"save_gif: `fps` should be above 0 and at most 50 (what programs play), got {fps}")
    palette = _palette(pixels)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in pixels]
    ticks = np.diff(np.rint(np.arange(len(images) + 1) * 100 / fps)).astype(int)
    data = _encode(
        "GIF",
        images[0],
        save_all=True,
        append_images=images[1:],
        duration=(ticks * 10).tolist(),
        loop=0,
        optimize=False,
    )
    write_bytes("save_gif", Path(path), data)


def load_image(path: str | os.PathLike[str]) -> Tensor:
    """Read a picture as float32 (H, W, C) in [0, 1], row 0 on top.

    C is 1 (grey), 3 or 4 (with alpha); palettes become colours, 16 bits stay exact. Orientation marks of
    cameras are ignored. FileNotFoundError if there is no file; ValueError if it is no picture, cut off, or
    decodes to more pixels than Pillow deems safe (`PIL.Image.MAX_IMAGE_PIXELS`).
    """
    path = Path(path)
    image = open_picture(read_bytes("load_image", path), f"load_image: {path}")
    return torch.from_numpy(fractions(image))


def as_bytes(caller: str, image: Tensor | np.ndarray, dimensions: tuple[int, ...]) -> np.ndarray:
    """Checked, as uint8."""
    if isinstance(image, Tensor):
        image = image.detach().cpu()
        image = image.float() if image.dtype == torch.bfloat16 else image  # unknown to numpy
    array = np.asarray(image)
    channels = array.shape[-1] if array.ndim > 2 else 1
    if array.ndim not in dimensions or channels not in (1, 3, 4) or 0 in array.shape:
        shapes = "(N, H, W, 3)" if 4 in dimensions else "(H, W), (H, W, 3) or (H, W, 4)"
        raise ValueError(
            f"{caller}: expected {shapes}, got {array.shape}. "
            "Pictures have their channels last; take one of a batch with image[i]"
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind != "f":
        raise ValueError(f"{caller}: expected float in [0, 1] or uint8, got {array.dtype}")
    if np.isnan(array).any():
        raise ValueError(f"{caller}: {int(np.isnan(array).sum())} values of the picture are not a number (NaN)")
    return eight_bits(array)


def _palette(frames: np.ndarray) -> Image.Image:
    """256 colours for all frames: by median cut over the pixels of all of them."""
    colors = frames.reshape(-1, 3)
    colors = colors[:: max(1, len(colors) // 2**20)]  # a million pixels tell enough
    return Image.fromarray(np.ascontiguousarray(colors[None])).quantize(256, method=Image.Quantize.MEDIANCUT)


def _encode(form: str, image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
