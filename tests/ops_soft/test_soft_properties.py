"""What holds for soft pictures whatever the scene, and what bad input does."""

import warnings
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from soft_scenes import BROAD, EVERY_RULE, Scene, distance, draw, image_and_gradients, random_scene

from repousse.ops import SoftOptions, interpolate, rasterize, soft

seeds = st.integers(0, 10**6)
rules = st.sampled_from(EVERY_RULE)


@settings(deadline=None, max_examples=15)
@given(seeds, rules)
def test_the_order_of_faces_does_not_matter(seed: int, options: SoftOptions) -> None:
    """Breaks if a face's number reaches the picture."""
    scene = random_scene(seed, triangles=7)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(seed))
    shuffled = scene._replace(faces=scene.faces[order], colors=scene.colors[order])
    found, expected = image_and_gradients(shuffled, options), image_and_gradients(scene, options)
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-5)
    assert distance(found[1], expected[1]) < 1e-4
    assert distance(found[2], expected[2][order]) < 1e-4


@settings(deadline=None, max_examples=15)
@given(seeds, rules)
def test_which_corner_comes_first_does_not_matter(seed: int, options: SoftOptions) -> None:
    """Breaks if corners of a face are treated differently."""
    scene = random_scene(seed)
    turned = scene._replace(faces=scene.faces.roll(1, 1), colors=scene.colors.roll(1, 1))
    found, expected = image_and_gradients(turned, options), image_and_gradients(scene, options)
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-4)
    assert distance(found[1], expected[1]) < 1e-3


@settings(deadline=None, max_examples=15)
@given(seeds, rules, st.integers(-9, 9), st.integers(-9, 9))
def test_moving_by_whole_pixels_moves_the_picture(seed: int, options: SoftOptions, rows: int, columns: int) -> None:
    """Breaks if the picture depends on where tiles and blocks lie."""
    scene = random_scene(seed, (64, 64), batch=1)
    w = scene.positions[..., 3:]
    small = scene._replace(positions=scene.positions * torch.tensor([0.3, 0.3, 1.0, 1.0]))
    step = w * torch.tensor([columns / 32, rows / 32, 0.0, 0.0])
    moved = draw(small._replace(positions=small.positions + step), options)
    expected = draw(small, options).roll((rows, columns), (1, 2))
    inside = slice(10, -10)
    close = (moved - expected).abs()[:, inside, inside] < 1e-3
    assert close.float().mean() > 0.999  # a centre on an edge may fall to the other side


