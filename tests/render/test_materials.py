"""Materials in pictures: factors, textures, alpha, normal maps, each against values known by hand."""

import pytest
import torch

from repousse.camera import Camera
from repousse.geometry import Attribute, Material, Mesh, Texture, icosphere, join, pack
from repousse.render import Renderer, render, silhouette
from repousse.shading import Ambient, Directional, Points, lambert, pbr

SIZE = (16, 16)
FRONT = Camera.look_at((0.0, 0.0, 4.0), extent=2.0)  # what it sees is [-1, 1]²
WHITE = Ambient(1.0)


def quad(z: float = 0.0, half: float = 1.0, flip: bool = False) -> Mesh:
    """A square in the plane `z` that faces +z, uv from (0, 0) at the lower left to (1, 1)."""
    corners = torch.tensor([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    uv = Attribute(torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]]), faces)
    return Mesh(
        corners, faces.flip(1) if flip else faces, {"uv": Attribute(uv.values, faces.flip(1) if flip else faces)}
    )


def painted(mesh: Mesh, color: tuple[float, ...], **changes: object) -> Mesh:
    return mesh.with_materials([Material(base_color=color, **changes)])  # type: ignore[arg-type]


def emission(points: Points, lights: object) -> torch.Tensor:
    return torch.as_tensor(points.emission).expand_as(points.color)


def picture(mesh: Mesh, **settings: object) -> torch.Tensor:
    return render(mesh, FRONT, SIZE, lights=WHITE, gradient=None, **settings).color[0]  # type: ignore[arg-type]


def test_a_texture_is_seen_the_right_way_up() -> None:
    """Breaks if v runs downwards, columns and rows are swapped, or texels are half a texel off."""
    image = torch.rand(16, 16, 3, generator=torch.Generator().manual_seed(0))
    mesh = quad().with_materials([Material(base_color_texture=Texture(image), base_color=(0.5, 1.0, 0.25))])
    torch.testing.assert_close(picture(mesh), image * torch.tensor([0.5, 1.0, 0.25]), rtol=1e-4, atol=1e-4)


def test_every_face_has_its_own_material() -> None:
    """Breaks if textures of different sizes, or faces with and without, are mixed up in one picture."""
    red, image = torch.tensor([1.0, 0.0, 0.0]), torch.full((2, 8, 3), 0.25)
    materials = [
        Material(base_color=(1.0, 0.0, 0.0)),
        Material(base_color_texture=Texture(image)),
        Material(base_color_texture=Texture(torch.full((5, 3, 4), 0.75)), base_color=(0.0, 1.0, 0.0)),
    ]
    parts = [quad(half=0.5).with_positions(quad(half=0.5).positions + torch.tensor([x, 0.0, 0.0])) for x in (-1, 0, 1)]
    mesh = join([part.with_materials([material]) for part, material in zip(parts, materials, strict=True)])
    row = picture(mesh)[8]
    torch.testing.assert_close(row[1], red)
    torch.testing.assert_close(row[8], torch.full((3,), 0.25))
    torch.testing.assert_close(row[14], torch.tensor([0.0, 0.75, 0.0]))


def test_colour_attribute_factor_and_texture_multiply() -> None:
    """Breaks if one of the three replaces the others instead (glTF 2.0, 3.9.2)."""
    mesh = quad().with_attribute("color", torch.full((4, 3), 0.5))
    mesh = mesh.with_materials(
        [Material(base_color=(0.5,) * 3, base_color_texture=Texture(torch.full((2, 2, 3), 0.5)))]
    )
    torch.testing.assert_close(picture(mesh), torch.full((*SIZE, 3), 0.125))


def test_shaders_are_given_all_quantities() -> None:
    """Breaks if a channel of the metallic-roughness texture is taken for the other, or a factor is forgotten."""
    seen: list[Points] = []

    def spy(points: Points, lights: object) -> torch.Tensor:
        seen.append(points)
        return points.color

    image = torch.tensor([0.9, 0.5, 0.25]).expand(2, 2, 3)
    material = Material(
        metallic=0.8,
        roughness=0.5,
        metallic_roughness_texture=Texture(image),
        emission=(2.0, 1.0, 0.0),
        emission_texture=Texture(torch.full((1, 1, 3), 0.5)),
        occlusion_texture=Texture(torch.full((1, 1, 1), 0.5)),
    )
    mesh = quad().with_materials([material]).with_attribute("occlusion", torch.full((4, 1), 0.5))
    render(mesh, FRONT, SIZE, shader=spy)
    (points,) = seen

    def values(quantity: torch.Tensor | float) -> list[float]:
        return torch.as_tensor(quantity).expand(1, *SIZE, -1)[0, 8, 8].tolist()

    assert values(points.metallic) == pytest.approx([0.2])
    assert values(points.roughness) == pytest.approx([0.25])
    assert values(points.emission) == pytest.approx([1.0, 0.5, 0.0])
    assert values(points.occlusion) == pytest.approx([0.25])


