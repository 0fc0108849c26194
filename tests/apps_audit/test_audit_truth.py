"""The truth of the audit against derivatives that are known exactly."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from repousse.apps.audit import truth
from repousse.apps.audit.comparison import score
from repousse.apps.audit.directions import Motion, displaced, motions
from repousse.apps.audit.scenes import SCENES, Scene, SceneMissing
from repousse.camera import Camera
from repousse.geometry import Mesh
from repousse.shading import Ambient

SIZE = 16
CAMERA = Camera.look_at((0.0, 0.0, 3.0), extent=2.0)
ORTHOGRAPHIC = Camera(CAMERA.world_to_camera.view(4, 4), CAMERA.projection.view(4, 4))
PER_PIXEL = 2 / SIZE  # world units


def card(outline: Tensor) -> Scene:
    """A white polygon (N, 2) that faces the camera, on black; a unit of the world is half the picture."""
    count = len(outline)
    fan = torch.stack([torch.zeros(count - 2).long(), torch.arange(1, count - 1), torch.arange(2, count)], 1)
    positions = torch.cat([outline, torch.zeros(count, 1)], 1)
    return Scene("", Mesh(positions, fan), ORTHOGRAPHIC, background=(0.0, 0.0, 0.0), lights=(Ambient(1.0),))


def sideways(scene: Scene) -> Motion:
    """By a pixel to the right."""
    return Motion("rigid", "right", positions=torch.tensor([PER_PIXEL, 0, 0]).expand_as(scene.mesh.positions))


def disc() -> Scene:
    angle = torch.arange(400) * (2 * math.pi / 400)
    return card(0.7 * torch.stack([angle.cos(), angle.sin()], 1) + torch.tensor([0.021, 0.013]))


def disc_derivative() -> Tensor:
    """How much of each pixel a disc uncovers or covers that moves by a pixel to the right: over the height of the
    pixel, where the disc's right border crosses it, minus where its left border does. (SIZE, SIZE)"""
    rows = (torch.arange(SIZE * 2000, dtype=torch.float64) + 0.5) / 2000
    radius, x, y = 0.7 / PER_PIXEL, SIZE / 2 + 0.021 / PER_PIXEL, SIZE / 2 - 0.013 / PER_PIXEL
    half = (radius**2 - (rows - y) ** 2).clamp(min=0).sqrt()
    crossed = half > 0
    found = torch.zeros(SIZE, SIZE, dtype=torch.float64)
    for sign in (1, -1):
        place = ((rows[crossed]).long(), (x + sign * half[crossed]).long())
        found.index_put_(place, torch.full((int(crossed.sum()),), sign / 2000, dtype=torch.float64), accumulate=True)
    return found


def test_truth_of_a_moving_disc() -> None:
    """Breaks if the truth is more than 3 % from the exact derivative: the noise floor of the whole audit."""
    scene = disc()
    (found,) = truth.derivative(scene, [sideways(scene)], SIZE)
    for channel in range(4):
        one = score(found[..., channel], disc_derivative())
        assert one.cosine > 0.9995
        assert one.error < 0.03


def test_truth_of_a_moving_half_plane() -> None:
    """Breaks if a straight slanted edge is not sharp: each row's derivative adds up to the edge's speed, exactly."""
    scene = card(torch.tensor([[-3.0, -3.0], [0.1, -3.0], [0.7, 3.0], [-3.0, 3.0]]))
    (found,) = truth.derivative(scene, [sideways(scene)], SIZE)
    torch.testing.assert_close(found[..., 3].sum(1), torch.ones(SIZE), atol=0.02, rtol=0)
    assert ((found[..., 3] != 0).sum(1) <= 2).all()  # no row sees more than a tenth of a pixel of slope


def test_truth_of_a_shaded_quad() -> None:
    """Breaks if what lies inside faces is not part of the truth: a linear ramp of colour moves by its slope."""
    scene = card(torch.tensor([[-2.0, -2.0], [2.0, -2.0], [2.0, 2.0], [-2.0, 2.0]]))
    ramp = (0.5 + 0.2 * scene.mesh.positions[:, :1]).expand(-1, 3)
    scene = replace(scene, mesh=scene.mesh.with_attribute("color", ramp))
    (found,) = truth.derivative(scene, [sideways(scene)], SIZE, samples=8)
    torch.testing.assert_close(found[..., :3], torch.full((SIZE, SIZE, 3), -0.2 * PER_PIXEL), atol=1e-4, rtol=0)


def test_truth_repeats() -> None:
    """Breaks if step or sampling decide what is measured: they change the truth by a few percent at most."""
    scene = SCENES["cubes"](Path())
    some = motions(scene, 32)[4::9]
    once = truth.derivative(scene, some, 32)
    again = truth.derivative(scene, some, 32, samples=42, step=0.1)
    assert score(again, once).error < 0.08


def test_pieces_make_up_the_picture() -> None:
    """Breaks if a piece of a picture shows another place, or samples where edges are differ from those elsewhere."""
    scene = SCENES["cubes"](Path())
    whole = scene.draw(32, supersample=6)[0]
    torch.testing.assert_close(truth.integrated(scene, 32, 6), whole)
    piece = truth.window(scene.camera, torch.tensor([[8, 16], [20, 4]]), 8, 32)
    drawn = scene.draw(8, camera=piece, supersample=6)
    torch.testing.assert_close(drawn[0], whole[8:16, 16:24], atol=0.03, rtol=0)  # a sample on an edge may go over
    torch.testing.assert_close(drawn[1], whole[20:28, 4:12], atol=0.03, rtol=0)


@pytest.mark.parametrize("name", ["sphere-coarse", "rods", "textured-plane", "cloth", "occluded"])
def test_motions_move_by_a_pixel(name: str) -> None:
    """Breaks if a motion is not scaled to the screen, or a direction is missing."""
    scene = SCENES[name](Path())
    found = motions(scene, 32)
    assert [sum(m.group == g for m in found) for g in ("rigid", "camera")] == [6, 7]
    assert sum(m.group == "vertices" for m in found) == (8 if scene.white else 4)
    for motion in found:
        before = scene.camera.to_pixels(scene.mesh.positions, (32, 32))[0]
        mesh, camera = motion.moved(scene, 0.1)
        shift = (camera.to_pixels(mesh.positions, (32, 32))[0] - before).norm(dim=-1).max()
        assert 0.09 < shift < 0.11, motion.name
    assert (displaced(scene).positions - scene.mesh.positions).norm(dim=1).min() > 0


@pytest.mark.parametrize("name", sorted(SCENES))
def test_scenes(name: str, shared_data: Path) -> None:
    """Breaks if a scene is empty, fills the picture, leaves it, or has no contrast."""
    if name == "sphere-million":
        pytest.skip("as the other spheres")
    picture = SCENES[name](shared_data).draw(64, supersample=4)[0]
    mask = picture[..., 3]
    assert (0.01 if name == "threads" else 0.08) < mask.mean() < 0.75
    assert not mask[[0, -1]].any() and not mask[:, [0, -1]].any()
    assert picture[..., :3][mask == 1].std(0).max() > 0.05


def test_a_scene_without_its_data_says_why(tmp_path: Path) -> None:
    """Breaks if missing data ends the audit instead of one scene."""
    with pytest.raises(SceneMissing, match="--data"):
        SCENES["cow"](tmp_path)
