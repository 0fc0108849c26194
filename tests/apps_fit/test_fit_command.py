"""`repousse fit` on tiny sets: what it writes and says, what it refuses, and how it goes on."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fit_scenes import all_around, bare, bowl, bowl_views, painted_torus, photographed, torus_views

from repousse import io
from repousse.apps.common import InputError
from repousse.apps.fit import Fit, command, fit
from repousse.apps.fit.schedule import shape_settings
from repousse.apps.fit.shape import Level, ShapeSettings
from repousse.cli import main
from repousse.data import save_views
from repousse.geometry import Mesh, icosphere
from repousse.voxels import visual_hull


@pytest.fixture
def brief(monkeypatch):
    """A schedule of a few steps."""
    levels = (Level(1, 4, 4, color=False), Level(1, 4, 4))
    monkeypatch.setattr(command, "shape_settings", lambda *_, **__: ShapeSettings(levels=levels, batch=4))
    monkeypatch.setattr(command, "hull_resolution", lambda _: 24)


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder with 8 pictures of a painted torus."""
    folder = tmp_path / "pictures"
    save_views(folder, torus_views(32, 8))
    return folder


def settings(pictures: Path, tmp_path: Path, **more) -> Fit:
    return Fit(images=pictures, out=tmp_path / "out", held_out=4, texture="vertices", **more)


def test_pictures_in_mesh_out(brief, pictures, tmp_path):
    """Breaks if a result is not written, not in the world of the pictures, or the sentence lacks its numbers."""
    truth = tmp_path / "truth.obj"
    io.save(truth, bare(painted_torus()))
    result = fit(settings(pictures, tmp_path, truth=truth))
    names = {path.name for path in result.written}
    assert {"mesh.glb", "report.html", "metrics.json", "turntable.gif"} <= names
    assert all(path.stat().st_size > 0 for path in result.written)
    assert result.written[0].name == "turntable.gif"
    mesh = io.load(tmp_path / "out" / "mesh.glb")
    assert torch.allclose(mesh.positions.amax(0), painted_torus().positions.amax(0), atol=0.2)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["held_out"]["views"] == 2 and metrics["train"]["views"] == 6
    assert metrics["held_out"]["chamfer_percent"] < 5
    for words in ("silhouette IoU", "PSNR", "2 held-out pictures", "chamfer", "% of the diagonal"):
        assert words in result.outcome
    assert result.numbers["steps"] == metrics["steps"]


def test_silhouettes_alone_have_no_appearance(brief, tmp_path):
    """Breaks if a set without colours is refused, or its white masks are taken for paint."""
    views = photographed(bare(icosphere(3)), all_around(8), 32)
    views = replace(views, color=views.mask[..., None].expand(*views.mask.shape, 3).contiguous())
    save_views(tmp_path / "masks", views)
    result = fit(settings(tmp_path / "masks", tmp_path, start="sphere"))
    assert result.numbers["steps"] == 8
    assert "color" not in io.load(tmp_path / "out" / "mesh.glb").attributes


def test_fits_start_from_what_colors_leave(brief, tmp_path):
    """Breaks if a fit starts from the silhouettes' hull although colours show a hollow, or colours carve a sphere."""
    views = bowl_views(48, 16)
    start, frame = command._start(Fit(tmp_path), views)
    lid = visual_hull(views.mask, views.camera, resolution=24, grow=0.5)
    assert volume(start) < 0.8 * volume(lid)
    assert float(frame.inside(start).positions.abs().amax()) == pytest.approx(1, abs=1e-5)
    sphere, same = command._start(Fit(tmp_path, start="sphere"), views)
    assert torch.allclose(same.inside(sphere).positions, icosphere(3).positions, atol=1e-5)


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.positions.double()[mesh.faces.long()].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


@pytest.mark.long
@pytest.mark.parametrize("textured", [True, False])
def test_a_deep_bowl_is_found(tmp_path, textured):
    """Breaks if the hollow, which no silhouette shows, stays covered or shallow, or its inside is tangled."""
    save_views(tmp_path / "bowl", bowl_views(128, 27, textured))
    io.save(tmp_path / "truth.obj", bowl())
    fitted = Fit(
        tmp_path / "bowl", tmp_path / "out", quality="normal", truth=tmp_path / "truth.obj", texture="vertices"
    )
    result = fit(fitted)
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())["held_out"]
    assert found["mesh"]["folded_edges"] == 0
    assert result.numbers["silhouette_iou"] > 0.98
    assert result.numbers["chamfer_percent"] < 1.0