def test_a_batch_is_its_images_one_by_one() -> None:
    """Breaks if images of a batch reach one another."""
    scene = random_scene(1, (33, 20), batch=3)
    together = image_and_gradients(scene)
    for i in range(3):
        one = slice(i, i + 1)
        alone = scene._replace(positions=scene.positions[one], background=scene.background[one], pull=scene.pull[one])
        found = image_and_gradients(alone)
        assert torch.equal(found[0], together[0][one])
        torch.testing.assert_close(found[1], together[1][one], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_hard_rules_draw_what_rasterize_sees(seed: int) -> None:
    """Breaks if softness does not end in the exact picture: hard rules, or sigma and gamma near 0."""
    scene = random_scene(seed, (32, 48))
    positions = scene.positions.clone()
    positions[..., 2] = (positions[..., 3] - 1) * 4 / 3  # z of a perspective camera with near 1 and far 4
    fragments = rasterize(positions, scene.faces, scene.size)
    each = torch.arange(15).view(5, 3)
    mask = (fragments.face_id >= 0).float()[..., None]
    seen = interpolate(scene.colors.flatten(0, 1), each, fragments) + (1 - mask) * scene.background[:, None, None]
    expected = torch.cat([seen, mask], -1)
    for options in (
        replace(BROAD, distance="hard", color="hard"),
        replace(BROAD, sigma=1e-12, gamma=1e-7, dist_eps=1e-3),
    ):
        found = draw(scene._replace(positions=positions), options)
        assert ((found - expected).abs() < 1e-2).all(-1).float().mean() > 0.99  # rasterize rounds to 1/256 pixel


@pytest.mark.parametrize("options", EVERY_RULE, ids=lambda o: f"{o.distance}-{o.alpha}-{o.color}")
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_faces_that_cannot_be_drawn_leave_nothing(options: SoftOptions, backend: str) -> None:
    """Breaks if a face that is degenerate, behind the camera, far away or not finite changes picture or gradient."""
    scene = random_scene(2, batch=1)
    a, b = scene.positions[0, 0], scene.positions[0, 1]
    behind = a * torch.tensor([1.0, 1.0, 1.0, -1.0])
    bad = torch.stack(
        [
            *(a, a, b),  # two corners at one place
            *torch.tensor([[0.0, 1.0, 1.0, 2.0], [2.0, 1.0, 1.0, 2.0], [0.5, 1.0, 1.0, 2.0]]),  # all on one line
            *(a, b, behind),
            *(a, b, torch.zeros(4)),
            *(a, b, a * torch.tensor([1e9, 1.0, 1.0, 1.0])),
            *(a, b, a * torch.nan),
            *(a, b, torch.tensor([torch.inf, 1.0, 1.0, 3.0])),
            *(a, b, torch.tensor([1.0, 1.0, 1.0, torch.inf])),
            *(a, b, torch.tensor([3e38, -3e38, 3e38, 1e-30])),
        ]
    )
    count = len(bad) // 3
    more = Scene(
        torch.cat([scene.positions, bad[None]], 1),
        torch.cat([scene.faces, torch.arange(15, 15 + 3 * count).view(-1, 3)]),
        torch.cat([scene.colors, torch.full((count, 3, 3), 5.0)]),
        scene.background,
        scene.pull,
    )
    with pytest.warns(RuntimeWarning, match="soft: 3 faces have a vertex that is NaN or infinite"):
        found = image_and_gradients(more, options, backend=backend)
    expected = image_and_gradients(scene, options, backend=backend)
    share = 5 / (5 + count) if options.alpha == "sum" else 1.0  # the sum is divided by the number of faces
    torch.testing.assert_close(found[0][..., -1], expected[0][..., -1] * share)
    torch.testing.assert_close(found[0][..., :-1], expected[0][..., :-1])
    assert all(one.isfinite().all() for one in found)
    assert not found[1][0, 15:].any() and not found[2][5:].any()


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_nothing_to_draw(backend: str) -> None:
    """Breaks if no faces, no vertices or no images are an error, or leave a gradient undefined."""
    scene = random_scene(3)
    none = scene._replace(faces=scene.faces[:0], colors=scene.colors[:0])
    image, g_positions, _, g_background = image_and_gradients(none, backend=backend)
    assert torch.equal(image[..., :3], scene.background[:, None, None].expand(-1, 12, 17, -1))
    assert not image[..., 3].any() and not g_positions.any()
    torch.testing.assert_close(g_background, scene.pull[..., :3].sum((1, 2)))
    empty = Scene(scene.positions[:0], scene.faces, scene.colors, scene.background[:0], scene.pull[:0])
    found = image_and_gradients(empty, backend=backend)
    assert found[0].shape == (0, 12, 17, 4) and not found[2].any()


def test_bad_arguments() -> None:
    """Breaks if an argument that cannot be meant is not refused, or the message does not say which."""
    scene = random_scene(4)
    size = scene.size
    with pytest.raises(IndexError, match="soft: `faces` holds index 15"):
        soft(scene.positions, scene.faces + 1, scene.colors, size)
    with pytest.raises(ValueError, match=r"soft: `colors` must be \(5, 3, C\)"):
        soft(scene.positions, scene.faces, scene.colors[:4], size)
    with pytest.raises(ValueError, match="soft: `background` must be"):
        soft(scene.positions, scene.faces, scene.colors, size, background=torch.zeros(2))
    with pytest.raises(ValueError, match="soft: `depth` must be one number per vertex"):
        soft(scene.positions, scene.faces, scene.colors, size, depth=torch.zeros(15))
    with pytest.raises(TypeError, match="soft: `positions` must be float32"):
        soft(scene.positions.double(), scene.faces, scene.colors, size)
    with pytest.raises(ValueError, match='soft: `backend` must be "native" or "reference"'):
        soft(scene.positions, scene.faces, scene.colors, size, backend="fast")  # type: ignore[arg-type]
    ranges = torch.tensor([[0, 5], [0, 2]])
    for backend in ("native", "reference"):
        with pytest.raises(IndexError, match=r"soft: `colors` has rows for 3 faces per image"):
            soft(
                scene.positions[0],
                scene.faces,
                torch.zeros(2, 3, 3, 1),
                size,
                ranges=ranges,
                backend=backend,  # type: ignore[arg-type]
            )
        with pytest.raises(IndexError, match="reaches beyond the 5 faces"):
            soft(scene.positions[0], scene.faces, scene.colors, size, ranges=ranges + 1, backend=backend)  # type: ignore[arg-type]
    for wrong, message in (
        ({"sigma": 0.0}, "`sigma` must be positive"),
        ({"gamma": -1.0}, "`gamma` must be positive"),
        ({"dist_eps": 0.7}, "`dist_eps` is a share"),
        ({"near": 5.0, "far": 2.0}, "0 < `near` < `far`"),
        ({"distance": "chamfer"}, "`distance` must be one of"),
        ({"alpha": "max"}, "`alpha` must be one of"),
        ({"color": "sum"}, "`color` must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            SoftOptions(**wrong)  # type: ignore[arg-type]


def test_half_precision_is_widened() -> None:
    """Breaks under autocast."""
    scene = random_scene(5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        half = scene._replace(positions=scene.positions.half(), colors=scene.colors.bfloat16())
        assert (draw(half) - draw(scene)).abs().mean() < 1e-2
