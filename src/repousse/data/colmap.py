"""Cameras as COLMAP reconstructs them: cameras and images, as .txt or .bin files."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from repousse.io.files import read_bytes

from .frames import CALLER, Frame, find_mask, find_picture
from .lenses import Lens

# COLMAP's number, how many parameters, and what they mean; the first are focal lengths and the centre.
_MODELS: dict[str, tuple[int, int, Callable[..., dict[str, Any]]]] = {
    "SIMPLE_PINHOLE": (0, 3, lambda f, x, y: {"focal": (f, f), "centre": (x, y)}),
    "PINHOLE": (1, 4, lambda f, g, x, y: {"focal": (f, g), "centre": (x, y)}),
    "SIMPLE_RADIAL": (2, 4, lambda f, x, y, k: {"focal": (f, f), "centre": (x, y), "radial": (k,)}),
    "RADIAL": (3, 5, lambda f, x, y, *k: {"focal": (f, f), "centre": (x, y), "radial": k}),
    "OPENCV": (
        4,
        8,
        lambda f, g, x, y, k1, k2, *p: {"focal": (f, g), "centre": (x, y), "radial": (k1, k2), "tangential": p},
    ),
    "OPENCV_FISHEYE": (5, 8, lambda f, g, x, y, *k: {"focal": (f, g), "centre": (x, y), "fisheye": k}),
    "FULL_OPENCV": (
        6,
        12,
        lambda f, g, x, y, k1, k2, p1, p2, *k: {
            "focal": (f, g),
            "centre": (x, y),
            "radial": (k1, k2, *k),
            "tangential": (p1, p2),
        },
    ),
    "SIMPLE_RADIAL_FISHEYE": (8, 4, lambda f, x, y, k: {"focal": (f, f), "centre": (x, y), "fisheye": (k,)}),
    "RADIAL_FISHEYE": (9, 5, lambda f, x, y, *k: {"focal": (f, f), "centre": (x, y), "fisheye": k}),
}
_NUMBERS = {number: (name, count) for name, (number, count, _) in _MODELS.items()}
_POINT = 24  # bytes of a point in images.bin: x, y, number of the point in space


@dataclass(frozen=True)
class _Image:
    """A line of images.txt: world to camera as a quaternion (w, x, y, z) and a translation."""

    name: str
    quaternion: tuple[float, ...]
    shift: tuple[float, ...]
    camera: int


def find_colmap(folder: Path) -> tuple[Path, str] | None:
    """Where a reconstruction lies, and the ending of its files; binary ones count if there are both."""
    for place in (folder / "sparse" / "0", folder / "sparse", folder):
        for ending in (".bin", ".txt"):
            if all((place / f"{name}{ending}").is_file() for name in ("cameras", "images")):
                return place, ending
    return None


def read_colmap(folder: Path, place: Path, ending: str) -> list[Frame]:
    """The frames of a reconstruction, ordered by the names of their pictures.

    folder  of the set: pictures lie there or in images/
    place   of the reconstruction

    ValueError, which names the file, for what is broken or cut off, has no pictures, or a camera model that is not
    known.
    """
    cameras, images = place / f"cameras{ending}", place / f"images{ending}"
    lenses = dict(_binary_cameras(cameras) if ending == ".bin" else _text_cameras(cameras))
    found = list(_binary_images(images) if ending == ".bin" else _text_images(images))
    if not found:
        raise ValueError(f"{CALLER}: {images} holds no pictures; did the reconstruction succeed?")
    return [_frame(folder, images, image, lenses) for image in sorted(found, key=lambda image: image.name)]


def _frame(folder: Path, source: Path, image: _Image, lenses: dict[int, Lens]) -> Frame:
    if image.camera not in lenses:
        raise ValueError(f"{CALLER}: {source}: {image.name} was taken by camera {image.camera}, which is not described")
    quaternion = torch.tensor(image.quaternion, dtype=torch.float64)
    shift = torch.tensor(image.shift, dtype=torch.float64)
    length = float(quaternion.norm())
    if not (0.5 < length < 2 and bool(shift.isfinite().all())):
        raise ValueError(f"{CALLER}: {source}: {image.name} has an impossible pose {image.quaternion}, {image.shift}")
    picture = find_picture(folder, image.name, source)
    mask = find_mask(folder, picture, None, source)
    return Frame(picture, mask, _rotation(quaternion / length), shift, lenses[image.camera])


def _rotation(quaternion: Tensor) -> Tensor:
    """(3, 3) of a unit quaternion (w, x, y, z)."""
    w, axis = quaternion[0], quaternion[1:]
    x, y, z = axis.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.eye(3, dtype=torch.float64) + 2 * (w * cross + cross @ cross)


def _lens(source: Path, model: str, width: int, height: int, parameters: tuple[float, ...]) -> Lens:
    _, count, meaning = _MODELS[model]
    if len(parameters) != count or min(width, height) < 1:
        raise ValueError(
            f"{CALLER}: {source}: {model} needs {count} parameters and a size in pixels, got {len(parameters)} and "
            f"{width} x {height}"
        )
    lens = Lens((height, width), **meaning(*parameters))
    if not torch.tensor(parameters).isfinite().all() or min(lens.focal) <= 0:
        raise ValueError(f"{CALLER}: {source} has a camera with impossible numbers: {model} {parameters}")
    return lens


def _unknown(source: Path, model: str) -> ValueError:
    return ValueError(
        f"{CALLER}: {source} uses the camera model {model}; known are {', '.join(_MODELS)}. Undistort the pictures "
        "first, e.g. with colmap image_undistorter"
    )


def _text_cameras(path: Path) -> Iterator[tuple[int, Lens]]:
    for line in _lines(path):
        words = line.split()
        if len(words) > 1 and words[1] not in _MODELS:
            raise _unknown(path, words[1])
        try:
            number, model, width, height = int(words[0]), words[1], int(words[2]), int(words[3])
            parameters = tuple(map(float, words[4:]))
        except (ValueError, IndexError) as error:
            raise _bad_line(path, line, "number, model, width, height, parameters") from error
        yield number, _lens(path, model, width, height, parameters)


def _text_images(path: Path) -> Iterator[_Image]:
    for line in _lines(path):
        words = line.split(maxsplit=9)
        if len(words) != 10 or _is_points(line):
            if _is_points(line):
                continue
            raise _bad_line(path, line, "number, quaternion, translation, camera, name")
        try:
            yield _Image(words[9], tuple(map(float, words[1:5])), tuple(map(float, words[5:8])), int(words[8]))
        except ValueError as error:
            raise _bad_line(path, line, "number, quaternion, translation, camera, name") from error


def _is_points(line: str) -> bool:
    """Whether the line lists points (x, y, number) of the picture before; such a line is left out by some."""
    last = line.rsplit(maxsplit=1)[-1]
    return last.lstrip("-").isdigit() and len(line.split()) % 3 == 0


def _lines(path: Path) -> list[str]:
    try:
        text = read_bytes(CALLER, path).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{CALLER}: {path} is not a text file") from error
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]


def _bad_line(path: Path, line: str, wanted: str) -> ValueError:
    return ValueError(f"{CALLER}: {path} has the line {line[:60]!r} instead of: {wanted}")


class _Reader:
    """Numbers of a binary file, one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = read_bytes(CALLER, path)
        self.at = 0

    def __call__(self, form: str) -> tuple:
        length = struct.calcsize("<" + form)
        start = self.skip(length)
        return struct.unpack_from("<" + form, self.data, start)

    def name(self) -> str:
        end = self.data.find(b"\0", self.at)
        start = self.skip((end if end >= 0 else len(self.data)) - self.at + 1)
        return self.data[start:end].decode(errors="replace")

    def skip(self, count: int) -> int:
        start, self.at = self.at, self.at + count
        if self.at > len(self.data):
            raise ValueError(f"{CALLER}: {self.path} ends too early; is it cut off?")
        return start


def _binary_cameras(path: Path) -> Iterator[tuple[int, Lens]]:
    read = _Reader(path)
    (count,) = read("Q")
    for _ in range(count):
        number, model, width, height = read("iiQQ")
        if model not in _NUMBERS:
            raise _unknown(path, f"number {model}")
        name, parameters = _NUMBERS[model]
        yield number, _lens(path, name, width, height, read(f"{parameters}d"))


def _binary_images(path: Path) -> Iterator[_Image]:
    read = _Reader(path)
    (count,) = read("Q")
    for _ in range(count):
        _, *pose, camera = read("I7dI")
        name = read.name()
        (points,) = read("Q")
        read.skip(points * _POINT)
        yield _Image(name, tuple(pose[:4]), tuple(pose[4:]), camera)
