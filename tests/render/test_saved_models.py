"""What is saved and loaded again looks the same, and so it does when another library reads the file."""

import json
import struct
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from repousse.camera import frame
from repousse.geometry import Attribute, Material, Mesh, Texture, cube, icosphere, join, plane, torus, vertex_normals
from repousse.io import load, save, srgb_to_linear
from repousse.render import render
from repousse.shading import Ambient, Directional, lambert, pbr

SIZE = (96, 96)
CURVE = srgb_to_linear(torch.arange(256) / 255)  # of the levels that files have
LIGHTS = (Ambient(0.5), Directional((1.0, 2.0, 1.5), strength=0.8))
TEXTURED = ("spot", "fuze", "pizza")


def pictures(mesh, *, smooth=True, shader=pbr):
    """From three sides, with two samples per pixel side."""
    camera = frame(mesh.positions, SIZE, torch.tensor([0.3, -0.2, 1.2]), torch.tensor([0.4, 2.5, 4.6]))
    with torch.no_grad():
        return render(mesh, camera, SIZE, lights=LIGHTS, shader=shader, smooth=smooth, supersample=2, background=0.2)


def check_same(found, expected):
    """Every part of the picture, bit by bit."""
    assert (expected.face_id >= 0).float().mean() > 0.05  # something is seen
    for name, value in expected._asdict().items():
        assert torch.equal(getattr(found, name), value), name


def model(shared_data, name):
    return load(shared_data / "meshes" / f"{name}.obj.gz")


