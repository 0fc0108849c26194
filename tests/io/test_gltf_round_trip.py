"""Writing GLB and reading it again gives the same mesh, bit by bit, with its materials."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from gltf_models import CURVE, check_same_mesh, everything, parts, picture, round_trip, texture, with_unit_normals
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from repousse.geometry import Attribute, Material, Mesh, Texture, cube, icosphere, join, vertex_normals
from repousse.io import load, save


def sphere(materials, material_id):
    mesh = icosphere(1)
    return mesh.with_attribute("normal", vertex_normals(mesh.positions, mesh.faces)).with_materials(
        materials, torch.as_tensor(material_id)
    )


@pytest.mark.parametrize("order", ["mixed", "grouped", "backwards"])
def test_every_feature(tmp_path, order):
    """Breaks if a factor, texture, sampler or flag is lost, or faces and materials change their order."""
    glass = Material("glass", (1, 0, 0, 0.5), alpha="blend", occlusion_texture=texture(channels=1))
    ids = {"mixed": torch.arange(80) % 7 % 3, "grouped": torch.arange(80) // 27}
    ids["backwards"] = ids["grouped"].flip(0)
    mesh = sphere([everything(), Material(), glass], ids[order])
    check_same_mesh(round_trip(tmp_path, mesh), mesh)


def test_a_mesh_without_materials_gets_none(tmp_path):
    """Breaks if a plain mesh comes back with a material, or its file mentions any."""
    mesh = round_trip(tmp_path, cube())
    assert mesh.materials == () and mesh.material_id is None
    assert "materials" not in parts((tmp_path / "mesh.glb").read_bytes())[0]


def test_all_8_bit_levels(tmp_path):
    """Breaks if one of 256 levels of colour, data or alpha comes back as another byte."""
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(4, 2)
    image = torch.from_numpy(levels / np.float32(255))
    colors = torch.cat((CURVE[torch.from_numpy(levels[..., :3]).long()], image[..., 3:]), -1)
    material = Material(base_color_texture=Texture(colors), normal_texture=Texture(image[..., :3]))
    mesh = cube().with_materials([material])
    check_same_mesh(round_trip(tmp_path, mesh), mesh)
    scene = trimesh.load_scene(tmp_path / "mesh.glb", process=False)
    other = next(iter(scene.geometry.values())).visual.material
    assert np.array_equal(np.asarray(other.baseColorTexture), levels)
    assert np.array_equal(np.asarray(other.normalTexture), levels[..., :3])


def test_double_precision(tmp_path):
    """Breaks if materials of a mesh in float64 are in float32."""
    mesh = icosphere(1).with_materials([everything()])
    save(tmp_path / "mesh.glb", mesh.to(torch.float64))
    again = load(tmp_path / "mesh.glb", dtype=torch.float64)
    assert {t.image.dtype for m in again.materials for _, t in m.textures()} == {torch.float64}


def test_what_is_shared_is_written_once(tmp_path):
    """Breaks if a picture that materials share is stored several times, or comes back as several tensors."""
    shared = texture(seed=1)
    again = Texture(shared.image.clone())
    materials = [
        Material(metallic_roughness_texture=shared, occlusion_texture=shared),
        Material(metallic_roughness_texture=again, base_color=(1, 0, 0)),
    ]
    mesh = round_trip(tmp_path, cube().with_materials(materials, torch.arange(12) % 2))
    tree, _ = parts((tmp_path / "mesh.glb").read_bytes())
    assert [len(tree[kind]) for kind in ("images", "textures", "samplers")] == [1, 1, 1]
    images = {id(t.image) for m in mesh.materials for _, t in m.textures()}
    assert len(images) == 1


def test_unused_materials_are_dropped(tmp_path):
    """Breaks if numbers of materials shift when one has no faces."""
    names = [Material(name, metallic=i / 4) for i, name in enumerate("abcd")]
    mesh = round_trip(tmp_path, cube().with_materials(names, torch.tensor([3, 1] * 6)))
    assert [m.name for m in mesh.materials] == ["b", "d"]
    assert mesh.material_id.tolist() == [1, 0] * 6


def test_joined_objects(tmp_path):
    """Breaks if a scene of objects with and without materials, uv and colours changes."""
    red = cube().with_materials([Material("red", (1, 0, 0))])
    colored = icosphere(0).with_attribute("color", torch.rand(12, 4))
    scene = join([red, colored, icosphere(0).with_materials([everything()])])
    # The three objects meet nowhere, or equal vertices would be one in the file.
    scene = scene.with_positions(scene.positions + torch.arange(len(scene.positions))[:, None] * 0.01)
    check_same_mesh(round_trip(tmp_path, scene), scene)


def test_v_is_exact(tmp_path):
    """Breaks if turning v upside down costs bits: 1 - (1 - v) is another number below one half."""
    v = torch.tensor([1e-20, 1 / 3, 0.1, 0.7, -3.3, 1e9, 1 + 2**-23, 0.0])
    attribute = Attribute(torch.stack((v.flip(0), v), -1), torch.tensor([[0, 1, 2], [3, 4, 5], [6, 7, 0]]))
    mesh = Mesh(torch.rand(9, 3), torch.arange(9).reshape(3, 3), {"uv": attribute})
    again = round_trip(tmp_path, mesh)
    check_same_mesh(again, mesh)
    assert "_REPOUSSE_V" in parts((tmp_path / "mesh.glb").read_bytes())[0]["meshes"][0]["primitives"][0]["attributes"]
    exact = cube()
    round_trip(tmp_path, exact)
    assert "_REPOUSSE_V" not in str(parts((tmp_path / "mesh.glb").read_bytes())[0])


def test_edited_v_counts(tmp_path):
    """Breaks if v is taken from our own attribute although another program has moved the uv."""
    mesh = icosphere(1)
    save(tmp_path / "mesh.glb", mesh)
    data = bytearray((tmp_path / "mesh.glb").read_bytes())
    tree, _ = parts(bytes(data))
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"]]
    view = tree["bufferViews"][accessor["bufferView"]]
    start = data.index(b"BIN\0") + 4 + view["byteOffset"]
    uv = np.frombuffer(data, "<f4", view["byteLength"] // 4, start).copy().reshape(-1, 2)
    uv[::2, 1] += 0.25
    data[start : start + view["byteLength"]] = uv.tobytes()
    (tmp_path / "mesh.glb").write_bytes(data)
    found = load(tmp_path / "mesh.glb").attributes["uv"].values
    expected = {(float(u), float(np.float32(1 - np.float64(v)))) for u, v in uv[::2]}
    assert expected <= {(u, v) for u, v in found.tolist()}


MATERIALS = st.builds(
    Material,
    name=st.text(max_size=5),
    base_color=st.tuples(*[st.floats(0, 1, width=32)] * 4),
    metallic=st.floats(0, 1),
    roughness=st.floats(0, 1),
    emission=st.tuples(*[st.floats(0, 1000, width=16)] * 3),
    alpha=st.sampled_from(["opaque", "mask", "blend"]),
    alpha_cutoff=st.floats(0, 1),
    double_sided=st.booleans(),
    base_color_texture=st.none() | st.builds(texture, channels=st.sampled_from([3, 4]), srgb=st.just(True)),
    normal_texture=st.none()
    | st.builds(texture, height=st.integers(1, 5), filter=st.sampled_from(["linear", "nearest"])),
    emission_texture=st.none()
    | st.builds(
        texture,
        seed=st.integers(0, 9),
        srgb=st.just(True),
        wrap=st.tuples(*[st.sampled_from(["repeat", "clamp", "mirror"])] * 2),
    ),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(MATERIALS, min_size=1, max_size=4), st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_any_materials(materials, random, colored, normals):
    """Breaks for some combination of materials, seams, and order of faces."""
    seed = torch.Generator().manual_seed(random.randrange(2**31))
    faces = torch.stack([torch.randperm(9, generator=seed)[:3] for _ in range(12)])
    positions = torch.randn(9, 3, generator=seed)
    # Every vertex in order of its first appearance, as files have them.
    corner = torch.randint(0, 30, (12, 3), generator=seed)
    attributes = {"uv": Attribute(torch.randn(30, 2, generator=seed), corner)}
    if colored:
        attributes["color"] = Attribute(torch.rand(30, 4, generator=seed), corner.flip(0))
    if normals:
        attributes["normal"] = Attribute(torch.nn.functional.normalize(torch.randn(9, 3, generator=seed)), faces)
    ids = torch.tensor([random.randrange(len(materials)) for _ in range(12)])
    ids[: len(materials)] = torch.arange(len(materials))
    mesh = Mesh(positions, faces, attributes, materials=tuple(materials), material_id=ids)
    with tempfile.TemporaryDirectory() as folder:
        check_same_mesh(round_trip(Path(folder), mesh), mesh)


def test_trimesh_reads_our_files(tmp_path):
    """Breaks if another library sees other triangles, uv, pixels or factors than we do."""
    levels, image = picture(4, 8, 4, srgb=True)
    data, linear = picture(4, 4, 3, srgb=False, seed=2)
    painted = Material(
        "painted", (1, 1, 1, 0.5), Texture(image), 0.25, 0.75, Texture(linear), alpha="mask", alpha_cutoff=0.3
    )
    mesh = sphere([painted, Material("plain", (0.2, 0.4, 0.6))], torch.arange(80) % 2)
    save(tmp_path / "mesh.glb", mesh)
    scene = trimesh.load_scene(tmp_path / "mesh.glb", process=False)
    first, second = scene.geometry.values()
    for i, part in enumerate((first, second)):
        faces = mesh.faces[mesh.material_id == i].long()
        assert np.array_equal(part.vertices[part.faces].astype(np.float32), mesh.positions[faces].numpy())
        uv = mesh.attributes["uv"]
        expected = uv.values[uv.faces[mesh.material_id == i].long()].numpy()
        np.testing.assert_allclose(part.visual.uv[part.faces], expected, atol=1e-7)
    found = first.visual.material
    assert np.array_equal(np.asarray(found.baseColorTexture), levels)
    assert np.array_equal(np.asarray(found.metallicRoughnessTexture), data)
    assert (found.name, found.alphaMode, found.alphaCutoff) == ("painted", "MASK", 0.3)
    assert (found.metallicFactor, found.roughnessFactor) == (0.25, 0.75)
    assert second.visual.material.baseColorFactor.tolist() == [51, 102, 153, 255]


def test_we_read_files_of_trimesh(tmp_path):
    """Breaks if material, texture or uv of a file that another library wrote are read otherwise than it meant."""
    levels, image = picture(4, 8, 3, srgb=True)
    data, linear = picture(4, 4, 3, srgb=False, seed=2)
    material = trimesh.visual.material.PBRMaterial(
        name="theirs",
        baseColorFactor=[255, 51, 0, 255],
        baseColorTexture=Image.fromarray(levels),
        metallicFactor=0.5,
        roughnessFactor=0.25,
        metallicRoughnessTexture=Image.fromarray(data),
        emissiveFactor=[0.5, 0.25, 0.0],
        emissiveTexture=Image.fromarray(levels),
        normalTexture=Image.fromarray(data),
        occlusionTexture=Image.fromarray(data),
        alphaMode="BLEND",
        doubleSided=True,
    )
    box = trimesh.creation.box()
    uv = np.random.default_rng(0).random((8, 2))
    box.visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    box.export(tmp_path / "theirs.glb")
    mesh = load(tmp_path / "theirs.glb")
    (found,) = mesh.materials
    assert (found.name, found.alpha, found.double_sided) == ("theirs", "blend", True)
    assert (found.base_color, found.metallic, found.roughness) == ((1.0, 0.2, 0.0, 1.0), 0.5, 0.25)
    assert found.emission == (0.5, 0.25, 0.0)
    expected = {
        "base_color": image,
        "emission": image,
        "metallic_roughness": linear,
        "normal": linear,
        "occlusion": linear,
    }
    assert {name for name, _ in found.textures()} == {f"{name}_texture" for name in expected}
    for name, pixels in expected.items():
        assert torch.equal(getattr(found, f"{name}_texture").image, pixels), name
    corners = mesh.attributes["uv"].values[mesh.attributes["uv"].faces.long()]
    np.testing.assert_allclose(corners.numpy(), uv[box.faces], atol=1e-6)


def test_what_save_says(tmp_path):
    """Breaks if something is clipped or left out silently, or a factor that is no number is written."""
    with pytest.warns(UserWarning, match=r"`base_color` of material 'a', \[2.0, 0.5, -1.0\], which was clipped"):
        save(tmp_path / "a.glb", cube().with_materials([Material("a", (2.0, 0.5, -1.0))]))
    bright = Material("a", emission_texture=Texture(torch.full((2, 2, 3), 2.0)))
    with pytest.warns(UserWarning, match=r"values outside \[0, 1\] in emission_texture of material 'a'"):
        save(tmp_path / "a.glb", cube().with_materials([bright]))
    bare = Mesh(cube().positions, cube().faces).with_materials([everything()])
    with pytest.warns(UserWarning, match="the textures of material 'every feature', because the mesh has no 'uv'"):
        save(tmp_path / "a.glb", bare)
    with pytest.raises(ValueError, match=r"`roughness` of material 'a' is .*nan"):
        save(tmp_path / "b.glb", cube().with_materials([Material("a", roughness=float("nan"))]))
    with pytest.raises(ValueError, match=r"base_color_texture of material '#0'.* not a number"):
        broken = Texture(torch.full((2, 2, 3), torch.nan))
        save(tmp_path / "b.glb", cube().with_materials([Material(base_color_texture=broken)]))
    with pytest.raises(ValueError, match="`positions` has numbers too large for float32"):
        save(tmp_path / "b.glb", cube().with_positions(cube().positions.double() * 1e300))
    assert not (tmp_path / "b.glb").exists()


@pytest.mark.parametrize("ending", [".stl", ".off"])
def test_formats_without_materials_say_so(tmp_path, ending):
    """Breaks if a material is lost silently, or a mesh that loses nothing is complained about."""
    mesh = Mesh(cube().positions, cube().faces)
    with pytest.warns(UserWarning, match="the materials 'red', '#2'"):
        colored = [Material("red", (1, 0, 0)), Material(), Material(metallic=1.0)]
        save(tmp_path / f"mesh{ending}", mesh.with_materials(colored, torch.arange(12) % 3))
    save(tmp_path / f"mesh{ending}", mesh.with_materials([Material("white")]))


@pytest.mark.parametrize("name", ["spot", "fuze", "pizza"])
def test_real_models(shared_data, tmp_path, name):
    """Breaks if a textured model from the field loses a bit of its shape, seams, pixels or order of faces."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mesh = load(shared_data / "meshes" / f"{name}.obj.gz")
    assert any(name for material in mesh.materials for name, _ in material.textures())
    again = round_trip(tmp_path, mesh)
    check_same_mesh(again, with_unit_normals(mesh))
    assert torch.equal(again.topology.edges, mesh.topology.edges)
