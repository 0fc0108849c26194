"""The command line: exit codes and what is printed."""

import subprocess
import sys

import pytest

from repousse import io
from repousse.cli import main
from repousse.geometry import cube


@pytest.fixture
def box(tmp_path):
    path = tmp_path / "box.obj"
    io.save(path, cube())
    return str(path)


def test_says_what_it_wrote_and_measured(box, tmp_path, capsys):
    # Breaks if a command does not end with the line that names its files.
    out = str(tmp_path / "out")
    assert main(["draw", "--mesh", box, "--out", out, "--size", "16", "--step", "180"]) == 0
    line = capsys.readouterr().out.strip()
    assert line.startswith("draw: 2 frames of 12 faces") and f"{out}/turntable.gif" in line


@pytest.mark.parametrize("command", ["draw", "fit-vertices", "fit-texture", "find-camera", "demo"])
def test_every_command_explains_itself(command, capsys):
    # Breaks if a command is missing or a flag has no help.
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "--out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["draw", "--mesh", "no/such/file.obj"], "no/such/file.obj"),
        (["draw", "--mesh", __file__], "cannot be read as a mesh"),
        (["draw", "--size", "many"], "many"),
        (["draw", "--size", "0"], "size"),
        (["draw", "--sise", "8"], "--sise"),
        (["draw", "--fov", "-3"], "fov"),
        (["find-camera", "--start", "1", "2"], "start"),
        (["find-camera", "--steps", "1"], "steps"),
        (["fit-vertices", "--gradient", "magic", "--steps", "1", "--size", "8"], "magic"),
        (["fit-texture", "--reference", "missing.png", "--size", "8"], "missing.png"),
        (["paint"], "paint"),
        ([], ""),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments, text, capsys, tmp_path, monkeypatch):
    # Breaks if a mistake ends in a traceback, in several lines, or in success.
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("repousse: ") and text in lines[0]


def test_a_folder_that_cannot_be_written_is_one_line(box, tmp_path, capsys):
    # Breaks if an error of the file system gets through.
    (tmp_path / "file").touch()
    assert main(["draw", "--mesh", box, "--out", str(tmp_path / "file")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_python_dash_m():
    # Breaks if `python -m repousse` is not the command line, or does not pass on its exit code.
    done = subprocess.run(
        [sys.executable, "-m", "repousse", "draw", "--size", "-1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "size" in done.stderr and "Traceback" not in done.stderr
