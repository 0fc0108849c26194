"""What the formats mean: indices, polygons, colours, transforms."""

import json
import struct

import numpy as np
import pytest
import torch
import trimesh

from repousse.io import load


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def test_obj_polygons_and_negative_indices(tmp_path):
    """Breaks if negative indices count from the end of the file and not from the line they are on."""
    text = SQUARE + "f -4 -3 -2 -1\n" + SQUARE.replace(" 0\n", " 5\n") + "f -4 -3 -2\nf 1 2 -1\n"
    mesh = load(write(tmp_path, "a.obj", text))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [4, 5, 6], [0, 1, 7]]


def test_obj_keeps_the_order_of_faces_and_its_uv_index(tmp_path):
    """Breaks if faces are grouped by material, or vertices split at the seam."""
    text = (
        SQUARE
        + "vt 0 0\nvt 1 0\nvt 1 1\nvt 0.5 0.25\n"
        + "usemtl b\nf 1/1 2/2 3/3\nusemtl a\nf 1/4 3/3 4/1\nusemtl b\nf 4/1 3/3 2/2 # a comment\n"
    )
    with pytest.warns(UserWarning, match="no material file defines 'b', 'a'"):
        mesh = load(write(tmp_path, "a.obj", text))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [3, 2, 1]]
    assert mesh.material_id.tolist() == [0, 1, 0]
    assert [material.name for material in mesh.materials] == ["b", "a"]
    assert mesh.attributes["uv"].faces.tolist() == [[0, 1, 2], [3, 2, 0], [0, 2, 1]]
    assert mesh.attributes["uv"].values.tolist() == [[0, 0], [1, 0], [1, 1], [0.5, 0.25]]


def test_obj_layout(tmp_path):
    """Breaks on Windows line ends, continued lines, tabs, or colours behind the position."""
    text = "v 0 0 0 1 0 0\r\nv 1 0 0 0 1 0\r\nv\t1 1 0 0 0 1\r\nf 1 2 \\\r\n 3\r\n"
    mesh = load(write(tmp_path, "a.obj", text))
    assert mesh.attributes["color"].values.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert mesh.faces.tolist() == [[0, 1, 2]]


def test_obj_faces_without_uv(tmp_path):
    """Breaks if a face without uv is lost, crashes, or takes another face's uv, or without a word."""
    text = SQUARE + "vt 1 1\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1\nf 1 3 4\n"
    with pytest.warns(UserWarning, match=r"1 of 2 faces have no uv, theirs is 0; normal was not loaded"):
        mesh = load(write(tmp_path, "a.obj", text))
    uv = mesh.attributes["uv"]
    assert uv.values[uv.faces.long()][1].tolist() == [[0, 0]] * 3
    assert "normal" not in mesh.attributes


def test_positions_are_welded_exactly(tmp_path):
    """Breaks if vertices a rounding error apart are merged, or -0 and 0 are kept apart."""
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv -0 0 0\nv 1.0000001 0 0\nv 0 0 1\nf 1 2 3\nf 4 5 6\n"
    mesh = load(write(tmp_path, "a.obj", text))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 3, 4]]


def test_welding_happens_in_the_precision_asked_for(tmp_path):
    """Breaks if vertices that become equal in float32 stay apart there, or are merged in float64."""
    text = "v 1 0 0\nv 1.000000000001 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 4\nf 2 4 3\n"
    path = write(tmp_path, "a.obj", text)
    assert len(load(path).positions) == 3
    assert len(load(path, dtype=torch.float64).positions) == 4


PLY = """ply
format ascii 1.0
comment made by hand
element vertex 4
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
element edge 1
property int a
element face 2
property list uchar int vertex_indices
end_header
0 0 0 255 0 0
1 0 0 0 255 0
1 1 0 0 0 255
0 1 0 51 51 51
7
"""


def test_ply_text_with_mixed_polygons(tmp_path):
    """Breaks on lists of different lengths, on elements in between, or on 8-bit colours."""
    mesh = load(write(tmp_path, "a.ply", PLY + "4 0 1 2 3\n3 0 2 1\n"))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 2, 1]]
    torch.testing.assert_close(mesh.attributes["color"].values[3], torch.full((3,), 0.2))


