"""What a fit is judged by."""

import functools
import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch
from fit_scenes import LIGHTS, all_around, bare, painted_torus, photographed
from PIL import Image

from repousse.apps.common import InputError
from repousse.apps.fit import measure, page, report, scenes
from repousse.apps.fit.report import evaluate, write_report
from repousse.camera import Camera
from repousse.data import Views
from repousse.geometry import cube, icosphere
from repousse.shading import Ambient

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def views() -> Views:
    return photographed(painted_torus(), all_around(4), 40, supersample=4)


def test_the_right_answer_is_perfect(views: Views) -> None:
    """Breaks if a perfect fit is marked down: another colour space, supersampling, normals or background."""
    found = evaluate(painted_torus(), LIGHTS, views, painted_torus())
    assert found["silhouette_iou"] == 1 and found["psnr"] > 90 and found["psnr_object"] > 90
    assert found["ssim"] == pytest.approx(1, abs=1e-5) and found["views"] == 4
    assert found["chamfer_percent"] < 0.3 and found["f_score"] == 1 and found["normal_consistency"] > 0.99
    assert found["mesh"]["watertight"] and found["mesh"]["folded_edges"] == 0
    assert [row["name"] for row in found["per_view"]] == list(views.names)


def test_errors_cost_what_they_should(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if a figure is blind to its error, or both kinds of PSNR are the same."""
    monkeypatch.setattr(measure, "_SAMPLES", 5000)
    mesh = painted_torus()
    moved = evaluate(mesh.with_positions(mesh.positions + torch.tensor([0.3, 0.0, 0.0])), LIGHTS, views, mesh)
    assert moved["silhouette_iou"] < 0.9 and moved["psnr"] < 25
    diagonal = float((mesh.positions.amax(0) - mesh.positions.amin(0)).norm())
    assert 0.02 * diagonal < moved["chamfer"] < 0.3 and moved["f_score"] < 0.5
    assert moved["chamfer_percent"] == pytest.approx(100 * moved["chamfer"] / diagonal)
    dark = evaluate(mesh, Ambient(0.1), views)  # type: ignore[arg-type]
    assert dark["silhouette_iou"] == 1 and dark["psnr_object"] < dark["psnr"] < 30
    covered = float(views.mask.sum() / views.mask.numel())
    assert dark["psnr"] - dark["psnr_object"] == pytest.approx(-10 * math.log10(covered), abs=1)
    assert "chamfer" not in dark


def test_tangles_are_counted() -> None:
    """Breaks if a surface that is folded onto itself looks sound in the numbers."""
    mesh = icosphere(3)
    positions = mesh.positions.clone()
    first, second = mesh.faces[0, :2].tolist()
    positions[[first, second]] = positions[[second, first]]  # pulled past each other
    views = photographed(mesh, all_around(2), 24)
    assert evaluate(mesh.with_positions(positions), LIGHTS, views)["mesh"]["folded_edges"] > 0
    assert evaluate(cube(), LIGHTS, views)["mesh"]["folded_edges"] == 0


@pytest.fixture(scope="module")
def written(views: Views, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    patch = pytest.MonkeyPatch()
    patch.setattr(report, "turntable", functools.partial(scenes.turntable, frames=4, size=48))
    patch.setattr(report, "clay_and_wire", functools.partial(scenes.clay_and_wire, size=48))
    folder = tmp_path_factory.mktemp("fit")
    metrics = {
        "held_out": evaluate(painted_torus(), LIGHTS, views[:1], painted_torus()),
        "train": evaluate(painted_torus(), LIGHTS, views[1:]),
        "seconds": 12.5,
        "odd": math.inf,
    }
    curves = {"shape: silhouette": [1 / (i + 1) for i in range(5000)], "shape: <b>": [0.0, math.nan], "nothing": []}
    settings = {"texture": "uv", "views": Path("a & b")}
    files = write_report(folder, painted_torus(), LIGHTS, views[1:], views[:1], curves, settings, metrics)
    patch.undo()
    return folder, files


def test_everything_is_written(written: tuple[Path, list[Path]]) -> None:
    """Breaks if a file is missing, the page refers to what is not there, or the JSON cannot be read by others."""
    folder, files = written
    assert files[0] == folder / "report.html" and all(path.is_file() for path in files)
    text = files[0].read_text(encoding="utf-8")
    pictures = re.findall(r'src="([^"]+)"', text)
    assert len(pictures) == 1 + 8 + 4 and all((folder / name).is_file() for name in pictures)
    assert "a &amp; b" in text and "<b>" not in text
    assert text.count("<polyline") == 2 and len(text) < 60_000

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    numbers = json.loads((folder / "metrics.json").read_text(), parse_constant=refuse)
    assert numbers["held_out"]["silhouette_iou"] == 1 and numbers["odd"] is None and numbers["seconds"] == 12.5
    with Image.open(folder / "turntable.gif") as film:
        assert film.size == (48, 48) and getattr(film, "n_frames", 1) == 4


def test_a_single_set_of_figures_will_do(views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if there has to be a held-out set."""
    monkeypatch.setattr(report, "turntable", functools.partial(scenes.turntable, frames=2, size=16))
    monkeypatch.setattr(report, "clay_and_wire", functools.partial(scenes.clay_and_wire, size=16))
    found = evaluate(painted_torus(), LIGHTS, views)
    text = write_report(tmp_path, painted_torus(), LIGHTS, views, None, {}, {}, found)[0].read_text()
    assert "Held-out" not in text and "PSNR" in text and "picture 3: IoU 1.000" in text
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_report(blocked, painted_torus(), LIGHTS, views, None, {}, {}, found)


def test_strips_show_where_silhouettes_differ(views: Views) -> None:
    """Breaks if red and blue are swapped, or the difference is not the difference."""
    mesh = painted_torus()
    same = scenes.strip(mesh, LIGHTS, views, 0)
    assert same.shape == (40, 160, 3) and torch.allclose(same[:, :40], same[:, 40:80], atol=1e-5)
    assert same[:, 80:120].max() < 0.01
    ball = icosphere(2)
    alone = photographed(ball, all_around(1), 40)
    larger = scenes.strip(ball.with_positions(ball.positions * 1.2), LIGHTS, alone, 0)[:, 120:]
    assert (larger[..., 2] > larger[..., 0] + 0.5).any() and not (larger[..., 0] > larger[..., 2] + 0.5).any()
    assert scenes.strip(mesh, LIGHTS, views, 0, longest=10).shape == (10, 40, 3)
    assert scenes.heat(torch.tensor([0.0, 1.0])).tolist() == [[0.0, 0.0, 0.0], pytest.approx([0.99, 1.0, 0.64])]


@pytest.mark.parametrize("up", [(0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (1.0, 0.2, -0.3)])
def test_turntables_stand_upright(up: tuple[float, float, float]) -> None:
    """Breaks if a set that was photographed with z upwards is shown lying on its side."""
    mesh = bare(painted_torus())
    axis = torch.nn.functional.normalize(torch.tensor(up), dim=0)
    side = torch.nn.functional.normalize(torch.linalg.cross(axis, torch.tensor([0.3, 0.5, 0.8])), dim=0)
    places = torch.stack((side, torch.linalg.cross(axis, side), -side)) * 3
    views = photographed(mesh, Camera.look_at(places, up=up), 16)
    cameras = scenes.around(mesh, views, 5)
    poses = cameras.world_to_camera[:, :3, :3]
    assert torch.allclose(poses @ poses.mT, torch.eye(3).expand(5, 3, 3), atol=1e-5)
    assert torch.allclose(poses[:, 0] @ axis, torch.zeros(5), atol=1e-5)  # the horizon is level
    assert ((-poses[:, 1] @ axis) > 0.9).all()
    assert (photographed(mesh, cameras, 16).mask.sum((1, 2)) > 10).all()


def test_curves_keep_their_peaks() -> None:
    """Breaks if a spike between drawn points is lost, or one number is no chart."""
    values = [1.0] * 10_000
    values[5001] = 2.0
    drawn = page.curve("loss", values)
    heights = {point.split(",")[1] for point in re.findall(r'points="([^"]+)"', drawn)[0].split()}
    assert heights == {"26.0", "130.0"} and len(drawn) < 30_000
    assert "<polyline" in page.curve("loss", [1.0]) and page.curve("loss", [math.nan]) == ""


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_browser_shows_it(written: tuple[Path, list[Path]]) -> None:
    """Breaks if a picture does not load, the page is wider than its window or scripts complain."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1200, "height": 800})
        complaints: list[str] = []
        tab.on("console", lambda message: complaints.append(message.text))
        tab.goto(written[1][0].as_uri())
        tab.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        tab.wait_for_load_state("networkidle")
        widths = tab.evaluate("[...document.images].map(image => image.naturalWidth)")
        assert len(widths) == 13 and min(widths) > 0 and not complaints
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        browser.close()
