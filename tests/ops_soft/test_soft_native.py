"""The native kernels against the reference in float64, under every setting."""

from dataclasses import replace

import pytest
import torch
from ops_everywhere import everywhere, per_instruction_set
from soft_scenes import BROAD, EVERY_RULE, Scene, distance, draw, image_and_gradients, random_scene

from repousse.geometry import icosphere
from repousse.ops import SoftOptions, soft

RULES = pytest.mark.parametrize("options", EVERY_RULE, ids=lambda o: f"{o.distance}-{o.alpha}-{o.color}")


def compare(scene: Scene, options: SoftOptions, **settings: object) -> None:
    """Native against reference: image and all gradients."""
    found = image_and_gradients(scene, options, **settings)
    expected = image_and_gradients(scene.to(torch.float64), options, **settings, backend="reference")
    torch.testing.assert_close(found[0].double(), expected[0], rtol=0, atol=1e-5)
    for name, one, other in zip(("positions", "colors", "background"), found[1:], expected[1:], strict=True):
        assert distance(one, other) < 1e-4, name


@RULES
def test_every_rule_is_that_of_the_reference(options: SoftOptions) -> None:
    """Breaks if one of the eighteen combinations of rules is computed or differentiated differently."""
    for seed in range(3):
        compare(random_scene(seed), options)


@pytest.mark.parametrize("channels", [0, 1, 2, 4, 5, 9])
@pytest.mark.parametrize("size", [(1, 1), (40, 3), (17, 33)])
def test_channels_and_sizes(channels: int, size: tuple[int, int]) -> None:
    """Breaks for a number of channels, or where tiles and blocks leave the picture."""
    compare(random_scene(4, size, channels=channels), BROAD)


@pytest.mark.parametrize("cull", ["back", "front"])
@pytest.mark.parametrize("alpha", ["prod", "sum"])
def test_culling(cull: str, alpha: str) -> None:
    """Breaks if a culled face leaves anything behind, or counts otherwise than in the reference."""
    options = replace(BROAD, alpha=alpha)  # type: ignore[arg-type]
    compare(random_scene(5), options, cull=cull)
    both = [draw(random_scene(5), options, cull=side)[..., -1] for side in ("back", "front")]
    whole = draw(random_scene(5), options)[..., -1]
    expected = both[0] + both[1] if alpha == "sum" else 1 - (1 - both[0]) * (1 - both[1])
    torch.testing.assert_close(whole, expected, rtol=0, atol=1e-5)


def test_faces_that_straddle_near_and_far() -> None:
    """Breaks if near and far are not asked pixel by pixel, or only for colours."""
    options = replace(BROAD, near=2.8, far=3.2, sigma=1e-3)
    compare(random_scene(6, (24, 24)), options)
    assert draw(random_scene(6, (24, 24)), options)[..., -1].mean() < draw(random_scene(6, (24, 24)))[..., -1].mean()


def test_depth_of_its_own() -> None:
    """Breaks if `depth` is not what orders faces, or gets no gradient."""
    scene = random_scene(7)
    depth = (scene.positions[..., 3] * 0.5 + 1).requires_grad_()
    precise = depth.detach().double().requires_grad_()
    found = (draw(scene, depth=depth) * scene.pull).sum()
    expected = (draw(scene.to(torch.float64), depth=precise, backend="reference") * scene.pull).sum()
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    gradients = torch.autograd.grad(found, depth) + torch.autograd.grad(expected, precise)
    assert distance(gradients[0], gradients[1]) < 1e-4


def test_many_faces_and_a_usual_sigma() -> None:
    """Breaks if faces get lost on the way to tiles: a sphere whose faces are smaller than a pixel's reach."""
    sphere = icosphere(2)
    w = sphere.positions[:, 2:] + 3
    positions = torch.cat([sphere.positions[:, :2] * 2, w / 2, w], 1)[None]
    generator = torch.Generator().manual_seed(0)
    colors = torch.rand(len(sphere.faces), 3, 3, generator=generator)
    pull = torch.rand(1, 40, 24, 4, generator=generator) - 0.5
    scene = Scene(positions, sphere.faces, colors, torch.rand(1, 3, generator=generator), pull)
    # The depths of neighbouring faces differ by little: a larger gamma, or rounding decides between them.
    compare(scene, SoftOptions(sigma=1e-4, gamma=1e-2, dist_eps=1e-8))


