"""OBJ models with materials and textures, there and back."""

import gzip
import warnings

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from repousse.geometry import Attribute, Material, Mesh, Texture, icosphere
from repousse.io import linear_to_srgb, load, save
from repousse.io.images import decode, encode_png

MODELS = ("spot", "fuze", "pizza")


def image(height, width, channels, seed=0):
    """A linear picture, as a file of 8 bits gives it."""
    levels = torch.randint(0, 256, (height, width, channels), generator=torch.Generator().manual_seed(seed))
    return decode(encode_png(levels / 255, srgb=False), "", srgb=True)


def numbers(height, width, channels, seed=0):
    return torch.randint(0, 256, (height, width, channels), generator=torch.Generator().manual_seed(seed)) / 255


def silently(function, *arguments, **named):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return function(*arguments, **named)


def check_same_materials(new, old):
    assert len(new.materials) == len(old.materials)
    assert torch.equal(new.material_id, old.material_id)
    for found, expected in zip(new.materials, old.materials, strict=True):
        assert found.name == expected.name
        assert (found.alpha, found.double_sided) == (expected.alpha, expected.double_sided)
        for name in ("base_color", "metallic", "roughness", "emission", "normal_scale"):
            a, b = (torch.as_tensor(getattr(m, name), dtype=torch.float64) for m in (found, expected))
            torch.testing.assert_close(a.reshape(-1)[: b.numel()], b.reshape(-1), rtol=1e-8, atol=1e-30)
        assert [name for name, _ in found.textures()] == [name for name, _ in expected.textures()]
        for (name, a), (_, b) in zip(found.textures(), expected.textures(), strict=True):
            first = 1 if name == "metallic_roughness_texture" else 0  # its red channel means nothing
            assert torch.equal(a.image[..., first:], b.image[..., first:]), name
            assert (a.wrap, a.filter) == (b.wrap, b.filter)


def test_real_models(shared_data):
    """Breaks if a packed model's material file or texture is not found, or its faces change places."""
    spot, fuze, pizza = (silently(load, shared_data / "meshes" / f"{name}.obj.gz") for name in MODELS)
    for mesh in (spot, fuze):
        assert mesh.materials[0].base_color_texture.image.shape == (1024, 1024, 3)
        assert mesh.material_id.unique().tolist() == [0]
    assert (spot.materials[0].name, fuze.materials[0].name) == ("material_1", "a-super-duper-material")
    assert fuze.materials[0].base_color == (1, 1, 1, 1)  # "Tr 1.0" is MeshLab's opaque
    assert [material.name for material in pizza.materials] == ["toppings", "dough"]
    assert pizza.materials[0].base_color_texture.image.shape == (1024, 1024, 4)
    assert pizza.materials[1].base_color == (0.8, 0.548715, 0.256844, 1)
    expected, current = [], None
    for line in gzip.decompress((shared_data / "meshes" / "pizza.obj.gz").read_bytes()).decode().splitlines():
        current = line.split()[1] if line.startswith("usemtl") else current
        expected += [["toppings", "dough"].index(current)] if line.startswith("f ") else []
    assert pizza.material_id.tolist() == expected


@pytest.mark.parametrize(("names", "ending"), [(MODELS, ".obj"), (MODELS[2:], ".obj.gz")])
def test_real_round_trips(shared_data, tmp_path, names, ending):
    """Breaks if positions, faces, uv, materials or a single bit of a texture change on the way."""
    for name in names:
        mesh = silently(load, shared_data / "meshes" / f"{name}.obj.gz")
        silently(save, tmp_path / f"{name}{ending}", mesh)
        again = silently(load, tmp_path / f"{name}{ending}")
        assert torch.equal(again.positions, mesh.positions)
        assert torch.equal(again.faces, mesh.faces)
        for key, old in mesh.attributes.items():
            new = again.attributes[key]
            assert torch.equal(new.values[new.faces.long()], old.values[old.faces.long()])
        check_same_materials(again, mesh)


def everything():
    """A mesh with all that MTL can hold."""
    shared = Texture(image(4, 6, 3))
    glass = Material(
        name="stained glass",
        base_color=(0.5, 0.25, 1 / 3, 0.5),
        base_color_texture=Texture(image(3, 5, 4, 1), wrap=("clamp", "clamp")),
        metallic=0.25,
        roughness=1 / 3,
        metallic_roughness_texture=Texture(numbers(4, 4, 3, 2)),
        normal_texture=Texture(numbers(2, 2, 3, 3)),
        normal_scale=0.7,
        emission=(3.0, 0.0, 1.0),
        emission_texture=Texture(image(1, 1, 3, 4)),
        alpha="blend",
    )
    others = [Material(name="Glass", base_color_texture=shared), Material(name="Äpfel", base_color=(2.0, 0.0, 0.0))]
    mesh = icosphere(0)
    return mesh.with_materials([glass, *others], torch.arange(len(mesh.faces)) % 3)


