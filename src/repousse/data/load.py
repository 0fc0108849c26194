"""Folders of pictures with cameras, read into memory."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from repousse.camera import Camera

from .colmap import find_colmap, read_colmap
from .frames import CALLER, Frame, read_frame
from .lenses import Lens
from .transforms import read_transforms
from .views import Views

_NEAR, _FAR = 1e-2, 1e4  # clipping planes, in units of the distance of the cameras from their middle


def load_views(
    folder: str | os.PathLike[str],
    *,
    split: str | None = None,
    longest: int | None = None,
    progress: bool = False,
) -> Views:
    """Read pictures of one object with their masks and cameras.

    >>> load_views("lego", split="train", longest=200)
    Views(100 pictures of 200 x 200 pixels)

    folder    with transforms.json (instant-ngp, nerfstudio), transforms_train.json and others (NeRF's synthetic
              scenes), or a reconstruction by COLMAP in sparse/0, sparse or the folder itself, as text or binary
    split     of transforms_SPLIT.json. By default transforms.json or, without one, transforms_train.json
    longest   pictures with a longer side are made smaller, each when it is read
    progress  show a bar on stderr

    Pictures are RGBA with straight alpha, or RGB with a mask: `mask_path` of the frame, masks/NAME.png, NAME_mask.png;
    a file comes before alpha. Their 8 bits are sRGB; the result is linear and premultiplied. Lens distortion is undone
    by resampling both, with the same focal length and centre; what the lens did not see becomes empty. Pictures may be
    smaller or larger versions of those that the cameras were measured on. Cameras end up in our conventions, world
    coordinates stay those of the file; clipping planes lie at 0.01 and 10,000 times the distance from the middle of the
    cameras' places to the furthest of them.

    Takes 16 bytes per pixel, and a few times one picture while reading: 100 pictures of 800² take 1 GB. For photographs
    choose `longest`.

    FileNotFoundError or ValueError, in one line that names the file: nothing to read; pictures that are missing, of
    different size, without mask, or with one that is 0 or 1 everywhere; matrices that are no rotations; numbers that
    are not finite; camera models that are not known.
    """
    root = Path(folder)
    if longest is not None and (not isinstance(longest, int) or longest < 1):
        raise ValueError(f"{CALLER}: `longest` is a side in pixels, 1 or more, not {longest!r}")
    frames = _frames(root, split)
    color = mask = torch.empty(0)
    lenses: list[Lens] = []
    bar = track(frames, "reading pictures", console=Console(stderr=True), transient=True, disable=not progress)
    for number, frame in enumerate(bar):
        one, covered, lens = read_frame(frame, longest)
        if not lenses:
            color, mask = torch.empty(len(frames), *one.shape), torch.empty(len(frames), *covered.shape)
        elif lens.size != lenses[0].size:
            raise ValueError(
                f"{CALLER}: {frame.picture} has {lens.size[1]} x {lens.size[0]} pixels but {frames[0].picture} "
                f"{lenses[0].size[1]} x {lenses[0].size[0]}; crop or scale them to one size, or load them apart"
            )
        color[number], mask[number] = one, covered
        lenses.append(lens)
    return Views(color, mask, _camera(frames, lenses), _names(root, frames))


def splits(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """The names that `split` of `load_views` can have for this folder: those of its transforms_NAME.json."""
    return tuple(sorted(path.stem.removeprefix("transforms_") for path in Path(folder).glob("transforms_*.json")))


def _frames(root: Path, split: str | None) -> list[Frame]:
    if not root.is_dir():
        raise FileNotFoundError(f"{CALLER}: there is no folder {root}")
    found = splits(root)
    if split is not None:
        if split not in found:
            has = f"it has {', '.join(found)}" if found else "it has no transforms_*.json at all"
            raise ValueError(f"{CALLER}: {root} has no transforms_{split}.json; {has}")
        return read_transforms(root / f"transforms_{split}.json")
    for name in ("transforms.json", "transforms_train.json"):
        if (root / name).is_file():
            return read_transforms(root / name)
    colmap = find_colmap(root)
    if colmap is not None:
        return read_colmap(root, *colmap)
    advice = f"; choose a split: {', '.join(found)}" if found else " and no COLMAP reconstruction in sparse/0"
    raise FileNotFoundError(f"{CALLER}: {root} has no transforms.json{advice}")


def _camera(frames: Sequence[Frame], lenses: Sequence[Lens]) -> Camera:
    rotation, shift = (torch.stack(parts) for parts in zip(*((f.rotation, f.shift) for f in frames), strict=True))
    places = -(rotation.mT @ shift[..., None])[..., 0]
    reach = float((places - places.mean(0)).norm(dim=-1).max())
    if reach <= 1e-6 * float(places.abs().max()):  # one camera, or a turntable seen as one
        reach = float(places.norm(dim=-1).max()) or 1.0
    K = torch.stack([lens.K for lens in lenses])
    return Camera.from_opencv(K, rotation, shift, lenses[0].size, near=_NEAR * reach, far=_FAR * reach).to(
        torch.float32
    )


def _names(root: Path, frames: Sequence[Frame]) -> tuple[str, ...]:
    """Paths of the pictures below the folder, without images/ and without endings unless these tell them apart."""
    paths = [f.picture.relative_to(root) if f.picture.is_relative_to(root) else f.picture for f in frames]
    short = [path.as_posix().removeprefix("images/").removesuffix(path.suffix) for path in paths]
    return tuple(short if len(set(short)) == len(short) else [path.as_posix() for path in paths])