@pytest.mark.parametrize("order", ["<", ">"])
def test_ply_binary_with_mixed_polygons(tmp_path, order):
    """Breaks on big-endian files or on binary lists of different lengths."""
    name = "little" if order == "<" else "big"
    header = PLY.split("end_header\n")[0].replace("ascii", f"binary_{name}_endian") + "end_header\n"
    rows = [(0, 0, 0, 9, 9, 9), (1, 0, 0, 9, 9, 9), (1, 1, 0, 9, 9, 9), (0, 1, 0, 9, 9, 9)]
    body = b"".join(struct.pack(order + "3f3B", *row) for row in rows) + struct.pack(order + "i", 7)
    body += struct.pack(order + "B4iB3i", 4, 0, 1, 2, 3, 3, 0, 2, 1)
    mesh = load(write(tmp_path, "a.ply", header.encode() + body))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 2, 1]]


def test_ply_uv_of_corners_and_colors_of_faces(tmp_path):
    """Breaks if per-corner uv or per-face colours are read as per-vertex ones."""
    text = PLY.replace("property uchar red\nproperty uchar green\nproperty uchar blue\n", "")
    text = text.replace(" 255 0 0\n", "\n").replace(" 0 255 0\n", "\n")
    text = text.replace(" 0 0 255\n", "\n").replace(" 51 51 51\n", "\n")
    text = text.replace(
        "end_header",
        "property list uchar float texcoord\nproperty float red\nproperty float green\n"
        "property float blue\ncomment TextureFile skin.png\nend_header",
    )
    text += "4 0 1 2 3 8 0 0 1 0 1 1 0 1 1 0 0\n3 0 2 1 6 .5 .5 .25 .25 .75 .75 0 1 0\n"
    with pytest.warns(UserWarning, match=r"texture 'skin.png' is missing"):
        mesh = load(write(tmp_path, "a.ply", text))
    uv, color = mesh.attributes["uv"], mesh.attributes["color"]
    assert uv.values[uv.faces.long()][1:].tolist() == [
        [[0, 0], [1, 1], [0, 1]],
        [[0.5, 0.5], [0.25, 0.25], [0.75, 0.75]],
    ]
    assert color.faces.tolist() == [[0] * 3, [0] * 3, [1] * 3]


def test_off_variants(tmp_path):
    """Breaks if counts on the first line, whole-number colours or per-face colours are misread."""
    text = "COFF 3 1 0\n0 0 0 255 0 51 255\n1 0 0 0 0 0 255\n0 1 0 0 0 0 255\n3 0 1 2  10 20 30\n"
    with pytest.warns(UserWarning, match="colours of faces were not loaded"):
        mesh = load(write(tmp_path, "a.off", text))
    torch.testing.assert_close(mesh.attributes["color"].values[0], torch.tensor([1.0, 0.0, 0.2]))


def test_stl_text_with_two_solids(tmp_path):
    """Breaks if only the first solid of a text STL is read, or its corners are not welded."""
    facet = "facet normal 0 0 1\nouter loop\nvertex 0 0 {z}\nvertex 1 0 {z}\nvertex 0 1 {z}\nendloop\nendfacet\n"
    flipped = facet.replace("vertex 1 0 {z}\nvertex 0 1 {z}", "vertex 0 1 {z}\nvertex 1 0 {z}")
    solids = [f"solid {n}\n{facet}{flipped}endsolid {n}\n".replace("{z}", n) for n in ("1", "2")]
    mesh = load(write(tmp_path, "a.stl", "".join(solids)))
    assert (len(mesh.positions), len(mesh.faces)) == (6, 4)


def scene():
    """Two boxes, the second mirrored and moved, with 16-bit uv and a material."""
    box = trimesh.creation.box()
    box.visual = trimesh.visual.TextureVisuals(uv=np.linspace(0, 1, 16).reshape(8, 2))
    mirrored = np.diag([-2.0, 2.0, 2.0, 1.0])
    mirrored[:3, 3] = (10, 0, 0)
    made = trimesh.Scene()
    made.add_geometry(box, node_name="one")
    made.add_geometry(box, node_name="two", transform=mirrored)
    return made


