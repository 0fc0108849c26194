"""What a fit does needs nothing from the CPU: it runs on torch's device without data, where nothing can be read.

On that device every operation says which shapes it returns and computes nothing, so no GPU is needed. Reading a number
fails there as it would while a CUDA graph is captured. What would copy from the CPU is refused here: on a GPU it waits.
How long lists of places (crossings, intersections) are must be read: what is made of them is run on lists of eight.
Materials that let light through are left out, for the number of surfaces must be read, too.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from unattended import unattended

import repousse as rp
from repousse import losses
from repousse.gradients import kato, places
from repousse.shading import Shader

DEVICE, SIZE = "meta", (12, 16)


@pytest.fixture(autouse=True)
def _no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none on this device."""
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: nullcontext())


def there(mesh: rp.Mesh) -> rp.Mesh:
    """The mesh on the device, with what is computed once, from data, for each mesh."""
    edges, moved = mesh.topology, mesh.to(DEVICE)
    vars(moved.topology)["hinge_edges"] = edges.hinge_edges.to(DEVICE)
    return moved


MESH = there(rp.icosphere(1))
CAMERA = rp.Camera.orbit(3.0, azimuth=torch.linspace(0, 3, 2)).to(DEVICE)


def empty(*shape: int) -> Tensor:
    return torch.rand(*shape, device=DEVICE, requires_grad=True)


def draw(mesh: rp.Mesh = MESH, camera: rp.Camera = CAMERA, **settings: Any) -> None:
    """A step of a fit: positions to picture to loss to gradient."""
    positions = mesh.positions.detach().clone().requires_grad_()
    picture = rp.render(mesh.with_positions(positions), camera, SIZE, **settings)
    target = torch.rand(picture.color.shape, device=DEVICE)
    loss = losses.l1(picture.color, target).mean() + losses.iou(picture.mask, target[..., 0]).mean()
    (loss + picture.depth.mean() + picture.normal.mean()).backward()
    assert positions.grad is not None


def twice(step: Callable[[], Any]) -> None:
    """The first time constant tables are copied, to stay."""
    step()
    with unattended():
        step()


def test_it_would_be_noticed() -> None:
    """Fails if reading, copying or mixing passes unnoticed."""
    here, number = torch.rand(3), torch.rand(3, device=DEVICE).sum()
    with unattended():
        for step in (
            lambda: float(number),
            lambda: here.to(DEVICE),
            lambda: torch.tensor([1.0, 2.0], device=DEVICE),
            lambda: number.new_tensor(2.0),
            lambda: torch.cat([here, number[None]]),
            lambda: torch.rand(3, device=DEVICE)[torch.tensor([0, 1])],
            lambda: number[None].__setitem__(torch.zeros(1, dtype=torch.int64, device=DEVICE), 1.0),
        ):
            with pytest.raises((AssertionError, RuntimeError)):
                step()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"smooth": True, "supersample": 2, "background": (1.0, 0.5, 0.0)},
        {"gradient": "interior", "cull": "back", "background": 0.5},
        {"gradient": "soft", "background": (0.0, 0.0, 1.0)},
    ],
    ids=str,
)
def test_pictures(settings: dict[str, Any]) -> None:
    """Fails if `render` needs the CPU."""
    twice(lambda: draw(**settings))


@pytest.mark.parametrize("gradient", ["boundary", "soft"])
def test_masks(gradient: str) -> None:
    """Fails if `silhouette` needs the CPU."""

    def step() -> None:
        rp.silhouette(MESH.with_positions(empty(42, 3)), CAMERA, SIZE, gradient=gradient).sum().backward()

    twice(step)


