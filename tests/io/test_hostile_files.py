"""Small files that ask for much: memory, time, or files that are not theirs."""

import gzip
import json
import os
import struct
import tracemalloc
from pathlib import Path

import pytest
import torch
from gltf_models import data_uri, load_tree, picture, png, square
from PIL import Image

from repousse.geometry import Material, cube, icosphere
from repousse.io import files, gltf, load, save

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n"


def write(folder, name, content):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


def pixels(height, width, channels=3, seed=0):
    return png(picture(height, width, channels, srgb=False, seed=seed)[0])


@pytest.fixture
def few_pixels(monkeypatch):
    """1000 for one picture, 4000 for a model."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)


@pytest.mark.parametrize("members", [1, 8])
def test_packed_bomb(tmp_path, monkeypatch, members):
    """Breaks if a packed file of a few kilobytes is unpacked whole, in one piece or in several."""
    monkeypatch.setattr(files, "_UNPACKED", 2**20)
    path = write(tmp_path, "a.obj.gz", gzip.compress(bytes(2**24 // members)) * members)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"bytes and unpacks to suspiciously many; if you trust it"):
        load(path)
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()
    text = TRIANGLE + "f 1 2 3\n" + "# as in real files, five times\n" * 10**5
    assert len(load(write(tmp_path, "b.obj.gz", gzip.compress(text.encode()[: 2**20]))).faces) == 1


def gltf_with(material, count, **changes):
    """A square for each of `count` materials, which `material` makes of their numbers."""
    tree = square(materials=[material(i) for i in range(count)], **changes)
    (primitive,) = tree["meshes"][0]["primitives"]
    tree["meshes"][0]["primitives"] = [{**primitive, "material": i} for i in range(count)]
    return tree


def test_many_pictures_in_gltf(tmp_path, few_pixels):
    """Breaks if pictures that are small one by one fill the memory together."""
    tree = gltf_with(
        lambda i: {"pbrMetallicRoughness": {"baseColorTexture": {"index": i}}},
        6,
        textures=[{"source": i} for i in range(6)],
        images=[{"uri": data_uri(pixels(30, 30, seed=i))} for i in range(6)],
    )
    mesh, said = load_tree(tmp_path, tree)
    assert [m.base_color_texture is not None for m in mesh.materials] == [True] * 4 + [False] * 2
    assert "baseColorTexture of material '#5' was not loaded (its image '#5' is too much" in said


def test_one_picture_named_often(tmp_path, few_pixels):
    """Breaks if entries with the same bytes are unpacked one by one, or each use with fewer channels is a copy."""
    tree = gltf_with(
        lambda i: {"normalTexture": {"index": i}},
        20,
        textures=[{"source": i} for i in range(20)],
        images=[{"uri": data_uri(pixels(30, 30, 4))}] * 20,
    )
    mesh, said = load_tree(tmp_path, tree)
    assert "too much" not in said
    assert len({id(m.normal_texture.image) for m in mesh.materials}) == 1


def test_strengths_of_occlusion(tmp_path, few_pixels):
    """Breaks if materials with a strength of their own each get a picture of their own without end."""
    tree = gltf_with(
        lambda i: {"occlusionTexture": {"index": 0, "strength": i % 10 / 10}},
        20,
        images=[{"uri": data_uri(pixels(30, 30, 1))}],
    )
    mesh, said = load_tree(tmp_path, tree)
    found = [m.occlusion_texture and id(m.occlusion_texture.image) for m in mesh.materials]
    assert found[:3] == found[10:13] and len(set(found)) == 4  # three pictures and None
    assert "is too much" in said


def test_pictures_joined_to_a_huge_one(tmp_path, few_pixels):
    """Breaks if a wide and a high picture are enlarged to one that no limit has seen, or pairs are joined again for
    each material."""
    write(tmp_path, "wide.png", pixels(1, 100))
    write(tmp_path, "high.png", pixels(100, 1))
    write(tmp_path, "small.png", pixels(9, 9))
    uses = "".join(f"usemtl m{i}\nf 1/1 2/2 3/3\n" for i in range(40))
    path = write(tmp_path, "a.obj", "mtllib a.mtl\n" + TRIANGLE + uses)
    write(tmp_path, "a.mtl", "newmtl m0\nmap_Kd wide.png\nmap_d high.png\n")
    with pytest.warns(UserWarning, match="a texture is too much: a texture may have 1000 pixels"):
        assert load(path).materials[0].base_color_texture is None
    write(tmp_path, "a.mtl", "".join(f"newmtl m{i}\nmap_Kd small.png\nmap_d wide.png\n" for i in range(40)))
    materials = load(path).materials
    assert materials[0].base_color_texture.image.shape == (9, 100, 4)
    assert len({id(m.base_color_texture.image) for m in materials}) == 1


def test_a_material_file_under_many_names(tmp_path, monkeypatch):
    """Breaks if one file is read again for each way to write its name."""
    write(tmp_path, "a.mtl", "newmtl red\nKd 1 0 0\n")
    names = "".join(f"mtllib {'./' * i}a.mtl\n" for i in range(50))
    path = write(tmp_path, "a.obj", TRIANGLE + names + "usemtl red\nf 1 2 3\n")
    read, whole = [], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read.append(self.name) or whole(self))
    assert load(path).materials[0].base_color == (1, 0, 0, 1)
    assert read.count("a.mtl") == 1


def test_many_scaled_materials(tmp_path):
    """Breaks if each of many materials with -s gets another's uv (or goes over all faces once more)."""
    count = 3000
    uses = "".join(f"usemtl m{i % count}\nf 1/1 2/2 3/3\n" for i in range(2 * count))
    write(tmp_path, "a.mtl", "".join(f"newmtl m{i}\nmap_Kd -s {i} 1 -o 0 {i} gone.png\n" for i in range(count)))
    with pytest.warns(UserWarning, match="'gone.png' is missing"):
        mesh = load(write(tmp_path, "a.obj", "mtllib a.mtl\n" + TRIANGLE + uses))
    uv = mesh.attributes["uv"]
    number = torch.arange(2 * count) % count
    expected = torch.tensor([[0, 0], [1, 0], [0, 1]]) * torch.stack((number, torch.ones_like(number)), -1)[:, None]
    expected = expected + torch.stack((torch.zeros_like(number), number), -1)[:, None]
    assert torch.equal(uv.values[uv.faces.long()], expected.float())


