"""Figures: how measurements become rows of a table and lines of a file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch
from rich import box
from rich.table import Table

from benchmarks import goals, machine
from benchmarks.overhead import Overhead
from benchmarks.steps import EMPTY, RASTERIZE
from benchmarks.timing import Timing

RESULTS = Path(__file__).parent / "results"


@dataclass
class Parallel:
    """A step with several threads."""

    wall: float  # least wall time, ms
    speedup: float  # over the least CPU time of one thread
    goal: float | None
    reached: bool | None


@dataclass
class Figure:
    """One row of the table."""

    workload: str
    name: str
    unit: str  # "ms", "us" or "x"
    best: float  # least CPU time of one thread
    median: float | None = None  # median CPU time of one thread
    wall: float | None = None  # least wall time of one thread
    wall_median: float | None = None
    faults: float | None = None  # page faults of the median call
    goal: float | None = None
    reached: bool | None = None
    parallel: dict[int, Parallel] = field(default_factory=dict)


def step_figures(workload: str, timings: Mapping[int, Mapping[str, Timing]]) -> list[Figure]:
    """Figures of a workload from its timings by number of threads and by step."""
    one = timings[1]
    figures = []
    for name, timing in one.items():
        figure = Figure(workload, name, "ms", timing.best_cpu, timing.median_cpu, timing.best_wall, timing.median_wall)
        figure.faults = sorted(timing.faults)[len(timing.faults) // 2]
        _judge(figure, goals.COST.get(name, {}).get(workload))
        for threads, several in timings.items():
            if threads > 1 and name in several:
                figure.parallel[threads] = _parallel(workload, name, threads, timing, several[name])
        figures.append(figure)
        if name == RASTERIZE:
            ratio = Figure(workload, f"  over {EMPTY}", "x", timing.best_cpu / one[EMPTY].best_cpu)
            _judge(ratio, goals.RATIO[workload])
            figures.append(ratio)
    return figures


def _parallel(workload: str, name: str, threads: int, one: Timing, several: Timing) -> Parallel:
    # The CPU time of one thread is the wall time it has on a machine that does nothing else. Its wall time,
    # when something else runs, would make several threads look better than they are.
    speedup = one.best_cpu / several.best_wall
    goal = goals.SPEEDUP.get(name, {}).get(workload) if threads == 2 else None
    return Parallel(several.best_wall, speedup, goal, None if goal is None else speedup >= goal)


def overhead_figures(workload: str, found: Iterable[Overhead]) -> list[Figure]:
    """Two figures per call: its kernels, and what comes on top."""
    figures = []
    for one in found:
        figures.append(Figure(workload, f"{one.name}: kernels", "us", one.kernels))
        both_ways = one.name.endswith("bwd")
        above = Figure(workload, "  overhead", "us", one.overhead, one.median - one.kernels)
        _judge(above, goals.OVERHEAD_BOTH_WAYS if both_ways else goals.OVERHEAD_FORWARD)
        figures.append(above)
    return figures


def _judge(figure: Figure, goal: float | None) -> None:
    figure.goal = goal
    figure.reached = None if goal is None else figure.best <= goals.ALLOWANCE * goal


def table(sections: Mapping[str, list[Figure]], threads: list[int]) -> Table:
    """One section per workload, one row per figure."""
    several = [count for count in threads if count > 1]
    result = Table(
        title=f"{machine.cpu_name()}, kernels {machine.instruction_set()}, torch {torch.__version__}",
        caption="One thread: CPU time of the process, and wall time; a cost within "
        f"{goals.ALLOWANCE}x of its goal is reached.\n"
        "Several threads: least wall time, and how often it goes into the least CPU time of one.",
        box=box.SIMPLE,
        pad_edge=False,
    )
    for heading in ("", "unit", "least", "median", "wall least", "goal", ""):
        result.add_column(heading, justify="right" if heading not in ("", "unit") else "left", no_wrap=True)
    for count in several:
        result.add_column(f"{count} threads", justify="right", no_wrap=True)
        result.add_column("speed-up", justify="right", no_wrap=True)
        result.add_column("goal", justify="right", no_wrap=True)
        result.add_column("", no_wrap=True)
    for title, figures in sections.items():
        result.add_section()
        result.add_row(f"[bold]{title}")
        for figure in figures:
            cells = [figure.best, figure.median, figure.wall, figure.goal]
            row = [figure.name, figure.unit, *map(_number, cells), _verdict(figure.reached)]
            for count in several:
                row += _parallel_cells(figure.parallel.get(count))
            result.add_row(*row)
    return result


def _parallel_cells(parallel: Parallel | None) -> list[str]:
    if parallel is None:
        return [""] * 4
    values = parallel.wall, parallel.speedup, parallel.goal
    return [*map(_number, values), _verdict(parallel.reached)]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 20 else f"{value:.2f}"


def _verdict(reached: bool | None) -> str:
    return {None: "", True: "[green]reached", False: "[red]not"}[reached]


def save(sections: Mapping[str, list[Figure]], threads: list[int], coverage: Mapping[str, float]) -> Path:
    """Append the run to the file of this machine, one JSON object per line; returns the file."""
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **machine.description(threads),
        "coverage": dict(coverage),
        "figures": [_plain(figure) for figures in sections.values() for figure in figures],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{machine.slug(machine.cpu_name())}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return path


def _plain(figure: Figure) -> dict[str, object]:
    row = asdict(figure) | {"name": figure.name.strip()}
    return _rounded({key: value for key, value in row.items() if value not in (None, {})})


def _rounded(row: dict) -> dict:
    """Four decimals are finer than any clock here."""
    return {
        key: _rounded(value) if isinstance(value, dict) else round(value, 4) if isinstance(value, float) else value
        for key, value in row.items()
    }
