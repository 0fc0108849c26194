"""The pictures that a model names."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from .files import Folders
from .images import Allowance, decode


class Pictures:
    """Reads pictures, and makes others of them, each one once: materials that name the same picture share its tensor.

    notes  what is missing, broken or too much
    """

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.notes: list[str] = []
        self._allowance = Allowance()
        self._known: dict[tuple[Path, bool], Tensor | None] = {}
        self._made: dict[object, Tensor | None] = {}

    def read(self, name: str, *, srgb: bool, base: Path | None = None) -> Tensor | None:
        """The picture as `decode` gives it, or None, with a note.

        base  the folder that `name` is relative to, if not that of the model
        """
        try:
            path = self.folders.find(name, base)
        except LookupError as error:
            self.notes.append(f"texture {name!r} {error.args[0]}")
            return None
        if (path, srgb) not in self._known:
            self._known[path, srgb] = None
            try:
                what = f"texture {name!r}"
                self._known[path, srgb] = decode(path.read_bytes(), what, srgb=srgb, allowance=self._allowance)
            except (ValueError, OSError) as error:
                self.notes.append(str(error))
        return self._known[path, srgb]

    def with_channels(self, image: Tensor, count: int) -> Tensor | None:
        """A picture of ours with 3 or 4 channels at most `count` of them: grey becomes 3, an alpha too many is left
        out. None, with a note, if there is no room for it."""
        if 3 <= image.shape[2] <= count:
            return image
        changed = image.expand(-1, -1, 3) if image.shape[2] == 1 else image[..., :count]
        height, width = changed.shape[:2]
        return self._once((id(image), count), height, width, changed.contiguous)  # ours, so its id stays its own

    def joined(self, key: object, images: list[Tensor]) -> Tensor | None:
        """Channels of several pictures as one, enlarged to the height and width of the largest; None, with a note,
        if there is no room for it.

        key  equal for what is made of the same pictures
        """
        height, width = (max(image.shape[i] for image in images) for i in (0, 1))
        return self._once(key, height, width, lambda: torch.cat([_enlarged(i, height, width) for i in images], -1))

    def _once(self, key: object, height: int, width: int, make: Callable[[], Tensor]) -> Tensor | None:
        if key not in self._made:
            self._made[key] = None
            try:
                self._allowance.take("a texture", height, width)
                self._made[key] = make()
            except ValueError as error:
                self.notes.append(str(error))
        return self._made[key]


def _enlarged(image: Tensor, height: int, width: int) -> Tensor:
    if image.shape[:2] == (height, width):
        return image
    planes = image.movedim(-1, 0)[None]
    planes = torch.nn.functional.interpolate(planes, (height, width), mode="bilinear", align_corners=False)
    return planes[0].movedim(0, -1)