def test_warnings_stay_readable(tmp_path):
    """Breaks if a file can fill the terminal with the names of what it lacks."""
    uses = "".join(f"mtllib {'x' * 1000}{i}.mtl\nusemtl m{i}\nf 1/1 2/2 3/3\n" for i in range(1000))
    with pytest.warns(UserWarning, match=r"defines 'm0', .* and 988 more: plain here; .*; 989 more$") as caught:
        load(write(tmp_path, "a.obj", TRIANGLE + uses))
    assert len(str(caught[0].message)) < 10000


def test_a_mesh_at_many_places(tmp_path, monkeypatch):
    """Breaks if a few vertices at a million places are all written out, or a modest forest is refused."""
    nodes, scenes = [{"mesh": 0, "translation": [i, 0, 0]} for i in range(50)], [{"nodes": list(range(50))}]
    mesh, _ = load_tree(tmp_path, square(nodes=nodes, scenes=scenes))
    assert len(mesh.faces) == 100
    monkeypatch.setattr(gltf, "_MOST_REPEATED", 400)
    with pytest.raises(ValueError, match="it repeats its few vertices until there are 500"):
        load_tree(tmp_path, square(nodes=nodes, scenes=scenes))
    tree = square()
    tree["meshes"][0]["primitives"] *= 100
    with pytest.raises(ValueError, match="it repeats its few vertices until there are 604"):
        load_tree(tmp_path, tree)


def test_what_no_mesh_uses_costs_nothing(tmp_path):
    """Breaks if accessors and buffers beside the mesh are read, or their claims believed."""
    tree = square()
    tree["accessors"] += [{"count": 10**12, "componentType": 5126, "type": "VEC4"}] * 3
    tree["bufferViews"] += [{"buffer": 7, "byteLength": 10**12}]
    tree["buffers"] += [{"uri": "gone.bin", "byteLength": 10**12}]
    assert len(load_tree(tmp_path, tree)[0].faces) == 2


