"""Pictures in memory: bytes of a picture file to a tensor and back, as textures need it."""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from .srgb import linear_to_srgb, srgb_to_linear

# What textures come in. Pillow knows more, among them formats that start other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TGA", "TIFF", "GIF")
_LONGEST = 16384
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError)


class Allowance:
    """How many pixels the textures of one model may have together.

    A file of a few kilobytes can ask for the same huge picture a thousand times. `TIMES` as many as Pillow lets a
    single picture have (`PIL.Image.MAX_IMAGE_PIXELS`), which is 21 pictures of 4096² with Pillow's default; None: any
    number.
    """

    TIMES = 4

    def __init__(self) -> None:
        self._most = Image.MAX_IMAGE_PIXELS or math.inf
        self._left = self.TIMES * self._most

    def take(self, what: str, height: int, width: int) -> None:
        """ValueError, which begins with `what`, if that is more than one may have, or than is left."""
        if height * width > min(self._most, self._left):
            raise ValueError(
                f"{what} is too much: a texture may have {self._most} pixels, and all together {self.TIMES} times as "
                "many; if you trust the model, raise PIL.Image.MAX_IMAGE_PIXELS"
            )
        self._left -= height * width


def decode(data: bytes, what: str, *, srgb: bool, allowance: Allowance | None = None) -> Tensor:
    """The picture in a PNG, JPEG, WebP, BMP, TGA, TIFF or GIF file.

    data       the content of the file
    what       its name, for errors
    srgb       whether it holds colours, which become linear; otherwise its numbers stay as they are
    allowance  of the model that it belongs to

    Returns float32 (H, W, C), row 0 on top, C = 1 (grey), 3, or 4 (with alpha, which is never converted).
    Integers are fractions of their largest value (16 bits of grey stay exact, 16 bits of colour are read as
    8); floats are taken as they are, and as linear. Palettes, CMYK and other models become RGB; orientation
    marks and colour profiles are ignored, the first picture of several counts.

    ValueError, naming `what`, for data that is no picture, cut off, has numbers that are not finite, or
    claims more than 16384 pixels along a side, more than `PIL.Image.MAX_IMAGE_PIXELS` in all or more than the
    allowance; these are known before anything is unpacked.
    """
    image = open_picture(data, what, formats=_FORMATS, longest=_LONGEST, allowance=allowance)
    values = torch.from_numpy(fractions(image))
    if not values.isfinite().all():
        raise ValueError(f"{what} has values that are not finite")
    if image.mode.startswith("I") and values.max() > 1:
        raise ValueError(f"{what} has more than 16 bits; save it with 8 or 16")
    if not srgb or image.mode == "F":
        return values
    color = values[..., :3]
    if image.mode.startswith("I"):
        return srgb_to_linear(color)
    # 8 bits know 256 values, so the curve is computed for these only.
    curve = srgb_to_linear(torch.arange(256) / 255)
    for rows in color.split(max(1, 2**20 // image.width)):  # indices take much more memory than the picture
        rows.copy_(curve[(rows * 255).round().long()])
    return values


def encode_png(image: Tensor, *, srgb: bool) -> bytes:
    """A picture as an 8-bit PNG file, the inverse of `decode`.

    image  float (H, W, C)  C = 1, 3 or 4; clipped to [0, 1]
    srgb   whether it holds linear colours, which are stored as sRGB (alpha is not)

    What `decode` made of 8 bits is stored as the same 8 bits. ValueError for other shapes and NaN.
    """
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        raise ValueError(f"encode_png: `image` should be (H, W, C) with C = 1, 3 or 4, not {tuple(image.shape)}")
    values = image.detach().cpu().float()
    if values.isnan().any():
        raise ValueError(f"encode_png: {int(values.isnan().sum())} values of the picture are not a number (NaN)")
    if srgb:
        values = torch.cat((linear_to_srgb(values[..., :3]), values[..., 3:]), -1)
    pixels = eight_bits(values.numpy())
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def open_picture(
    data: bytes,
    what: str,
    *,
    formats: tuple[str, ...] | None = None,
    longest: int | None = None,
    allowance: Allowance | None = None,
) -> Image.Image:
    """Unpacked, after a look at its size. ValueError, which begins with `what`, if it is too large or broken."""
    with _intact(what):
        image = Image.open(io.BytesIO(data), formats=formats)
    width, height = image.size
    if longest is not None and max(width, height) > longest:
        raise ValueError(f"{what} has {width} × {height} pixels; at most {longest} along a side are read")
    if allowance is not None:
        allowance.take(what, height, width)
    with _intact(what):
        image.load()
    return image


@contextmanager
def _intact(what: str) -> Iterator[None]:
    """Whatever Pillow says about a broken or huge picture as ValueError, which begins with `what`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{what} is suspiciously large ({error}); if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS"
        ) from error
    except _BROKEN as error:
        cause = "of no known kind" if isinstance(error, UnidentifiedImageError) else error
        raise ValueError(f"{what} is not an intact picture ({cause})") from error


def fractions(image: Image.Image) -> np.ndarray:
    """The picture's values as the file has them, float32 (H, W, C) with C = 1, 3 or 4; integers in [0, 1]."""
    if image.mode == "La":
        image = image.convert("LA")  # the only way out of this mode
    if image.mode.startswith("I"):
        pixels, largest = np.asarray(image).astype(np.float32), 65535
    elif image.mode == "F":
        pixels, largest = np.asarray(image), 1
    else:
        alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
        grey = image.mode in ("1", "L") and not alpha
        pixels, largest = np.asarray(image.convert("RGBA" if alpha else "L" if grey else "RGB")), 255
    pixels = np.asarray(pixels, dtype=np.float32) / np.float32(largest)
    return pixels.reshape(image.height, image.width, -1)


def eight_bits(values: np.ndarray) -> np.ndarray:
    """[0, 1] as uint8, rounded; what lies outside is clipped."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
