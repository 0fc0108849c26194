"""Runs the stages of a fit one after the other: bar, checkpoints, Ctrl-C."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from repousse.apps.fit.checkpoint import Checkpoint, Checkpoints
from repousse.apps.fit.stage import Stage

Maker = Callable[[Stage | None], Stage]
"""Makes a stage from the finished one before it, which is None for the first."""


@dataclass(frozen=True)
class Intervals:
    """When checkpoints are written: after so many steps or so many seconds, whichever comes first."""

    steps: int = 200
    seconds: float = 10.0


@dataclass(frozen=True)
class Outcome:
    """Where a fit has ended.

    stages   those that were begun
    curves   losses of all steps, by "stage: loss"
    steps    taken by all stages
    seconds  spent on them, those before an interruption included
    stopped  by Ctrl-C, before the end
    """

    stages: list[Stage]
    curves: dict[str, list[float]]
    steps: int
    seconds: float
    stopped: bool

    @property
    def stage(self) -> Stage:
        """The last stage that was begun."""
        return self.stages[-1]


def run(
    plan: Sequence[Maker],
    checkpoints: Checkpoints,
    identity: dict[str, str],
    *,
    resume: bool = False,
    intervals: Intervals = Intervals(),
    watch: Callable[[Stage, int], None] | None = None,
) -> Outcome:
    """Take all steps of all stages, or what is left of them.

    plan         at least one
    checkpoints  where to write them; a new fit removes what an earlier one left
    identity     see `Checkpoint`
    resume       go on from the latest checkpoint. The result is that of a fit without interruption
    watch        called after every step with the stage and the number of its steps so far

    Ctrl-C lets the current step finish, writes a checkpoint and returns. InputError if there is nothing to resume.
    """
    console = Console(stderr=True)
    begun = Checkpoint(identity)
    if resume:
        begun, note = checkpoints.load(identity)
        if note:
            console.print(note)
    else:
        checkpoints.clear()
    stages: list[Stage] = []
    for state in begun.states:  # all but the last are finished: their states hold their results
        stages.append(plan[len(stages)](stages[-1] if stages else None))
        stages[-1].restore(state)
    torch.set_rng_state(begun.random)
    fit = _Fit(begun, checkpoints, intervals, stages)
    with _interruptible() as interrupted, _bar(console) as bar:
        for index in range(max(len(stages) - 1, 0), len(plan)):
            if index == len(stages):
                stages.append(plan[index](stages[-1] if stages else None))
                begun.step = 0
            fit.advance(stages[-1], bar, interrupted, watch)
            fit.save()
            if interrupted.is_set():
                break
        stopped = len(stages) < len(plan) or begun.step < stages[-1].steps
        if stopped:
            console.print(f"{stages[-1].title}: stopped after {begun.step} steps, writing what there is")
    steps = sum(stage.steps for stage in stages[:-1]) + begun.step
    return Outcome(stages, begun.curves, steps, begun.seconds, stopped)


class _Fit:
    """The state of a run: what the next checkpoint says."""

    def __init__(self, begun: Checkpoint, store: Checkpoints, intervals: Intervals, stages: list[Stage]) -> None:
        self.now, self.store, self.intervals, self.stages = begun, store, intervals, stages
        self._clock = self._saved = time.monotonic()
        self._saved_step = begun.step

    def advance(
        self, stage: Stage, bar: Progress, interrupted: threading.Event, watch: Callable[[Stage, int], None] | None
    ) -> None:
        """Take the remaining steps of a stage."""
        task = bar.add_task(stage.title, total=stage.steps, completed=self.now.step, note="")
        while self.now.step < stage.steps and not interrupted.is_set():
            losses = stage.step(self.now.step)
            self.now.step += 1
            for name, value in losses.items():
                self.now.curves.setdefault(f"{stage.title}: {name}", []).append(value)
            note = "  ".join(f"{name} {value:.3g}" for name, value in losses.items())
            bar.update(task, completed=self.now.step, total=stage.steps, note=note)
            if self._is_due():
                self.save()
            if watch is not None:
                watch(stage, self.now.step)
        bar.remove_task(task)

    def save(self) -> None:
        clock = time.monotonic()
        self.now.seconds += clock - self._clock
        self.now.states = [stage.state() for stage in self.stages]
        self.now.random = torch.get_rng_state()
        self.store.save(self.now)
        self._clock, self._saved, self._saved_step = clock, clock, self.now.step

    def _is_due(self) -> bool:
        steps, seconds = abs(self.now.step - self._saved_step), time.monotonic() - self._saved
        return steps >= self.intervals.steps or seconds >= self.intervals.seconds


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Turns the first Ctrl-C into an event, so that no step is cut in two; the second one ends the program."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only there signals can be caught
        yield event
        return

    def note(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        event.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
