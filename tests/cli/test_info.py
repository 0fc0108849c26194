"""`repousse info`: what it prints of good and of bad files."""

import json

import pytest

from repousse import io
from repousse.cli import main
from repousse.geometry import Mesh, cube


@pytest.fixture
def box(tmp_path):
    path = tmp_path / "box.obj"
    io.save(path, cube())
    return path


def test_a_good_model(box, capsys):
    # Breaks if a number is missing or wrong.
    assert main(["info", str(box)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    for text in ("box.obj", "8, 12 in 1 part", "watertight", "yes", "uv (2)"):
        assert text in said.out
    assert "!" not in said.out


def test_problems_are_named(tmp_path, capsys):
    # Breaks if what is wrong with a mesh is not said.
    path = tmp_path / "open.obj"
    io.save(path, Mesh(cube().positions, cube().faces[1:]))
    assert main(["info", str(path)]) == 0
    assert "! 3 boundary edges" in capsys.readouterr().out


def test_json(box, capsys):
    # Breaks if the output is not JSON alone, or a field has another name.
    assert main(["info", "--json", str(box)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["vertices"] == 8 and found["faces"] == 12 and found["watertight"] is True
    assert found["low"] == [-0.5, -0.5, -0.5] or found["low"] == [-1, -1, -1]
    assert found["attributes"] == {"uv": 2} and found["materials"] == [] and found["problems"] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("missing.obj", "there is no file"),
        ("", "there is no file"),  # the folder itself
        ("text.obj", "cannot be read as a mesh"),
        ("picture.png", "cannot be read as a mesh"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(name, text, tmp_path, capsys):
    # Breaks if a bad file ends in a traceback or in success.
    (tmp_path / "text.obj").write_text("once upon a time\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["info", str(tmp_path / name)]) == 2
    said = capsys.readouterr()
    lines = said.err.strip().splitlines()
    assert said.out == "" and len(lines) == 1 and text in lines[0] and str(tmp_path / name) in lines[0]


def test_explains_itself(capsys):
    # Breaks if the command or its flag has no help.
    with pytest.raises(SystemExit) as stop:
        main(["info", "--help"])
    assert stop.value.code == 0
    assert "--json" in capsys.readouterr().out
