"""Which material each face of an OBJ model gets, and from which files."""

import shutil
import warnings

import pytest
import torch

from repousse.io import load
from repousse.io.images import decode, encode_png

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
FACES = "usemtl red\nf 1/1 2/2 3/3\nusemtl blue\nf 1/1 3/3 4/4\n"


def image(height, width, channels):
    """A linear picture, as a file of 8 bits gives it."""
    levels = torch.arange(height * width * channels).reshape(height, width, channels) / 255
    return decode(encode_png(levels, srgb=False), "", srgb=True)


def silently(function, *arguments, **named):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return function(*arguments, **named)


def written(folder, **files):
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder / "a.obj"


def test_order_and_number_of_libraries(tmp_path):
    """Breaks if usemtl must follow mtllib, or if only the first of several material files is read."""
    path = written(
        tmp_path,
        a_obj=SQUARE + FACES + "mtllib a.mtl b.mtl\nmtllib c.mtl\nf 2 3 4\n",
        a_mtl="newmtl blue\nKd 0 0 1\n",
        b_mtl="newmtl unused\nmap_Kd gone.png\nnewmtl red\nKd 1 0 0\n",
        c_mtl="newmtl green\nKd 0 1 0\n",
    )
    with pytest.warns(UserWarning, match=r"1 of 3 faces have no uv, theirs is 0$"):
        mesh = load(path)
    assert [material.name for material in mesh.materials] == ["blue", "red"]
    assert mesh.material_id.tolist() == [1, 0, 0]


def test_faces_without_a_material(tmp_path):
    """Breaks if faces before the first usemtl get the material that follows, or a mesh without any gets one."""
    path = written(
        tmp_path, a_obj=SQUARE + "f 1/1 2/2 3/3\n" + FACES + "mtllib a.mtl\n", a_mtl="newmtl red\nKd 1 0 0\n"
    )
    with pytest.warns(UserWarning, match="no material file defines 'blue'"):
        mesh = load(path)
    assert [material.name for material in mesh.materials] == ["red", "blue", ""]
    assert mesh.material_id.tolist() == [2, 0, 1]
    plain = written(tmp_path, a_obj=SQUARE + "mtllib a.mtl\nf 1/1 2/2 3/3\n")
    assert silently(load, plain).materials == ()


def test_scaled_and_moved_textures(tmp_path):
    """Breaks if -s and -o are dropped, or reach faces of another material that share the uv."""
    (tmp_path / "t.png").write_bytes(encode_png(image(2, 2, 3), srgb=True))
    path = written(
        tmp_path,
        a_obj="mtllib a.mtl\n" + SQUARE + FACES,
        a_mtl="newmtl red\nmap_Kd -s 2 4 -o 0.5 0 t.png\nnewmtl blue\nmap_Kd t.png\n",
    )
    uv = silently(load, path).attributes["uv"]
    assert uv.values[uv.faces.long()].tolist() == [[[0.5, 0], [2.5, 0], [2.5, 4]], [[0, 0], [1, 1], [0, 1]]]


def test_a_folder_of_textures(tmp_path):
    """Breaks if ShapeNet's "../images" is read unasked, or not when asked."""
    for name in ("models", "images", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "images" / "t.png").write_bytes(encode_png(image(2, 2, 3), srgb=True))
    (tmp_path / "secret.png").write_bytes(encode_png(image(2, 2, 3), srgb=True))
    path = written(
        tmp_path / "models",
        a_obj="mtllib a.mtl\n" + SQUARE + FACES,
        a_mtl="newmtl red\nmap_Kd ../images/t.png\nnewmtl blue\nmap_Ke ../images/../secret.png\n",
    )
    with pytest.warns(UserWarning, match=r"texture '../images/t.png' lies outside.*`textures` of load"):
        assert load(path).materials[0].base_color_texture is None
    with pytest.warns(UserWarning, match=r"a.obj: texture '../images/../secret.png' lies outside") as caught:
        found = load(path, textures=tmp_path / "images").materials
    assert "t.png" not in str(caught[0].message).replace("secret.png", "")
    assert torch.equal(found[0].base_color_texture.image, image(2, 2, 3))
    shutil.copy(tmp_path / "images" / "t.png", tmp_path / "images" / "secret.png")
    assert silently(load, path, textures=str(tmp_path / "images")).materials[1].emission == (1, 1, 1)
    with pytest.raises(FileNotFoundError, match=r"no folder .*gone"):
        load(path, textures=tmp_path / "gone")
