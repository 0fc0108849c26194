"""Broken, hostile and incomplete mesh files: each gets a message to act on."""

import builtins
import gzip
import io
import os
import warnings
from pathlib import Path

import pytest
import torch

from repousse.geometry import cube
from repousse.io import load, save
from repousse.io.images import encode_png

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TRIANGLE + "f 1 2 4\n", r"face 0 refers to vertex \[0, 1, 3\].*there are 3"),
        (TRIANGLE + "f 1 2 99999999999999999999\n", "line 4: .*99999999999999999999 does not exist"),
        (TRIANGLE + "f 1 2 0\n", "line 4: .*count from 1"),
        (TRIANGLE + "f 1 2 -4\n", "line 4: .*index -4 does not exist"),
        (TRIANGLE + "f 1 2\n", "line 4: .*at least three corners.*cut off"),
        (TRIANGLE + "f 1/1 2/1 3/1\n", r"face 0 refers to uv \[0, 0, 0\].*there are 0"),
        (TRIANGLE + "f 1/1/1/1 2 3\n", "line 4"),
        ("v 0 0\n", "line 1: .*too few numbers"),
        ("v 0 0 zero\n", "line 1: cannot read 'v 0 0 zero'"),
        ("v 0 0 0\nv 0 nan 0\nv 1 1 1\nf 1 2 3\n", r"vertex 1 \(counted from 0\) is \[0.0, nan, 0.0\]"),
        ("v 0 0 0\nv 0 inf 0\nv 1 1 1\nf 1 2 3\n", "vertex 1"),
        ("v 0 0 0\nv 0 1e200 0\nv 1 1 1\nf 1 2 3\n", "too large for float32.*float64"),
        (TRIANGLE, r"has no faces \(3 vertices\)"),
        ("this is a letter\nand no mesh\n", "has no faces"),
        ("mtllib\n", "line 1"),
    ],
)
def test_obj(tmp_path, text, message):
    """Breaks if a broken line is skipped, wraps around, or its error does not name it."""
    with pytest.raises(ValueError, match=message):
        load(write(tmp_path, "a.obj", text))


@pytest.mark.parametrize("ending", [".obj", ".ply", ".stl", ".off", ".glb", ".gltf", ".obj.gz"])
def test_empty_and_foreign_files(tmp_path, ending):
    """Breaks if an empty file or random bytes end in an error from inside a parser, or in a mesh."""
    with pytest.raises(ValueError, match="is empty" if not ending.endswith("gz") else "empty|intact"):
        load(write(tmp_path, f"a{ending}", b""))
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
    for content in (picture, b"\n", b"{}", b"ply\n", b"glTF", b"solid\n", b"OFF\n"):
        content = gzip.compress(content) if ending.endswith("gz") else content
        with pytest.raises(ValueError, match=f"load: .*a{ending}"):
            load(write(tmp_path, f"a{ending}", content))