def through(path, mesh, *, says=None):
    """Saved and loaded; silent, or with one warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if says is None:
            save(path, mesh)
        else:
            with pytest.warns(UserWarning, match=says):
                save(path, mesh)
        return load(path)


def with_unit_normals(mesh):
    """glTF allows no other lengths."""
    if "normal" not in mesh.attributes:
        return mesh
    old = mesh.attributes["normal"]
    return mesh.with_attribute("normal", torch.nn.functional.normalize(old.values.double()).float(), old.faces)


def painted(mesh):
    """Colours of 8 bits at the vertices, which every format holds."""
    low, high = mesh.positions.amin(0), mesh.positions.amax(0)
    return mesh.with_attribute("color", ((mesh.positions - low) / (high - low) * 255).round() / 255)


@pytest.mark.parametrize("name", TEXTURED)
@pytest.mark.parametrize("shader", [pbr, lambert])
def test_obj_of_textured_models(shared_data, tmp_path, name, shader):
    """Breaks if a picture of a real model changes in one bit by saving it as OBJ, MTL and PNG."""
    mesh = model(shared_data, name)
    check_same(pictures(through(tmp_path / "a.obj", mesh), shader=shader), pictures(mesh, shader=shader))


@pytest.mark.parametrize("name", TEXTURED)
def test_glb_of_textured_models(shared_data, tmp_path, name):
    """Breaks if a picture of a real model changes in one bit by saving it as GLB. The normals of one of them are 2π
    long; glTF wants unit ones, whose rounding moves colours by at most 1e-6."""
    mesh = model(shared_data, name)
    found, expected = pictures(through(tmp_path / "a.glb", mesh)), pictures(mesh)
    if name == "fuze":
        torch.testing.assert_close(found.color, expected.color, rtol=0, atol=1e-6)
        expected = pictures(with_unit_normals(mesh))
    check_same(found, expected)


@pytest.mark.parametrize("name", ["suzanne", "fandisk"])
@pytest.mark.parametrize("ending", [".obj", ".obj.gz", ".ply", ".glb"])
def test_models_without_textures(shared_data, tmp_path, name, ending):
    """Breaks if a picture of a real model, plain or with colours at its vertices, changes in one bit."""
    mesh = model(shared_data, name)
    mesh = mesh.with_materials(())
    for one in (mesh, painted(mesh)):
        if ending == ".glb":
            one = with_unit_normals(one)
        check_same(pictures(through(tmp_path / f"a{ending}", one)), pictures(one))


def by_trimesh(path):
    """A mesh made by hand of what trimesh finds in a GLB file: geometry, uv, normals, factors and pixels."""
    data = path.read_bytes()
    factors = [  # trimesh rounds them to 8 bits
        entry["pbrMetallicRoughness"]["baseColorFactor"]
        for entry in json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])["materials"]
    ]
    parts = []
    for number, geometry in enumerate(trimesh.load_scene(path, process=False).geometry.values()):
        faces = torch.from_numpy(np.asarray(geometry.faces))
        found = geometry.visual.material
        np.testing.assert_allclose(np.asarray(found.baseColorFactor) / 255, factors[number], atol=0.5 / 255)
        image = None
        if found.baseColorTexture is not None:
            levels = torch.from_numpy(np.asarray(found.baseColorTexture).astype(np.int64))
            image = Texture(torch.cat((CURVE[levels[..., :3]], levels[..., 3:] / 255), -1))
        material = Material(
            found.name,
            factors[number],
            image,
            metallic=found.metallicFactor,
            roughness=found.roughnessFactor,
            alpha=(found.alphaMode or "OPAQUE").lower(),
        )
        attributes = {"uv": Attribute(torch.from_numpy(np.asarray(geometry.visual.uv, dtype=np.float32)), faces)}
        if "vertex_normals" in geometry._cache:  # those of the file
            normals = np.asarray(geometry.vertex_normals, dtype=np.float32)
            attributes["normal"] = Attribute(torch.from_numpy(normals), faces)
        positions = torch.from_numpy(np.asarray(geometry.vertices, dtype=np.float32))
        parts.append(Mesh(positions, faces, attributes, materials=(material,)))
    return join(parts)


@pytest.mark.parametrize("name", TEXTURED)
def test_glb_in_trimesh(shared_data, tmp_path, name):
    """Breaks if another library finds another shape, other uv, pixels or factors in our file. It knows v only as
    1 - (1 - v), which is off by up to 2^-25, or 3e-5 texels of these textures."""
    mesh = model(shared_data, name)
    save(tmp_path / "a.glb", mesh)
    smooth = "normal" in mesh.attributes  # else they would come from vertices, which trimesh does not weld
    found, expected = pictures(by_trimesh(tmp_path / "a.glb"), smooth=smooth), pictures(mesh, smooth=smooth)
    assert torch.equal(found.mask, expected.mask)
    torch.testing.assert_close(found.depth, expected.depth, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.normal, expected.normal, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.color, expected.color, rtol=0, atol=3e-5)


def pixels(height, width, channels, seed, *, srgb=False):
    levels = torch.randint(0, 256, (height, width, channels), generator=torch.Generator().manual_seed(seed))
    return torch.cat((CURVE[levels[..., :3]], levels[..., 3:] / 255), -1) if srgb else levels / 255


def scene(*, only_mtl=False):
    """Objects with every feature of materials, or only those that MTL has, beside and behind each other."""
    normals = pixels(8, 8, 3, 3) * 0.2 + torch.tensor([0.4, 0.4, 0.8])
    normals = (normals * 255).round() / 255
    glass = Material(
        "glass",
        (0.9, 0.95, 1.0, 0.4),
        Texture(pixels(4, 6, 4, 1, srgb=True), ("clamp", "clamp")),
        alpha="blend",
        roughness=0.2,
    )
    worn = Material(
        "worn",
        (0.9, 0.8, 0.7, 1.0),
        Texture(pixels(16, 8, 3, 2, srgb=True)),
        metallic=0.75,
        roughness=0.5,
        metallic_roughness_texture=Texture(pixels(8, 8, 3, 4)),
        normal_texture=Texture(normals),
        normal_scale=0.5,
        emission=(0.2, 0.1, 3.0),
        emission_texture=Texture(pixels(2, 2, 3, 5, srgb=True)),
    )
    leaf = Material("leaf", base_color_texture=Texture(pixels(8, 8, 4, 6, srgb=True)), alpha="blend")
    if not only_mtl:
        worn = replace(
            worn,
            occlusion_texture=Texture(pixels(4, 4, 1, 7), ("mirror", "repeat")),
            base_color_texture=Texture(pixels(16, 8, 3, 2, srgb=True), ("mirror", "clamp"), "nearest"),
            double_sided=True,
        )
        leaf = replace(leaf, alpha="mask", alpha_cutoff=0.3)
    objects = [
        cube(0.9).with_materials([worn, Material("red", (1, 0, 0), roughness=0.3)], torch.arange(12) % 5 // 3),
        torus().with_materials([leaf]),
        icosphere(2, 0.6).with_materials([glass]),
        plane(3.0).with_materials([Material("floor", base_color_texture=Texture(pixels(5, 3, 3, 8, srgb=True)))]),
        painted(icosphere(1, 0.4)).with_materials([Material("painted", metallic=1.0, roughness=0.4)]),
    ]
    places = ((0.7, 0.5, 0), (-0.6, 0.2, 0.3), (0.1, 0.1, 0.9), (0, 0, -0.8), (-0.2, 1.0, 0.1))
    moved = [mesh.with_positions(mesh.positions + torch.tensor(at)) for mesh, at in zip(objects, places, strict=True)]
    return with_unit_normals(
        join([mesh.with_attribute("normal", vertex_normals(mesh.positions, mesh.faces)) for mesh in moved])
    )


@pytest.mark.parametrize("shader", [pbr, lambert])
def test_every_feature_through_glb(tmp_path, shader):
    """Breaks if a wrap, filter, mask, blend, factor, map or colour of a scene looks otherwise after GLB."""
    mesh = scene()
    check_same(pictures(through(tmp_path / "a.glb", mesh), shader=shader), pictures(mesh, shader=shader))


def test_every_feature_through_obj(tmp_path):
    """Breaks if what MTL has looks otherwise after OBJ, or what it lacks is lost without a word."""
    mesh = scene(only_mtl=True)
    check_same(pictures(through(tmp_path / "a.obj", mesh)), pictures(mesh))
    lost = "alpha mask.* of material 'leaf'"
    for part in (lost, "occlusion", "double_sided", "the wrap .* of base_color_texture", "filter 'nearest'"):
        found = through(tmp_path / "b.obj", scene(), says=part)
    assert [material.alpha for material in found.materials].count("blend") == 2


def test_materials_are_seen(tmp_path):
    """Breaks if the scene of these tests hides what it should test: each material is seen in some picture."""
    mesh = scene()
    seen = pictures(mesh).face_id.unique()
    assert mesh.material_id[seen[seen >= 0].long()].unique().tolist() == list(range(len(mesh.materials)))
