"""Meshes with materials, and glTF files made by hand, for the tests of glTF."""

import base64
import io
import json
import struct
import warnings

import numpy as np
import torch
from PIL import Image

from repousse.geometry import Material, Texture
from repousse.io import load, save, srgb_to_linear

CURVE = srgb_to_linear(torch.arange(256) / 255)


def picture(height, width, channels, *, srgb, seed=0):
    """Random 8-bit pixels, and the image that they stand for."""
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    image = torch.from_numpy(levels / np.float32(255))
    if srgb:
        image[..., :3] = CURVE[torch.from_numpy(levels[..., :3]).long()]
    return levels, image


def texture(height=3, width=4, channels=3, *, srgb=False, seed=0, wrap=("repeat", "repeat"), filter="linear"):
    return Texture(picture(height, width, channels, srgb=srgb, seed=seed)[1], wrap, filter)


def everything():
    """A material with every feature."""
    shared = texture(seed=3)
    return Material(
        name="every feature",
        base_color=(0.5, 0.25, 1.0, 0.75),
        base_color_texture=texture(5, 7, 4, srgb=True, seed=1, wrap=("clamp", "mirror"), filter="nearest"),
        metallic=0.25,
        roughness=torch.tensor(0.3, requires_grad=True),
        metallic_roughness_texture=shared,
        normal_texture=texture(seed=4, wrap=("mirror", "clamp")),
        normal_scale=0.5,
        occlusion_texture=shared,
        emission=torch.tensor([2.0, 4.0, 0.5]),
        emission_texture=texture(2, 2, 3, srgb=True, seed=5),
        alpha="mask",
        alpha_cutoff=0.25,
        double_sided=True,
    )


def check_same_material(new, old):
    """Every number and every bit of every texture."""
    for name in ("base_color", "emission"):
        expected = torch.as_tensor(getattr(old, name), dtype=torch.float64)
        if len(expected) == 3 and name == "base_color":
            expected = torch.cat((expected, torch.ones(1)))
        torch.testing.assert_close(torch.tensor(getattr(new, name), dtype=torch.float64), expected, atol=0, rtol=1e-15)
    for name in ("metallic", "roughness"):
        assert getattr(new, name) == torch.as_tensor(getattr(old, name), dtype=torch.float64).item(), name
    for name in ("name", "alpha", "double_sided"):
        assert getattr(new, name) == getattr(old, name), name
    if old.alpha == "mask":
        assert new.alpha_cutoff == old.alpha_cutoff
    if old.normal_texture:
        assert new.normal_scale == old.normal_scale
    assert [name for name, _ in new.textures()] == [name for name, _ in old.textures()]
    for (name, found), (_, expected) in zip(new.textures(), old.textures(), strict=True):
        assert torch.equal(found.image, expected.image), name
        assert (found.wrap, found.filter) == (expected.wrap, expected.filter), name


def with_unit_normals(mesh):
    """What GLB makes of normals of any length."""
    normal = mesh.attributes.get("normal")
    if normal is None:
        return mesh
    unit = torch.nn.functional.normalize(normal.values.double(), dim=-1).float()
    given = normal.values.norm(dim=-1, keepdim=True)
    return mesh.with_attribute("normal", torch.where((given - 1).abs() > 1e-3, unit, normal.values), normal.faces)


def check_same_mesh(new, old):
    """Bit by bit; attributes at the corners of faces, because a file holds each value once."""
    assert torch.equal(new.positions, old.positions)
    assert torch.equal(new.faces, old.faces)
    assert set(new.attributes) == set(old.attributes)
    for name, expected in old.attributes.items():
        found = new.attributes[name]
        assert torch.equal(found.values[found.faces.long()], expected.values[expected.faces.long()]), name
    if old.materials:
        assert torch.equal(new.material_id, old.material_id)
        for found, expected in zip(new.materials, old.materials, strict=True):
            check_same_material(found, expected)


def round_trip(folder, mesh):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(folder / "mesh.glb", mesh)
        return load(folder / "mesh.glb")


def png(levels, **options):
    buffer = io.BytesIO()
    options = {"format": "PNG", **options}
    Image.fromarray(levels[..., 0] if levels.ndim == 3 and levels.shape[2] == 1 else levels).save(buffer, **options)
    return buffer.getvalue()


def data_uri(data, mime="image/png"):
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def square(**changes):
    """The tree of a .gltf file: two triangles with two sets of uv, and the material given in `changes`."""
    arrays = [
        np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype="<f4"),
        np.array([[0, 1], [1, 1], [1, 0], [0, 0]], dtype="<f4"),
        np.array([[0, 1], [1, 1], [1, 0], [0, 0]], dtype="<f4") / 2,
        np.array([0, 1, 2, 0, 2, 3], dtype="<u4"),
    ]
    blob = b"".join(array.tobytes() for array in arrays)
    starts = np.cumsum([0] + [array.nbytes for array in arrays]).tolist()
    attributes = {"POSITION": 0, "TEXCOORD_0": 1, "TEXCOORD_1": 2}
    tree = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 3, "material": 0}]}],
        "buffers": [{"byteLength": len(blob), "uri": data_uri(blob, "application/octet-stream")}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": array.nbytes}
            for start, array in zip(starts, arrays, strict=False)
        ],
        "accessors": [
            {"bufferView": i, "componentType": c, "count": n, "type": t}
            for i, (c, n, t) in enumerate(
                [(5126, 4, "VEC3"), (5126, 4, "VEC2"), (5126, 4, "VEC2"), (5125, 6, "SCALAR")]
            )
        ],
        "materials": [{}],
        "textures": [{"source": 0}],
        "images": [{"uri": data_uri(png(picture(2, 2, 3, srgb=False)[0]))}],
    }
    return {**tree, **changes}


def load_tree(folder, tree):
    """The mesh, and what was said about it."""
    (folder / "model.gltf").write_text(json.dumps(tree))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mesh = load(folder / "model.gltf")
    return mesh, " ".join(str(warning.message) for warning in said)


def parts(data):
    """JSON and binary chunk of a GLB file."""
    size = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + size]), data[28 + size :]
