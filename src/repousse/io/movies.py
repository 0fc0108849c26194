"""Movie files."""

import itertools
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from .pictures import as_bytes


def save_mp4(path: str | os.PathLike[str], frames: Iterable[Tensor | np.ndarray], fps: float = 25.0) -> None:
    """Write frames as an MP4 movie (H.264, 4:2:0, plays everywhere).

    frames  (H, W, 3) each; float in [0, 1] or uint8; taken one after the other, so that they need not all be in memory
    fps     frames per second

    H and W are made even by repeating the last row or column. The file appears in one step, when all frames are
    written. ImportError without imageio-ffmpeg; ValueError for no frames, frames of different sizes or a bad fps.
    """
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ImportError("save_mp4 needs imageio-ffmpeg: pip install repousse[video]") from error
    if not fps > 0:
        raise ValueError(f"save_mp4: `fps` should be above 0, got {fps}")
    path = Path(path).resolve()
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save_mp4: there is no folder {path.parent}; create it first")
    images = (as_bytes("save_mp4", frame, (3,)) for frame in frames)
    images = (np.pad(one, ((0, one.shape[0] % 2), (0, one.shape[1] % 2), (0, 0)), mode="edge") for one in images)
    first = next(images, None)
    if first is None:
        raise ValueError("save_mp4: there are no frames")
    temporary = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.mp4")
    size = (first.shape[1], first.shape[0])
    writer: Any = imageio_ffmpeg.write_frames(str(temporary), size, fps=fps, quality=8, macro_block_size=1)  # type: ignore
    try:
        writer.send(None)  # starts ffmpeg
        for image in itertools.chain([first], images):
            if image.shape != first.shape or image.shape[-1] != 3:
                raise ValueError(
                    f"save_mp4: frames should all be (H, W, 3) of one size, got {image.shape} after {first.shape}"
                )
            writer.send(np.ascontiguousarray(image))
        writer.close()
        os.replace(temporary, path)
    finally:
        writer.close()
        temporary.unlink(missing_ok=True)