def test_all_that_mtl_holds(tmp_path):
    """Breaks if a field of a material is lost or changed without a warning."""
    mesh = everything()
    silently(save, tmp_path / "my model.obj", mesh)
    check_same_materials(silently(load, tmp_path / "my model.obj"), mesh)
    assert {path.name for path in tmp_path.iterdir()} == {
        "my model.obj",
        "my_model.mtl",
        *(f"my_model_stained_glass_{w}.png" for w in ("color", "roughness", "metallic", "normal", "emission")),
        "my_model_Glass_color.png",
    }


def test_a_shared_picture_is_written_once(tmp_path):
    """Breaks if ten materials with one picture fill the disk with ten."""
    texture = Texture(image(4, 4, 3))
    mesh = icosphere(0)
    materials = [Material(name=str(i), base_color_texture=texture, emission=(i, 0, 0)) for i in range(10)]
    save(tmp_path / "a.obj", mesh.with_materials(materials, torch.arange(len(mesh.faces)) % 10))
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_what_mtl_cannot_hold_is_named(tmp_path):
    """Breaks if something is lost without a word."""
    texture = Texture(image(2, 2, 3), wrap=("mirror", "repeat"), filter="nearest")
    material = Material(
        name="m",
        base_color=(1, 1, 1, 0.5),
        base_color_texture=texture,
        occlusion_texture=Texture(numbers(2, 2, 1)),
        double_sided=True,
    )
    with pytest.warns(UserWarning) as caught:
        save(tmp_path / "a.obj", icosphere(0).with_materials([material]))
    for words in ("alpha that an opaque", "occlusion", "double_sided", "('mirror', 'repeat')", "'nearest'", "'m'"):
        assert words in str(caught[0].message)
    with pytest.warns(UserWarning, match="alpha mask"):
        save(tmp_path / "a.obj", icosphere(0).with_materials([Material(alpha="mask")]))


@pytest.mark.parametrize("ending", [".ply", ".stl", ".off"])
def test_other_formats_say_that_they_lose_materials(tmp_path, ending):
    """Breaks if a texture is lost without a word."""
    with pytest.warns(UserWarning, match="the materials 'skin'"):
        save(tmp_path / f"a{ending}", icosphere(0).with_materials([Material("skin", emission=(1, 0, 0))]))


def test_black_times_texture_stays_black(tmp_path):
    """Breaks if the rule for exporters' black Kd makes a black material of ours white."""
    texture = Texture(image(2, 2, 4))
    black = Material(base_color=(0, 0, 0, 0.5), base_color_texture=texture, emission_texture=texture_rgb(texture),
                     alpha="blend")  # fmt: skip
    save(tmp_path / "a.obj", icosphere(0).with_materials([black]))
    (found,) = load(tmp_path / "a.obj").materials
    assert found.base_color == (0, 0, 0, 0.5)
    assert found.emission == (0, 0, 0)
    assert torch.equal(found.base_color_texture.image[..., 3], texture.image[..., 3])


def texture_rgb(texture):
    return Texture(texture.image[..., :3])


NAMES = st.text(st.characters(exclude_categories=()), max_size=12) | st.sampled_from(
    ["", "../../etc/passwd", "a/b", "C:\\x", "con", "a #b", "#a", " a ", "a\nb", "A", "a", "material_1", ".", "x" * 300]
)
SHARES = st.floats(0, 1, width=32)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(NAMES, SHARES, SHARES, st.sampled_from([0, 3, 4]), st.booleans()), min_size=1, max_size=4))
def test_any_materials_come_back(tmp_path_factory, drawn):
    """Breaks if there is a name that breaks the file, joins two materials or leaves the folder."""
    folder = tmp_path_factory.mktemp("any")
    materials = []
    for i, (name, first, second, channels, blend) in enumerate(drawn):
        texture = Texture(image(2, 3, channels, i)) if channels else None
        alpha = "blend" if blend and (channels == 4 or second < 1) else "opaque"
        color = (max(first, 1e-6), second, 0.5, second if alpha == "blend" else 1.0)
        materials.append(Material(name, color, texture, roughness=second, metallic=first, alpha=alpha))
    mesh = icosphere(0)
    mesh = mesh.with_materials(materials, torch.arange(len(mesh.faces)) % len(materials))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that change
        (folder / "model").mkdir()
        save(folder / "model" / "a.obj", mesh)
    again = silently(load, folder / "model" / "a.obj")
    renamed = [Material(**{**vars(old), "name": new.name}) for old, new in zip(materials, again.materials, strict=True)]
    check_same_materials(again, mesh.with_materials(renamed, mesh.material_id))
    assert [path.name for path in folder.iterdir()] == ["model"]
    assert len({material.name for material in again.materials}) == len(materials)


