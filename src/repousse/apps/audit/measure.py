"""One scene under the audit: the truth once, then each estimator against it."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from repousse.apps.audit import comparison, probing, truth
from repousse.apps.audit.comparison import Score
from repousse.apps.audit.directions import GROUPS, Group, Motion, displaced, motions
from repousse.apps.audit.scenes import Scene

VERSION = 1  # of what is kept on disk: raise it when the truth is found in another way
Scores = dict[Group, dict[str, Score]]


@dataclass(frozen=True)
class Precision:
    """How the measurement is made.

    size         width and height of the pictures in pixels
    samples      of the truth, per pixel along each side
    step         of its central differences, in pixels where the motion is fastest
    supersample  samples per pixel along each side in the pictures that estimators get
    count        smooth motions of the vertices
    """

    size: int = 64
    samples: int = 48
    step: float = 0.08
    supersample: int = 1
    count: int = 4


@dataclass(frozen=True, eq=False)
class Truth:
    """What estimators are compared with.

    images   float (M, H, W, 4)  the derivative of the integrated picture along each motion
    picture  float (H, W, 4)     the integrated picture
    target   float (H, W, 4)     the same of the displaced mesh
    losses   float (M)           derivatives of 0.5 |picture - target|²
    floor    scores of a second truth, found with another step and fewer samples, along some of the motions
    """

    motions: list[Motion]
    images: Tensor
    picture: Tensor
    target: Tensor
    losses: Tensor
    floor: Scores


@dataclass(frozen=True, eq=False)
class Row:
    """An estimator on a scene.

    scores      of the derivative images; None where it has none: neither linear nor local on a large mesh
    loss        of the derivatives of 0.5 |picture - target|² along all motions, for each group
    cost        CPU milliseconds of a mask, forward and backward, above visibility
    method      how the derivative images were found
    additivity  see `probing.Derivative`
    failure     why nothing could be measured, or ""
    images      the derivative images (M, H, W, 4), for pictures
    """

    scores: Scores | None = None
    loss: dict[Group, Score] = field(default_factory=dict)
    cost: float = 0.0
    method: str = ""
    additivity: float = 0.0
    failure: str = ""
    images: Tensor | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        kept = {name: value for name, value in vars(self).items() if name != "images"}
        scores = None if self.scores is None else plain(self.scores)
        return {**kept, "scores": scores, "loss": {group: asdict(one) for group, one in self.loss.items()}}


def plain(scores: Scores) -> dict[str, Any]:
    return {group: {name: asdict(one) for name, one in channels.items()} for group, channels in scores.items()}


def _scores(data: dict[str, Any]) -> Any:
    """The inverse of `plain`."""
    return {group: {name: Score(**one) for name, one in channels.items()} for group, channels in data.items()}


def find_truth(
    scene: Scene, precision: Precision, done: Callable[[], None] = lambda: None, cache: Path | None = None
) -> Truth:
    """The truth of a scene; `done` is called at most `truth_steps` times.

    cache  folder where it is kept, and taken from if the same scene has been measured with the same precision
    """
    found = motions(scene, precision.size, count=precision.count)
    if cache is None:
        return _found_truth(scene, precision, found, done)
    path = cache / f"{_digest(scene, precision, found)}.pt"
    if path.is_file():
        kept = torch.load(path, weights_only=True)
        return Truth(found, **{**kept, "floor": _scores(kept["floor"])})
    known = _found_truth(scene, precision, found, done)
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    kept = {name: value for name, value in vars(known).items() if name != "motions"}
    torch.save({**kept, "floor": plain(known.floor)}, unfinished)
    unfinished.replace(path)
    return known


def _digest(scene: Scene, precision: Precision, found: Sequence[Motion]) -> str:
    """Of all that the truth depends on: how scene and target look, the motions, the precision."""
    pictures = [scene.draw(precision.size, mesh=mesh, supersample=2) for mesh in (scene.mesh, displaced(scene))]
    moved = [scene.draw(precision.size, mesh=m, camera=c) for m, c in (one.moved(scene, 3.0) for one in found)]
    settings = replace(precision, supersample=1)  # which is the estimators' affair
    digest = hashlib.sha256(repr((VERSION, astuple(settings))).encode())
    for picture in [*pictures, *moved]:
        digest.update(picture.numpy().tobytes())
    return digest.hexdigest()[:16]


def _found_truth(scene: Scene, precision: Precision, found: list[Motion], done: Callable[[], None]) -> Truth:
    size, samples = precision.size, precision.samples
    images = truth.derivative(scene, found, size, samples=samples, step=precision.step, done=done)
    some = _some(found)
    fewer = max(1, samples * 3 // 4)
    again = truth.derivative(scene, [found[i] for i in some], size, samples=fewer, step=1.4 * precision.step, done=done)
    floor = comparison.image_scores(again, images[some], [found[i] for i in some])
    picture = truth.integrated(scene, size, samples)
    target = truth.integrated(scene, size, samples, displaced(scene))
    return Truth(found, images, picture, target, comparison.true_loss_derivatives(images, picture, target), floor)


def truth_steps(scene: Scene, precision: Precision) -> int:
    found = motions(scene, precision.size, count=precision.count)
    return len(found) + len(_some(found))


def _some(found: Sequence[Motion]) -> list[int]:
    """Two motions of each group."""
    return [i for group in GROUPS for i in [j for j, m in enumerate(found) if m.group == group][:2]]


def measure(scene: Scene, estimator: str, known: Truth, precision: Precision) -> Row:
    """One row of the table; an estimator that fails leaves its error in it."""
    size, supersample = precision.size, precision.supersample
    near = torch.nn.functional.max_pool2d(known.picture[None, None, ..., 3], 7, 1, 3)[0, 0] > 0
    try:
        found = probing.probe(scene, estimator, known.motions, size, supersample=supersample, near=near)
        losses = comparison.loss_derivatives(scene, estimator, known.motions, size, known.target, supersample)
        cost = comparison.cost(scene, estimator, size)
    except (ValueError, TypeError, RuntimeError) as error:
        return Row(failure=(str(error).splitlines() or [type(error).__name__])[0])
    groups: dict[Group, list[int]] = {g: [i for i, m in enumerate(known.motions) if m.group == g] for g in GROUPS}
    loss: dict[Group, Score] = {
        group: comparison.score(losses[chosen], known.losses[chosen]) for group, chosen in groups.items()
    }
    if found is None:
        return Row(None, loss, cost)
    scores = comparison.image_scores(found.images, known.images, known.motions)
    return Row(scores, loss, cost, found.method, found.additivity, images=found.images)


@dataclass(eq=False)
class SceneResult:
    """All rows of a scene.

    seconds  of wall time
    skipped  why the scene was left out, or ""
    """

    name: str
    what: str = ""
    faces: int = 0
    floor: Scores = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    seconds: float = 0.0
    skipped: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        rows = {name: row.plain() for name, row in self.rows.items()}
        return {**vars(self), "floor": plain(self.floor), "rows": rows}


def stopwatch() -> Callable[[], float]:
    """Seconds since this was called."""
    started = time.perf_counter()
    return lambda: time.perf_counter() - started
