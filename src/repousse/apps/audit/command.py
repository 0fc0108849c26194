"""The command `repousse audit`."""

from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from repousse import gradients
from repousse.apps.audit import measure as measuring
from repousse.apps.audit import report, usefulness
from repousse.apps.audit.measure import Precision, SceneResult
from repousse.apps.audit.pictures import derivative_picture
from repousse.apps.audit.scenes import QUICK, SCENES, SceneMissing
from repousse.apps.audit.usefulness import Outcome
from repousse.apps.common import InputError, Result, Run, require, require_estimator


@dataclass(frozen=True)
class Audit:
    """Measure every estimator of silhouettes against the truth.

    The truth is the derivative of pictures whose pixels are integrals over their area: central differences of hard
    renderings with very many samples. See docs/gradients.md for how to read the result.
    """

    scenes: tuple[str, ...] = ()
    """Scenes; all by default."""
    gradients: tuple[str, ...] = ()
    """Names of estimators; all by default."""
    out: Path = Path("out/audit")
    """Folder the results are written to; the truth is kept in `truth` there and found only once."""
    size: int = 64
    """Width and height of the pictures in pixels."""
    samples: int = 48
    """Samples of the truth per pixel along each side, where there are edges."""
    step: float = 0.08
    """Step of the truth's central differences, in pixels where the motion is fastest."""
    supersample: int = 1
    """Samples per pixel along each side in the pictures that the estimators get."""
    data: Path = Path("../shared/data")
    """Folder of real data; the scenes that need it are skipped where there is none."""
    searches: bool = False
    """Also count how many searches for a pose, a place and a shape arrive, from 20 random starts each."""
    quick: bool = False
    """Three scenes in small pictures, to see that all works."""

    def __post_init__(self) -> None:
        for name in self.scenes:
            require(name in SCENES, f"there is no scene {name!r}; choose from {', '.join(SCENES)}")
        for name in self.gradients:
            require_estimator(name)
        require(8 <= self.size <= 512, f"size must lie between 8 and 512, not {self.size}")
        require(2 <= self.samples <= 256, f"samples must lie between 2 and 256, not {self.samples}")
        require(0 < self.step <= 1, f"step must lie above 0 and be at most 1, not {self.step:g}")
        require(1 <= self.supersample <= 16, f"supersample must lie between 1 and 16, not {self.supersample}")


def audit(settings: Audit | None = None) -> Result:
    """Measure, print the tables, write audit.json, the pictures and index.html. Ctrl-C keeps the scenes that are
    done."""
    settings = settings or Audit()
    run = Run("audit", settings.out)
    names = settings.scenes or (QUICK if settings.quick else tuple(SCENES))
    estimators = settings.gradients or gradients.names()
    precision = Precision(settings.size, settings.samples, settings.step, settings.supersample)
    if settings.quick:
        precision = Precision(min(settings.size, 32), min(settings.samples, 16), settings.step, settings.supersample, 1)
    results: list[SceneResult] = []
    searches: dict[str, dict[str, Outcome]] = {}
    pictures: dict[str, Path] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("audit", total=None)
        try:
            for number, name in enumerate(names):
                head = f"{name} ({number + 1} of {len(names)})"
                results.append(_scene(name, head, estimators, settings, precision, progress, task, pictures))
                report.write(settings.out, results, precision, pictures)
            if settings.searches:
                total = len(usefulness.SEARCHES) * len(usefulness.schedules(estimators))
                progress.reset(task, total=total, description="searches")
                searches = usefulness.measure(estimators, done=lambda: progress.advance(task))
        except KeyboardInterrupt:
            progress.console.print(f"audit: stopped after {len(results)} of {len(names)} scenes, writing what there is")
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    for table in [*report.tables(results), *([report.search_table(searches)] if searches else [])]:
        console.print(table)
    run.written += [*report.write(settings.out, results, precision, pictures, searches)[::-1], *pictures.values()]
    done = [result for result in results if not result.skipped]
    return run.done(f"{len(done)} scenes, {len(estimators)} estimators", scenes=len(done))


def _scene(
    name: str,
    head: str,
    estimators: tuple[str, ...],
    settings: Audit,
    precision: Precision,
    progress: Progress,
    task: TaskID,
    pictures: dict[str, Path],
) -> SceneResult:
    elapsed = measuring.stopwatch()
    try:
        scene = SCENES[name](settings.data)
    except SceneMissing as missing:
        return SceneResult(name, skipped=str(missing))
    total = measuring.truth_steps(scene, precision) + len(estimators)
    progress.reset(task, total=total, description=f"{head}: truth")
    known = measuring.find_truth(scene, precision, lambda: progress.advance(task), settings.out / "truth")
    result = SceneResult(name, scene.what, len(scene.mesh.faces), known.floor)
    for estimator in estimators:
        progress.update(task, description=f"{head}: {estimator}")
        result.rows[estimator] = measuring.measure(scene, estimator, known, precision)
        progress.advance(task)
    path = settings.out / f"{name}.png"
    try:
        derivative_picture(known, result.rows).save(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    pictures[name] = path
    result.seconds = elapsed()
    return result


if __name__ == "__main__":
    print(audit(tyro.cli(Audit)))
