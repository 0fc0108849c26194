"""glTF files that are broken, hostile or beyond what we read: a texture is left out and named, a shape is an error."""

import json
import struct
import tempfile
import warnings
import zlib
from pathlib import Path

import pytest
import torch
from gltf_models import data_uri, everything, load_tree, parts, picture, png, square
from hypothesis import given, settings
from hypothesis import strategies as st

from repousse.geometry import cube
from repousse.io import load, save

PIXELS = png(picture(8, 8, 3, srgb=False)[0])
TEXTURED = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "baseColorFactor": [1, 0, 0, 1]}}


def bomb(width, height):
    """A PNG that claims a size, with an intact header and next to no data."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [{"uri": "gone.png"}]}, "its file 'gone.png' is missing"),
        ({"images": [{"uri": "../secret.png"}]}, "'../secret.png' lies outside the folder"),
        ({"images": [{"uri": "%2e%2e/secret.png"}]}, "lies outside the folder"),
        ({"images": [{"uri": "/etc/passwd"}]}, "'/etc/passwd' lies outside the folder"),
        ({"images": [{"uri": "file:///etc/passwd"}]}, "is missing"),
        ({"images": [{"uri": "http://localhost/a.png"}]}, "is missing"),
        ({"images": [{"uri": "link.png"}]}, "'link.png' lies outside the folder"),
        ({"images": [{"uri": "folder.png"}]}, "'folder.png' is missing"),
        ({"images": [{"uri": "\0.png"}]}, "is missing"),
        ({"images": [{"uri": data_uri(PIXELS[:-30])}]}, "image '#0' is not an intact picture"),
        ({"images": [{"uri": data_uri(b"")}]}, "not an intact picture"),
        ({"images": [{"uri": "data:image/png;base64,%%%"}]}, "data URI is broken"),
        ({"images": [{"uri": "data:"}]}, "not an intact picture"),
        ({"images": [{"uri": data_uri(bomb(65536, 65536))}]}, "'#0'.*65536|'#0' is suspiciously large"),
        ({"images": [{"uri": data_uri(bomb(12000, 12000)), "name": "huge"}]}, "'huge' is suspiciously large"),
        ({"images": [{"uri": data_uri(b"\xabKTX 20\xbb\r\n\x1a\n")}]}, "KTX2 file; export its textures as PNG"),
        ({"images": [{"bufferView": 99}]}, r"bufferViews\[99\], but there are 4"),
        ({"images": [{"bufferView": 0}]}, "not an intact picture"),
        ({"images": [{}]}, "its description is malformed: KeyError"),
        ({"images": [5]}, r"images\[0\] is 5, not an object"),
        ({"images": []}, r"images\[0\], but there are 0"),
        ({"textures": []}, r"textures\[0\], but there are 0"),
        ({"textures": [{"source": -1}]}, r"images\[-1\]"),
        ({"textures": [{"source": 0, "sampler": 3}]}, r"samplers\[3\]"),
        ({"textures": [{"source": 0, "sampler": 0}], "samplers": [{"wrapS": 5}]}, r"malformed: KeyError\(5\)"),
        ({"textures": [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]}, "stored as KHR_texture_basisu"),
        ({"textures": [{}]}, "stored as nothing"),
    ],
)
def test_broken_texture_leaves_the_factor(tmp_path, changes, message):
    """Breaks if one bad texture costs the shape, is passed over silently, or is fetched from elsewhere."""
    (tmp_path / "secret.png").write_bytes(PIXELS)
    inner = tmp_path / "model"
    (inner / "folder.png").mkdir(parents=True)
    (inner / "link.png").symlink_to(tmp_path / "secret.png")
    required = {"extensionsRequired": ["KHR_texture_basisu"]} if "basisu" in message else {}
    with pytest.warns(UserWarning, match=f"baseColorTexture of material '#0' was not loaded .*({message})"):
        (inner / "a.gltf").write_text(json.dumps(square(materials=[TEXTURED], **changes, **required)))
        mesh = load(inner / "a.gltf")
    assert (len(mesh.positions), len(mesh.faces)) == (4, 2)
    assert mesh.materials[0].base_color_texture is None
    assert mesh.materials[0].base_color == (1, 0, 0, 1)


@pytest.mark.parametrize(
    "reference",
    [
        5,
        None,
        {},
        {"index": "0"},
        {"index": 0, "texCoord": {}},
        {"index": 0, "texCoord": 1e400},
        {"index": True},
        {"index": 1e400},
    ],
)
def test_malformed_texture_reference(tmp_path, reference):
    """Breaks if JSON of another shape than the format's ends in an error that says nothing."""
    mesh, said = load_tree(tmp_path, square(materials=[{"pbrMetallicRoughness": {"baseColorTexture": reference}}]))
    assert mesh.materials[0].base_color_texture is None
    assert "baseColorTexture of material '#0' was not loaded" in said