@pytest.mark.parametrize("ending", ["glb", "gltf"])
def test_gltf_scene(tmp_path, ending):
    """Breaks if a node's transform is lost, a mirrored part is inside out, or v is not flipped."""
    exported = scene().export(file_type=ending)
    if ending == "gltf":
        for name, data in exported.items():
            write(tmp_path, name, data)
        path = tmp_path / "model.gltf"
    else:
        path = write(tmp_path, "a.glb", exported)
    mesh = load(path)
    assert (len(mesh.positions), len(mesh.faces), len(mesh.materials)) == (16, 24, 1)
    corners = mesh.positions[mesh.faces.long()].double()
    volumes = torch.linalg.det(corners).reshape(2, 12).sum(1) / 6
    torch.testing.assert_close(volumes, torch.tensor([1.0, 8.0], dtype=torch.float64))
    expected = torch.linspace(0, 1, 16).reshape(8, 2)
    found = mesh.attributes["uv"].values[mesh.attributes["uv"].faces.long()][:12]
    box = trimesh.creation.box()
    torch.testing.assert_close(found, expected[torch.tensor(box.faces)], atol=1e-6, rtol=0)


def glb(tree, data=b""):
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(data))
    return head + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data


def triangle(**changes):
    """A minimal tree: one triangle with 8-bit colours and 16-bit uv, without a material."""
    data = struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0) + bytes([255, 0, 51, 255] * 3)
    data += struct.pack("<6H", 65535, 0, 0, 65535, 0, 0)
    views = [(0, 36), (36, 12), (48, 12)]
    kinds = [(5126, "VEC3"), (5121, "VEC4"), (5123, "VEC2")]
    tree = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 1, "TEXCOORD_0": 2}}]}],
        "buffers": [{"byteLength": len(data)}],
        "bufferViews": [{"buffer": 0, "byteOffset": o, "byteLength": n} for o, n in views],
        "accessors": [
            {"bufferView": i, "componentType": c, "count": 3, "type": t, "normalized": c != 5126}
            for i, (c, t) in enumerate(kinds)
        ],
    }
    return glb({**tree, **changes}, data)


def test_gltf_integer_attributes_without_material(tmp_path):
    """Breaks if uv need a material to be seen, or integers are not fractions of their largest value."""
    mesh = load(write(tmp_path, "a.glb", triangle()))
    torch.testing.assert_close(mesh.attributes["color"].values, torch.tensor([[1.0, 0.0, 0.2, 1.0]]))
    found = mesh.attributes["uv"].values[mesh.attributes["uv"].faces.long()][0]
    assert found.tolist() == [[1, 1], [0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extensionsRequired": ["KHR_draco_mesh_compression"]}, "KHR_draco_mesh_compression"),
        ({"accessors": [{"componentType": 5126, "count": 10**9, "type": "VEC3"}] * 3}, "sparse or empty"),
    ],
)
def test_gltf_that_would_be_read_as_zeros(tmp_path, changes, message):
    """Breaks if compressed or absent data silently become a mesh of zeros."""
    with pytest.raises(ValueError, match=message):
        load(write(tmp_path, "a.glb", triangle(**changes)))


def test_gltf_buffer_outside_the_folder(tmp_path):
    """Breaks if a model can read files elsewhere, by .., by an encoded .., by a root or by a link."""
    secret = write(tmp_path, "secret.bin", bytes(60))
    inner = tmp_path / "model"
    inner.mkdir()
    (inner / "link.bin").symlink_to(secret)
    for uri in ("../secret.bin", "%2e%2e/secret.bin", str(secret), "link.bin"):
        tree = json.loads(triangle()[20:].split(b"BIN\0")[0][:-4].decode())
        tree["buffers"] = [{"byteLength": 60, "uri": uri}]
        with pytest.raises(ValueError, match="outside the folder"):
            load(write(inner, "a.gltf", json.dumps(tree)))
    with pytest.raises(ValueError, match=r"'gone.bin' is missing"):
        tree["buffers"] = [{"byteLength": 60, "uri": "gone.bin"}]
        load(write(inner, "a.gltf", json.dumps(tree)))
