"""What is printed to be copied runs as printed."""

import importlib.util
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
EXAMPLES = {
    "draw": ({"frames": 3}, {"turntable.gif", "teapot.png"}),
    "fit_vertices": ({"steps": 2}, {"square.png", "square.obj"}),
    "fit_texture": ({"steps": 2, "resolution": 3}, {"texture.png"}),
    "find_camera": ({"steps": 6}, {"search.gif"}),
}


def test_the_readmes_python_runs(tmp_path, monkeypatch):
    # Breaks if the README shows a call that no longer exists.
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    assert len([line for line in blocks[0].splitlines() if line]) <= 10
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), scope)
    assert Image.open("teapot-0.png").size == (256, 256)
    assert Image.open("teapot-0.png").getextrema() != ((0, 0),) * 3


def test_the_readmes_links_and_pictures_exist():
    # Breaks if a file was moved, or the first thing is no picture.
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.startswith("![")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]
    for link in links:
        assert (ROOT / link).exists(), link
    assert (ROOT / links[0]).stat().st_size < 300_000


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, tmp_path, capsys):
    # Breaks if an example no longer runs or writes what it says.
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / "examples" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    settings, files = EXAMPLES[name]
    module.main(out=str(tmp_path / "out"), size=32, **settings)
    assert {path.name for path in (tmp_path / "out").iterdir()} == files
    assert str(tmp_path / "out") in capsys.readouterr().out


def test_examples_use_the_public_list_only():
    # Breaks if an example reaches below `import repousse as rp`.
    for path in (ROOT / "examples").glob("*.py"):
        source = path.read_text(encoding="utf-8")
        imported = re.findall(r"^\s*(?:from|import) (repousse\S*)(.*)$", source, re.MULTILINE)
        assert imported == [("repousse", " as rp")], path.name
        assert len(source.splitlines()) <= 60