@pytest.mark.parametrize("gradient", ["antialias", "edge", "kato", "kato-released"])
def test_estimators_on_lists(gradient: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if what is made of lists of places, once their length is known, needs the CPU."""

    def rows() -> tuple[Tensor, ...]:
        pixels = torch.zeros(2, 8, dtype=torch.int64, device=DEVICE)
        pairs = torch.zeros(8, 2, dtype=torch.int32, device=DEVICE)
        return (*pixels, pairs, torch.rand(8, device=DEVICE), torch.zeros(8, dtype=torch.int8, device=DEVICE))

    for module in (places, kato):
        monkeypatch.setattr(module, "crossings", lambda *_, **__: rp.Crossings(*rows()))
    monkeypatch.setattr(places, "intersections", lambda *_, **__: rp.Intersections(*rows()))
    twice(lambda: draw(gradient=gradient))


def test_packed_meshes() -> None:
    """Fails if packed meshes need more of the CPU than their `ranges`."""
    mesh = there(rp.pack([rp.icosphere(1), rp.cube()]))
    twice(lambda: draw(mesh))


@pytest.mark.parametrize("shader", [rp.phong, rp.pbr, rp.toon, rp.contour], ids=lambda shader: shader.__name__)
def test_shaders_and_lights(shader: Shader) -> None:
    """Fails if a shader or a light needs the CPU."""
    lights = [
        rp.Ambient(0.2),
        rp.Directional((0.0, 1.0, 0.0), (1.0, 0.5, 0.2)),
        rp.PointLight(empty(3), 0.3),
        rp.SphericalHarmonics(empty(9, 3)),
        rp.Shadowed(rp.Directional((0.3, 1.0, 0.0)), MESH),
    ]
    twice(lambda: draw(shader=shader, lights=lights))


def test_surroundings_that_are_fitted() -> None:
    """Fails if light from pictures needs the CPU; such a light is filtered again in every step."""
    twice(lambda: draw(shader=rp.pbr, lights=[rp.Environment(empty(16, 32, 3))]))


def test_materials() -> None:
    """Fails if numbers, textures or attributes of a surface need the CPU."""

    def step() -> None:
        image = empty(8, 8, 3)
        texture = rp.Texture(image)
        material = rp.Material(
            base_color=empty(3),
            base_color_texture=texture,
            roughness=0.3,
            metallic_roughness_texture=texture,
            occlusion_texture=texture,
            emission_texture=texture,
        )
        mesh = MESH.with_attribute("color", empty(42, 3)).with_materials([material])
        draw(mesh, shader=rp.pbr)
        assert image.grad is not None

    twice(step)


def test_several_materials() -> None:
    """Fails if what each face is made of needs the CPU."""
    materials = [rp.Material(base_color_texture=rp.Texture(torch.rand(8, 8, 3))), rp.Material(roughness=0.2)]
    mesh = there(rp.icosphere(1).with_materials(materials, torch.arange(80) % 2))
    twice(lambda: draw(mesh, shader=rp.pbr))


@pytest.mark.parametrize(
    "camera",
    [
        lambda: rp.Camera.orbit(3.0, 0.1, empty(2)),
        lambda: rp.Camera.orbit(3.0, empty(2), extent=2.0),
        lambda: rp.Camera.look_at(empty(2, 3), fov=0.7),
        lambda: rp.Camera.from_opencv(empty(3, 3), empty(3, 3), empty(3), SIZE),
        lambda: rp.Camera.from_opengl(empty(4, 4), empty(3, 3), SIZE),
    ],
    ids=["orbit", "orthographic", "look_at", "opencv", "opengl"],
)
def test_cameras(camera: Callable[[], rp.Camera]) -> None:
    """Fails if cameras made from tensors there need the CPU."""
    twice(lambda: draw(camera=camera(), shader=rp.phong))


def test_poses_and_pixels() -> None:
    """Fails if moving a camera, or going from points to pixels and back, needs the CPU."""
    pose = rp.optim.Pose().to(DEVICE)
    twice(lambda: draw(camera=pose.applied(CAMERA)))
    twice(lambda: CAMERA.to_pixels(empty(5, 3), SIZE))
    twice(lambda: CAMERA.unproject(empty(5, 2), empty(5), SIZE))


@pytest.mark.parametrize("name", ["l1", "l2", "huber", "ssim", "pyramid"])
def test_losses_of_pictures(name: str) -> None:
    """Fails if a loss needs the CPU."""
    target = torch.rand(2, 40, 40, 3, device=DEVICE)
    twice(lambda: getattr(losses, name)(empty(2, 40, 40, 3), target).sum().backward())


@pytest.mark.parametrize("name", ["laplacian", "normal_consistency", "edge_length", "smoothness"])
def test_losses_of_meshes(name: str) -> None:
    """Fails if a loss needs the CPU."""
    twice(lambda: getattr(losses, name)(MESH.with_positions(empty(42, 3))).sum().backward())
    twice(lambda: losses.edge_length(MESH, 0.1))
    twice(lambda: losses.chamfer(empty(2, 30, 3), empty(2, 40, 3)).sum().backward())


def test_lookups() -> None:
    """Fails if the lookups themselves need the CPU."""
    twice(lambda: rp.texture(empty(2, 8, 8, 3), empty(2, 5, 6, 2)).sum().backward())
    twice(lambda: rp.cubemap(empty(6, 8, 8, 3), empty(2, 5, 6, 3)).sum().backward())
    twice(lambda: rp.environment(empty(8, 16, 3), empty(2, 5, 6, 3)).sum().backward())


def test_optimisers() -> None:
    """Fails if a step of an optimiser needs the CPU."""
    parameter = torch.nn.Parameter(torch.rand(42, 3, device=DEVICE))
    optimizer = rp.optim.AdamUniform([parameter], lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        losses.laplacian(MESH.with_positions(parameter)).sum().backward()
        optimizer.step()

    twice(step)
    steps = rp.optim.LargeSteps(rp.icosphere(1).faces, 42)
    steps.topology = steps.topology.to(DEVICE)
    twice(lambda: steps.to_differential(MESH.positions))
