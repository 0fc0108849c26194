"""What the arguments of `texture` say about its images: which there are, and how each is wrapped and filtered."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor

from repousse.core import checks

Wrap = Literal["repeat", "clamp", "mirror"]
Wraps = tuple[Wrap, Wrap]  # along u and along v
Filter = Literal["linear", "nearest"]

WRAPS = ("repeat", "clamp", "mirror")
FILTERS = ("linear", "nearest")
COLUMNS = 6  # numbers per image in a kernel's layout
SLACK = 4  # floats that a kernel may read behind the mipmaps


class Images(NamedTuple):
    """The images of a call, each (H_i, W_i, C), with the settings of each; `stacked` if they are one tensor."""

    images: Sequence[Tensor]
    stacked: Tensor | None
    filters: tuple[Filter, ...]
    wraps: tuple[Wraps, ...]

    def layout(self) -> list[int]:
        """Six numbers per image for the kernels: first texel, height, width, wrap along u and v, nearest."""
        numbers, first = [], 0
        for image, filter, (u, v) in zip(self.images, self.filters, self.wraps, strict=True):
            height, width = image.shape[:2]
            numbers += [first, height, width, WRAPS.index(u), WRAPS.index(v), FILTERS.index(filter)]
            first = first + height * width
        return numbers

    def texels(self) -> Tensor:
        """float32 (T, C): the images one after the other."""
        if self.stacked is not None:
            return checks.as_float32("texture", "images", self.stacked).flatten(0, -2)
        return torch.cat([checks.as_float32("texture", "images", image).flatten(0, 1) for image in self.images])


def read_images(images: Any, batch: int, chosen: bool, filter: Any, wrap: Any) -> Images:
    """Check images and their settings; `chosen`: there is a `which` to choose among them."""
    stacked = images if isinstance(images, Tensor) else None
    if stacked is not None:
        if stacked.dim() not in (3, 4):
            raise ValueError(
                "texture: `images` must be (H, W, C), (B, H, W, C) or a sequence of (H, W, C), "
                f"got {checks.describe(images)}."
            )
        images = [stacked] if stacked.dim() == 3 else list(stacked.unbind())
    elif not isinstance(images, Sequence) or not all(
        isinstance(image, Tensor) and image.dim() == 3 for image in images
    ):
        got = [checks.describe(image) for image in images] if isinstance(images, Sequence) else checks.describe(images)
        raise ValueError(f"texture: `images` must be a tensor or a sequence of tensors (H, W, C), got {got}.")
    if not images and batch > 0:
        raise ValueError("texture: `images` is empty. Give at least one image.")
    for number, image in enumerate(images):
        _check_image(number, image, images[0])
    shared = len(images) == 1 and (stacked is None or stacked.dim() == 3)
    if not chosen and not shared and len(images) != batch:
        raise ValueError(
            f"texture: {len(images)} images for {batch} pictures. Without `which` there must be one image for all "
            "pictures or one for each."
        )
    return Images(images, stacked, _filters(filter, len(images)), _wraps(wrap, len(images)))


def _check_image(number: int, image: Tensor, first: Tensor) -> None:
    height, width, channels = image.shape
    if height == 0 or width == 0:
        raise ValueError(f"texture: image {number} has no texels: {checks.describe(image)}.")
    if channels != first.shape[-1] or image.dtype != first.dtype or image.device != first.device:
        raise ValueError(
            f"texture: image {number} is {checks.describe(image)}, but image 0 {checks.describe(first)}. "
            "All must have the same number of channels, the same dtype and device."
        )
    if height * width * max(4, channels + 3) >= 2**31:
        raise ValueError(
            f"texture: image {number} is too large: {checks.describe(image)}. Kernels count up to 2^31 numbers in an "
            "image, at least four per texel. Scale it down or cut it into several images."
        )


def _filters(filter: Any, count: int) -> tuple[Filter, ...]:
    several = not isinstance(filter, str) and isinstance(filter, Sequence)
    filters = tuple(filter) if several else (filter,) * count
    if len(filters) != count or not all(one in FILTERS for one in filters):
        raise ValueError(
            f'texture: `filter` must be "linear" or "nearest", or a sequence of these for {count} images, '
            f"got {filter!r}."
        )
    return cast("tuple[Filter, ...]", filters)


def _wraps(wrap: Any, count: int) -> tuple[Wraps, ...]:
    """A sequence of two names is (u, v); one per image is a sequence of such pairs."""
    if isinstance(wrap, str):
        wraps = ((wrap, wrap),) * count
    elif isinstance(wrap, Sequence) and len(wrap) == 2 and all(isinstance(one, str) for one in wrap):
        wraps = (tuple(wrap),) * count
    else:
        wraps = tuple(tuple(pair) if isinstance(pair, Sequence) else () for pair in wrap or ())
    if len(wraps) != count or not all(len(pair) == 2 and set(pair) <= set(WRAPS) for pair in wraps):
        raise ValueError(
            'texture: `wrap` must be "repeat", "clamp" or "mirror", a pair of these (along u, along v), or a sequence '
            f"of such pairs for {count} images, got {wrap!r}."
        )
    return cast("tuple[Wraps, ...]", wraps)


def mip_texels(layout: Sequence[int], mipmaps: bool) -> tuple[int, int]:
    """(texels of all images, texels of their levels from 1 on); nearest images have no mipmaps."""
    texels = coarser = 0
    for at in range(0, len(layout), COLUMNS):
        height, width, nearest = layout[at + 1], layout[at + 2], layout[at + 5]
        texels += height * width
        while mipmaps and not nearest and max(height, width) > 1:
            height, width = max(1, height // 2), max(1, width // 2)
            coarser += height * width
    return texels, coarser