def test_a_mesh_without_material_is_matt_and_white() -> None:
    """Breaks if the default look shines or glows."""
    torch.testing.assert_close(picture(quad()), torch.ones(*SIZE, 3))
    torch.testing.assert_close(picture(quad(), shader=emission), torch.zeros(*SIZE, 3))


@pytest.mark.parametrize(("flip", "share"), [(False, 0.25), (True, 0.75)])
def test_each_side_has_its_own_occlusion(flip: bool, share: float) -> None:
    """Breaks if the front of a surface is as dark as its back: open and badly wound models would be black."""
    mesh = quad(flip=flip).with_attribute("occlusion", torch.tensor([0.25, 0.75]).expand(4, 2))
    torch.testing.assert_close(picture(mesh), torch.full((*SIZE, 3), share))


def test_blended_surfaces_mix_in_order_of_depth() -> None:
    """Breaks if the order of faces counts instead of depth, or a layer is lost."""
    red, green, blue = torch.eye(3)
    parts = [
        painted(quad(0.5), (*green.tolist(), 0.25), alpha="blend"),
        painted(quad(1.0), (*red.tolist(), 0.5), alpha="blend"),
        painted(quad(0.0), (*blue.tolist(), 0.5), alpha="opaque"),
        painted(quad(-1.0), (1.0, 1.0, 1.0, 1.0)),
    ]
    expected = 0.5 * red + 0.5 * (0.25 * green + 0.75 * blue)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        mesh = join([parts[i] for i in order])
        torch.testing.assert_close(picture(mesh, background=9.0), expected.expand(*SIZE, 3))


def test_light_comes_through_to_the_background() -> None:
    """Breaks if mask or background forget what passes through, or premultiplication is done twice."""
    mesh = join([painted(quad(z), (1.0, 0.0, 0.0, 0.5), alpha="blend") for z in (0.0, 0.5, 1.0)])
    found = render(mesh, FRONT, SIZE, lights=WHITE, gradient=None, background=(0.0, 0.0, 1.0))
    torch.testing.assert_close(found.color[0, 8, 8], torch.tensor([0.875, 0.0, 0.125]))
    torch.testing.assert_close(found.mask, torch.full((1, *SIZE), 0.875))
    torch.testing.assert_close(silhouette(mesh, FRONT, SIZE, gradient=None), found.mask)
    torch.testing.assert_close(found.depth, torch.full((1, *SIZE), 3.0))


def test_many_layers_are_not_cut_off() -> None:
    """Breaks if the number of layers is fixed: what is behind would be missing without a word."""
    count = 21
    mesh = join([painted(quad(i / 100), (1.0, 1.0, 1.0, 0.1), alpha="blend") for i in range(count)])
    mask = silhouette(mesh, FRONT, SIZE, gradient=None)
    torch.testing.assert_close(mask, torch.full_like(mask, 1 - 0.9**count))


