"""save_mp4: what is played back, and that a failure leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from repousse import io

ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="movies need imageio-ffmpeg: pip install repousse[video]")


def played(path: Path) -> tuple[dict, np.ndarray]:
    reader = ffmpeg.read_frames(str(path))
    about = next(reader)
    width, height = about["size"]
    return about, np.stack([np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader])


def test_frames_come_back(tmp_path: Path) -> None:
    """Breaks if frames are lost, swapped or turned, or sides are scaled to other sizes."""
    levels = torch.linspace(0.2, 0.8, 5)
    frames = [torch.full((33, 50, 3), float(level)) for level in levels]
    frames[2][:16] = 0
    io.save_mp4(tmp_path / "movie.mp4", frames, fps=10)
    about, found = played(tmp_path / "movie.mp4")
    assert found.shape == (5, 34, 50, 3) and about["fps"] == 10
    assert np.abs(found[:, 25:].mean((1, 2, 3)) / 255 - levels.numpy()).max() < 0.03
    assert found[2, :10].mean() < 20


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([], "no frames"),
        ([torch.zeros(4, 4, 3), torch.zeros(6, 4, 3)], "one size"),
        ([torch.zeros(4, 4, 4)], r"\(H, W, 3\)"),
        ([torch.full((4, 4, 3), torch.nan)], "NaN"),
    ],
)
def test_bad_frames_leave_an_older_file_alone(frames: list[torch.Tensor], words: str, tmp_path: Path) -> None:
    """Breaks if a half-written movie replaces a good one, or stays beside it."""
    path = tmp_path / "movie.mp4"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=words):
        io.save_mp4(path, frames)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_failure_between_frames_leaves_nothing(tmp_path: Path) -> None:
    """Breaks if the temporary file stays when drawing a frame fails."""

    def frames() -> Iterator[torch.Tensor]:
        yield torch.zeros(16, 16, 3)
        raise RuntimeError("drawing failed")

    with pytest.raises(RuntimeError, match="drawing failed"):
        io.save_mp4(tmp_path / "movie.mp4", frames())
    assert not list(tmp_path.iterdir())


def test_wrong_places_and_speeds(tmp_path: Path) -> None:
    """Breaks if ffmpeg's own message is all that a user sees."""
    with pytest.raises(FileNotFoundError, match="no folder"):
        io.save_mp4(tmp_path / "none" / "movie.mp4", [torch.zeros(4, 4, 3)])
    with pytest.raises(ValueError, match="fps"):
        io.save_mp4(tmp_path / "movie.mp4", [torch.zeros(4, 4, 3)], fps=0)
