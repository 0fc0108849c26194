"""`repousse view` without a browser: cameras, pictures, pace, and what the command says. See test_view_browser.py."""

import math
import os
import signal
import socket
import subprocess
import sys
import threading
from urllib.request import urlopen

import pytest
import torch
from scipy.spatial.transform import Rotation

from repousse import io
from repousse.apps.common import InputError
from repousse.apps.looks import LOOKS
from repousse.apps.view.eye import FOV, Eye, axes, standpoint
from repousse.apps.view.model import Model
from repousse.apps.view.painter import STAGES, Pace, Painter, Stage, affordable
from repousse.apps.view.style import Style, draw
from repousse.camera import Camera
from repousse.cli import main
from repousse.geometry import Mesh, cube, icosphere, teapot
from repousse.render import render
from repousse.shading import AmbientOcclusion

SIZE = (48, 64)
PLACES = [((2.0, 1.0, 3.0), (0.1, -0.2, 0.3)), ((-4.0, -2.0, 0.5), (0.0, 0.0, 0.0)), ((0.2, 5.0, 0.1), (0.0, 0.1, 0.0))]


@pytest.fixture(scope="module")
def pot() -> Model:
    return Model(teapot(6), "teapot")


@pytest.fixture
def box(tmp_path):
    path = tmp_path / "box.obj"
    io.save(path, cube())
    return path


def eye_of(camera: Camera, position, size=SIZE) -> Eye:
    """What viser would say of a camera: its quaternion made by scipy."""
    x, y, z, w = Rotation.from_matrix(camera.world_to_camera[:3, :3].T.double().numpy()).as_quat()
    return Eye((w, x, y, z), position, 0.7, size)


@pytest.mark.parametrize(("position", "target"), PLACES)
def test_the_browsers_camera_shows_what_look_at_shows(pot, position, target) -> None:
    """Breaks if axes, handedness, the order of the quaternion or the field of view are translated wrongly."""
    wanted = Camera.look_at(position, target, fov=0.7)
    camera = eye_of(wanted, position).camera(pot, "y")
    torch.testing.assert_close(camera.world_to_camera, wanted.world_to_camera, atol=1e-5, rtol=0)
    expected, found = (render(pot.mesh, c, SIZE, gradient=None) for c in (wanted, camera))
    same = (expected.face_id == found.face_id).float().mean()
    assert same > 0.995 and (expected.face_id >= 0).float().mean() > 0.05
    torch.testing.assert_close(found.color.mean((0, 1, 2)), expected.color.mean((0, 1, 2)), atol=2e-3, rtol=0)


def test_clipping_planes_follow_the_camera(pot) -> None:
    """Breaks if coming close or going far away cuts the model."""
    for distance in (1.2, 4.0, 400.0):
        camera = eye_of(Camera.look_at((0.0, 0, distance)), (0, 0, distance)).camera(pot, "y")
        clip = camera.project(pot.points, SIZE)
        assert (clip[..., 2] > 0).all() and (clip[..., 2] < clip[..., 3]).all()
    inside = eye_of(Camera.look_at((0.0, 0, 0.01)), (0, 0, 0.01)).camera(pot, "y")
    assert (render(pot.mesh, inside, SIZE, gradient=None).face_id >= 0).all()


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("size", [(600, 900), (900, 400)])
def test_the_first_view_is_upright_and_filled(pot, up, size) -> None:
    """Breaks if the model is cut off, small, or lies on its side."""
    position, target = standpoint(pot, up, size)
    view = Camera.look_at(position, target, fov=FOV)
    camera = Eye(eye_of(view, position).wxyz, position, FOV, size).camera(pot, up)
    pixels = camera.to_pixels(pot.points, size)[0][0] / torch.tensor([size[1], size[0]])
    low, high = pixels.amin(0), pixels.amax(0)
    assert low.min() > 0.07 and high.max() < 0.93 and (high - low).max() > 0.8
    upwards = torch.stack((torch.zeros(3), axes(up)[1]))
    below, above = camera.to_pixels(upwards, size)[0][0, :, 1]
    assert above < below - 10