def test_another_library_reads_it(tmp_path):
    """Breaks if we write materials that only we can read."""
    mesh = icosphere(1)
    texture = image(4, 4, 3)
    silently(save, tmp_path / "a.obj", mesh.with_materials([Material("skin", base_color_texture=Texture(texture))]))
    other = trimesh.load_mesh(tmp_path / "a.obj", process=False)
    found = torch.from_numpy(np.array(other.visual.material.image.convert("RGB"))) / 255
    torch.testing.assert_close(found, linear_to_srgb(texture))


def test_failure_keeps_all_old_files(tmp_path, monkeypatch):
    """Breaks if a save that fails half way leaves new textures beside an old model, or temporary files."""
    save(tmp_path / "a.obj", everything())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    broken = Material("bad", base_color_texture=Texture(torch.full((2, 2, 3), torch.nan)))
    with pytest.raises(ValueError, match=r"save: a texture of material 'bad': .*not a number"):
        save(tmp_path / "a.obj", icosphere(0).with_materials([broken]))
    with pytest.raises(ValueError, match=r"save: `roughness` of material 'bad' is \[nan\], not finite"):
        save(tmp_path / "a.obj", icosphere(0).with_materials([Material("bad", roughness=float("nan"))]))
    opened, real = [], open

    def full(file, mode="r", *rest, **named):
        opened.append(file)
        if len(opened) > 2:
            raise OSError("disk full")
        return real(file, mode, *rest, **named)

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(OSError, match="disk full"):
        save(
            tmp_path / "a.obj",
            everything().with_materials(
                [Material("new", emission=(1, 1, 1), emission_texture=Texture(image(1, 1, 3)))]
            ),
        )
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_links_and_folders_in_the_way(tmp_path):
    """Breaks if a texture is written through a link to elsewhere, or over a folder."""
    elsewhere = tmp_path / "elsewhere.png"
    elsewhere.write_bytes(b"mine")
    inner = tmp_path / "model"
    inner.mkdir()
    (inner / "a_skin_color.png").symlink_to(elsewhere)
    mesh = icosphere(0).with_materials([Material("skin", base_color_texture=Texture(image(2, 2, 3)))])
    save(inner / "a.obj", mesh)
    assert elsewhere.read_bytes() == b"mine"
    assert not (inner / "a_skin_color.png").is_symlink()
    (inner / "b.mtl").mkdir()
    with pytest.raises(ValueError, match=r"b.mtl is a folder"):
        save(inner / "b.obj", mesh)
    assert not (inner / "b.obj").exists()


def test_a_linked_model_finds_its_materials(tmp_path):
    """Breaks if materials are written beside the file that a link points to, where loading does not look."""
    for name in ("store", "model"):
        (tmp_path / name).mkdir()
    save(tmp_path / "store" / "x.obj", icosphere(0))
    (tmp_path / "model" / "a.obj").symlink_to(tmp_path / "store" / "x.obj")
    mesh = icosphere(0).with_materials([Material("skin", base_color_texture=Texture(image(2, 2, 3)))])
    save(tmp_path / "model" / "a.obj", mesh)
    check_same_materials(silently(load, tmp_path / "model" / "a.obj"), mesh)


def test_double_precision(tmp_path):
    """Breaks if textures stay float32 in a float64 mesh, which no op takes together."""
    mesh = icosphere(0).with_materials([Material(base_color_texture=Texture(image(2, 2, 3)))])
    save(tmp_path / "a.obj", mesh)
    assert load(tmp_path / "a.obj", dtype=torch.float64).materials[0].base_color_texture.image.dtype == torch.float64


def test_gradients_do_not_hinder_saving(tmp_path):
    """Breaks if a texture that is being optimised cannot be saved."""
    texture = Texture(image(2, 2, 3).requires_grad_())
    color = torch.tensor([0.5, 0.5, 0.5], requires_grad=True)
    material = Material("m", base_color=color, base_color_texture=texture)
    save(tmp_path / "a.obj", icosphere(0).with_materials([material]))
    assert torch.equal(load(tmp_path / "a.obj").materials[0].base_color_texture.image, texture.image)


def test_seams_survive(tmp_path):
    """Breaks if two materials split the vertices along their common edge."""
    positions = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    uv = Attribute(torch.rand(6, 2), torch.tensor([[0, 1, 2], [3, 4, 5]]))
    mesh = Mesh(positions, torch.tensor([[0, 1, 2], [0, 2, 3]]), {"uv": uv})
    mesh = mesh.with_materials([Material("a"), Material("b")], torch.tensor([1, 0]))
    save(tmp_path / "a.obj", mesh)
    again = load(tmp_path / "a.obj")
    assert torch.equal(again.faces, mesh.faces)
    check_same_materials(again, mesh)
