"""Cameras in transforms.json, as NeRF's synthetic scenes, instant-ngp and nerfstudio write them."""

import json
import math
from pathlib import Path
from typing import Any

import torch

from repousse.camera.conventions import opengl_to_opencv
from repousse.io.files import read_bytes

from .frames import CALLER, Frame, find_mask, find_picture
from .lenses import Lens

_RADIAL = ("k1", "k2", "k3", "k4", "k5", "k6")


def read_transforms(path: Path) -> list[Frame]:
    """The frames of one file.

    ValueError, which names the file and the frame, for what is no such file, has no frames, or matrices and numbers
    that make no camera.
    """
    try:
        content = json.loads(read_bytes(CALLER, path))
    except (ValueError, RecursionError) as error:
        if str(error).startswith(CALLER):
            raise
        raise ValueError(f"{CALLER}: {path} is not a JSON file ({error}); is it cut off?") from error
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not frames:
        raise ValueError(f"{CALLER}: {path} has no `frames`: a list of pictures with their `transform_matrix`")
    return [_frame(path, number, content, frame) for number, frame in enumerate(frames)]


def _frame(path: Path, number: int, content: dict[str, Any], frame: object) -> Frame:
    where = f"{CALLER}: frame {number} of {path}"
    if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
        raise ValueError(f"{where} has no `file_path`")
    picture = find_picture(path.parent, frame["file_path"], path)
    where = f"{where} ({picture.name})"
    named = frame.get("mask_path")
    mask = find_mask(path.parent, picture, named if isinstance(named, str) else None, path)
    pose = _matrix(where, frame.get("transform_matrix"))
    try:
        rotation, shift = opengl_to_opencv(CALLER, pose)
    except ValueError as error:
        raise ValueError(f"{where}: {str(error).removeprefix(CALLER + ': ')}") from error
    numbers = _Numbers(where, {**content, **frame})
    lens = _lens(where, numbers)
    angle = 0.0
    if lens is None:
        angle = numbers("camera_angle_x")
        if not 0 < angle < math.pi:
            raise ValueError(f"{where}: `camera_angle_x` is the field of view in radians, not {angle:g}")
    return Frame(picture, mask, rotation, shift, lens, angle)


def _matrix(where: str, value: object) -> torch.Tensor:
    """float64 (4, 4); the last row may be missing."""
    try:
        matrix = torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        matrix = torch.empty(0)
    if matrix.shape == (3, 4):
        matrix = torch.cat((matrix, matrix.new_tensor([[0, 0, 0, 1]])))
    if matrix.shape != (4, 4):
        raise ValueError(f"{where}: `transform_matrix` should be four rows of four numbers, camera to world")
    return matrix


class _Numbers:
    """Numbers of a frame, or else of the whole file."""

    def __init__(self, where: str, values: dict[str, Any]) -> None:
        self.where = where
        self.values = values

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def __call__(self, name: str, otherwise: float | None = None) -> float:
        value = self.values.get(name, otherwise)
        value = otherwise if value is None else value
        if value is None:
            raise ValueError(f"{self.where} has no `{name}`: give fl_x, w and h, or camera_angle_x")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{self.where}: `{name}` should be a finite number, not {value!r}")
        return float(value)


def _lens(where: str, numbers: _Numbers) -> Lens | None:
    """None if the file gives no more than an angle."""
    if "w" not in numbers or "h" not in numbers:
        if "fl_x" in numbers or any(numbers(k, 0.0) for k in ("k1", "k2", "p1", "p2")):
            raise ValueError(f"{where} has `fl_x` or distortion but no `w` and `h`: the picture's size it refers to")
        return None
    width, height = round(numbers("w")), round(numbers("h"))
    if min(width, height) < 1:
        raise ValueError(f"{where}: `w` and `h` are the picture's size in pixels, not {width} x {height}")
    if "fl_x" in numbers:
        focal_x = numbers("fl_x")
        focal_y = numbers("fl_y", focal_x)
    else:
        focal_x = width / 2 / math.tan(numbers("camera_angle_x") / 2)
        focal_y = height / 2 / math.tan(numbers("camera_angle_y") / 2) if "camera_angle_y" in numbers else focal_x
    if not min(focal_x, focal_y) > 0:
        raise ValueError(f"{where}: the focal lengths should be positive, not {focal_x:g} and {focal_y:g}")
    centre = numbers("cx", width / 2), numbers("cy", height / 2)
    model = str(numbers.values.get("camera_model") or "OPENCV").upper()
    if model not in ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV_FISHEYE", "FULL_OPENCV"):
        raise ValueError(f"{where}: the camera model {model} is not known; undistort the pictures first")
    radial = tuple(numbers(name, 0.0) for name in _RADIAL)
    if model == "OPENCV_FISHEYE" or numbers.values.get("is_fisheye"):
        return Lens((height, width), (focal_x, focal_y), centre, fisheye=radial[:4])
    if model != "FULL_OPENCV" and any(radial[3:]):
        raise ValueError(f"{where} has k4, k5 or k6 without `camera_model` FULL_OPENCV or OPENCV_FISHEYE")
    tangential = numbers("p1", 0.0), numbers("p2", 0.0)
    return Lens((height, width), (focal_x, focal_y), centre, radial, tangential)