def test_lights_stand_where_the_panel_says(pot) -> None:
    """Breaks if azimuth, elevation or "follows camera" mean something else."""
    camera = Camera.look_at((3.0, 0.0, 0.0))

    def towards(**settings) -> torch.Tensor:
        return Style(**settings).lights(camera)[1].direction

    right = {"azimuth": math.pi / 2, "elevation": 0.0}
    torch.testing.assert_close(towards(**right, follow=False), torch.tensor([1.0, 0, 0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(towards(**right, follow=True), torch.tensor([0, 0, -1.0]), atol=1e-6, rtol=0)
    above = {"azimuth": 0.3, "elevation": math.pi / 2, "follow": False}
    torch.testing.assert_close(towards(**above, up="y"), torch.tensor([0, 1.0, 0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(towards(**above, up="z"), torch.tensor([0, 0, 1.0]), atol=1e-6, rtol=0)
    front = {"azimuth": 0.0, "elevation": 0.0, "follow": False, "up": "z"}
    torch.testing.assert_close(towards(**front), torch.tensor([0, -1.0, 0]), atol=1e-6, rtol=0)


def test_light_and_shadows_change_the_picture(pot) -> None:
    """Breaks if a setting of the panel has no effect."""
    camera = Camera.look_at((1.0, 1.0, 4.0), fov=0.6)
    first = draw(pot, Style(), camera, SIZE)
    for other in (
        Style(azimuth=2.0),
        Style(elevation=-0.5),
        Style(strength=0.2),
        Style(ambient=0.1),
        Style(shadows=True),
        Style(follow=False),
        Style(wireframe=True),
        Style(normals="flat"),
        Style(background=(0, 0, 0)),
    ):
        assert (draw(pot, other, camera, SIZE) - first).abs().max() > 0.02, other


@pytest.mark.parametrize("name", list(LOOKS))
def test_every_look_is_drawn_over_the_chosen_background(pot, name) -> None:
    """Breaks if a look of the menu fails, or shifts the background's colour."""
    if name == "occlusion":
        pytest.importorskip("embreex")
    camera = Camera.look_at((1.0, 1.0, 4.0), fov=0.6)
    for wireframe in (False, True):
        picture = draw(pot, Style(shader=name, wireframe=wireframe, background=(10, 120, 240)), camera, SIZE, rays=2)
        assert picture.shape == (*SIZE, 3) and picture.isfinite().all() and 0 <= picture.min() <= picture.max() <= 1
        assert (picture[0, 0] * 255).round().tolist() == [10, 120, 240]
        assert picture[20:28, 28:36].std() > 0 or name in ("albedo", "occlusion")


def test_light_is_encoded_and_data_is_not() -> None:
    """Breaks if colours are too dark or normals too bright on the screen."""
    colored = cube().with_attribute("color", torch.full((8, 3), 0.2), cube().faces)
    model, camera = Model(colored, "box"), Camera.look_at((0.0, 0, 4))
    albedo = draw(model, Style(shader="albedo", normals="flat"), camera, SIZE)[24, 32]
    torch.testing.assert_close(albedo, io.linear_to_srgb(torch.full((3,), 0.2)))
    normal = draw(model, Style(shader="normals", normals="flat"), camera, SIZE)[24, 32]
    torch.testing.assert_close(normal, torch.tensor([0.5, 0.5, 1.0]), atol=1e-5, rtol=0)


def test_rays_are_cast_at_what_is_kept(pot) -> None:
    """Breaks if each picture builds its own tree of triangles."""
    assert pot.occlusion(2) is pot.occlusion(2) and isinstance(pot.occlusion(2), AmbientOcclusion)
    assert pot.occlusion(2).rays == 2 and pot.occlusion(16).rays == 16


def test_a_model_is_centred_whatever_its_units_and_leftovers() -> None:
    """Breaks if a vertex that no face has, or a large offset, pushes the model out of sight."""
    ball = icosphere(2)
    moved = torch.cat((ball.positions * 1e-3 + torch.tensor([50.0, 0, 9]), torch.tensor([[1e6, 0, 0]])))
    model = Model(Mesh(moved, ball.faces), "ball")
    assert model.points.abs().max() == pytest.approx(1, abs=0.02) and model.radius < 1.1
    assert model.mesh.materials[0].name == "clay"
    assert not Model(ball.with_attribute("color", torch.rand(162, 3), ball.faces), "b").mesh.materials


@pytest.mark.parametrize(("value", "text"), [(1.0, "same place"), (math.nan, "not finite")])
def test_what_cannot_be_seen_is_an_input_error(value, text) -> None:
    """Breaks if the page would be empty for no reason given."""
    with pytest.raises(InputError, match=text):
        Model(Mesh(torch.full((3, 3), value), torch.tensor([[0, 1, 2]])), "point")


def test_normals_are_the_files_or_made(pot) -> None:
    """Breaks if the menu offers normals that a file does not have, or leaves out those it has."""
    assert Model(cube(), "box").normals == ("creased", "smooth", "flat")
    given = cube().with_attribute("normal", torch.tensor([[0.0, 0, 1]]), torch.zeros(12, 3, dtype=torch.int32))
    model = Model(given, "box")
    assert model.normals == ("from the file", "creased", "smooth", "flat")
    made = {name: model.dressed(name) for name in model.normals}
    assert [smooth for _, smooth in made.values()] == [True, True, True, False]
    rows = [len(mesh.attributes["normal"].values) for mesh, _ in made.values()]
    assert rows[:3] == [1, 24, 8]
    assert model.dressed("creased")[0] is made["creased"][0]


def test_stl_files_are_z_up(tmp_path) -> None:
    """Breaks if printed parts lie on their backs, or `--up` does not count."""
    for name, up in (("a.stl", "z"), ("a.STL", "z"), ("a.obj", "y")):
        io.save(tmp_path / name, Mesh(cube().positions, cube().faces))
        assert Model.load(tmp_path / name).up == up
        assert Model.load(tmp_path / name, "y").up == "y"


def test_the_summary_has_the_files_own_numbers() -> None:
    """Breaks if the panel shows those of the mesh that was scaled for drawing."""
    summary = Model(cube().with_positions(cube().positions * 7), "box", notes=["a note"]).summary()
    side = float((cube().positions[:, 0].amax() - cube().positions[:, 0].amin()) * 7)
    assert f"{side:.4g} × {side:.4g} × {side:.4g}" in summary and "- a note" in summary and "| faces | 12 |" in summary


def test_moving_pictures_keep_their_pace() -> None:
    """Breaks if slow machines get slow pictures, or fast ones coarse ones for ever."""
    pace = Pace()
    for _ in range(20):
        pace.measured(10.0)
    height, width = pace.size((800, 1200))
    assert (height, width) == (100, 150)
    for _ in range(20):
        pace.measured(0.001)
    assert pace.size((800, 1200)) == (400, 600)
    assert pace.size((1, 1)) == (1, 1)


def test_huge_pictures_are_made_affordable() -> None:
    """Breaks if a large screen, or saving at twice its size, takes all memory."""
    assert affordable((800, 1200), 2) == ((800, 1200), 2)
    assert affordable((3000, 4000), 2) == ((3000, 4000), 1)
    (height, width), supersample = affordable((8000, 16000), 2)
    assert supersample == 1 and height * width <= 2**24 and width == pytest.approx(2 * height, abs=2)


class Log:
    """Stages painted so far; `wait` until there are some."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.errors: list[Exception] = []
        self.news = threading.Condition()

    def paint(self, stage: Stage) -> None:
        with self.news:
            self.stages.append(stage)
            self.news.notify_all()

    def failed(self, error: Exception) -> None:
        with self.news:
            self.errors.append(error)
            self.news.notify_all()

    def wait(self, done) -> None:
        with self.news:
            assert self.news.wait_for(lambda: done(self), 60)


def test_pictures_become_finer_and_then_rest() -> None:
    """Breaks if the page stays coarse, or is drawn again and again."""
    log = Log()
    painter = Painter(log.paint, log.failed)
    painter.change()
    log.wait(lambda log: len(log.stages) == len(STAGES))
    painter.close()
    assert log.stages == list(STAGES) and log.stages[0].moving and log.stages[-1].lossless


def test_changes_do_not_queue_up() -> None:
    """Breaks if a slow picture is followed by one for every change that came meanwhile."""
    log, started, go_on = Log(), threading.Event(), threading.Event()

    def slow(stage: Stage) -> None:
        log.paint(stage)
        started.set()
        assert go_on.wait(60)

    painter = Painter(slow, log.failed)
    painter.change()
    assert started.wait(60)
    for _ in range(100):
        painter.change()
    go_on.set()
    log.wait(lambda log: len(log.stages) == 1 + len(STAGES))
    painter.close()
    assert log.stages == [STAGES[0], *STAGES]


def test_a_failing_picture_ends_nothing() -> None:
    """Breaks if an exception kills the painter, is swallowed, or is tried again without a change."""
    log = Log()
    broken = [True]

    def paint(stage: Stage) -> None:
        if broken[0]:
            raise RuntimeError("no paint left")
        log.paint(stage)

    painter = Painter(paint, log.failed)
    painter.change()
    log.wait(lambda log: log.errors)
    broken[0] = False
    painter.change()
    log.wait(lambda log: len(log.stages) == len(STAGES))
    painter.close()
    assert [str(error) for error in log.errors] == ["no paint left"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["no/such/file.obj"], "there is no file"),
        ([__file__], "cannot be read as a mesh"),
        (["BOX", "--port", "70000"], "65535"),
        (["BOX", "--host", "no.such.host.invalid"], "no.such.host.invalid"),
        (["BOX", "--up", "x"], "up"),
        ([], "missing from repousse view"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments, text, box, capsys) -> None:
    """Breaks if a mistake ends in a traceback, or in a server that nobody can reach."""
    pytest.importorskip("viser")
    arguments = [str(box) if argument == "BOX" else argument for argument in arguments]
    assert main(["view", "--no-open", *arguments]) == 2
    said = capsys.readouterr()
    lines = said.err.strip().splitlines()
    assert said.out == "" and len(lines) == 1 and lines[0].startswith("repousse: ") and text in lines[0].lower()
    assert "--- " not in lines[0]


def test_a_port_in_use_is_said(box, capsys) -> None:
    """Breaks if another port is taken silently, as viser would."""
    pytest.importorskip("viser")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["view", str(box), "--no-open", "--port", str(port)]) == 2
    assert f"port {port}" in capsys.readouterr().err


def test_without_viser_the_way_to_get_it_is_said(box, monkeypatch, capsys) -> None:
    """Breaks if an optional package that is missing ends in a traceback."""
    monkeypatch.setitem(sys.modules, "viser", None)
    assert main(["view", str(box), "--no-open"]) == 2
    assert "pip install repousse[view]" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_the_command_prints_its_address_and_ends_with_ctrl_c(box) -> None:
    """Breaks if the URL is not printed at once, or Ctrl-C leaves a traceback or an error code."""
    pytest.importorskip("viser")
    command = [sys.executable, "-m", "repousse", "view", str(box), "--no-open"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert line.startswith("box.obj: http://127.0.0.1:")
        with urlopen(line.split()[1], timeout=60) as page:
            assert b"<html" in page.read(500)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=120)
    finally:
        running.kill()
    assert running.returncode == 0 and out.strip() == "" and err == ""
