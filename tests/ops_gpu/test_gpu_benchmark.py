"""`make gpu-bench` needs a GPU; what it measures does not."""

import sys
from pathlib import Path

import pytest
from rich.console import Console

pytest.importorskip("triton", reason="needs Triton: pip install triton")
sys.path.append(str(Path(__file__).resolve().parents[2]))
from benchmarks.gpu import figure, table
from benchmarks.gpu_steps import FIT, GOALS, VISIBILITY, steps
from benchmarks.gpu_timing import Timing
from benchmarks.workloads import TINY, build


def test_steps_can_be_called_and_reported() -> None:
    """Breaks if a step no longer fits the ops it calls, has nothing to move, or is lost in the report."""
    found = list(steps(build(TINY).to("cpu")))
    assert {VISIBILITY, FIT} <= {step.name for step in found} and {step for _, step in GOALS} <= {VISIBILITY, FIT}
    rows = []
    for step in found:
        step.call()
        assert step.moved > 0
        timing = Timing(eager=0.2, launched=0.1, captured=None, not_captured="waits", memory=1 << 20)
        rows.append(figure("D", step.name, timing, step.moved, bandwidth=4e9))
    console = Console(width=140, record=True)
    console.print(table("tiny", rows))
    printed = console.export_text()
    assert all(step.name in printed for step in found) and "reached" in printed and "waits" in printed