def test_ctrl_c_leaves_the_mesh_and_resume_goes_on(brief, pictures, tmp_path, monkeypatch):
    """Breaks if Ctrl-C leaves no mesh or no report, or what is resumed ends otherwise than what was not stopped."""
    whole = fit(replace(settings(pictures, tmp_path), out=tmp_path / "whole"))
    real = command.ShapeStage.step

    def step(self, i):
        if i == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, i)

    monkeypatch.setattr(command.ShapeStage, "step", step)
    stopped = fit(settings(pictures, tmp_path))
    assert "stopped early" in stopped.outcome
    assert stopped.numbers["steps"] == 6
    assert {"mesh.glb", "report.html"} <= {path.name for path in stopped.written}
    monkeypatch.setattr(command.ShapeStage, "step", real)
    resumed = fit(settings(pictures, tmp_path, resume=True))
    assert resumed.numbers == whole.numbers
    first, second = (io.load(tmp_path / name / "mesh.glb") for name in ("whole", "out"))
    assert torch.equal(first.positions, second.positions)


def test_other_pictures_are_not_resumed(brief, pictures, tmp_path):
    """Breaks if a fit goes on with pictures it was not begun with."""
    fit(settings(pictures, tmp_path))
    with pytest.raises(InputError, match="with seed 0, not 3"):
        fit(settings(pictures, tmp_path, resume=True, seed=3))
    save_views(tmp_path / "others", torus_views(32, 9))
    with pytest.raises(InputError, match="belongs to another fit, with pictures"):
        fit(settings(tmp_path / "others", tmp_path, resume=True))


def refused(capsys, *arguments: object) -> str:
    assert main(["fit", *(str(argument) for argument in arguments)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("repousse: ")
    return lines[0]


def test_what_cannot_be_used_is_one_line(pictures, tmp_path, capsys):
    """Breaks if wrong input is a traceback, or the line does not say what is wrong."""
    out = ("--out", tmp_path / "out")
    assert "there is no folder" in refused(capsys, tmp_path / "nothing", *out)
    (tmp_path / "empty").mkdir()
    assert "no transforms.json" in refused(capsys, tmp_path / "empty", *out)
    assert "nothing to resume" in refused(capsys, pictures, *out, "--resume")
    assert "there is no file" in refused(capsys, pictures, *out, "--truth", tmp_path / "truth.obj")
    assert "there is no file" in refused(capsys, pictures, *out, "--start", "cube")
    (tmp_path / "broken.obj").write_text("f 1 2 3")
    assert "cannot be read as a mesh" in refused(capsys, pictures, *out, "--start", tmp_path / "broken.obj")
    assert "held_out" in refused(capsys, pictures, *out, "--held-out", 1)
    for mask in (pictures / "masks").glob("*.png"):
        io.save_png(mask, torch.zeros(32, 32))
    assert "empty" in refused(capsys, pictures, *out)


@pytest.mark.parametrize("quality", ["quick", "normal", "high"])
def test_schedules_get_finer(quality):
    """Breaks if a level is coarser than the one before, or the last one does not see colours in full pictures."""
    for sphere in (False, True):
        levels = shape_settings(quality, torus_views(32, 8), sphere=sphere, poses=False, seed=0).levels
        assert [level.edge for level in levels] == sorted((level.edge for level in levels), reverse=True)
        assert levels[-1].color and levels[-1].scale == 1


@pytest.mark.long
def test_killed_three_times_the_result_is_the_same(pictures, tmp_path):
    """Breaks if SIGKILL costs more than the work since the latest checkpoint, or changes the result."""
    line = [sys.executable, "-m", "repousse", "fit", str(pictures), "--quality", "quick", "--held-out", "4"]
    line += ["--checkpoint-every", "0.5"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*line, "--out", str(tmp_path / "whole")], check=True, capture_output=True, env=environment)
    out = tmp_path / "killed"
    dice = random.Random(3)
    for _ in range(3):
        more = ["--resume"] if (out / "checkpoint.pt").exists() else []
        process = subprocess.Popen([*line, "--out", str(out), *more], stderr=subprocess.DEVNULL, env=environment)
        before = (out / "checkpoint.pt").stat().st_mtime_ns if more else 0
        while process.poll() is None:  # until a new checkpoint, then a moment more
            path = out / "checkpoint.pt"
            if path.exists() and path.stat().st_mtime_ns != before:
                time.sleep(dice.random())
                break
            time.sleep(0.05)
        process.kill()
        process.wait()
    subprocess.run([*line, "--out", str(out), "--resume"], check=True, capture_output=True, env=environment)
    first, second = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "killed"))
    assert first["held_out"] == second["held_out"] and first["steps"] == second["steps"]
    meshes = [(tmp_path / name / "mesh.glb").read_bytes() for name in ("whole", "killed")]
    assert meshes[0] == meshes[1]
