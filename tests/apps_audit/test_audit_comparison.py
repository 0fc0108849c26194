"""Derivative images of estimators, and scores: what is right scores 1 and 0, what is wrong does not."""

from dataclasses import astuple, dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from repousse.apps.audit import comparison, probing
from repousse.apps.audit.comparison import image_scores, loss_derivatives, moved_picture, score
from repousse.apps.audit.directions import motions
from repousse.apps.audit.measure import Precision, find_truth, measure
from repousse.apps.audit.scenes import SCENES, Scene
from repousse.camera import Camera
from repousse.geometry import Topology, icosphere
from repousse.ops import Fragments

SIZE = 16


def ball(subdivisions: int) -> Scene:
    camera = Camera.orbit(3.0, 0.3, 0.2)
    camera = Camera(camera.world_to_camera.view(4, 4), camera.projection.view(4, 4))
    return Scene("", icosphere(subdivisions, 0.8), camera)


@dataclass(frozen=True)
class Blurred:
    """Takes the first vertex's place on the screen for a brightness: smooth, exact, linear, and everywhere."""

    wrong: float = 1.0

    def __call__(self, image: Tensor, fragments: Fragments, topology: Topology) -> Tensor:
        shift = fragments.positions[..., 0, 0].view(-1, 1, 1, 1)
        return image + self.wrong * (shift - shift.detach())


def test_scores() -> None:
    """Breaks if the truth itself does not score 1 and 0, or what is opposite, too long or absent scores well."""
    truth = torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    for factor, expected in ((1, (1, 0)), (-1, (-1, 2)), (2, (1, 1)), (0, (0, 1))):
        assert astuple(score(factor * truth, truth)) == pytest.approx(expected)
    assert score(truth, 0 * truth).error == float("inf")


@pytest.mark.parametrize("subdivisions", [1, 4])
def test_derivative_images_add_up_to_the_gradient(subdivisions: int) -> None:
    """Breaks if a way of probing loses or misplaces gradient: against one derivative per motion through autograd, by
    mesh and camera as `render` gets them."""
    scene = ball(subdivisions)
    some = motions(scene, SIZE)[::2]
    found = probing.probe(scene, "interior", some, SIZE)
    assert found is not None and found.linear
    assert found.method == ("windows" if subdivisions == 1 else "lattice")
    target = torch.rand(SIZE, SIZE, 4, generator=torch.Generator().manual_seed(1))
    direct = loss_derivatives(scene, "interior", some, SIZE, target)
    drawn = scene.draw(SIZE)[0]
    torch.testing.assert_close((found.images * (drawn - target)).sum((1, 2, 3)), direct, atol=1e-4, rtol=1e-3)


def test_windows_and_lattice_agree_with_copies() -> None:
    """Breaks if the cheap ways of probing are not what a pixel alone would say."""
    scene = ball(1)
    some = motions(scene, SIZE)[::3]
    gradients = probing._Gradients(scene, "interior", some, SIZE, 1)
    slow = probing._copies(gradients)
    everywhere = torch.ones(SIZE, SIZE, dtype=torch.bool)
    torch.testing.assert_close(probing._windows(gradients, everywhere), slow, atol=1e-4, rtol=1e-3)


def test_an_estimator_that_looks_everywhere_gets_copies() -> None:
    """Breaks if an estimator is judged by windows although its gradient does not come from a pixel's surroundings."""
    scene = ball(1)
    found = probing.probe(scene, "kato", motions(scene, SIZE)[:2], SIZE)
    assert found is not None and found.method == "copies" and not found.linear
    large = ball(4)
    assert probing.probe(large, "kato", motions(large, SIZE)[:2], SIZE) is None


def test_the_truth_scores_well_and_a_wrong_estimator_badly() -> None:
    """Breaks if the table could praise a wrong estimator or blame a right one: coverage by differences is right,
    without silhouettes it is wrong."""
    scene = ball(1)
    known = find_truth(scene, Precision(size=SIZE, samples=24, count=1))
    perfect = image_scores(known.images, known.images, known.motions)
    assert all(one.error == 0 and one.cosine > 0.999999 for group in perfect.values() for one in group.values())
    row = measure(scene, "interior", known, Precision(size=SIZE, samples=24, count=1))
    assert row.scores is not None
    assert row.scores["rigid"]["mask"] == comparison.Score(0, 1)
    assert row.scores["rigid"]["color"].error > 0.3
    assert all(one.error < 0.2 for group in known.floor.values() for one in group.values())


def test_wrong_gradients_are_seen() -> None:
    """Breaks if what an estimator adds at silhouettes does not reach the comparison with its strength and sign."""
    scene = ball(1)
    some = motions(scene, SIZE)[:1]
    once, twice = (probing.probe(scene, Blurred(w), some, SIZE) for w in (1.0, -2.0))
    none = probing.probe(scene, "interior", some, SIZE)
    assert once is not None and twice is not None and none is not None
    torch.testing.assert_close(twice.images - none.images, -2 * (once.images - none.images), atol=1e-5, rtol=1e-4)


def test_an_estimator_that_fails_leaves_its_error() -> None:
    """Breaks if one failing estimator ends the audit."""

    def broken(image: Tensor, fragments: Fragments, topology: Topology) -> Tensor:
        raise ValueError("cannot do this\nat all")

    scene = ball(1)
    precision = Precision(size=8, samples=4, count=1)
    row = measure(scene, broken, find_truth(scene, precision), precision)  # type: ignore[arg-type]
    assert row.failure == "cannot do this"


def test_the_kept_truth_is_the_truth(tmp_path: Path) -> None:
    """Breaks if the truth is found again although it is kept, or taken for another scene or precision."""
    precision = Precision(size=8, samples=4, count=1)
    first = find_truth(ball(1), precision, cache=tmp_path)
    calls: list[int] = []
    again = find_truth(ball(1), precision, lambda: calls.append(1), tmp_path)
    assert torch.equal(first.images, again.images) and first.floor == again.floor and not calls
    find_truth(ball(2), precision, cache=tmp_path)
    find_truth(ball(1), Precision(size=8, samples=5, count=1), cache=tmp_path)
    assert len(list(tmp_path.glob("*.pt"))) == 3


def test_motions_by_zero_leave_the_picture() -> None:
    """Breaks if the picture that the loss sees is another than the scene's."""
    scene = SCENES["occluded"](Path())
    some = motions(scene, SIZE)
    assert torch.equal(moved_picture(scene, "interior", some, torch.zeros(len(some)), SIZE), scene.draw(SIZE)[0])
