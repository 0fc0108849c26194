"""Small sets of views and the files they are stored in."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from repousse.camera import Camera
from repousse.data import Views

SIZE = (12, 16)
COUNT = 5


def views(count: int = COUNT, size: tuple[int, int] = SIZE, seed: int = 0) -> Views:
    """Noise with masks that are 0, 1 and between, from cameras all around."""
    random = torch.Generator().manual_seed(seed)
    mask = (torch.rand(count, *size, generator=random) * 3 - 1).clamp(0, 1)
    color = torch.rand(count, *size, 3, generator=random) * mask[..., None]
    angles = torch.arange(count) * 0.9
    camera = Camera.orbit(3.0, angles / 5, angles, fov=0.6)
    return Views(color, mask, camera, tuple(f"{number:03d}" for number in range(count)))


def picture(path: Path, size: tuple[int, int] = SIZE, mode: str = "RGBA", seed: int = 0) -> np.ndarray:
    """Write noise; alpha is 255 in the left half and 0 in the right. Returns the bytes (H, W, C)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 4), dtype=np.uint8)
    pixels[..., 3] = np.where(np.arange(size[1]) < size[1] // 2, 255, 0)
    kept = pixels if mode == "RGBA" else pixels[..., :3]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(kept).save(path)
    return kept


def mask(path: Path, size: tuple[int, int] = SIZE, value: int | None = None) -> np.ndarray:
    """Write a grey mask: 255 in the upper half, or `value` everywhere."""
    pixels = np.zeros(size, dtype=np.uint8)
    pixels[: size[0] // 2] = 255
    if value is not None:
        pixels[:] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def pose(shift: float = 0.0) -> list[list[float]]:
    """Camera to world: stands at z = 4 and looks along -z."""
    return [[1, 0, 0, shift], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]


def transforms(path: Path, frames: list[dict], **shared: object) -> Path:
    """Write a file of cameras."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**shared, "frames": frames}))
    return path