def test_masked_holes_show_what_lies_behind() -> None:
    """Breaks if a hole shows the background, keeps its depth, or leaves half-transparent borders."""
    alpha = torch.ones(16, 16, 4)
    alpha[:, :8, 3] = 0.0
    front = quad(1.0).with_materials([Material(base_color_texture=Texture(alpha, filter="nearest"), alpha="mask")])
    mesh = join([front, painted(quad(0.0), (0.0, 1.0, 0.0))])
    found = render(mesh, FRONT, SIZE, lights=WHITE, gradient=None)
    torch.testing.assert_close(found.color[0, 8, 3], torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(found.color[0, 8, 12], torch.tensor([1.0, 1.0, 1.0]))
    assert found.depth[0, 8, 3].item() == pytest.approx(4.0) and found.depth[0, 8, 12].item() == pytest.approx(3.0)
    assert (found.face_id[0, 8, 3] >= 2) and (found.face_id[0, 8, 12] < 2)
    assert (silhouette(front, FRONT, SIZE, gradient=None)[0].mean(0) == torch.tensor([0.0] * 8 + [1.0] * 8)).all()


def test_cutoff_is_the_materials() -> None:
    """Breaks if one cutoff serves all materials."""
    parts = [painted(quad(), (1.0, 1.0, 1.0, 0.4), alpha="mask", alpha_cutoff=cutoff) for cutoff in (0.3, 0.4, 0.5)]
    assert [silhouette(part, FRONT, SIZE, gradient=None).amax().item() for part in parts] == [1.0, 1.0, 0.0]


def test_only_single_sided_backs_are_culled() -> None:
    """Breaks if culling drops surfaces that are meant to be seen from both sides."""
    mesh = join(
        [
            painted(quad(1.0, flip=True), (1.0, 0.0, 0.0)),
            painted(quad(0.5, half=0.5, flip=True), (0.0, 1.0, 0.0), double_sided=True),
        ]
    )
    found = render(mesh, FRONT, SIZE, lights=WHITE, gradient=None, cull="back").color[0]
    torch.testing.assert_close(found[8, 8], torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(found[1, 1], torch.zeros(3))
    torch.testing.assert_close(picture(mesh)[8, 8], torch.tensor([1.0, 0.0, 0.0]))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("flip", [False, True])
def test_normal_maps_lean_along_u_and_v(mirrored: bool, flip: bool) -> None:
    """Breaks if the tangent frame is turned, mirrored textures bend the wrong way, or backs are forgotten."""
    lean = torch.tensor([0.6, 0.0, 0.8]) / 2 + 0.5
    mesh = quad(flip=flip).with_materials([Material(normal_texture=Texture(lean.expand(2, 2, 3)))])
    if mirrored:
        uv = mesh.attributes["uv"]
        mesh = mesh.with_attribute("uv", uv.values * torch.tensor([-1.0, 1.0]), uv.faces)
    # u grows to the right unless mirrored; seen from behind the whole normal is turned to the viewer.
    right = (-0.6 if mirrored else 0.6) * (-1 if flip else 1)
    torch.testing.assert_close(render(mesh, FRONT, SIZE).normal[0, 8, 8], torch.tensor([right, 0.0, 0.8]))
    up = torch.tensor([0.0, 0.6, 0.8]) / 2 + 0.5
    mesh = mesh.with_materials([Material(normal_texture=Texture(up.expand(2, 2, 3)))])
    expected = torch.tensor([0.0, -0.6 if flip else 0.6, 0.8])
    torch.testing.assert_close(render(mesh, FRONT, SIZE).normal[0, 8, 8], expected)


def test_degenerate_uv_keeps_the_normal() -> None:
    """Breaks if a surface without uv area gets NaN normals from its normal map."""
    mesh = quad().with_materials([Material(normal_texture=Texture(torch.rand(2, 2, 3)))])
    mesh = mesh.with_attribute("uv", torch.full((4, 2), 0.5))
    torch.testing.assert_close(render(mesh, FRONT, SIZE).normal[0, 8, 8], torch.tensor([0.0, 0.0, 1.0]))


@pytest.mark.parametrize("lost", [float("nan"), float("inf")])
def test_uv_that_is_no_number_spoils_only_its_faces(lost: float) -> None:
    """Breaks if one broken coordinate reaches, by the tangents, the faces around."""
    mesh = icosphere(2)
    uv = mesh.attributes["uv"]
    broken = torch.where(torch.arange(len(uv.values))[:, None] == 40, lost, uv.values)
    skin = Material(base_color_texture=Texture(torch.rand(4, 4, 3)), normal_texture=Texture(torch.rand(2, 2, 3)))
    found, expected = (
        render(mesh.with_attribute("uv", values, uv.faces).with_materials([skin]), Camera.orbit(3.0, 0.5, views), SIZE)
        for views in [torch.arange(4.0) * 1.5]
        for values in (broken, uv.values)
    )
    without = ~(uv.faces == 40).any(-1)[found.face_id.clamp(min=0).long()] | (found.face_id < 0)
    assert not without.all() and found.color[without].isfinite().all()
    near = (mesh.faces[:, :, None] == mesh.faces[(uv.faces == 40).any(-1)].unique()).any(-1).any(-1)
    far = ~near[found.face_id.clamp(min=0).long()]
    torch.testing.assert_close(found.color[far], expected.color[far])


@pytest.mark.parametrize(("name", "channels"), [("color", 2), ("uv", 3), ("normal", 2), ("occlusion", 3)])
def test_attributes_that_cannot_be_meant_are_refused(name: str, channels: int) -> None:
    """Breaks if an attribute that has another width than its name says is used as far as it goes."""
    mesh = quad().with_materials([Material(base_color_texture=Texture(torch.rand(2, 2, 3)))])
    with pytest.raises(ValueError, match=f"{name!r} has {channels} channels"):
        render(mesh.with_attribute(name, torch.rand(4, channels)), FRONT, SIZE, smooth=True)


def test_a_shader_returns_colours() -> None:
    """Breaks if a shader that forgets to return is told about a missing attribute of None."""
    with pytest.raises(TypeError, match="returned NoneType"):
        render(quad(), FRONT, SIZE, shader=lambda points, lights: None)  # type: ignore[arg-type, return-value]


def test_packed_meshes_keep_their_materials() -> None:
    """Breaks if a picture of a pack shows another mesh's textures, or its layers."""
    glass = painted(icosphere(1), (0.2, 0.4, 0.6, 0.5), alpha="blend")
    skin = icosphere(2).with_materials([Material(base_color_texture=Texture(torch.rand(5, 3, 3)), roughness=0.3)])
    meshes = [join([skin, quad(0.5, half=0.5)]), glass, icosphere(1)]
    camera = Camera.orbit(4.0, 0.3, 0.5)
    together = render(pack(meshes), camera, SIZE)
    for i, mesh in enumerate(meshes):
        torch.testing.assert_close(together.color[i], render(mesh, camera, SIZE).color[0])
        torch.testing.assert_close(together.mask[i], render(mesh, camera, SIZE).mask[0])


def test_a_textured_scene_agrees_with_the_reference() -> None:
    """Breaks if any step of the line differs between float32 and the float64 specification."""
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Texture:
        return Texture(torch.rand(shape, generator=generator))

    skin = Material(
        base_color=(0.9, 0.8, 0.7, 0.8),
        base_color_texture=noise(16, 8, 4),
        metallic=0.4,
        metallic_roughness_texture=noise(7, 5, 3),
        normal_texture=noise(8, 8, 3),
        emission=(0.1, 0.2, 0.3),
        emission_texture=noise(3, 9, 3),
        alpha="blend",
    )
    mesh = join([icosphere(2).with_materials([skin]), painted(quad(0.3), (0.2, 0.9, 0.3))])
    camera, lights = Camera.orbit(4.0, 0.3, 0.5), [Ambient(0.3), Directional()]
    found = render(mesh, camera, SIZE, lights=lights, shader=pbr, smooth=True)
    double = mesh.to(torch.float64), camera.to(torch.float64)
    expected = render(*double, SIZE, lights=lights, shader=pbr, smooth=True, backend="reference")
    torch.testing.assert_close(found.color.double(), expected.color, rtol=1e-4, atol=1e-5)
    assert torch.equal(found.face_id, expected.face_id)


def test_textures_need_uv() -> None:
    """Breaks if a forgotten uv shows as one colour all over."""
    mesh = Mesh(
        quad().positions, quad().faces, materials=(Material("skin", base_color_texture=Texture(torch.rand(2, 2, 3))),)
    )
    with pytest.raises(ValueError, match=r"'skin'.*\"uv\""):
        render(mesh, FRONT, SIZE)


def test_materials_get_gradients() -> None:
    """Breaks if the way from the picture to a texture or factor is cut: they could not be learnt."""
    image = torch.rand(4, 4, 3, dtype=torch.float64, requires_grad=True)
    factor = torch.tensor([0.5, 0.6, 0.7, 0.4], dtype=torch.float64, requires_grad=True)
    camera = FRONT.to(torch.float64)

    def draw(image: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        material = Material(base_color_texture=Texture(image), base_color=factor, alpha="blend")
        mesh = join([quad().with_materials([material]), quad(-0.5).with_materials([material])]).to(torch.float64)
        return render(mesh, camera, (4, 5), lights=WHITE, gradient=None, backend="reference").color

    assert torch.autograd.gradcheck(draw, (image, factor), fast_mode=True)


def test_one_mesh_and_many_views() -> None:
    """Breaks if materials are looked up with the batch dimension of the picture."""
    cameras = Camera.orbit(4.0, 0.2, torch.tensor([0.0, 1.0, 2.0]))
    mesh = join([painted(quad(), (1.0, 0.0, 0.0, 0.5), alpha="blend"), painted(quad(0.5), (0.0, 1.0, 0.0))])
    together = Renderer(SIZE, lights=[WHITE, Directional()], shader=lambert)(mesh, cameras).color
    for i in range(3):
        alone = render(mesh, cameras[i], SIZE, lights=[WHITE, Directional()]).color[0]
        torch.testing.assert_close(together[i], alone)