@pytest.mark.parametrize(
    ("material", "message"),
    [
        ({"pbrMetallicRoughness": {"baseColorFactor": "red"}}, "baseColorFactor of a material should be 4 finite"),
        ({"pbrMetallicRoughness": {"baseColorFactor": [1, 1, 1]}}, "should be 4 finite numbers"),
        ({"pbrMetallicRoughness": {"metallicFactor": float("nan")}}, "metallicFactor of a material should be 1 finite"),
        ({"emissiveFactor": [1, None, 1]}, "emissiveFactor"),
        ({"alphaCutoff": 10**400}, "alphaCutoff of a material should be 1 finite"),
        ({"alphaMode": "GLASS"}, "alphaMode of material '#0' is 'GLASS'"),
        ({"alphaMode": []}, "intact glTF"),
        ({"extensions": []}, "intact glTF"),
        (5, "intact glTF"),
    ],
)
def test_malformed_materials(tmp_path, material, message):
    """Breaks if a factor that is no number becomes a default, or the error does not name the file."""
    with pytest.raises(ValueError, match=rf"load: .*model.gltf .*{message}"):
        load_tree(tmp_path, square(materials=[material]))


@pytest.mark.parametrize("number", [1, -1, 2**70, "0", 0.5, None])
def test_material_that_does_not_exist(tmp_path, number):
    """Breaks if a face gets a material that the file does not give it; Python's [-1] is the last."""
    tree = square()
    tree["meshes"][0]["primitives"][0]["material"] = number
    with pytest.raises(ValueError, match=r"refers to materials\[.*\], but there are 1 materials"):
        load_tree(tmp_path, tree)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([{"children": [1]}, {"children": [0], "mesh": 0}], r"nodes\[0\] stands in several places or contains itself"),
        ([{"children": [0], "mesh": 0}], "contains itself"),
        ([{"children": [1]}, {"children": [2]}, {"children": [1], "mesh": 0}], "contains itself"),
        ([{"children": [1, 2]}, {"children": [3]}, {"children": [3]}, {"mesh": 0}], "several places"),
        ([{"children": [7]}], r"nodes\[7\], but there are 1"),
        ([{"children": [-1]}], r"nodes\[-1\]"),
        ([{"mesh": 3}], "intact glTF"),
        ([{"mesh": -1}], "intact glTF"),
        ([], r"nodes\[0\], but there are 0"),
        ([5], "intact glTF"),
    ],
)
def test_nodes_that_are_no_tree(tmp_path, nodes, message):
    """Breaks if a loop of nodes runs for ever, or a node that does not exist is another one."""
    with pytest.raises(ValueError, match=message):
        load_tree(tmp_path, square(nodes=nodes))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("meshes", 0, "primitives", 0, "indices"), 9, r"accessors\[9\]"),
        (("meshes", 0, "primitives", 0, "indices"), -1, r"accessors\[-1\]"),
        (("meshes", 0, "primitives", 0, "attributes", "POSITION"), 9, r"accessors\[9\]"),
        (("meshes", 0, "primitives", 0, "attributes"), {}, "intact"),
        (("meshes", 0, "primitives", 0, "mode"), "x", "no triangles|intact"),
        (("meshes", 0, "primitives"), [], "no triangles|intact"),
        (("meshes", 0), 5, "intact"),
        (("accessors", 0, "count"), 3, "there are 3 positions, but 4 of TEXCOORD_0"),
        (("accessors", 0, "count"), 10**12, "intact"),
        (
            ("accessors", 0, "componentType"),
            5122,
            "POSITION has numbers of an unexpected kind; export it without compression",
        ),
        (("accessors", 1, "type"), "VEC3", "TEXCOORD_0 is VEC3 instead of VEC2"),
        (("accessors", 3, "componentType"), 5126, "indices has numbers of an unexpected kind"),
        (("accessors", 0, "type"), "SCALAR", "POSITION is SCALAR instead of VEC3"),
        (("accessors", 3, "bufferView"), 17, r"bufferViews\[17\]"),
        (("accessors", 3, "bufferView"), -1, r"bufferViews\[-1\]"),
        (("bufferViews", 0, "buffer"), -1, r"buffers\[-1\]"),
        (("bufferViews", 0, "byteLength"), 10**9, "intact"),
        (("buffers", 0, "uri"), "data:application/octet-stream;base64,AAAA", "intact"),
        (("scene",), 4, r"scenes\[4\]"),
    ],
)
def test_broken_geometry(tmp_path, path, value, message):
    """Breaks if numbers that point nowhere crash, hang, or give a mesh of something else."""
    tree = square()
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=message):
        load_tree(tmp_path, tree)


