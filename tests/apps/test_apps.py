"""The applications on tiny pictures: what they write and report. test_outcomes.py has what they achieve."""

import re

import pytest
import torch
from PIL import Image

from repousse import io
from repousse.apps import common
from repousse.apps.common import InputError, Result
from repousse.apps.demo import gallery
from repousse.apps.draw import Draw, draw
from repousse.apps.find_camera import FindCamera, find_camera
from repousse.apps.fit_texture import FitTexture, fit_texture
from repousse.apps.fit_vertices import FitVertices, fit_vertices
from repousse.apps.views import orbit
from repousse.geometry import icosphere


@pytest.fixture
def ball(tmp_path):
    """A small mesh file."""
    path = tmp_path / "ball.obj"
    io.save(path, icosphere(2))
    return path


def settings(kind, ball, tmp_path, **more):
    return kind(mesh=ball, out=tmp_path / "out", size=32, **more)


def check_written(result: Result, names: set[str]) -> None:
    assert {path.name for path in result.written} == names
    for path in result.written:
        assert path.stat().st_size > 0
        if path.suffix in (".png", ".gif"):
            assert Image.open(path).size == (32, 32)


def test_draw(ball, tmp_path):
    # Breaks if the turntable has another number of frames, or they show nothing.
    result = draw(settings(Draw, ball, tmp_path, step=45.0))
    check_written(result, {"turntable.gif", "draw.png"})
    assert Image.open(result.written[0]).n_frames == 8
    assert result.numbers["covered"] > 0.1


def test_fit_vertices(ball, tmp_path):
    # Breaks if the loop does not run, or a file is not written.
    result = fit_vertices(settings(FitVertices, ball, tmp_path, steps=12, learning_rate=1e-2))
    check_written(
        result,
        {"fit.gif", "turntable.gif", "before.png", "after.png", "target.png", "shaded.png", "mesh.obj"},
    )
    assert result.numbers["iou"] > result.numbers["iou_before"]
    assert io.load(tmp_path / "out" / "mesh.obj").faces.shape == icosphere(2).faces.shape


def test_fit_vertices_to_a_given_picture(ball, tmp_path):
    # Breaks if --reference is ignored, or a picture of another size is not scaled.
    drawn = torch.zeros(50, 70)
    drawn[10:40, 10:60] = 1
    io.save_png(tmp_path / "shape.png", drawn)
    result = fit_vertices(settings(FitVertices, ball, tmp_path, steps=1, reference=tmp_path / "shape.png"))
    assert result.numbers["steps"] == 1
    io.save_png(tmp_path / "black.png", drawn * 0)
    with pytest.raises(InputError, match="no white shape"):
        fit_vertices(settings(FitVertices, ball, tmp_path, steps=1, reference=tmp_path / "black.png"))


def test_fit_texture(ball, tmp_path):
    # Breaks if the loop does not run, or a file is not written.
    result = fit_texture(settings(FitTexture, ball, tmp_path, steps=5))
    check_written(result, {"turntable.gif", "fit.gif", "after.png", "target.png", "mesh.ply"})
    assert result.numbers["loss"] < result.numbers["loss_before"]


def test_find_camera(ball, tmp_path):
    # Breaks if the loop does not run, or a file is not written.
    result = find_camera(settings(FindCamera, ball, tmp_path, steps=3))
    check_written(result, {"search.gif", "before.png", "after.png", "target.png", "found.png"})
    assert result.numbers["steps"] == 3


def test_the_sought_camera_is_that_of_the_released_example():
    # Breaks if angles are counted from another axis.
    settings = FindCamera()
    eye = orbit(settings, settings.elevation, settings.azimuth).position[0]
    torch.testing.assert_close(eye, torch.tensor([-0.612, 1.366, -2.285]), atol=1e-3, rtol=0)


def test_ctrl_c_writes_what_there_is(ball, tmp_path, monkeypatch, capsys):
    # Breaks if an interrupted run loses its results.
    class Stop(torch.optim.Adam):
        count = 0

        def step(self, closure=None):
            Stop.count += 1
            if Stop.count == 3:
                raise KeyboardInterrupt
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "Adam", Stop)
    result = fit_vertices(settings(FitVertices, ball, tmp_path, steps=50))
    assert result.numbers["steps"] == 2
    assert all(path.exists() for path in result.written)
    assert "stopped after 2 steps" in capsys.readouterr().err


def test_the_page_shows_all_pictures(tmp_path):
    # Breaks if an example is missing from the page, or a link leads nowhere.
    picture = tmp_path / "out" / "draw" / "a.png"
    picture.parent.mkdir(parents=True)
    io.save_png(picture, torch.zeros(4, 4))
    results = [Result(title, f"outcome of {title} <&>", {}, [picture], 1.0) for title in ("draw", "find-camera")]
    page = gallery(results, tmp_path / "out")
    links = re.findall(r'src="([^"]+)"', page)
    assert links == ["draw/a.png"] * 2
    assert all((tmp_path / "out" / link).is_file() for link in links)
    assert "outcome of draw &lt;&amp;&gt;" in page


@pytest.mark.parametrize(
    ("kind", "wrong", "text"),
    [
        (Draw, {"size": 0}, "size"),
        (Draw, {"supersample": 0}, "supersample"),
        (Draw, {"fov": 180.0}, "fov"),
        (Draw, {"distance": -1.0}, "distance"),
        (Draw, {"elevation": 90.0}, "elevation"),
        (Draw, {"step": 0.0}, "step"),
        (FitVertices, {"steps": 0}, "steps"),
        (FitVertices, {"learning_rate": 0.0}, "learning_rate"),
        (FitTexture, {"resolution": 0}, "resolution"),
        (FitTexture, {"steps": -1}, "steps"),
        (FindCamera, {"start": (0.0, 1.0, 0.0)}, "start"),
        (FindCamera, {"steps": 1}, "steps"),
        (FindCamera, {"learning_rate": 0.0}, "learning_rate"),
        (FindCamera, {"gradient": "magic"}, "magic"),
    ],
)
def test_settings_refuse_what_cannot_be_meant(kind, wrong, text):
    # Breaks if a number out of range is found out only in the middle of a run.
    with pytest.raises(InputError, match=text):
        kind(**wrong)


def test_what_is_no_file_mesh_or_picture_is_said_in_one_line(tmp_path):
    # Breaks if a parser's own exception gets through.
    noise = tmp_path / "noise.obj"
    noise.write_bytes(bytes(range(256)) * 4)
    for path in (tmp_path / "missing.obj", noise, tmp_path):
        with pytest.raises(InputError) as caught:
            common.load_mesh(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    for path in (tmp_path / "missing.png", noise):
        with pytest.raises(InputError):
            common.load_picture(path, 8)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        draw(Draw(out=tmp_path / "file"))
    with pytest.raises(InputError):
        fit_texture(FitTexture(reference=tmp_path / "missing.png", out=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
