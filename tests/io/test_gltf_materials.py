"""Materials of glTF files as other programs write them."""

import math

import numpy as np
import pytest
import torch
from gltf_models import CURVE, data_uri, load_tree, picture, png, square


def base(**reference):
    """A material with a base colour texture."""
    return {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, **reference}}}


def images(*encoded):
    return [{"uri": data_uri(data)} for data in encoded]


def uv_at_corners(mesh):
    uv = mesh.attributes["uv"]
    return uv.values[uv.faces.long()][0]


def test_defaults_are_those_of_the_format(tmp_path):
    """Breaks if an empty glTF material is read with our defaults: glTF's is a metal."""
    mesh, said = load_tree(tmp_path, square())
    (material,) = mesh.materials
    assert (material.metallic, material.roughness, material.base_color) == (1.0, 1.0, (1, 1, 1, 1))
    assert "TEXCOORD_0" in said  # there is a second set of uv, and only one is kept


def test_primitives_with_and_without_material(tmp_path):
    """Breaks if materials that several primitives share are doubled, or a face without one gets another's."""
    tree = square(materials=[{"name": "a"}, {"name": "unused"}, {"name": "b"}])
    primitive = tree["meshes"][0]["primitives"][0]
    plain = {key: value for key, value in primitive.items() if key != "material"}
    tree["meshes"] = [
        {"primitives": [{**primitive, "material": 2}, plain]},
        {"primitives": [{**primitive, "material": 0}, {**primitive, "material": 2}]},
    ]
    tree["nodes"] = [{"mesh": 0}, {"mesh": 1, "translation": [0, 0, 1]}, {"mesh": 1, "translation": [0, 0, 2]}]
    tree["scenes"] = [{"nodes": [0, 1, 2]}]
    mesh, _ = load_tree(tmp_path, tree)
    assert [m.name for m in mesh.materials] == ["a", "b", ""]
    assert mesh.material_id.tolist() == [1, 1, 2, 2, 0, 0, 1, 1, 0, 0, 1, 1]
    assert mesh.positions[mesh.faces[:, 0].long(), 2].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert (mesh.materials[2].metallic, mesh.materials[2].base_color) == (0.0, (1.0, 1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("sampler", "wrap", "filter"),
    [
        ({}, ("repeat", "repeat"), "linear"),
        ({"wrapS": 33071, "wrapT": 33648, "magFilter": 9729, "minFilter": 9984}, ("clamp", "mirror"), "linear"),
        ({"wrapS": 33648, "magFilter": 9728, "minFilter": 9987}, ("mirror", "repeat"), "nearest"),
        ({"minFilter": 9986}, ("repeat", "repeat"), "nearest"),
    ],
)
def test_samplers(tmp_path, sampler, wrap, filter):
    """Breaks if wrapping or filtering of a texture is guessed, or u and v are swapped."""
    tree = square(samplers=[sampler], textures=[{"source": 0, "sampler": 0}], materials=[base()])
    mesh, _ = load_tree(tmp_path, tree)
    found = mesh.materials[0].base_color_texture
    assert (found.wrap, found.filter) == (wrap, filter)


def test_files_beside_the_model(tmp_path):
    """Breaks if a picture beside the model is not found, or a name with a blank is not decoded."""
    levels, image = picture(3, 5, 3, srgb=True)
    (tmp_path / "my textures").mkdir()
    (tmp_path / "my textures" / "a.png").write_bytes(png(levels))
    mesh, _ = load_tree(tmp_path, square(images=[{"uri": "my%20textures/a.png"}], materials=[base()]))
    assert torch.equal(mesh.materials[0].base_color_texture.image, image)


def test_kinds_of_pictures(tmp_path):
    """Breaks if grey, alpha, 16 bits, JPEG or WebP are refused or get a wrong number of channels."""
    grey, _ = picture(4, 4, 1, srgb=False)
    seen, _ = picture(4, 4, 4, srgb=False)
    flat = np.full((8, 8, 3), 128, dtype=np.uint8)
    tree = square(
        images=images(png(grey), png(seen), png(flat, format="JPEG"), png(flat, format="WEBP", lossless=True)),
        textures=[{"source": 0}, {"source": 1}, {"source": 2}, {"extensions": {"EXT_texture_webp": {"source": 3}}}],
        materials=[
            {
                "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicRoughnessTexture": {"index": 1}},
                "normalTexture": {"index": 2},
                "emissiveTexture": {"index": 3},
                "occlusionTexture": {"index": 0},
            }
        ],
        extensionsUsed=["EXT_texture_webp"],
        extensionsRequired=["EXT_texture_webp"],
    )
    mesh, said = load_tree(tmp_path, tree)
    material = mesh.materials[0]
    linear = CURVE[torch.from_numpy(grey).long()]
    assert torch.equal(material.base_color_texture.image, linear.expand(-1, -1, 3))
    assert torch.equal(material.occlusion_texture.image, torch.from_numpy(grey / np.float32(255)))
    expected = torch.from_numpy(seen[..., :3] / np.float32(255))
    assert torch.equal(material.metallic_roughness_texture.image, expected)
    torch.testing.assert_close(material.normal_texture.image, torch.full((8, 8, 3), 128 / 255), atol=0.01, rtol=0)
    assert torch.equal(material.emission_texture.image, CURVE[128].expand(8, 8, 3))
    assert "extension" not in said and "not loaded (" not in said


