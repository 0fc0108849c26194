"""Pictures in files."""

import numpy as np
import pytest
import torch
from PIL import Image

from repousse.io import load_image, save_gif, save_png


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
@pytest.mark.parametrize("kind", ["float", "bytes", "numpy"])
def test_png_round_trip(tmp_path, shape, kind):
    """Breaks if rows and columns, channels or the range are mixed up, or 8 bits are rounded wrongly."""
    levels = torch.randint(0, 256, shape, dtype=torch.uint8)
    image = {"float": levels.float() / 255, "bytes": levels, "numpy": (levels.double() / 255).numpy()}[kind]
    save_png(tmp_path / "a.png", image)
    again = load_image(tmp_path / "a.png")
    assert again.dtype == torch.float32
    torch.testing.assert_close(again, (levels.float() / 255).reshape(5, 7, -1))


def test_what_lies_outside_is_clipped(tmp_path):
    """Breaks if values beyond white wrap around to black."""
    save_png(tmp_path / "a.png", torch.tensor([[-1.0, 2.0, 0.5]], requires_grad=True))
    assert load_image(tmp_path / "a.png").flatten().tolist() == pytest.approx([0, 1, 128 / 255])


def test_other_modes(tmp_path):
    """Breaks if palettes, 16 bits, two levels or transparency are read as something else."""
    Image.fromarray(np.array([[0, 65535, 257]], dtype=np.uint16)).save(tmp_path / "deep.png")
    assert load_image(tmp_path / "deep.png").flatten().tolist() == pytest.approx([0, 1, 257 / 65535])
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "two.png")
    assert load_image(tmp_path / "two.png").tolist() == [[[1], [0]]]
    color = Image.new("RGB", (2, 1), (255, 0, 51))
    color.quantize(4).save(tmp_path / "palette.png")
    torch.testing.assert_close(load_image(tmp_path / "palette.png")[0, 0], torch.tensor([1, 0, 0.2]))
    color.convert("P").save(tmp_path / "see.png", transparency=0)
    assert load_image(tmp_path / "see.png").shape == (1, 2, 4)


def frames(count=9, size=24):
    """A grey ramp that does not move, and a coloured square that does."""
    result = torch.zeros(count, size, size, 3)
    result[:, : size // 2] = torch.linspace(0, 1, size)[:, None]
    for i in range(count):
        result[i, size // 2 :, i : i + 6] = torch.tensor([1.0, i / count, 0.3])
    return result


def read_gif(path):
    with Image.open(path) as image:
        shown, delays = [], []
        for i in range(image.n_frames):
            image.seek(i)
            shown.append(np.asarray(image.convert("RGB")) / 255)
            delays.append(image.info["duration"])
        return np.stack(shown), delays, image.info.get("loop")


def test_gif(tmp_path):
    """Breaks if frames are lost, colours drift, what stands still flickers, or it plays once only."""
    original = frames()
    save_gif(tmp_path / "a.gif", original, fps=15)
    shown, delays, loop = read_gif(tmp_path / "a.gif")
    assert loop == 0
    assert shown.shape == original.shape
    assert np.abs(shown - original.numpy()).max() < 0.03
    assert (shown[1:, :12] == shown[:1, :12]).all()
    assert sum(delays) == 600  # 9 frames at 15 per second, in delays of 60 and 70 ms
    assert set(delays) == {60, 70}


def test_gif_of_one_frame_and_many_colors(tmp_path):
    """Breaks on a single frame, or if a white background is tinted by the shared palette."""
    image = torch.rand(1, 64, 64, 3)
    image[:, :32] = 1.0
    save_gif(tmp_path / "a.gif", image)
    shown, _, _ = read_gif(tmp_path / "a.gif")
    assert (shown[0, :32] == 1).all()
    assert np.abs(shown - image.numpy()).mean() < 0.06


def test_refused(tmp_path):
    """Breaks if a picture with channels first, a NaN or a wrong type is written as something else."""
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match=r"channels last.*image\[i\]"):
        save_png(path, torch.zeros(3, 8, 8))
    with pytest.raises(ValueError, match="image"):
        save_png(path, torch.zeros(1, 8, 8, 3))
    with pytest.raises(ValueError, match=r"2 values of the picture are not a number"):
        save_png(path, torch.tensor([[0.0, np.nan, np.nan]]))
    with pytest.raises(ValueError, match="got int64"):
        save_png(path, torch.zeros(4, 4).long())
    with pytest.raises(ValueError, match=r"\(N, H, W, 3\)"):
        save_gif(path, torch.zeros(8, 8, 3))
    with pytest.raises(ValueError, match=r"\(N, H, W, 3\)"):
        save_gif(path, torch.zeros(0, 8, 8, 3))
    for fps in (0, -1, 60, float("nan")):
        with pytest.raises(ValueError, match="`fps`"):
            save_gif(path, torch.zeros(2, 8, 8, 3), fps=fps)
    assert not list(tmp_path.iterdir())


def test_unreadable(tmp_path, monkeypatch):
    """Breaks if a broken, cut off or decompression-bomb picture is not refused by name."""
    path = tmp_path / "a.png"
    with pytest.raises(FileNotFoundError, match=r"no file .*a.png"):
        load_image(path)
    path.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"a.png is not an intact picture"):
        load_image(path)
    save_png(path, torch.rand(64, 64, 3))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="not an intact picture"):
        load_image(path)
    path.write_bytes(whole)
    for limit in (3000, 100):  # Pillow only warns up to twice its limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ValueError, match=r"suspiciously large.*MAX_IMAGE_PIXELS"):
            load_image(path)


def test_failure_keeps_the_old_file(tmp_path, monkeypatch):
    """Breaks if a failed write damages the older picture or leaves a temporary file."""
    path = tmp_path / "a.png"
    save_png(path, torch.zeros(2, 2))
    before = path.read_bytes()

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="disk full"):
        save_png(path, torch.ones(2, 2))
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
