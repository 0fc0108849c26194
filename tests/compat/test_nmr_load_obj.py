"""`load_obj` of `repousse.compat.neural_renderer`: geometry, and errors of files."""

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from repousse.compat import neural_renderer as nr


def write(folder, text: str, name: str = "mesh.obj") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def unpack(shared_data, folder, name: str) -> str:
    (folder / f"{name}.obj").write_bytes(gzip.decompress((shared_data / "meshes" / f"{name}.obj.gz").read_bytes()))
    return str(folder / f"{name}.obj")


def test_tetrahedron(shared_data, tmp_path):
    """Breaks if the released test's tetrahedron is not read exactly."""
    path = unpack(shared_data, tmp_path, "tetrahedron")
    vertices, faces = nr.load_obj(path, False)
    lines = [line.split() for line in Path(path).read_text().splitlines()]
    assert vertices.tolist() == [[float(x) for x in line[1:]] for line in lines if line[:1] == ["v"]]
    assert faces.tolist() == [[int(x) - 1 for x in line[1:]] for line in lines if line[:1] == ["f"]]
    assert vertices.dtype == torch.float32 and faces.dtype == torch.int32


def test_teapot_has_the_released_size(shared_data, tmp_path):
    """Breaks if a line of the teapot is missed, or the longest side does not become [-1, 1]."""
    vertices, faces = nr.load_obj(unpack(shared_data, tmp_path, "teapot"))
    assert vertices.shape == (1292, 3) and faces.shape == (2464, 3)
    assert (vertices.amax(0) + vertices.amin(0)).abs().max() < 1e-6
    assert (vertices.amax(0) - vertices.amin(0)).max() == 2


def test_polygons_become_fans(shared_data, tmp_path):
    """Breaks if polygons are not cut from their first corner (suzanne: quads and triangles)."""
    path = write(tmp_path, "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nf 2 3 4 5 1\nf 1 2\nf 5 1 2\n")
    assert nr.load_obj(path)[1].tolist() == [[1, 2, 3], [1, 3, 4], [1, 4, 0], [4, 0, 1]]
    assert nr.load_obj(unpack(shared_data, tmp_path, "suzanne"))[1].shape == (968, 3)


def test_every_way_to_write_a_face(tmp_path):
    """Breaks if v//vn (an error in Chainer's), negative indices, comments or line ends are misread."""
    head = "\ufeffv 0 0 0 1 1 1 # with a colour\r\n  v 1 0 0\nv\t0 1 0\nvt 0 0\nvn 0 0 1\no thing\ng group\n"
    faces = "f 1 2 3\nf 1/1 2/1 3/1\nf 1//1 2//1 3//1\nf 1/1/1 2/1/1 3/1/1\nf -3/-1 -2/-1 -1/-1\n"
    faces += "f 1 \\\n2 3 # end\n"
    path = write(tmp_path, head + faces + "v 0 0 2\nf -2 -1 -4\nl 1 2\n")
    vertices, triangles = nr.load_obj(path, normalization=False)
    assert vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 2]]
    assert triangles.tolist() == [[0, 1, 2]] * 6 + [[2, 3, 0]]


def test_normalization_by_hand(tmp_path):
    """Breaks if the scale is per axis, or the centre is the mean of the vertices."""
    text = "v 10 1 3\nv 14 1 3\nv 10 3 3\nv 10 1 4\nf 1 2 3\nf 1 3 4\n"
    vertices, _ = nr.load_obj(write(tmp_path, text))
    assert vertices.tolist() == [[-1, -0.5, -0.25], [1, -0.5, -0.25], [-1, 0.5, -0.25], [-1, -0.5, 0.25]]
    assert nr.load_obj(write(tmp_path, "v 5 5 5\nf 1 1 1\n"))[0].tolist() == [[0, 0, 0]]


def test_call_styles(tmp_path):
    """Breaks if a name or a position of the releases' arguments is missing."""
    path = write(tmp_path, "mtllib m.mtl\nv 1 0 0\nv 3 0 0\nv 1 1 0\nvt 0 0\nf 1 2 3\n")
    write(tmp_path, "", "m.mtl")
    expected = nr.load_obj(path)[0]
    assert torch.equal(nr.load_obj(filename_obj=path, normalization=True)[0], expected)
    assert torch.equal(nr.load_obj(filename=path)[0], expected)
    assert torch.equal(nr.load_obj(tmp_path / "mesh.obj")[0], expected)
    textures = nr.load_obj(path, False, 3, True, "CLAMP_TO_EDGE", False)[2]
    assert torch.equal(textures, torch.full((1, 3, 3, 3, 3), 0.5))
    with pytest.raises(TypeError, match=r"one \.obj file"):
        nr.load_obj()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("v 0 0 0\nv 1 x 0\nf 1 1 1\n", "line 2"),
        ("v 0 0 0\nv 1 0\nf 1 1 1\n", "line 2"),
        ("v 0 0 0\nf 1 1 a\n", "line 2"),
        ("v 0 0 0\nf 1 1 2\n", "number 2 of 1 vertices"),
        ("v 0 0 0\nf 1 1 0\n", "number 0 of 1 vertices"),
        ("v 0 0 0\nf 1 1 -2\n", r"line 2.*beyond the first"),
        ("v 0 0 0\nvt 0 0\nf 1/1 1/2 1/1\n", "number 2 of 1 texture coordinates"),
        ("v 0 0 nan\nf 1 1 1\n", "vertex 1 .* not finite"),
        ("f 1 2 3\n", "0 vertices"),
        ("v 0 0 0\n", "0 triangles"),
        ("", "0 vertices"),
    ],
)
def test_broken_files_are_named(tmp_path, text, part):
    """Breaks if a broken file gives a mesh, or an error that does not say where."""
    with pytest.raises(ValueError, match=part) as caught:
        nr.load_obj(write(tmp_path, text))
    assert "mesh.obj" in str(caught.value)


def test_wrong_settings_are_refused(tmp_path):
    """Breaks if an unknown wrapping mode or a texture size of 1 is used silently."""
    path = write(tmp_path, "v 0 0 0\nf 1 1 1\n")
    with pytest.raises(ValueError, match="CLAMP_TO_BORDER"):
        nr.load_obj(path, texture_wrapping="WRAP")
    with pytest.raises(ValueError, match="texture_size"):
        nr.load_obj(path, texture_size=1, load_texture=True)
    with pytest.raises(FileNotFoundError):
        nr.load_obj(tmp_path / "nothing.obj")


def test_large_polygon_counts_match_a_plain_reader(shared_data, tmp_path):
    """Breaks if the vectorised fans mix up the corners of neighbouring polygons."""
    path = unpack(shared_data, tmp_path, "suzanne")
    expected = []
    for line in Path(path).read_text().splitlines():
        words = line.split()
        if words[:1] == ["f"]:
            corners = [int(word.split("/")[0]) - 1 for word in words[1:]]
            expected += [[corners[0], a, b] for a, b in itertools.pairwise(corners[1:])]
    np.testing.assert_array_equal(nr.load_obj(path)[1].numpy(), expected)
