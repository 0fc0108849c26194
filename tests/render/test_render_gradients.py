"""What flows back from a picture."""

import pytest
import torch

from repousse.camera import Camera
from repousse.geometry import Material, Texture, cube, icosphere
from repousse.render import Renderer, render, silhouette
from repousse.shading import Ambient, Directional, albedo, lambert, pbr

SIZE = (24, 32)
CAMERA = Camera.orbit(4.0, 0.3, 0.5)


def test_interior_alone_gives_silhouettes_no_gradient():
    # Breaks if gradient=None pulls on silhouettes.
    positions = icosphere(1).positions.clone().requires_grad_()
    mask = silhouette(icosphere(1).with_positions(positions), CAMERA, SIZE, gradient=None)
    assert not mask.requires_grad or not torch.autograd.grad(mask.sum(), positions)[0].any()


@pytest.mark.parametrize("part", ["mask", "color"])
def test_kato_grows_and_shrinks_a_silhouette(part):
    # Breaks if the estimator is not applied to a part of the picture, or its sign is wrong.
    for wanted, sign in ((1.0, -1), (0.0, 1)):
        positions = icosphere(1).positions.clone().requires_grad_()
        picture = render(icosphere(1).with_positions(positions), CAMERA, SIZE, shader=albedo)
        (getattr(picture, part) - wanted).square().sum().backward()
        assert positions.grad is not None
        assert (positions.grad * positions.detach()).sum().sign() == sign


def test_surfaces_pass_gradient_to_colors_normals_and_depth():
    # Breaks if any part of the picture is cut off from what it depends on.
    mesh = icosphere(1)
    positions = mesh.positions.clone().requires_grad_()
    colors = torch.full_like(mesh.positions, 0.5).requires_grad_()
    ambient = torch.tensor([0.5, 0.5, 0.5], requires_grad=True)
    background = torch.zeros(3, requires_grad=True)
    eye = torch.tensor([0.0, 1.0, 4.0], requires_grad=True)
    mesh = mesh.with_positions(positions).with_attribute("color", colors)
    camera = Camera.look_at(eye)
    lights = (Ambient(ambient), Directional(strength=0.5))
    picture = render(mesh, camera, SIZE, lights=lights, gradient=None, background=background, supersample=2)
    for output, inputs in (
        (picture.color, (positions, colors, ambient, background)),
        (picture.depth, (positions, eye)),
        (picture.normal[..., 0], (positions,)),
    ):
        for gradient in torch.autograd.grad(output.sum(), inputs, retain_graph=True):
            assert gradient.isfinite().all() and gradient.abs().sum() > 0


def test_depth_gradient_is_the_true_derivative_inside():
    # Breaks if depth does not know how barycentrics move, or the camera's row is wrong.
    mesh = icosphere(1)
    direction = torch.tensor([0.3, -0.2, 0.5])

    def depth(t: torch.Tensor) -> torch.Tensor:
        moved = mesh.with_positions(mesh.positions + t * direction)
        return render(moved, CAMERA, SIZE, gradient=None).depth

    t = torch.zeros((), requires_grad=True)
    row, column = SIZE[0] // 2, SIZE[1] // 2
    derivative = torch.autograd.grad(depth(t)[0, row, column], t)[0]
    h = 1e-2
    difference = (depth(torch.tensor(h)) - depth(torch.tensor(-h)))[0, row, column] / (2 * h)
    torch.testing.assert_close(derivative, difference, rtol=2e-2, atol=2e-3)


def test_colors_can_be_recovered():
    # Breaks if the gradient of colours points anywhere else.
    mesh = cube()
    truth = torch.rand(8, 3, generator=torch.Generator().manual_seed(0))
    cameras = Camera.orbit(4.0, torch.tensor([0.5, -0.5]), torch.tensor([0.5, 3.6]))
    renderer = Renderer(SIZE, shader=albedo, gradient=None, supersample=2)
    with torch.no_grad():
        target = renderer(mesh.with_attribute("color", truth), cameras).color
    colors = torch.zeros(8, 3, requires_grad=True)
    optimizer = torch.optim.Adam([colors], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        loss = (renderer(mesh.with_attribute("color", colors), cameras).color - target).square().sum()
        loss.backward()
        optimizer.step()
    assert (colors - truth).abs().max() < 0.02


SKIN = Material(
    base_color_texture=Texture(torch.rand(4, 8, 3, generator=torch.Generator().manual_seed(0))),
    normal_texture=Texture(torch.tensor([0.6, 0.5, 0.9]).expand(2, 2, 3).contiguous()),
)
METAL = Material(base_color=(0.5, 0.6, 0.7), metallic=0.5, roughness=0.4, emission=(0.1, 0.0, 0.0))


@pytest.mark.parametrize(
    ("gradient", "materials", "shader"),
    [
        (None, [], lambert),
        ("kato", [], lambert),
        ("soft", [], lambert),
        ("kato", [SKIN], pbr),
        (None, [SKIN, METAL], pbr),
    ],
)
def test_the_whole_line_is_one_graph(gradient, materials, shader):
    # Breaks if anything between mesh and picture decides in Python on data, or leaves the graph.
    mesh = icosphere(1)
    mesh = mesh.with_materials(materials, (torch.arange(len(mesh.faces)) % len(materials)) if materials else None)
    mesh.topology  # noqa: B018  computed once, outside of the graph
    renderer = Renderer(SIZE, supersample=2, gradient=gradient, shader=shader)
    compiled = torch.compile(renderer, fullgraph=True, backend="aot_eager")
    gradients = []
    for draw in (renderer, compiled):
        positions = mesh.positions.clone().requires_grad_()
        picture = draw(mesh.with_positions(positions), CAMERA)
        (picture.color.square().sum() + picture.depth.sum()).backward()
        gradients.append((picture.color.detach(), positions.grad))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)
