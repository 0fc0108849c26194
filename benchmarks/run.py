"""Measure the native operations on this machine: `python -m benchmarks.run`.

Prints one table and appends one line to results/<cpu>.jsonl. Takes about a minute on a quiet machine.
"""

import time

import torch
import tyro
from rich.console import Console

from benchmarks import report, soft, voxels
from benchmarks.overhead import Overheads
from benchmarks.steps import SERIAL, steps
from benchmarks.timing import Series, measure
from benchmarks.workloads import SPECS, TINY, Scene, build


def run(workloads: str = "ABCD", threads: tuple[int, ...] = (1, 2), repeat: int = 30, save: bool = True) -> None:
    """Measure what the native operations cost.

    Args:
        workloads: Some of A, B, C and D.
        threads: Numbers of threads; one thread is always measured.
        repeat: Rounds in which all steps of all workloads take turns, three calls each.
        save: Append the figures to benchmarks/results.
    """
    unknown = sorted(set(workloads) - set(SPECS))
    if unknown or not workloads or min(threads, default=1) < 1 or repeat < 1:
        raise SystemExit(
            f"benchmarks: workloads are {', '.join(SPECS)}, threads and repeat at least 1; "
            f"got {workloads!r}, {threads}, {repeat}."
        )
    torch.set_num_threads(1)
    start, counts = time.monotonic(), sorted({1, *threads})
    console = Console()
    with console.status("preparing"):
        scenes = [build(SPECS[name]) for name in dict.fromkeys(workloads)]
        series = {scene.spec.name: _series(scene, counts) for scene in scenes}
        small = Overheads()
        grids, softly = voxels.series(counts), soft.series(counts)
    with console.status("measuring"):
        measure([one for several in series.values() for one in several] + grids + softly + [small.series], repeat)

    sections = {}
    for scene in scenes:
        timings = {one.threads: one.timings for one in series[scene.spec.name]}
        sections[f"{scene.spec}, {scene.coverage:.1%} covered"] = report.step_figures(scene.spec.name, timings)
    for module, several in ((voxels, grids), (soft, softly)):
        timings = {one.threads: one.timings for one in several}
        sections[module.TITLE] = report.step_figures(module.WORKLOAD, timings)
    sections[f"call overhead, {TINY}"] = report.overhead_figures(TINY.name, small.results())
    # A line that a narrow terminal breaks is better than a column it cannot show.
    wide = Console(width=max(console.width, 140))
    wide.print(report.table(sections, counts))
    coverage = {scene.spec.name: round(scene.coverage, 4) for scene in scenes}
    where = f"; added to {report.save(sections, counts, coverage)}" if save else ""
    wide.print(f"{time.monotonic() - start:.0f} s{where}")


def _series(scene: Scene, counts: list[int]) -> list[Series]:
    """The steps of a workload for each number of threads."""
    variants = steps(scene)
    shared = {name: call for name, call in variants.items() if name not in SERIAL}
    return [Series(variants if count == 1 else shared, count) for count in counts]


if __name__ == "__main__":
    tyro.cli(run)
