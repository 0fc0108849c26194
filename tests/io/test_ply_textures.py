"""Textured PLY."""

import warnings

import pytest
import torch

from repousse.io import load
from repousse.io.images import decode, encode_png


def image(channels):
    """A linear picture, as a file of 8 bits gives it."""
    return decode(encode_png(torch.arange(4 * channels).reshape(2, 2, channels) / 16, srgb=False), "", srgb=True)


def silently(function, *arguments, **named):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return function(*arguments, **named)


PLY = """ply
format ascii 1.0
comment TextureFile my skin.png
comment TextureFile ../b.png
element vertex 4
property float x
property float y
property float z
property float s
property float t
element face 3
property list uchar int vertex_indices
property int texnumber
end_header
0 0 0 0 0
1 0 0 1 0
1 1 0 1 1
0 1 0 0 1
4 0 1 2 3 0
3 0 1 2 1
3 0 2 3 7
"""


def test_textured_ply(tmp_path):
    """Breaks if MeshLab's textures are lost, given to other faces, or read from outside the folder."""
    inner = tmp_path / "model"
    inner.mkdir()
    for path in (inner / "my skin.png", tmp_path / "b.png"):
        path.write_bytes(encode_png(image(4), srgb=True))
    (inner / "a.ply").write_text(PLY)
    with pytest.warns(UserWarning, match=r"texture '../b.png' lies outside"):
        mesh = load(inner / "a.ply")
    assert [material.name for material in mesh.materials] == ["my skin.png", "../b.png", ""]
    assert mesh.material_id.tolist() == [0, 0, 1, 2]
    assert torch.equal(mesh.materials[0].base_color_texture.image, image(4))
    assert mesh.materials[1].base_color_texture is None
    assert silently(load, inner / "a.ply", textures=tmp_path).materials[1].base_color_texture is not None


def test_ply_with_one_texture_or_without_uv(tmp_path):
    """Breaks if a texture needs texnumber to be seen, or one that cannot be seen is no longer named."""
    (tmp_path / "my skin.png").write_bytes(encode_png(image(3), srgb=True))
    text = PLY.replace("comment TextureFile ../b.png\n", "")
    (tmp_path / "a.ply").write_text(text.replace("texnumber", "quality"))
    assert silently(load, tmp_path / "a.ply").material_id.tolist() == [0] * 4
    (tmp_path / "a.ply").write_text(text.replace("float s", "float heat"))
    with pytest.warns(UserWarning, match="texture 'my skin.png' was not loaded, there are no uv"):
        assert load(tmp_path / "a.ply").materials == ()
