"""Materials on meshes: what is checked, what moves along, how scenes are joined."""

import pytest
import torch

from repousse.geometry import Attribute, Material, Mesh, Texture, cube, icosphere, join, pack, vertex_normals

RED = Material("red", base_color=(1.0, 0.0, 0.0))
CHECKS = Material("checks", base_color_texture=Texture(torch.rand(4, 8, 3)), roughness=torch.tensor(0.5))


def test_faces_get_the_first_material_by_default() -> None:
    """Breaks if a mesh with materials may have faces without one."""
    mesh = cube().with_materials([RED, CHECKS])
    assert mesh.material_id is not None and mesh.material_id.dtype == torch.int32
    assert mesh.material_id.tolist() == [0] * 12
    assert cube().material_id is None


@pytest.mark.parametrize(
    ("materials", "ids", "error", "words"),
    [
        ([RED], torch.tensor([1] * 12), IndexError, "holds 1 but there are 1 materials"),
        ([RED], torch.tensor([-1] * 12), IndexError, "holds -1"),
        ([RED], torch.zeros(11, dtype=torch.int32), ValueError, r"\(12,\)"),
        ([RED], torch.zeros(12), ValueError, "integer"),
        ([], torch.zeros(12, dtype=torch.int32), ValueError, "`materials` is empty"),
        (["red"], None, TypeError, "holds a str"),
    ],
)
def test_wrong_materials_are_refused(materials: list, ids: object, error: type[Exception], words: str) -> None:
    """Breaks if a face may point to a material that does not exist: a kernel would read beyond the table."""
    with pytest.raises(error, match=words):
        cube().with_materials(materials, ids)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"base_color": (1.0, 0.0)}, ValueError, "base_color"),
        ({"emission": (1.0, 0.0, 0.0, 1.0)}, ValueError, "emission"),
        ({"alpha": "half"}, ValueError, '"opaque", "mask" or "blend"'),
        ({"base_color_texture": torch.ones(2, 2, 3)}, TypeError, "Texture"),
        ({"metallic": torch.ones(2)}, ValueError, "metallic"),
        ({"roughness": None}, ValueError, "roughness"),
        ({"normal_texture": Texture(torch.ones(2, 2, 4))}, ValueError, "4 channels"),
    ],
)
def test_wrong_material_values_are_refused(change: dict, error: type[Exception], words: str) -> None:
    """Breaks if a mistake in a material shows only as a strange picture."""
    with pytest.raises(error, match=words):
        Material(**change)


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (torch.zeros(2, 2, 3, dtype=torch.uint8), TypeError),
        (torch.zeros(2, 2), ValueError),
        (torch.zeros(0, 2, 3), ValueError),
        (torch.zeros(2, 2, 5), ValueError),
    ],
)
def test_wrong_textures_are_refused(image: torch.Tensor, error: type[Exception]) -> None:
    """Breaks if bytes are taken for values in [0, 1]."""
    with pytest.raises(error):
        Texture(image)


def test_materials_move_with_the_mesh() -> None:
    """Breaks if a mesh in float64 keeps textures or factors in float32."""
    mesh = cube().with_materials([RED, CHECKS]).to(torch.float64)
    texture = mesh.materials[1].base_color_texture
    assert texture is not None and texture.image.dtype == torch.float64
    assert isinstance(mesh.materials[1].roughness, torch.Tensor)
    assert mesh.materials[1].roughness.dtype == torch.float64


def test_pack_and_join_keep_materials() -> None:
    """Breaks if faces change their material when meshes are put together."""
    one = cube().with_materials([RED, CHECKS], torch.arange(12) % 2)
    two = icosphere(0)
    three = cube().with_materials([RED])
    for whole in (join([one, two, three]), pack([one, two, three])):
        assert [material.name for material in whole.materials] == ["red", "checks", "", "red"]
        assert whole.material_id is not None
        assert whole.material_id.tolist() == [0, 1] * 6 + [2] * 20 + [3] * 12


def test_join_completes_attributes() -> None:
    """Breaks if an object without uv, colour or normals takes those of the others away or gets wrong ones."""
    sphere = icosphere(1)
    bare = Mesh(sphere.positions, sphere.faces)
    colored = cube().with_attribute("color", torch.full((8, 4), 0.25))
    three = cube().with_attribute("color", torch.full((8, 3), 0.5)).with_attribute("normal", cube().positions)
    whole = join([bare, colored, three])
    assert whole.ranges is None and len(whole.positions) == 42 + 8 + 8
    color = whole.attributes["color"].values[whole.attributes["color"].faces.long()]
    assert torch.equal(color[:80], torch.ones(80, 3, 4))
    assert torch.equal(color[80:92], torch.full((12, 3, 4), 0.25))
    assert torch.equal(color[92:], torch.tensor([0.5, 0.5, 0.5, 1.0]).expand(12, 3, 4))
    normal = whole.attributes["normal"]
    assert torch.allclose(normal.values[normal.faces[:80].long()], vertex_normals(*shape(bare))[bare.faces.long()])
    uv = whole.attributes["uv"]
    expected = cube().attributes["uv"]
    assert torch.equal(uv.values[uv.faces[80:92].long()], expected.values[expected.faces.long()])


def test_join_keeps_topology_apart() -> None:
    """Breaks if faces of different objects become neighbours."""
    whole = join([cube(), cube()])
    assert whole.faces[12:].min() == 8
    assert isinstance(whole.attributes["uv"], Attribute)


def shape(mesh: Mesh) -> tuple[torch.Tensor, torch.Tensor]:
    return mesh.positions, mesh.faces