def places(tree, path=()):
    """The way to each value in a tree."""
    if path:
        yield path
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        yield from places(value, (*path, key))


VALUES = (None, True, -1, 0, 2, 2**63, 10**400, -0.5, 1e308, float("nan"), float("inf"), "", "x", "data:,")


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(VALUES) | st.builds(list) | st.builds(dict))
def test_any_value_anywhere(random, value):
    """Breaks if a file whose JSON has an unexpected value somewhere ends in anything but a mesh or a ValueError."""
    moved = {"KHR_texture_transform": {"scale": [2, 2], "rotation": 1}}
    reference = {"index": 0, "texCoord": 1, "strength": 0.5, "scale": 2, "extensions": moved}
    material = {
        "pbrMetallicRoughness": {"baseColorTexture": reference, "baseColorFactor": [1, 1, 1, 1]},
        "occlusionTexture": reference,
        "normalTexture": reference,
        "emissiveFactor": [1, 1, 1],
        "alphaMode": "MASK",
        "extensions": {"KHR_materials_emissive_strength": {"emissiveStrength": 3}},
    }
    tree = square(materials=[material], samplers=[{"wrapS": 33071}], textures=[{"source": 0, "sampler": 0}])
    tree["meshes"][0]["extras"] = {"repousse_faces": [[0, 2]]}
    tree = json.loads(json.dumps(tree))  # nothing shared
    path = random.choice(list(places(tree)))
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with tempfile.TemporaryDirectory() as folder:
        try:
            load_tree(Path(folder), tree)
        except ValueError as error:
            assert str(error).startswith("load: ")


def test_truncated_glb(tmp_path):
    """Breaks if a GLB file that was cut off anywhere gives a mesh, crashes, or the error does not say so."""
    save(tmp_path / "whole.glb", cube().with_materials([everything()]))
    whole = (tmp_path / "whole.glb").read_bytes()
    for length in [*range(1, 40), *range(40, len(whole), 97), len(whole) - 1]:
        (tmp_path / "cut.glb").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut.glb is not an intact|cut.glb has no triangles"):
            load(tmp_path / "cut.glb")


def test_damaged_glb(tmp_path):
    """Breaks if flipped bytes end in anything but a mesh, a warning or a ValueError."""
    save(tmp_path / "whole.glb", cube().with_materials([everything()]))
    whole = (tmp_path / "whole.glb").read_bytes()
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        data = bytearray(whole)
        for place in torch.randint(0, len(data), (3,), generator=generator).tolist():
            data[place] = int(torch.randint(0, 256, (), generator=generator))
        (tmp_path / "bad.glb").write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                load(tmp_path / "bad.glb")
        except ValueError as error:
            assert "bad.glb" in str(error)


def test_nothing_is_read_outside_the_folder(tmp_path, monkeypatch):
    """Breaks if a picture in a GLB's neighbourhood is opened although it lies outside its folder."""
    (tmp_path / "secret.png").write_bytes(PIXELS)
    inner = tmp_path / "model"
    inner.mkdir()
    save(inner / "a.glb", cube().with_materials([everything()]))
    tree, blob = parts((inner / "a.glb").read_bytes())
    tree["images"] = [{"uri": "../secret.png"} for _ in tree["images"]]
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIII4s", b"glTF", 2, 28 + len(text) + len(blob), len(text), b"JSON")
    (inner / "a.glb").write_bytes(head + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob)
    opened = []
    whole = type(tmp_path).read_bytes
    monkeypatch.setattr(type(tmp_path), "read_bytes", lambda path: opened.append(path.name) or whole(path))
    with pytest.warns(UserWarning, match="outside the folder"):
        mesh = load(inner / "a.glb")
    assert opened == ["a.glb"]
    assert not list(mesh.materials[0].textures())