def test_a_long_chain_of_nodes(tmp_path):
    """Breaks if nodes inside nodes exhaust the stack, or a transform is lost on the way down."""
    nodes = [{"children": [i + 1], "translation": [1, 0, 0]} for i in range(5000)] + [{"mesh": 0}]
    mesh, _ = load_tree(tmp_path, square(nodes=nodes))
    assert mesh.positions.amin(0).tolist() == [5000, 0, 0]


def test_materials_share_their_vertices(tmp_path):
    """Breaks if each material of a GLB file costs a copy of all its vertices."""
    mesh = icosphere(5)
    mesh = mesh.with_materials([Material(f"{i}") for i in range(300)], torch.arange(len(mesh.faces)) % 300)
    save(tmp_path / "a.glb", mesh)
    tracemalloc.start()
    again = load(tmp_path / "a.glb")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert torch.equal(again.faces, mesh.faces)
    assert peak < 60 * len(mesh.positions) * 24  # a copy for each material would be 300


HEADER = (
    "ply\nformat {form} 1.0\nelement vertex {vertices}\nproperty float x\nproperty float y\nproperty float z\n"
    "element face {faces}\nproperty uchar before\nproperty list {count} int vertex_indices\nproperty short after\n"
    "property list ushort float texcoord\nend_header\n"
)


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("counts", [(4 * 10**9, 1), (10**30, 1), (-1, 1), (3, 4 * 10**9), (3, -1), (3, 10**30)])
def test_ply_that_announces_too_much(tmp_path, form, counts):
    """Breaks if memory is taken for what a header announces, or -1 means all."""
    body = b"0 0 0\n1 0 0\n0 1 0\n1 3 0 1 2 1 0\n" if form == "ascii" else bytes(36) + b"\1\3" + bytes(16)
    header = HEADER.format(form=form, vertices=counts[0], faces=counts[1], count="uchar").encode()
    with pytest.raises(ValueError, match=r"a.ply is not an intact PLY file"):
        load(write(tmp_path, "a.ply", header + body))


@pytest.mark.parametrize("length", ["-1", "1e300", "nan", "inf", "2000000000"])
def test_ply_lists_of_odd_lengths(tmp_path, length):
    """Breaks if the length of a list is believed before there are as many entries, or may be negative."""
    header = HEADER.format(form="ascii", vertices=3, faces=2, count="double")
    for rows in (f"0 {length} 0 1 2 0 0\n0 3 0 1 2 0 0\n", f"0 3 0 1 2 0 0\n0 {length} 0 1 2 0 0\n"):
        with pytest.raises(ValueError, match=r"a.ply is not an intact PLY file"):
            load(write(tmp_path, "a.ply", header + "0 0 0\n1 0 0\n0 1 0\n" + rows))


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_ply_rows_of_different_lengths(tmp_path, form):
    """Breaks if numbers before, between and behind lists of different lengths are read at the wrong place."""
    positions = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
    rows = [((0, 1, 2, 3), (0, 0, 1, 0, 1, 1, 0, 1)), ((2, 1, 0), (1, 1, 1, 0, 0, 0))]
    body = "".join("{} {} {}\n".format(*p) for p in positions).encode()
    body += b"".join(
        f"7 {len(face)} {' '.join(map(str, face))} -2 {len(uv)} {' '.join(map(str, uv))}\n".encode()
        for face, uv in rows
    )
    if form != "ascii":
        order = "<" if "little" in form else ">"
        body = struct.pack(f"{order}12f", *(x for p in positions for x in p))
        for face, uv in rows:
            body += struct.pack(f"{order}BB{len(face)}ihH{len(uv)}f", 7, len(face), *face, -2, len(uv), *uv)
    mesh = load(write(tmp_path, "a.ply", HEADER.format(form=form, vertices=4, faces=2, count="uchar").encode() + body))
    faces = [[0, 1, 2], [0, 2, 3], [2, 1, 0]]
    assert mesh.faces.tolist() == faces
    uv = mesh.attributes["uv"]
    expected = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]])[torch.tensor(faces)]
    assert torch.equal(uv.values[uv.faces.long()], expected)


