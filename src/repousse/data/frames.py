"""One picture of a set before it is read: its files, its place and its lens; and reading it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from repousse.io.files import read_bytes
from repousse.io.images import decode

from .lenses import Lens
from .views import resample

CALLER = "load_views"
_ENDINGS = ("", ".png", ".jpg", ".jpeg", ".webp", ".PNG", ".JPG", ".JPEG", ".bmp", ".tif", ".tiff", ".tga")


@dataclass(frozen=True)
class Frame:
    """What a set says about one of its pictures.

    picture   file
    mask      file, or None: the picture's alpha is the mask
    rotation  float64 (3, 3)  world to camera, x right, y down, z forward
    shift     float64 (3,)    likewise
    lens      None until the picture's size is known (NeRF's own files give an angle only)
    angle     then: horizontal field of view, radians
    """

    picture: Path
    mask: Path | None
    rotation: Tensor
    shift: Tensor
    lens: Lens | None
    angle: float = 0.0


def find_picture(folder: Path, name: str, source: Path) -> Path:
    """The picture that a file of cameras calls `name`, relative to `folder`; the ending may be left out.

    FileNotFoundError, naming both, if there is none.
    """
    name = name.strip().replace("\\", "/")
    bare = name.rpartition("/")[2]
    if bare and "\0" not in name:
        for place in (folder / name, folder / "images" / name, folder / "images" / bare, folder / bare):
            for ending in _ENDINGS:
                path = place.with_name(place.name + ending) if ending else place
                if path.is_file():
                    return path
    raise FileNotFoundError(f"{CALLER}: {source} names the picture {name!r}, but there is no such file in {folder}")


def find_mask(folder: Path, picture: Path, name: str | None, source: Path) -> Path | None:
    """The mask of a picture: what `name` says, a file in masks/ with the picture's name, or PICTURE_mask.png.

    None if there is none; FileNotFoundError if there is none although `name` is given.
    """
    if name:
        return find_picture(folder, name, source)
    stem = picture.stem
    inside = picture.relative_to(folder).parent if picture.is_relative_to(folder) else Path()
    inside = Path(*inside.parts[1:]) if inside.parts[:1] == ("images",) else inside
    masks = folder / "masks"
    places = [masks / inside / f"{stem}.png", masks / inside / f"{picture.name}.png", masks / inside / picture.name]
    places += [masks / f"{stem}.png", picture.with_name(f"{stem}_mask.png")]
    return next((place for place in places if place != picture and place.is_file()), None)


def read_frame(frame: Frame, longest: int | None) -> tuple[Tensor, Tensor, Lens]:
    """Colour (H, W, 3), linear and premultiplied, mask (H, W), and the lens that took them, free of distortion.

    longest  pictures with a longer side are made smaller

    ValueError, which names the file, for what is no picture, has no mask or an empty or full one, or another shape than
    the cameras say.
    """
    what = f"{CALLER}: {frame.picture}"
    image = decode(read_bytes(CALLER, frame.picture), what, srgb=True)
    color, mask = image[..., :3].expand(-1, -1, 3), _mask(frame, image)
    _check_mask(frame.mask or frame.picture, mask)
    lens = _fitted(frame, (mask.shape[0], mask.shape[1]))
    layers = torch.cat((color * mask[..., None], mask[..., None]), -1)
    if lens.distorted:
        layers = lens.undistorted(layers)
        lens = Lens(lens.size, lens.focal, lens.centre)
    if longest is not None and max(lens.size) > longest:
        height, width = (max(1, round(side * longest / max(lens.size))) for side in lens.size)
        layers, lens = resample(layers[None], (height, width))[0], lens.scaled((height, width))
    return layers[..., :3], layers[..., 3].clamp(0, 1), lens


def _mask(frame: Frame, image: Tensor) -> Tensor:
    """(H, W) in [0, 1]."""
    if frame.mask is None:
        if image.shape[-1] != 4:
            raise ValueError(
                f"{CALLER}: {frame.picture} has no mask: give it an alpha channel, or put a mask (white on black) into "
                f"a folder masks/ or beside it as {frame.picture.stem}_mask.png"
            )
        return image[..., 3]
    values = decode(read_bytes(CALLER, frame.mask), f"{CALLER}: {frame.mask}", srgb=False)
    if values.shape[:2] != image.shape[:2]:
        raise ValueError(
            f"{CALLER}: the mask {frame.mask} has {values.shape[1]} x {values.shape[0]} pixels, its picture "
            f"{image.shape[1]} x {image.shape[0]}"
        )
    alpha = values.shape[-1] == 4 and bool(values[..., 3].min() < 1)
    return values[..., 3] if alpha else values[..., 0]


def _check_mask(path: Path, mask: Tensor) -> None:
    low, high = float(mask.min()), float(mask.max())
    if high == 0:
        raise ValueError(f"{CALLER}: the mask of {path} is empty (0 everywhere); leave out pictures without the object")
    if low == 1:
        raise ValueError(
            f"{CALLER}: the mask of {path} is 1 everywhere: nothing is cut out. It should be 0 outside of the object"
        )


def _fitted(frame: Frame, size: tuple[int, int]) -> Lens:
    """The lens for a picture of this size, which may be a smaller or larger version of the one it was measured on."""
    height, width = size
    if frame.lens is None:
        focal = width / 2 / float(torch.tan(torch.tensor(frame.angle / 2, dtype=torch.float64)))
        return Lens(size, (focal, focal), (width / 2, height / 2))
    if frame.lens.size == size:
        return frame.lens
    y, x = height / frame.lens.size[0], width / frame.lens.size[1]
    if abs(x / y - 1) > 0.01:
        raise ValueError(
            f"{CALLER}: {frame.picture} has {width} x {height} pixels but its camera {frame.lens.size[1]} x "
            f"{frame.lens.size[0]}; was it cropped or turned?"
        )
    return frame.lens.scaled(size)