@pytest.mark.parametrize("ending", [".ply", ".stl", ".off", ".glb", ".obj.gz"])
def test_cut_off_files(tmp_path, ending):
    """Breaks if a file that ends too early gives half a mesh."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(tmp_path / f"whole{ending}", cube())
    whole = (tmp_path / f"whole{ending}").read_bytes()
    for part in (0.1, 0.5, 0.9):
        path = write(tmp_path, f"a{ending}", whole[: int(len(whole) * part)])
        with pytest.raises(ValueError, match=f"load: .*a{ending}"):
            load(path)


def test_ply_text_cut_off(tmp_path):
    """Breaks if missing rows of a text PLY are taken as fewer rows."""
    header = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    header += "element face 2\nproperty list uchar int vertex_indices\nend_header\n"
    rows = "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    assert len(load(write(tmp_path, "b.ply", header + rows + "3 0 2 1\n")).faces) == 2
    for cut in (rows, rows + "3 0 2\n", "0 0 0\n"):
        with pytest.raises(ValueError, match="cut off"):
            load(write(tmp_path, "a.ply", header + cut))
    with pytest.raises(ValueError, match="cut off"):
        load(write(tmp_path, "a.ply", header.replace("vertex 3", f"vertex {10**15}") + rows))


def test_names(tmp_path):
    """Breaks if a missing file, a folder or an unknown ending is not called by its name."""
    with pytest.raises(FileNotFoundError, match=r"there is no file .*gone.obj"):
        load(tmp_path / "gone.obj")
    with pytest.raises(ValueError, match=r"'mesh.xyz' should end in .obj, .ply"):
        load(write(tmp_path, "mesh.xyz", TRIANGLE))
    with pytest.raises(ValueError, match=r"should end in"):
        load(write(tmp_path, "mesh", TRIANGLE))
    (tmp_path / "folder.obj").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        load(tmp_path / "folder.obj")
    with pytest.raises(ValueError, match="`dtype`"):
        load(write(tmp_path, "mesh.obj", TRIANGLE), dtype=torch.int32)


@pytest.fixture
def opened(monkeypatch):
    """The files opened for reading, resolved."""
    paths = []
    for module, name in ((builtins, "open"), (io, "open"), (os, "open")):
        real = getattr(module, name)

        def spy(file, *arguments, real=real, **named):
            if isinstance(file, (str, os.PathLike)):
                paths.append(Path(file).resolve())
            return real(file, *arguments, **named)

        monkeypatch.setattr(module, name, spy)
    return paths


@pytest.mark.parametrize(
    ("library", "message"),
    [
        ("gone.mtl", "material file 'gone.mtl' is missing"),
        ("../secret.mtl", "'../secret.mtl' lies outside the folder of the model and was not read"),
        ("{root}/secret.mtl", "secret.mtl' lies outside the folder of the model"),
        ("link.mtl", "'link.mtl' lies outside the folder of the model"),
        ("..\\secret.mtl", "lies outside the folder of the model"),
        ("good.mtl", r"texture 'here.png' is not an intact picture.*texture 'link.png' lies outside the folder"),
        ("good.mtl", r"texture 'gone.png' is missing.*texture '../secret.png' lies outside the folder of the model"),
    ],
)
def test_materials_stay_in_the_folder(tmp_path, opened, library, message):
    """Breaks if what is missing vanishes silently or stops the load, or a file elsewhere is opened."""
    inner = tmp_path / "model"
    inner.mkdir()
    secret = write(tmp_path, "secret.mtl", "newmtl password\n")
    (inner / "link.mtl").symlink_to(secret)
    write(tmp_path, "secret.png", encode_png(torch.ones(1, 1, 3), srgb=True))
    (inner / "link.png").symlink_to(tmp_path / "secret.png")
    write(inner, "here.png", b"")
    text = "newmtl red\nKd 1 0 0\nmap_Kd here.png\nmap_Ke link.png\nnorm ../secret.png\nmap_Pr -s 1 1 1 gone.png\n"
    write(inner, "good.mtl", text)
    mesh = TRIANGLE + "usemtl red\nf 1 2 3\n"
    path = write(inner, "a.obj", f"mtllib {library.format(root=tmp_path)}\n{mesh}")
    opened.clear()
    with pytest.warns(UserWarning, match=message) as caught:
        loaded = load(path)
    assert len(loaded.faces) == 1
    assert loaded.materials[0].name == "red"
    assert not any(loaded.materials[0].textures())
    if library == "good.mtl":
        assert loaded.materials[0].base_color == (1, 0, 0, 1)  # the factor stays without the texture
    assert "password" not in str(caught[0].message)
    assert path in opened  # the spy sees something
    assert all(file.is_relative_to(inner) for file in opened)


def test_broken_normals_do_not_cost_the_mesh(tmp_path):
    """Breaks if a file with a normal that is not a number cannot be read, or hands it on."""
    text = TRIANGLE + "vn nan nan nan\nf 1//1 2//1 3//1\n"
    with pytest.warns(UserWarning, match="normal was not loaded, because 1 are not finite"):
        assert not load(write(tmp_path, "a.obj", text)).attributes


def test_no_warning_without_a_loss(tmp_path):
    """Breaks if a plain mesh warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(write(tmp_path, "a.obj", TRIANGLE + "f 1 2 3\n"))
