"""A stage that is quick and shows every lost or repeated step; as a program, a fit with it that can be killed."""

import sys
import time
from pathlib import Path
from typing import Any

import torch

from repousse.apps.fit.checkpoint import Checkpoints
from repousse.apps.fit.driver import Intervals, Maker, Outcome, run
from repousse.apps.fit.stage import Stage
from repousse.geometry import Mesh, icosphere
from repousse.shading import DEFAULT_LIGHTS, Light

IDENTITY = {"steps": "40"}


class Toy:
    """Adam walks the vertices towards a place, with noise: the result depends on every step and every draw."""

    def __init__(self, title: str, start: Mesh, steps: int = 40, pause: float = 0.0) -> None:
        self.title, self.steps, self.pause = title, steps, pause
        self._start = start
        self._positions = start.positions.clone().requires_grad_()
        self._optimizer = torch.optim.Adam([self._positions], 0.01)
        self._generator = torch.Generator().manual_seed(1)

    def step(self, i: int) -> dict[str, float]:
        time.sleep(self.pause)
        noise = torch.randn(3, generator=self._generator) + torch.randn(3)  # torch's own generator counts too
        loss = (self._positions - noise * (i + 1)).square().mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return {"loss": loss.item(), "index": float(i)}

    def state(self) -> dict[str, Any]:
        return {
            "positions": self._positions.detach(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "steps": self.steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            self._positions.copy_(state["positions"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        self.steps = state["steps"]

    def mesh(self) -> Mesh:
        return self._start.with_positions(self._positions.detach())

    def lights(self) -> list[Light]:
        return list(DEFAULT_LIGHTS)


def plan(pause: float = 0.0) -> list[Maker]:
    def first(before: Stage | None) -> Stage:
        assert before is None
        return Toy("shape", icosphere(1), pause=pause)

    def second(before: Stage | None) -> Stage:
        assert before is not None
        return Toy("appearance", before.mesh(), pause=pause)

    return [first, second]


def go(folder: Path, *, resume: bool = False, pause: float = 0.0, watch: Any = None) -> Outcome:
    torch.manual_seed(0)
    return run(plan(pause), Checkpoints(folder), IDENTITY, resume=resume, intervals=Intervals(steps=5), watch=watch)


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    done = go(
        target,
        resume=(target / "checkpoint.pt").exists() or (target / "checkpoint.previous.pt").exists(),
        pause=0.01,
        watch=lambda stage, step: print(stage.title, step, flush=True),
    )
    torch.save({"positions": done.stage.mesh().positions, "curves": done.curves}, target / "result.pt")
