"""Measure the kernels for GPUs: `python -m benchmarks.gpu`, or `make gpu-bench`.

Prints a table per workload and appends one line to results/<gpu>.jsonl.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import torch
import triton
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.gpu_steps import GOALS, WORKLOADS, steps
from benchmarks.gpu_timing import Timing, copy_bandwidth, measure
from benchmarks.report import RESULTS
from benchmarks.workloads import Scene, build

_SLOW = 4.0  # times the floor: slower steps are explained in docs/performance.md


def run(workloads: str = "ABCDEFGS", repeat: int = 50, save: bool = True) -> None:
    """Measure what the operations cost on the current GPU.

    Args:
        workloads: Some of A to G, and S.
        repeat: Calls of each step, of which the median counts.
        save: Append the figures to benchmarks/results.
    """
    if not torch.cuda.is_available():
        raise SystemExit("benchmarks.gpu: there is no GPU here that this build of PyTorch can use.")
    unknown = sorted(set(workloads) - set(WORKLOADS))
    if unknown or not workloads or repeat < 1:
        raise SystemExit(f"benchmarks.gpu: workloads are {', '.join(WORKLOADS)}, repeat at least 1.")
    console = Console(width=140)
    bandwidth = copy_bandwidth(repeat)
    device = torch.cuda.get_device_name()
    console.print(
        f"{device}: a copy moves {bandwidth / 1e6:.0f} GB/s; torch {torch.__version__}, triton {triton.__version__}"
    )
    figures, different = [], {}
    for name in dict.fromkeys(workloads):
        scene = build(WORKLOADS[name])
        different[name] = _different_ids(scene)
        rows = [
            figure(name, step.name, measure(step.call, repeat), step.moved, bandwidth)
            for step in steps(scene.to("cuda"))
        ]
        console.print(table(f"{scene.spec}; {different[name]} ids differ from the CPU's", rows))
        figures += rows
    if save:
        record = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "gpu": device,
            "torch": torch.__version__,
            "triton": triton.__version__,
            "revision": machine.revision(),
            "copy_gb_per_s": round(bandwidth / 1e6, 1),
            "different_ids": different,
            "figures": figures,
        }
        path = RESULTS / f"{machine.slug(device)}.jsonl"
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        console.print(f"added to {path}")


def _different_ids(scene: Scene) -> int:
    """How many pixels of a workload show another face than on the CPU: 0, or something is wrong."""
    found, _ = torch.ops.repousse.visibility(scene.positions.cuda(), scene.faces.cuda(), None, *scene.size, 0)
    return int((found.cpu() != scene.fragments.face_id).sum())


def figure(workload: str, step: str, timing: Timing, moved: int, bandwidth: float) -> dict[str, object]:
    """A row of the results: times in ms, `over_floor` how often the time of moving `moved` bytes goes into them."""
    best = timing.eager if timing.captured is None else timing.captured
    goal = GOALS.get((workload, step))
    return {
        "workload": workload,
        "step": step,
        **asdict(timing),
        "moved": moved,
        "over_floor": best * bandwidth / moved,
        "goal": goal,
        "reached": None if goal is None else best <= goal,
    }


def table(title: str, rows: list[dict[str, object]]) -> Table:
    """The figures of a workload."""
    result = Table(title=title, box=box.SIMPLE, title_justify="left")
    result.add_column("step")
    for heading in ("captured ms", "eager ms", "launch ms", "times floor", "memory MiB", "goal ms", ""):
        result.add_column(heading, justify="right")
    for row in rows:
        over = float(str(row["over_floor"]))
        result.add_row(
            str(row["step"]),
            "-" if row["captured"] is None else f"{row['captured']:.3f}",
            f"{row['eager']:.3f}",
            f"{row['launched']:.3f}",
            f"[red]{over:.1f}[/]" if over > _SLOW else f"{over:.1f}",
            f"{int(str(row['memory'])) / 2**20:.1f}",
            "" if row["goal"] is None else f"{row['goal']}",
            {None: "", True: "[green]reached", False: "[red]not"}[row["reached"]],  # type: ignore[index]
        )
    for row in rows:
        if row["not_captured"]:
            result.caption = f"{result.caption or ''}{row['step']} was not captured: {row['not_captured']}\n"
    return result


if __name__ == "__main__":
    tyro.cli(run)
