"""Sets of views, written so that others can read them too."""

import io
import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from repousse.io.files import write_bytes
from repousse.io.images import encode_png

from .views import Views

_CALLER = "save_views"
_DEEPEST = 65535


def save_views(
    folder: str | os.PathLike[str],
    views: Views,
    *,
    split: str | None = None,
    depth: Tensor | None = None,
    normal: Tensor | None = None,
) -> Path:
    """Write a folder that `load_views` reads, and so do instant-ngp, nerfstudio and programs for NeRF's scenes.

    >>> save_views("bunny", views)
    PosixPath('bunny/transforms.json')

    folder  is created if need be; files of the same names in it are replaced
    split   writes transforms_SPLIT.json, and the pictures into folders of this name: several sets can share a folder
    depth   float (N, H, W)     camera z, 0 where empty
    normal  float (N, H, W, 3)  world space, 0 where empty

    images/NAME.png is RGBA, 8-bit sRGB with straight alpha, masks/NAME.png the alpha alone. depth/NAME.png has 16 bits:
    times `integer_depth_scale` of transforms.json it is camera z. normals/NAME.png is (normal + 1) / 2. What was loaded
    from 8 bits is written as the same 8 bits; colours above 1 are clipped. Clipping planes are not stored. The file of
    cameras appears last; the same views give the same bytes.

    Returns the path of the file of cameras. ValueError for shapes, names that lead out of the folder, and cameras that
    are orthographic or skewed.
    """
    _check(views, split, depth, normal)
    root, below = Path(folder), f"{split}/" if split else ""
    names = [name.removeprefix(below) for name in views.names]
    scale = float(depth.max()) / _DEEPEST if depth is not None and depth.max() > 0 else 1.0
    content, frames = _cameras(views)
    if depth is not None:
        content["integer_depth_scale"] = scale
    for number, (name, frame) in enumerate(zip(names, frames, strict=True)):
        view = views[number]
        mask = view.mask[0, ..., None]
        straight = torch.where(mask >= 0.5 / 255, view.color[0] / mask.clamp(min=1e-6), 0)
        _write(root, f"images/{below}{name}.png", encode_png(torch.cat((straight, mask), -1), srgb=True))
        _write(root, f"masks/{below}{name}.png", encode_png(mask, srgb=False))
        # NeRF's own reader adds the ending.
        frame = {"file_path": f"./images/{below}{name}" if split else f"images/{name}.png", **frame}
        if depth is not None:
            frame["depth_path"] = frame["depth_file_path"] = f"depth/{below}{name}.png"
            _write(root, frame["depth_path"], _sixteen_bits(depth[number] / scale))
        if normal is not None:
            frame["normal_path"] = f"normals/{below}{name}.png"
            _write(root, frame["normal_path"], encode_png((normal[number] + 1) / 2, srgb=False))
        frames[number] = frame
    path = root / (f"transforms_{split}.json" if split else "transforms.json")
    write_bytes(_CALLER, path, (json.dumps({**content, "frames": frames}, indent=1) + "\n").encode())
    return path


def _cameras(views: Views) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all frames share, and what each has of its own."""
    height, width = views.size
    camera = views.camera.to(torch.float64)
    K = camera.to_opencv(views.size)[0]
    if (K[:, 0, 1].abs() > 1e-6 * K[:, 0, 0]).any() or (K[:, 1, 0].abs() > 1e-6 * K[:, 0, 0]).any():
        raise ValueError(f"{_CALLER}: the cameras are skewed, which transforms.json cannot say.")
    lenses = [
        {
            "camera_angle_x": 2 * float(torch.atan(width / 2 / k[0, 0])),
            "fl_x": float(k[0, 0]),
            "fl_y": float(k[1, 1]),
            "cx": float(k[0, 2]),
            "cy": float(k[1, 2]),
        }
        for k in K.cpu()
    ]
    shared = {"w": width, "h": height}
    frames: list[dict[str, Any]] = [{"transform_matrix": pose.tolist()} for pose in camera.to_opengl().cpu()]
    if all(lens == lenses[0] for lens in lenses):
        return {**shared, **lenses[0]}, frames
    return shared, [{**lens, **frame} for lens, frame in zip(lenses, frames, strict=True)]


def _check(views: Views, split: str | None, depth: Tensor | None, normal: Tensor | None) -> None:
    if not isinstance(views, Views):
        raise TypeError(f"{_CALLER}: `views` must be Views, got {type(views).__name__}.")
    for name, value, tail in (("depth", depth, ()), ("normal", normal, (3,))):
        if value is None:
            continue
        wanted = (*views.mask.shape, *tail)
        if value.shape != wanted or not value.isfinite().all() or (name == "depth" and value.min() < 0):
            raise ValueError(
                f"{_CALLER}: `{name}` must be {wanted}, finite and, for depth, not negative, got {tuple(value.shape)}."
            )
    if len(set(views.names)) < len(views.names):
        raise ValueError(f"{_CALLER}: the names of the views must differ: they become names of files.")
    for name in (*views.names, *([split] if split is not None else [])):
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
            raise ValueError(f"{_CALLER}: {name!r} cannot be the name of a file in the folder; choose another.")


def _write(root: Path, name: str, data: bytes) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(_CALLER, path, data)


def _sixteen_bits(values: Tensor) -> bytes:
    pixels = np.rint(values.detach().cpu().double().numpy()).clip(0, _DEEPEST).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
