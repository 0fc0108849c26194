"""Timing on machines that do other things as well: many short calls, variants in turn, the least of each."""

import gc
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import torch

_BURST = 3  # calls of a variant in a row: the first finds caches full of the other variants' data
_SLOW_MS = 40.0  # a variant that takes this long is called less often, so that it does not fill the whole run
_SHORT_MS = 0.5  # a measurement lasts at least this long, for reading the CPU clock takes a microsecond
_SETTLE_S = 0.005  # until workers of the series before have gone to sleep

Call = Callable[[], object]


@dataclass
class Timing:
    """Every measurement of a variant: milliseconds per call."""

    cpu: list[float] = field(default_factory=list)  # of the whole process
    wall: list[float] = field(default_factory=list)
    faults: list[float] = field(default_factory=list)  # pages the system had to hand out

    @property
    def best_cpu(self) -> float:
        """Least CPU time."""
        return min(self.cpu)

    @property
    def median_cpu(self) -> float:
        """Median CPU time."""
        return median(self.cpu)

    @property
    def best_wall(self) -> float:
        """Least wall time."""
        return min(self.wall)

    @property
    def median_wall(self) -> float:
        """Median wall time."""
        return median(self.wall)


class Series:
    """Variants that are timed in turn, with one number of threads."""

    def __init__(self, variants: Mapping[str, Call], threads: int = 1) -> None:
        self.variants = variants
        self.threads = threads
        self.timings = {name: Timing() for name in variants}


def measure(series: Sequence[Series], rounds: int) -> None:
    """Time all variants of all series in `rounds` rounds, so that what else the machine does hits all alike.

    Slow variants take part in every second, third, ... round, but in three at least. CPU times mean something
    for one thread only: workers that wait for work spin for a while.
    """
    before = torch.get_num_threads()
    with _no_gc():
        plans = [_plans(one, rounds) for one in series]
        for index in range(rounds):
            for one, plan in zip(series, plans, strict=True):
                _settle(one.threads)
                for name, (stride, burst, inner) in plan.items():
                    if index % stride == 0:
                        for _ in range(burst):
                            _once(one.variants[name], inner, one.timings[name])
    torch.set_num_threads(before)


def _settle(threads: int) -> None:
    torch.set_num_threads(threads)
    time.sleep(_SETTLE_S)


def _plans(series: Series, rounds: int) -> dict[str, tuple[int, int, int]]:
    _settle(series.threads)
    return {name: _plan(call, rounds) for name, call in series.variants.items()}


def _plan(call: Call, rounds: int) -> tuple[int, int, int]:
    """(rounds from one turn to the next, measurements per turn, calls per measurement); warms up."""
    trial = Timing()
    for _ in range(3):
        _once(call, 1, trial)
    milliseconds = trial.best_wall
    if milliseconds > _SLOW_MS:
        return max(1, min(round(milliseconds / _SLOW_MS), rounds // 3)), 1, 1
    return 1, _BURST, max(1, round(_SHORT_MS / milliseconds))


def _once(call: Call, inner: int, into: Timing) -> None:
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    for _ in range(inner):
        call()
    cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
    into.faults.append((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - pages) / inner)
    into.cpu.append(cpu / 1e6 / inner)
    into.wall.append(wall / 1e6 / inner)


@contextmanager
def _no_gc() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