def test_images_have_the_same_bits_everywhere() -> None:
    """Breaks if the image depends on threads or on the instruction set."""
    scene = random_scene(8, (37, 50), triangles=40)
    for options in EVERY_RULE[::3]:
        everywhere(lambda options=options: (draw(scene, options),))


def test_gradients_have_the_same_bits_for_any_number_of_threads() -> None:
    """Breaks if sums depend on which thread comes first; between instruction sets only their order may differ."""
    scene = random_scene(9, (70, 40), triangles=40)
    results = list(per_instruction_set(lambda: image_and_gradients(scene)).values())
    for other in results[1:]:
        for one, first in zip(other, results[0], strict=True):
            assert distance(one, first) < 1e-4


def test_small_gamma_does_not_overflow() -> None:
    """Breaks if weights are not relative to the nearest face: exp(1 / gamma) is far beyond float32."""
    scene = random_scene(10)
    found = image_and_gradients(scene, replace(BROAD, gamma=1e-9))
    assert all(one.isfinite().all() for one in found)
    soft_choice = draw(scene, replace(BROAD, gamma=1e-9, distance="hard"))
    hard_choice = draw(scene, replace(BROAD, distance="hard", color="hard"))
    torch.testing.assert_close(soft_choice, hard_choice)


def test_packed_meshes_are_the_separate_ones() -> None:
    """Breaks if ranges mix up faces, colours or gradients of packed meshes; colours shared and per image."""
    parts = [random_scene(seed, (20, 24), batch=1, triangles=count) for seed, count in ((0, 3), (1, 6), (2, 1))]
    first = torch.tensor([0, 3, 9])
    count = torch.tensor([3, 6, 1])
    packed = Scene(
        torch.cat([part.positions[0] for part in parts]),
        torch.cat([part.faces + 3 * int(f) for part, f in zip(parts, first, strict=True)]),
        torch.cat([part.colors for part in parts]),
        torch.cat([part.background for part in parts]),
        torch.cat([part.pull for part in parts]),
    )
    ranges = torch.stack([first, count], 1)
    for options in (BROAD, replace(BROAD, alpha="sum")):
        expected = [image_and_gradients(part, options) for part in parts]
        found = image_and_gradients(packed, options, ranges=ranges)
        torch.testing.assert_close(found[0], torch.cat([one[0] for one in expected]))
        torch.testing.assert_close(found[1], torch.cat([one[1][0] for one in expected]), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[2], torch.cat([one[2] for one in expected]), rtol=1e-4, atol=1e-5)
        padded = torch.nn.utils.rnn.pad_sequence([part.colors for part in parts], batch_first=True)
        per_image = image_and_gradients(packed._replace(colors=padded), options, ranges=ranges)
        torch.testing.assert_close(per_image[0], found[0])
        torch.testing.assert_close(per_image[1], found[1])
        assert not per_image[2][2, 1:].any()
        compare(packed._replace(colors=padded), options, ranges=ranges)


def test_images_may_share_a_packed_mesh() -> None:
    """Breaks if images that name the same faces do not add up their gradients."""
    scene = random_scene(11, batch=1)
    twice = Scene(
        scene.positions[0],
        scene.faces,
        scene.colors,
        scene.background.expand(2, -1),
        torch.cat([scene.pull, scene.pull.flip(1)]),
    )
    found = image_and_gradients(twice, ranges=torch.tensor([[0, 5], [0, 5]]))
    one = image_and_gradients(scene)
    other = image_and_gradients(scene._replace(pull=scene.pull.flip(1)))
    assert distance(found[1], one[1][0] + other[1][0]) < 1e-5
    assert distance(found[2], one[2] + other[2]) < 1e-5


def test_a_mask_alone_is_that_of_the_picture() -> None:
    """Breaks if drawing without colours takes another way."""
    scene = random_scene(12)
    alone = soft(scene.positions, scene.faces, None, scene.size, BROAD)
    assert alone.shape == (2, 12, 17, 1)
    assert torch.equal(alone[..., 0], draw(scene)[..., -1])
