"""The pictures that a model names."""

from pathlib import Path

from torch import Tensor

from .files import Folders
from .images import decode


class Pictures:
    """Reads pictures, each one once: materials that name the same picture share its tensor.

    notes  what is missing or broken
    """

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.notes: list[str] = []
        self._known: dict[tuple[Path, bool], Tensor | None] = {}

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
                self._known[path, srgb] = decode(path.read_bytes(), f"texture {name!r}", srgb=srgb)
            except (ValueError, OSError) as error:
                self.notes.append(str(error))
        return self._known[path, srgb]


def with_channels(image: Tensor, count: int) -> Tensor:
    """A picture with 3 or 4 channels at most `count` of them: grey becomes 3, an alpha too many is left out."""
    if image.shape[2] == 1:
        return image.expand(-1, -1, 3).contiguous()
    return image if image.shape[2] <= count else image[..., :count].contiguous()