def test_alpha_is_linear(tmp_path):
    """Breaks if the alpha of a colour texture is decoded like a colour, or dropped."""
    levels, image = picture(4, 4, 4, srgb=True)
    mesh, _ = load_tree(tmp_path, square(images=images(png(levels)), materials=[base()]))
    assert torch.equal(mesh.materials[0].base_color_texture.image, image)


def test_occlusion_strength_and_emission_strength(tmp_path):
    """Breaks if a strength that our materials do not have is lost."""
    levels, image = picture(4, 4, 3, srgb=False)
    material = {
        "occlusionTexture": {"index": 0, "strength": 0.25},
        "emissiveFactor": [1, 0.5, 0],
        "extensions": {"KHR_materials_emissive_strength": {"emissiveStrength": 8}},
    }
    mesh, _ = load_tree(tmp_path, square(images=images(png(levels)), materials=[material]))
    torch.testing.assert_close(mesh.materials[0].occlusion_texture.image, 1 + 0.25 * (image - 1))
    assert mesh.materials[0].emission == (8, 4, 0)


def test_second_set_of_uv(tmp_path):
    """Breaks if the set that a material asks for is not the one that is read."""
    mesh, said = load_tree(tmp_path, square(materials=[base(texCoord=1)]))
    assert uv_at_corners(mesh).tolist() == [[0, 0.5], [0.5, 0.5], [0.5, 1]]
    assert "only TEXCOORD_1 was loaded" in said


def test_texture_on_another_set_than_the_first(tmp_path):
    """Breaks if a light map is laid over the surface by the uv of the base colour."""
    material = {**base(), "occlusionTexture": {"index": 0, "texCoord": 1}}
    mesh, said = load_tree(tmp_path, square(materials=[material]))
    assert mesh.materials[0].occlusion_texture is None
    assert mesh.materials[0].base_color_texture is not None
    assert "occlusionTexture of material '#0' was not loaded (it lies elsewhere" in said


def test_texture_transform(tmp_path):
    """Breaks if offset, rotation (counter-clockwise as seen), scale or their order are applied otherwise."""
    extension = {"offset": [0.25, 0.5], "rotation": math.pi / 2, "scale": [2, 3]}
    tree = square(materials=[base(extensions={"KHR_texture_transform": extension})])
    tree["extensionsUsed"] = ["KHR_texture_transform"]
    mesh, said = load_tree(tmp_path, tree)
    # The corners (0, 1), (1, 1), (1, 0), v down, are scaled to (0, 3), (2, 3), (2, 0). Seen with v down, a quarter turn
    # counter-clockwise sends u to -v and v to u.
    expected = torch.tensor([[3.25, 0.5], [3.25, -1.5], [0.25, -1.5]])
    expected[:, 1] = 1 - expected[:, 1]
    torch.testing.assert_close(uv_at_corners(mesh), expected)
    assert "KHR_texture_transform" not in said


