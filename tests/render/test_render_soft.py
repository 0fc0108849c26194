"""Pictures by the soft rasterizer: `render` and `silhouette` with gradient=Soft."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from repousse import metrics
from repousse.camera import Camera
from repousse.geometry import Material, Mesh, Texture, cube, icosphere, pack, plane
from repousse.gradients import Soft
from repousse.losses import iou, laplacian
from repousse.render import Renderer, render, silhouette
from repousse.shading import Ambient, albedo, lambert, phong

SIZE = (32, 40)
CAMERA = Camera.orbit(4.0, torch.tensor([0.3, 1.2]), 0.5)
FLAT = Camera.look_at((2.0, 1.0, 3.0), extent=3.0)
SHARP = Soft(sigma=1e-9, gamma=1e-7)


def colored(mesh: Mesh) -> Mesh:
    generator = torch.Generator().manual_seed(0)
    return mesh.with_attribute("color", torch.rand(len(mesh.positions), 3, generator=generator))


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("camera", [CAMERA, FLAT], ids=["perspective", "orthographic"])
def test_the_limit_is_the_exact_picture(camera: Camera, smooth: bool) -> None:
    """Breaks if corners are shaded otherwise than pixels, or depth is not the camera's: no matter with which lens."""
    mesh = colored(cube())
    settings = {"background": (0.1, 0.2, 0.3), "smooth": smooth, "shader": albedo if smooth else lambert}
    found = render(mesh, camera, SIZE, gradient=SHARP, **settings)  # type: ignore[arg-type]
    expected = render(mesh, camera, SIZE, **settings)  # type: ignore[arg-type]
    same = ((found.color - expected.color).abs() < 1e-3).all(-1) & (found.mask == expected.mask)
    assert same.float().mean() > 0.99
    for soft, exact in zip(found[2:], expected[2:], strict=True):
        assert torch.equal(soft, exact)


def test_a_silhouette_is_the_mask() -> None:
    """Breaks if mask and picture are drawn by different rules."""
    for settings in ({}, {"supersample": 2}, {"cull": "back"}):
        options = Soft(sigma=1e-3)
        picture = render(icosphere(2), CAMERA, SIZE, gradient=options, **settings)  # type: ignore[arg-type]
        mask = silhouette(icosphere(2), CAMERA, SIZE, gradient=options, **settings)  # type: ignore[arg-type]
        assert mask.shape == (2, *SIZE)
        torch.testing.assert_close(picture.mask, mask)
        assert ((mask > 0.01) & (mask < 0.99)).any()


def test_names_and_modules() -> None:
    """Breaks if "soft" is not Soft() everywhere."""
    named = render(cube(), CAMERA, SIZE, gradient="soft")
    assert torch.equal(named.color, render(cube(), CAMERA, SIZE, gradient=Soft()).color)
    assert torch.equal(named.color, Renderer(SIZE, gradient="soft")(cube(), CAMERA).color)


