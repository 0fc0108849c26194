"""The command `repousse audit`: what it prints and writes, and how it ends."""

import json
from pathlib import Path

import pytest

from repousse.apps.audit import Audit, audit, command
from repousse.cli import main

TINY = ["--size", "12", "--samples", "4"]


def test_one_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Breaks if the command does not print its tables, or leaves out a file."""
    out = tmp_path / "audit"
    arguments = ["audit", "--scenes", "sphere-coarse", "--gradients", "interior", "kato", "--out", str(out), *TINY]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "sphere-coarse" in said and "interior" in said and "0.000 / 1.000" in said
    (scene,) = json.loads((out / "audit.json").read_text())["scenes"]
    assert scene["rows"]["interior"]["scores"]["rigid"]["mask"] == {"cosine": 0, "error": 1}
    assert set(scene["rows"]["kato"]["loss"]) == {"vertices", "rigid", "camera"}
    assert "| interior | " in (out / "audit.md").read_text()
    page = (out / "index.html").read_text()
    assert 'src="sphere-coarse.png"' in page and (out / "sphere-coarse.png").stat().st_size > 0


def test_a_scene_without_data_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Breaks if a machine without the real meshes cannot run the audit."""
    assert main(["audit", "--scenes", "cow", "--data", str(tmp_path), "--out", str(tmp_path)]) == 0
    assert "skipped" in capsys.readouterr().out
    assert "Skipped" in (tmp_path / "index.html").read_text()


def test_ctrl_c_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if an interrupted audit loses the scenes that were done."""
    known = command.SCENES["cubes"]

    def stop(data: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(command.SCENES, "cloth", stop)
    monkeypatch.setitem(command.SCENES, "cubes", known)
    result = audit(Audit(scenes=("cubes", "cloth"), gradients=("interior",), out=tmp_path, size=8, samples=2))
    assert result.numbers["scenes"] == 1
    assert len(json.loads((tmp_path / "audit.json").read_text())["scenes"]) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--scenes", "moon"], "there is no scene 'moon'"),
        (["--gradients", "magic"], "magic"),
        (["--size", "4"], "size must lie between 8 and 512, not 4"),
        (["--samples", "1"], "samples"),
        (["--step", "0"], "step"),
        (["--supersample", "0"], "supersample"),
    ],
)
def test_wrong_settings_are_one_line(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Breaks if a setting that makes no sense is accepted, or ends in a traceback."""
    assert main(["audit", *arguments]) == 2
    assert text in capsys.readouterr().err
