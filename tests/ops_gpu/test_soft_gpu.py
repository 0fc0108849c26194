"""Soft rasterization with its GPU kernels, through the public function and its derivative, against the CPU."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_gpu import DEVICE, gpu_kernels, needs_device

sys.path.insert(0, str(Path(__file__).parents[1] / "ops_soft"))
from soft_scenes import BROAD, EVERY_RULE, Scene, draw, image_and_gradients, random_scene

from repousse.camera import Camera
from repousse.geometry import Mesh, pack, plane
from repousse.gradients import Soft
from repousse.ops import SoftOptions
from repousse.render import render

pytest.importorskip("triton", reason="needs Triton: pip install triton")


def compare(scene: Scene, options: SoftOptions, tolerance: float = 2e-5, **settings: object) -> None:
    """GPU kernels against those for the CPU: image and all gradients, relative to the largest of each."""
    expected = image_and_gradients(scene, options, **settings)
    with gpu_kernels():
        found = image_and_gradients(Scene(*(value.to(DEVICE) for value in scene)), options, **settings)
    for name, one, other in zip(("image", "positions", "colors", "background"), found, expected, strict=True):
        most = float(other.abs().max()) if other.numel() else 0.0
        torch.testing.assert_close(
            one.cpu(), other, rtol=0, atol=tolerance * most, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.parametrize("options", EVERY_RULE, ids=lambda o: f"{o.distance}-{o.alpha}-{o.color}")
def test_every_rule(options: SoftOptions) -> None:
    """Breaks if one of the eighteen combinations of rules is computed or differentiated differently."""
    compare(random_scene(0, (7, 15), batch=1, triangles=3), options)


@settings(max_examples=8)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 18),
    width=st.integers(1, 18),
    channels=st.integers(0, 3),
    cull=st.sampled_from([None, "back", "front"]),
    sigma=st.sampled_from([1e-1, 1e-2, 1e-3]),
)
def test_any_scene(seed: int, height: int, width: int, channels: int, cull: str | None, sigma: float) -> None:
    """Breaks where tiles leave the picture, for some number of channels, or if faces that reach a tile are missed."""
    scene = random_scene(seed, (height, width), batch=1, triangles=3, channels=channels)
    compare(scene, replace(BROAD, sigma=sigma), tolerance=1e-4, cull=cull)


def test_more_channels_than_one_pass_draws() -> None:
    """Breaks if passes get one another's colours."""
    compare(random_scene(1, (4, 5), batch=2, triangles=2, channels=5), BROAD)


def test_faces_of_all_chunks_are_found() -> None:
    """Breaks if a tile stops looking for faces too early, or takes them from another image.

    As many faces as a tile looks at in two goes, nearly all of which are seen edge-on.
    """
    some = random_scene(2, (6, 9), batch=2, triangles=4)
    count = 128 * 128 + 130
    which = torch.tensor([3, 127, 128, count - 1])
    faces = torch.zeros(count, 3, dtype=torch.int64)
    faces[which] = some.faces
    colors = torch.zeros(count, 3, 3)
    colors[which] = some.colors
    compare(some._replace(faces=faces, colors=colors), BROAD)


def test_packed_meshes_of_different_sizes() -> None:
    """Breaks if the chunks of one image run into those of the next."""
    scene = random_scene(3, (6, 9), batch=3, triangles=5)
    count, drawn = 260, torch.tensor([3, 130, 131, 132, 259])
    faces = torch.zeros(count, 3, dtype=torch.int64)  # seen edge-on
    faces[drawn] = scene.faces
    colors = torch.rand(count, 3, 3, generator=torch.Generator().manual_seed(0))
    packed = scene._replace(positions=scene.positions[0], faces=faces, colors=colors)
    compare(packed, replace(BROAD, alpha="sum"), ranges=torch.tensor([[129, 3], [132, 128], [131, 0]]))


def test_of_equal_depths_the_first_face_is_shown() -> None:
    """Breaks if faces are not visited in their order: the same triangle thrice, in different colours."""
    scene = random_scene(4, (8, 16), batch=1, triangles=1)
    faces, colors = scene.faces.expand(3, 3), torch.rand(3, 3, 3, generator=torch.Generator().manual_seed(0))
    compare(scene._replace(faces=faces, colors=colors), replace(BROAD, color="hard"), tolerance=1e-6)


def test_small_gamma_does_not_overflow() -> None:
    """Breaks if weights are not relative to the nearest face: exp(1 / gamma) is far beyond float32."""
    scene, options = random_scene(10, (8, 16), batch=1), replace(BROAD, gamma=1e-9, distance="hard")
    compare(scene, options)
    with gpu_kernels():
        scene = Scene(*(value.to(DEVICE) for value in scene))
        torch.testing.assert_close(draw(scene, options), draw(scene, replace(options, color="hard")))


def test_indices_are_checked() -> None:
    """Breaks if a face of vertices that do not exist makes kernels read what is not theirs."""
    scene = random_scene(5, (2, 2))
    with gpu_kernels(), pytest.raises(IndexError, match="holds index 15"):
        draw(scene._replace(faces=scene.faces + 1))


@needs_device
@pytest.mark.parametrize("alpha", ["prod", "sum"])
def test_nothing_waits_for_the_device(alpha: str) -> None:
    """Breaks if drawing or its derivative copies a number between host and device, or asks for one."""
    scene = Scene(*(value.to(DEVICE) for value in random_scene(7)))
    scene = scene._replace(faces=scene.faces.int())  # checked once
    options = replace(BROAD, alpha=alpha)  # type: ignore[arg-type]
    expected = image_and_gradients(scene, options)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = image_and_gradients(scene, options)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(found, expected)


def test_rendered_pictures_of_packed_meshes() -> None:
    """Breaks if what `render` makes for the soft rasterizer differs on a GPU: colours of corners, depths, ranges."""
    square, triangle = plane(), Mesh(torch.tensor([[-1.0, 0, 0.2], [1, 0, 0], [0, 1, 0.4]]), torch.tensor([[0, 1, 2]]))

    def picture_and_gradient(device: str) -> list[torch.Tensor]:
        mesh, camera = pack([square, triangle]).to(device), Camera.look_at((1.0, 2.0, 3.0)).to(device)
        positions = mesh.positions.clone().requires_grad_()
        picture = render(mesh.with_positions(positions), camera, (6, 7), gradient=Soft(sigma=1e-2))
        image = torch.cat([picture.color, picture.mask[..., None]], -1)
        return [image.detach().cpu(), torch.autograd.grad(image.square().sum(), positions)[0].cpu()]

    expected = picture_and_gradient("cpu")
    with gpu_kernels() as device:
        found = picture_and_gradient(device)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