def test_packed_meshes_are_the_separate_ones() -> None:
    """Breaks if colours of corners go to faces of another mesh, or cameras to other images."""
    meshes = [colored(cube()), colored(icosphere(1))]
    options = Soft(sigma=1e-3, gamma=1e-2)
    together = render(pack(meshes), CAMERA, SIZE, gradient=options, shader=phong, background=torch.rand(2, 3))
    background = together.color[:, 0, 0]
    for i, mesh in enumerate(meshes):
        alone = render(mesh, CAMERA[i], SIZE, gradient=options, shader=phong, background=background[i])
        torch.testing.assert_close(together.color[i], alone.color[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.mask[i], alone.mask[0])


def test_everything_gets_its_gradient() -> None:
    """Breaks if anything the picture depends on is cut off: positions, colours, texture, light, background, camera."""
    positions = plane().positions.clone().requires_grad_()
    colors = torch.full((len(positions), 3), 0.5).requires_grad_()
    image = torch.rand(8, 8, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    strength = torch.tensor([0.5, 0.6, 0.7], requires_grad=True)
    background = torch.tensor([0.1, 0.2, 0.3], requires_grad=True)
    eye = torch.tensor([0.5, 2.0, 3.0], requires_grad=True)
    mesh = replace(plane().with_positions(positions), materials=(Material(base_color_texture=Texture(image)),))
    mesh = mesh.with_attribute("color", colors)
    picture = render(
        mesh,
        Camera.look_at(eye),
        SIZE,
        lights=Ambient(strength),
        background=background,
        gradient=Soft(sigma=1e-3),
    )
    given = (positions, colors, image, strength, background, eye)
    for found in torch.autograd.grad(picture.color.square().sum() + picture.mask.sum(), given):
        assert found.isfinite().all() and found.any()


def test_gradients_are_derivatives() -> None:
    """Breaks if a path from positions to the picture is missing: finite differences of the reference in float64."""
    mesh = cube()
    mesh = replace(mesh, positions=mesh.positions.double())
    camera = CAMERA[0].to(torch.float64)
    options = Soft(sigma=1e-2, gamma=1e-2, dist_eps=1e-9)

    def picture(positions: Tensor) -> Tensor:
        moved = mesh.with_positions(positions)
        drawn = render(moved, camera, (5, 6), gradient=options, backend="reference")
        return torch.cat([drawn.color, drawn.mask[..., None]], -1)

    assert torch.autograd.gradcheck(picture, mesh.positions.clone().requires_grad_())


def test_hidden_faces_get_gradient() -> None:
    """Breaks if Soft is blind to what lies behind, which it is there for: a face behind another comes forward."""
    front = plane()
    near, far = front.positions + torch.tensor([0.0, 0.1, 0.0]), front.positions.clone().requires_grad_()
    mesh = Mesh(torch.cat([near, far]), torch.cat([front.faces, front.faces + len(near)]))
    mesh = mesh.with_attribute("color", torch.cat([torch.zeros_like(near), torch.ones_like(near)]))
    above = Camera.look_at((0.0, 4.0, 0.001))
    for options, seen in ((Soft(gamma=1e-2, sigma=1e-3), True), (None, False)):
        color = render(mesh, above, SIZE, shader=albedo, gradient=options).color[:, 12:20, 15:25]
        (found,) = torch.autograd.grad(color.sum(), far, allow_unused=True)
        assert (found is not None and bool((found[:, 1] > 0).any())) == seen


def test_what_cannot_be_drawn() -> None:
    """Breaks if materials that Soft does not know are drawn as something else."""
    for mode in ("blend", "mask"):
        glass = replace(cube(), materials=(Material(name="glass", alpha=mode),))  # type: ignore[arg-type]
        for draw in (render, silhouette):
            with pytest.raises(ValueError, match=r"Soft does not draw transparent or masked materials \('glass'\)"):
                draw(glass, CAMERA, SIZE, gradient="soft")
    halves = replace(
        cube(), materials=(Material(), Material(double_sided=True)), material_id=torch.arange(len(cube().faces)) % 2
    )
    with pytest.raises(ValueError, match="Soft culls the back of all faces or of none"):
        silhouette(halves, CAMERA, SIZE, gradient="soft", cull="back")
    both = replace(cube(), materials=(Material(double_sided=True),))
    assert torch.equal(
        silhouette(both, CAMERA, SIZE, gradient="soft", cull="back"), silhouette(cube(), CAMERA, SIZE, gradient="soft")
    )


def test_a_mesh_behind_the_camera() -> None:
    """Breaks if what is behind the camera is drawn, or its gradient is not a number."""
    positions = icosphere(1).positions.clone().requires_grad_()
    behind = Camera.look_at((0.0, 0.0, 5.0), (0.0, 0.0, 9.0))
    picture = render(icosphere(1).with_positions(positions), behind, SIZE, gradient="soft", background=0.5)
    assert not picture.mask.any() and (picture.color == 0.5).all()
    (found,) = torch.autograd.grad(picture.color.sum() + picture.mask.sum(), positions)
    assert not found.any()


def test_a_sphere_becomes_a_cube() -> None:
    """Breaks if the gradient does not lead to the silhouettes that are wanted, from several sides at once."""
    cameras = Camera.orbit(4.0, torch.linspace(0, 5.0, 6), torch.tensor([0.5, -0.5] * 3))
    wanted = silhouette(cube(), cameras, (48, 48), gradient=None)
    sphere = icosphere(2)
    shift = torch.zeros_like(sphere.positions).requires_grad_()
    optimiser = torch.optim.Adam([shift], lr=0.02)
    options = Soft(sigma=1e-4)
    for _ in range(60):
        mesh = sphere.with_positions(sphere.positions + shift)
        mask = silhouette(mesh, cameras, (48, 48), gradient=options)
        optimiser.zero_grad()
        (iou(mask, wanted).mean() + 0.01 * laplacian(mesh).mean()).backward()
        optimiser.step()
    found = silhouette(sphere.with_positions(sphere.positions + shift.detach()), cameras, (48, 48), gradient=None)
    before = silhouette(sphere, cameras, (48, 48), gradient=None)
    assert metrics.iou(before, wanted).mean() < 0.8
    assert metrics.iou(found, wanted).mean() > 0.95
