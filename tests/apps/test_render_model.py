"""repousse render: what is written, and that the model is in the picture, whole and upright."""

import io as bytes_io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from repousse import io
from repousse.apps.common import InputError
from repousse.apps.looks import LOOKS
from repousse.apps.render_model import RenderModel, render_model
from repousse.cli import main
from repousse.geometry import Material, Mesh, Texture, cube, icosphere, join, torus

SMALL = {"width": 40, "height": 32, "supersample": 1}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A red ball on top of a long green block, far from the origin and large."""
    ball = icosphere(2).with_positions(icosphere(2).positions * 0.6 + torch.tensor([0.0, 1.6, 0.0]))
    block = cube().with_positions(cube().positions * torch.tensor([0.6, 1.0, 0.6]))
    parts = [
        part.with_materials([Material(name, base_color=color)])
        for part, name, color in ((ball, "ball", (1.0, 0.0, 0.0)), (block, "block", (0.0, 1.0, 0.0)))
    ]
    scene = join(parts)
    path = tmp_path / "thing.glb"
    io.save(path, scene.with_positions(scene.positions * 300 + 5000))
    return path


def drawn(model: Path, **settings: object) -> np.ndarray:
    out = settings.pop("out", model.with_name("picture.png"))
    render_model(RenderModel(model, out=out, **{**SMALL, **settings}))  # type: ignore[arg-type]
    return np.asarray(Image.open(out))  # type: ignore[arg-type]


def movie_frames(path: Path) -> np.ndarray:
    import imageio_ffmpeg

    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]  # type: ignore[index]
    return np.stack([np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader])  # type: ignore


def test_the_model_fills_the_picture_and_stands_upright(model: Path) -> None:
    """Breaks if framing fails for large units, up is down, or colours are lost on the way."""
    pixels = drawn(model, ground=False).astype(int)
    red = (pixels[..., 0] > pixels[..., 1] + 60).nonzero()[0]
    green = (pixels[..., 1] > pixels[..., 0] + 60).nonzero()[0]
    assert red.max() <= green.max() and red.min() < green.min()
    assert 1 <= red.min() <= 4 and 27 <= green.max() <= 30
    assert (pixels[0, 0] == 255).all()


def test_transparent_pictures_hold_model_and_shadow(model: Path) -> None:
    """Breaks if the background stays, or the shadow is not black and see-through."""
    pixels = drawn(model, background="transparent")
    assert pixels.shape == (32, 40, 4) and pixels[0, 0, 3] == 0 and pixels[16, 20, 3] == 255
    shadow = pixels[(pixels[..., 3] > 20) & (pixels[..., 3] < 230) & (pixels[..., :3].max(-1) < 5)]
    assert len(shadow) > 10
    assert drawn(model, background="transparent", ground=False)[..., 3].astype(bool).sum() < (pixels[..., 3] > 0).sum()


def test_background_colours(model: Path) -> None:
    """Breaks if a colour is encoded twice."""
    assert drawn(model, background="#204060", ground=False)[0, 0].tolist() == [0x20, 0x40, 0x60]


def test_a_sheet_shows_several_views(model: Path) -> None:
    """Breaks if views overlap, repeat, or leave the last row wrong."""
    pixels = drawn(model, views=3, ground=False)
    assert pixels.shape == (64, 80, 3)
    parts = [pixels[:32, :40], pixels[:32, 40:], pixels[32:, :40]]
    assert all((part < 250).any() for part in parts) and not (parts[0] == parts[1]).all()
    assert (pixels[32:, 40:] == 255).all()


def test_a_turntable_is_a_gif_or_a_movie(model: Path) -> None:
    """Breaks if frames are missing, of the wrong size, or in the wrong order of time."""
    gif = model.with_name("turn.gif")
    drawn(model, out=gif, frames=5, ground=False)
    with Image.open(gif) as animation:
        assert animation.n_frames == 5 and animation.size == (40, 32)
    pytest.importorskip("imageio_ffmpeg", reason="movies need imageio-ffmpeg: pip install repousse[video]")
    movie = model.with_name("turn.mp4")
    render_model(RenderModel(model, out=movie, frames=5, ground=False, width=41, height=32, supersample=1))
    frames = movie_frames(movie)
    assert frames.shape == (5, 32, 42, 3)
    assert frames[0].astype(int)[0, 0].min() > 240 and not (frames[0] == frames[1]).all()


@pytest.mark.parametrize("shader", LOOKS)
def test_every_look_draws_something(model: Path, shader: str) -> None:
    """Breaks if a shader cannot be chosen by its name, or draws nothing but background."""
    if shader == "occlusion":
        pytest.importorskip("embreex", reason="ambient occlusion needs embreex: pip install repousse[rays]")
    pixels = drawn(model, shader=shader, ground=False, background="#ff00ff")
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) >= 3


@pytest.mark.parametrize("light", ["studio", "sun", "soft", "lamp"])
def test_every_light_shines(model: Path, light: str) -> None:
    """Breaks if a light leaves the model black or white all over."""
    seen = drawn(model, light=light, shader="lambert", ground=False, background="#0000ff").astype(float)
    brightest = seen[..., :2].max(-1)[seen[..., 2] < 200]
    assert 60 < brightest.mean() <= 255


def test_surroundings_light_the_model(model: Path) -> None:
    """Breaks if the picture of the surroundings is ignored."""
    picture = model.with_name("room.png")
    io.save_png(picture, torch.tensor([0.0, 0.0, 1.0]).expand(8, 16, 3))
    pixels = drawn(model, environment=picture, shader="lambert", ground=False, background="black")
    assert pixels[..., :2].max() < 5


def test_a_soft_shadow_lies_under_the_model(model: Path) -> None:
    """Breaks if the ground is seen, the shadow is beside the model, or it darkens the whole picture."""
    with_ground, without = (drawn(model, ground=ground).astype(int).min(-1) for ground in (True, False))
    darker = without - with_ground
    assert darker.max() > 40 and (darker[:8] <= 1).all() and darker[24:].mean() > 3 * max(darker[:16].mean(), 0.1)


def test_up_z_turns_the_model(tmp_path: Path) -> None:
    """Breaks if normals stay behind when the axes are turned, or the model is mirrored."""
    z_up = torus().with_positions(torus().positions[:, [0, 2, 1]] * torch.tensor([1.0, -1.0, 1.0]))
    for name, mesh in (("y", torus()), ("z", z_up)):
        io.save(tmp_path / f"{name}.obj", Mesh(mesh.positions, mesh.faces))
    same = [drawn(tmp_path / f"{up}.obj", up=up, ground=False, out=tmp_path / f"{up}.png") for up in "yz"]
    assert np.abs(same[0].astype(int) - same[1].astype(int)).mean() < 0.5


def test_warnings_of_the_reader_are_passed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Breaks if a missing texture goes unnoticed."""
    image = Texture(torch.rand(2, 2, 3))
    io.save(tmp_path / "box.obj", cube().with_materials([Material("wood", base_color_texture=image)]))
    next(tmp_path.glob("box_*.png")).unlink()
    drawn(tmp_path / "box.obj", ground=False)
    assert ".png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 0}, "width"),
        ({"background": "greenish"}, "greenish"),
        ({"out": Path("picture.jpg")}, r"\.png, \.gif, \.mp4"),
        ({"out": Path("turn.gif"), "background": "transparent"}, "transparent"),
        ({"out": Path("turn.gif"), "views": 4}, "sheet"),
        ({"elevation": 100.0}, "elevation"),
        ({"fps": 0.0}, "fps"),
        ({"width": 10_000}, "at most"),
    ],
)
def test_senseless_settings_are_refused(settings: dict, words: str) -> None:
    """Breaks if a mistake is found only after minutes of rendering."""
    with pytest.raises(InputError, match=words):
        RenderModel(Path("model.obj"), **settings)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no file"), (b"hello", "cannot be read"), (b"v 0 0 0\nf 1 1 1\n", "none of its faces")],
)
def test_unusable_files_are_one_line(
    content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Breaks if a wrong file ends in a traceback."""
    path = tmp_path / "model.obj"
    if content is not None:
        path.write_bytes(content)
    assert main(["render", str(path), "--out", str(tmp_path / "x.png")]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("repousse: ") and words in message
    assert not (tmp_path / "x.png").exists()


def test_bytes_are_a_picture(model: Path) -> None:
    """Breaks if the default name is not made from the model's."""
    assert RenderModel(Path("a/spot.obj.gz")).target == Path("out/render/spot.png")
    drawn(model, ground=False)
    assert Image.open(bytes_io.BytesIO(model.with_name("picture.png").read_bytes())).format == "PNG"


def test_winding_does_not_matter(tmp_path: Path) -> None:
    """Breaks if a model that is inside out is as dark as its inside."""
    ball = icosphere(2)
    io.save(tmp_path / "out.obj", Mesh(ball.positions, ball.faces))
    io.save(tmp_path / "in.obj", Mesh(ball.positions, ball.faces.flip(1)))
    outwards, inwards = (drawn(tmp_path / name).astype(int) for name in ("out.obj", "in.obj"))
    assert abs(outwards - inwards).max() <= 4


def test_what_no_face_has_is_not_framed(tmp_path: Path) -> None:
    """Breaks if a vertex left behind far away makes the model a dot."""
    path = tmp_path / "stray.obj"
    io.save(path, cube())
    alone = drawn(path)
    path.write_text(path.read_text() + "v 1000 1000 1000\n")
    assert (drawn(path) == alone).all()


def test_nothing_to_see_is_said(tmp_path: Path) -> None:
    """Breaks if faces without area make an empty picture without a word."""
    path = tmp_path / "line.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    with pytest.raises(InputError, match="none of its faces has an area"):
        drawn(path)
