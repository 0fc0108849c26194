"""What holds for every estimator, whatever it does at silhouettes."""

import pytest
import torch
from gradients_scenes import Scene, distance, gradient, picture, random_scene
from torch import Tensor

from repousse import gradients
from repousse.geometry import topology
from repousse.gradients import Antialias, Boundary, Edge, Estimator, Interior, Kato, Soft
from repousse.ops import rasterize

ESTIMATORS = [Boundary(), Antialias(), Edge(), Kato("crossings"), Kato("released"), Interior()]
DRAWING = [Soft()]  # draws pictures of its own: see tests/render/test_render_soft.py
EVERY = pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
# Those that leave the image alone: all but the one whose image is smooth.
HARD = pytest.mark.parametrize("estimator", [e for e in ESTIMATORS if e != Antialias()], ids=str)
PACKABLE = pytest.mark.parametrize("estimator", [e for e in ESTIMATORS if e != Kato("released")], ids=str)
SIZE = (32, 64)  # powers of two: moving by whole pixels is exact


def test_every_estimator_is_listed() -> None:
    """Breaks if an estimator is added without its line above."""
    classes = {getattr(gradients, name) for name in gradients.__all__} - {Estimator}
    assert {kind for kind in classes if isinstance(kind, type)} == {type(e) for e in ESTIMATORS + DRAWING}
    assert set(gradients.names()) >= {"boundary", "antialias", "edge", "kato", "kato-released", "interior", "soft"}
    for choice in gradients.names():
        assert gradients.estimator(choice) in ESTIMATORS + DRAWING
        assert gradients.estimator(gradients.estimator(choice)) is gradients.estimator(choice)
    with pytest.raises(ValueError, match=r"gradient 'sharp' is not known; choose one of \['antialias', 'boundary'"):
        gradients.estimator("sharp")
    with pytest.raises(TypeError, match="name"):
        gradients.estimator(None)  # type: ignore[arg-type]


def test_settings_that_cannot_be() -> None:
    """Breaks if an estimator with a setting it does not know is built all the same."""
    with pytest.raises(ValueError, match='Kato: `mode` must be "crossings" or "released", got \'edges\''):
        Kato("edges")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Kato: `eps` must be positive, got 0"):
        Kato(eps=0)
    scene = random_scene(0, SIZE)
    packed = scene._replace(positions=scene.positions[0], ranges=torch.tensor([[0, 4]]))
    with pytest.raises(ValueError, match='mode "released" does not take packed meshes'):
        gradient(packed, Kato("released"))


def test_what_draws_pictures_of_its_own_takes_none() -> None:
    """Breaks if Soft, called like an estimator, returns something that looks like a gradient."""
    with pytest.raises(TypeError, match=r"Soft draws pictures of its own .* render\(\.\.\., gradient=Soft"):
        gradient(random_scene(0, SIZE), Soft())


@HARD
def test_the_image_stays_as_it_is(estimator: Estimator) -> None:
    """Breaks if an estimator of hard images changes a value, or the gradient of the image itself."""
    scene = random_scene(1, SIZE)
    positions = scene.positions.clone().requires_grad_()
    before, after = picture(scene, estimator, positions)
    assert torch.equal(before, after)
    (passed,) = torch.autograd.grad(after, before, scene.pull)
    assert torch.equal(passed, scene.pull)


@EVERY
@pytest.mark.parametrize("seed", range(4))
def test_a_constant_image_has_no_gradient(estimator: Estimator, seed: int) -> None:
    """Breaks if the gradient depends on anything but differences of the image."""
    scene = random_scene(seed, SIZE)
    positions = scene.positions.clone().requires_grad_()
    fragments = rasterize(positions, scene.faces, SIZE)
    image = torch.full_like(scene.pull, 0.7).requires_grad_()
    estimated = estimator(image, fragments, topology(scene.faces))
    (moved,) = torch.autograd.grad((estimated * scene.pull).sum(), positions, allow_unused=True)
    assert moved is None or not moved.any()