def test_ply_numbers_and_lists_confused(tmp_path):
    """Breaks if a list where a number should be, or the reverse, ends in an error from inside numpy."""
    for old, new in (
        ("property float x", "property list uchar float x"),
        ("list uchar int vertex_indices", "int vertex_indices"),
    ):
        header = HEADER.format(form="ascii", vertices=3, faces=1, count="uchar").replace(old, new)
        with pytest.raises(ValueError, match=r"a.ply is not an intact PLY file"):
            load(write(tmp_path, "a.ply", header + "1 0 0 0\n" * 3 + "0 3 0 1 2 0 0\n"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("4000000000 4000000000 0", "4000000000 vertices and 4000000000 faces are announced, 0 lines follow"),
        ("3 1 0\n0 0 0\n1 0 0\n0 1 0\n-1 0 1 2", "a face with -1 corners lists"),
        ("3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 99999999999999999999", "intact OFF"),
    ],
)
def test_off_with_absurd_numbers(tmp_path, body, message):
    """Breaks if a count or index without sense crashes, takes memory, or is passed over."""
    with pytest.raises(ValueError, match=message):
        load(write(tmp_path, "a.off", f"OFF\n{body}\n"))


def test_stl_of_many_solids(tmp_path):
    """Breaks if only one of several solids of the same name is read, half a one is, or thousands take minutes."""
    facet = "facet normal 0 0 1\nouter loop\nvertex {0} 0 0\nvertex {0} 1 0\nvertex {0} 1 1\nendloop\nendfacet\n"
    text = "".join(f"solid\n{facet.format(i)}endsolid\n" for i in range(10000))
    mesh = load(write(tmp_path, "a.stl", text))
    assert (len(mesh.positions), len(mesh.faces)) == (30000, 10000)
    for cut in (len(text) - 12, len(text) - 25, text.rindex("vertex")):
        with pytest.raises(ValueError, match=r"a.stl is not an intact STL file"):
            load(write(tmp_path, "a.stl", text[:cut]))
    with pytest.raises(ValueError, match="intact STL file"):
        load(write(tmp_path, "a.stl", text.replace("vertex 7 0 0", "vertex 7 0 x")))
    for count in (2, 2**32 - 1):
        with pytest.raises(ValueError, match=r"a.stl has no triangles"):
            load(write(tmp_path, "a.stl", bytes(80) + struct.pack("<I", count) + bytes(50)))


def test_textures_of_gltf_in_another_folder(tmp_path):
    """Breaks if `textures` of load does not reach pictures and buffers of glTF, or opens more than that folder."""
    for name in ("model", "images"):
        (tmp_path / name).mkdir()
    write(tmp_path / "images", "a b.png", pixels(2, 2))
    write(tmp_path, "secret.png", pixels(2, 2))
    material = {
        "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}},
        "normalTexture": {"index": 1},
    }
    tree = square(
        materials=[material],
        textures=[{"source": 0}, {"source": 1}],
        images=[{"uri": "../images/a%20b.png"}, {"uri": "../secret.png"}],
    )
    path = write(tmp_path / "model", "a.gltf", json.dumps(tree))
    with pytest.warns(UserWarning, match=r"b.png' lies outside the folder of the model"):
        assert not list(load(path).materials[0].textures())
    with pytest.warns(UserWarning, match=r"'../secret.png' lies outside") as caught:
        (material,) = load(path, textures=tmp_path / "images").materials
    assert "b.png" not in str(caught[0].message)
    assert [name for name, _ in material.textures()] == ["base_color_texture"]


def test_a_write_protected_file_stays(tmp_path, monkeypatch):
    """Breaks if saving replaces a file that its owner has protected."""
    path = write(tmp_path, "a.ply", "precious")
    monkeypatch.setattr(os, "access", lambda file, mode: Path(file).name != "a.ply")
    with pytest.raises(PermissionError, match=r"a.ply is write-protected"):
        save(path, cube())
    assert path.read_text() == "precious" and os.listdir(tmp_path) == ["a.ply"]


def test_a_name_too_long_leaves_nothing(tmp_path):
    """Breaks if a model is there and its textures are not, because their names became too long."""
    mesh = cube().with_materials([Material("x" * 5000, (0.5, 0.5, 0.5))])
    save(tmp_path / "a.obj", mesh)
    assert sorted(os.listdir(tmp_path)) == ["a.mtl", "a.obj"]
    with pytest.raises(OSError, match="too long"):
        save(tmp_path / f"{'y' * 252}.obj", mesh)
    assert sorted(os.listdir(tmp_path)) == ["a.mtl", "a.obj"]
