"""Pictures of one object with their masks and cameras."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from repousse.camera import Camera


@dataclass(frozen=True, eq=False)
class Views:
    """Several pictures of one object from known places.

    color   float32 (N, H, W, 3)  linear light, premultiplied by the mask: 0 outside of the object
    mask    float32 (N, H, W)     share of each pixel that shows the object, in [0, 1]
    camera  Camera                a batch of N
    names   N strings             of the pictures, for reports and errors

    A value: its methods return new ones, which share what has not changed. Takes 16 bytes per pixel. TypeError or
    ValueError for what does not fit together, is not finite, or has a mask outside of [0, 1].
    """

    color: Tensor
    mask: Tensor
    camera: Camera
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, value in (("color", self.color), ("mask", self.mask)):
            if not isinstance(value, Tensor) or value.dtype != torch.float32:
                got = value.dtype if isinstance(value, Tensor) else type(value).__name__
                raise TypeError(f"Views: `{name}` must be a float32 tensor, got {got}.")
        if self.mask.ndim != 3 or 0 in self.mask.shape or self.color.shape != (*self.mask.shape, 3):
            raise ValueError(
                "Views: `mask` must be (N, H, W), not empty, and `color` (N, H, W, 3), got "
                f"{tuple(self.mask.shape)} and {tuple(self.color.shape)}."
            )
        if not isinstance(self.camera, Camera):
            raise TypeError(f"Views: `camera` must be a Camera, got {type(self.camera).__name__}.")
        vars(self)["names"] = tuple(self.names)  # the one way past a frozen dataclass
        if len(self.camera) != len(self.mask) or len(self.names) != len(self.mask):
            raise ValueError(
                f"Views: {len(self.mask)} pictures need as many cameras and names, got {len(self.camera)} and "
                f"{len(self.names)}."
            )
        for name, mask, color in zip(self.names, self.mask, self.color, strict=True):
            if not (mask.isfinite().all() and color.isfinite().all()):
                raise ValueError(f"Views: picture {name!r} holds values that are not finite.")
            if mask.min() < 0 or mask.max() > 1:
                raise ValueError(
                    f"Views: the mask of {name!r} must lie in [0, 1], got {mask.min():g} to {mask.max():g}."
                )

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.mask)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every picture."""
        _, height, width = self.mask.shape
        return height, width

    def __getitem__(self, index: int | slice | Sequence[int]) -> Views:
        """Some of the pictures; with a single number, that one (as a set of one)."""
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"Views: there is no picture {index}, there are {len(self)}.")
            index = index % len(self)
            index = slice(index, index + 1)
        numbers = range(len(self))[index] if isinstance(index, slice) else [int(number) for number in index]
        chosen = index if isinstance(index, slice) else torch.tensor(numbers, device=self.mask.device).long()
        names = tuple(self.names[number] for number in numbers)
        return Views(self.color[chosen], self.mask[chosen], self.camera[chosen], names)

    def to(self, device: torch.device | str) -> Views:
        """The same on another device."""
        return Views(self.color.to(device), self.mask.to(device), self.camera.to(device), self.names)

    def resized(self, scale: float) -> Views:
        """The same pictures with sides `scale` times as long, rounded to whole pixels.

        Pixels become the mean of the light that falls on them: exactly if 1 / scale is a whole number that divides both
        sides, otherwise by a filter as wide as the new pixels. ValueError for a scale that leaves nothing.
        """
        height, width = self.size
        if not (math.isfinite(scale) and scale > 0 and max(height, width) * scale <= 2**15):
            raise ValueError(f"Views.resized: `scale` {scale!r} makes no pictures from {height} x {width} pixels.")
        size = max(1, round(height * scale)), max(1, round(width * scale))
        color, mask = (resample(image, size) for image in (self.color, self.mask[..., None]))
        return Views(color, mask[..., 0].clamp(0, 1), resized_camera(self.camera, self.size, size), self.names)

    def split(self, every: int) -> tuple[Views, Views]:
        """Views to learn from, and views to judge by: of each `every` pictures the first is held out.

        every  2 or more; ValueError if there are fewer than two pictures
        """
        if not isinstance(every, int) or every < 2 or len(self) < 2:
            raise ValueError(f"Views.split: holds out one of `every` >= 2 pictures, got {every!r} and {len(self)}.")
        numbers = range(len(self))
        return self[[n for n in numbers if n % every]], self[[n for n in numbers if n % every == 0]]

    def __repr__(self) -> str:
        height, width = self.size
        return f"Views({len(self)} pictures of {width} x {height} pixels)"


def resample(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Linear pictures (N, H, W, C) in another size (height, width); see `Views.resized`."""
    height, width = images.shape[1:3]
    planes = images.movedim(-1, 1)
    if height % size[0] == 0 and width % size[1] == 0:
        scaled = torch.nn.functional.avg_pool2d(planes, (height // size[0], width // size[1]))
    else:
        scaled = torch.nn.functional.interpolate(planes, size, mode="bilinear", antialias=True)
    return scaled.movedim(1, -1).contiguous()


def resized_camera(camera: Camera, old: tuple[int, int], new: tuple[int, int]) -> Camera:
    """The camera that sees in pictures of size `new` what `camera` sees in those of size `old`.

    Cameras keep pixels square, so this is another one only where rounding has changed the aspect.
    """
    aspect = (old[0] * new[1]) / (old[1] * new[0])
    lens = camera.projection
    return Camera(camera.world_to_camera, torch.cat((lens[..., :1, :] * aspect, lens[..., 1:, :]), -2))