@EVERY
@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (-3, 0), (2, -7)])
def test_moving_everything_moves_nothing(estimator: Estimator, rows: int, columns: int) -> None:
    """Breaks if the gradient depends on where in the image the scene lies (by whole pixels, losses included)."""
    inside = torch.zeros(1, *SIZE, 1)
    inside[:, 4:-4, 8:-8] = 1
    scene = random_scene(2, SIZE)
    positions = scene.positions * torch.tensor([0.5, 0.5, 1.0, 1.0])
    scene = scene._replace(positions=positions, pull=scene.pull * inside)
    step = torch.tensor([2 * columns / SIZE[1], 2 * rows / SIZE[0], 0, 0])
    moved = scene._replace(positions=positions + step, pull=scene.pull.roll((rows, columns), (1, 2)))
    expected = gradient(scene, estimator)
    assert expected.any()
    found = gradient(moved, estimator)
    # With w = 1 a derivative by w is the one along the ray to the origin, which moves: not compared.
    assert distance(found[..., :3], expected[..., :3]) < 1e-4


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_faces_does_not_matter(estimator: Estimator, seed: int) -> None:
    """Breaks if a face's number reaches the gradient."""
    scene = random_scene(seed, SIZE, triangles=6)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    expected = gradient(scene, estimator)
    assert distance(gradient(scene._replace(faces=scene.faces[order]), estimator), expected) < 1e-4


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_vertices_does_not_matter(estimator: Estimator, seed: int) -> None:
    """Breaks if a vertex' number, or which corner of its face it is, reaches the gradient."""
    scene = random_scene(seed, SIZE, triangles=5)
    order = torch.randperm(15, generator=torch.Generator().manual_seed(seed))
    place = torch.empty_like(order)
    place[order] = torch.arange(15)
    shuffled = Scene(scene.positions[:, order], place[scene.faces].roll(1, 1), scene.colors[order], scene.pull)
    expected = gradient(scene, estimator)[:, order]
    assert distance(gradient(shuffled, estimator), expected) < 1e-4


@EVERY
def test_a_batch_is_its_images_one_by_one(estimator: Estimator) -> None:
    """Breaks if images of a batch pull on one another."""
    scene = random_scene(5, SIZE, triangles=5, batch=4)
    together = gradient(scene, estimator)
    for image in range(4):
        one = slice(image, image + 1)
        alone = gradient(scene._replace(positions=scene.positions[one], pull=scene.pull[one]), estimator)
        assert distance(together[one], alone) < 1e-5


@PACKABLE
def test_packed_meshes_are_the_separate_ones(estimator: Estimator) -> None:
    """Breaks if packed meshes pull on one another, or gradients go to the wrong one."""
    parts = [random_scene(seed, SIZE, triangles=seed + 2) for seed in range(3)]
    first = torch.tensor([0, 2, 5])
    packed = Scene(
        torch.cat([part.positions[0] for part in parts]),
        torch.cat([part.faces + 3 * int(f) for part, f in zip(parts, first, strict=True)]),
        torch.cat([part.colors for part in parts]),
        torch.cat([part.pull for part in parts]),
        torch.stack([first, torch.tensor([2, 3, 4])], 1),
    )
    expected = torch.cat([gradient(part, estimator)[0] for part in parts])
    assert distance(gradient(packed, estimator), expected) < 1e-5


@PACKABLE
def test_images_that_share_a_mesh_share_its_gradient(estimator: Estimator) -> None:
    """Breaks if ranges that name the same faces do not add up."""
    scene = random_scene(6, SIZE)
    pull = torch.cat([scene.pull, scene.pull.flip(1)])
    packed = scene._replace(positions=scene.positions[0], pull=pull, ranges=torch.tensor([[0, 4], [0, 4]]))
    expected: Tensor = sum(gradient(scene._replace(pull=one[None]), estimator)[0] for one in pull)  # type: ignore
    assert distance(gradient(packed, estimator), expected) < 1e-5


@EVERY
def test_twice_the_loss_twice_the_gradient(estimator: Estimator) -> None:
    """Breaks if the size of a loss changes the direction: scaling must only scale."""
    scene = random_scene(7, SIZE)
    expected = 2 * gradient(scene, estimator)
    assert distance(gradient(scene._replace(pull=2 * scene.pull), estimator), expected) < 1e-6