def test_two_texture_transforms(tmp_path):
    """Breaks if a texture is shown at the place of another."""
    moved = {"index": 0, "extensions": {"KHR_texture_transform": {"scale": [4, 4]}}}
    mesh, said = load_tree(tmp_path, square(materials=[{**base(), "normalTexture": moved}]))
    assert [name for name, _ in mesh.materials[0].textures()] == ["base_color_texture"]
    assert uv_at_corners(mesh).tolist() == [[0, 0], [1, 0], [1, 1]]
    assert "normalTexture of material '#0' was not loaded" in said


def test_unlit_and_specular_materials(tmp_path):
    """Breaks if materials of other models are read silently, or lose their colour."""
    glossy = {"diffuseFactor": [1, 0, 0, 1], "diffuseTexture": {"index": 0}, "glossinessFactor": 0.25}
    tree = square(materials=[{"name": "glossy", "extensions": {"KHR_materials_pbrSpecularGlossiness": glossy}}])
    tree["extensionsUsed"] = ["KHR_materials_pbrSpecularGlossiness"]
    mesh, said = load_tree(tmp_path, tree)
    (material,) = mesh.materials
    assert (material.base_color, material.metallic, material.roughness) == ((1, 0, 0, 1), 0, 0.75)
    assert material.base_color_texture is not None
    assert "'glossy' has specular colours" in said
    mesh, said = load_tree(tmp_path, square(materials=[{**base(), "extensions": {"KHR_materials_unlit": {}}}]))
    assert mesh.materials[0].base_color_texture is not None
    assert "material '#0' is unlit in the file" in said


def test_unknown_extensions_are_named(tmp_path):
    """Breaks if a coat or a light that is not read goes unmentioned, or makes the file unreadable."""
    tree = square(
        materials=[{**base(), "extensions": {"KHR_materials_clearcoat": {"clearcoatFactor": 1}}}],
        extensionsUsed=["KHR_materials_clearcoat", "VENDOR_own"],
        extensionsRequired=["KHR_materials_clearcoat"],
    )
    mesh, said = load_tree(tmp_path, tree)
    assert mesh.materials[0].base_color_texture is not None
    assert "extensions KHR_materials_clearcoat, VENDOR_own were ignored" in said


def test_textures_without_uv(tmp_path):
    """Breaks if a primitive without uv shows the corner of a texture, or its neighbour loses the texture."""
    tree = square(materials=[base()])
    primitive = tree["meshes"][0]["primitives"][0]
    tree["meshes"][0]["primitives"].append({**primitive, "attributes": {"POSITION": 0}})
    mesh, said = load_tree(tmp_path, tree)
    assert [m.base_color_texture is None for m in mesh.materials] == [False, True]
    assert mesh.material_id.tolist() == [0, 0, 1, 1]
    assert "textures of material '#0' are missing where the mesh has no TEXCOORD_0" in said


def test_vertices_of_another_order(tmp_path):
    """Breaks if runs of faces that do not fit the primitives, as after editing, reorder or lose faces."""
    tree = square()
    for runs in ([[0, 1]], [[0, 3]], [[1, 2]], [[0, -1], [0, 3]], "x", [[0, 2**70]], [[0, 1, 1]], {}, [[5, 2]], []):
        tree["meshes"][0]["extras"] = {"repousse_faces": runs}
        mesh, _ = load_tree(tmp_path, tree)
        assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]], runs
    tree["meshes"][0]["extras"] = 5
    assert len(load_tree(tmp_path, tree)[0].faces) == 2


def test_many_primitives_keep_their_order(tmp_path):
    """Breaks if primitives of one mesh get lost or mixed up; trimesh names their nodes by chance."""
    tree = square(materials=[{"name": str(i)} for i in range(300)])
    primitive = tree["meshes"][0]["primitives"][0]
    tree["meshes"][0]["primitives"] = [{**primitive, "material": i} for i in range(300)]
    tree["nodes"][0]["camera"] = 0
    mesh, _ = load_tree(tmp_path, tree)
    assert mesh.material_id.tolist() == [i for i in range(300) for _ in range(2)]
    assert [m.name for m in mesh.materials] == [str(i) for i in range(300)]
    assert len(mesh.positions) == 4
