"""What a call costs besides its kernels, where that is most of the time: one small picture."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor

import repousse as rp
from benchmarks.timing import Call, Series
from benchmarks.workloads import TINY, Scene, build
from repousse.core import native


@dataclass(frozen=True)
class Overhead:
    """Microseconds of CPU time, one thread."""

    name: str
    kernels: float  # the least time of the kernels alone, called through ctypes
    total: float  # the least time of the call
    median: float  # the median time of the call

    @property
    def overhead(self) -> float:
        """What the call adds to its kernels."""
        return self.total - self.kernels


class Overheads:
    """Overhead of the public functions on one 64 x 64 picture of 320 faces, gradients wanted.

    series  to be measured before `results` is asked
    """

    def __init__(self) -> None:
        self._calls = _calls(build(TINY))
        # The outputs must outlive the replays, which write into them.
        replays, self._outputs = zip(*map(_record, self._calls.values()), strict=True)
        self.series = Series(self._calls | dict(zip(map(_kernels, self._calls), replays, strict=True)))

    def results(self) -> list[Overhead]:
        """What was measured, per call."""
        found = []
        for name in self._calls:
            call, kernels = self.series.timings[name], self.series.timings[_kernels(name)]
            found.append(Overhead(name, 1e3 * kernels.best_cpu, 1e3 * call.best_cpu, 1e3 * call.median_cpu))
        return found


def _kernels(name: str) -> str:
    return f"{name}: kernels"


def _calls(scene: Scene) -> dict[str, Call]:
    faces, size, g_image = scene.faces, scene.size, scene.g_image
    positions, colors = scene.positions.clone().requires_grad_(), scene.colors.clone().requires_grad_()
    g_bary, g_depth = torch.randn_like(scene.fragments.bary), torch.randn_like(scene.fragments.depth)

    def rasterize() -> rp.Fragments:
        return rp.rasterize(positions, faces, size)

    def rasterize_both_ways() -> tuple[Any, ...]:
        found = rasterize()
        return found, torch.autograd.grad((found.bary, found.depth), (positions,), (g_bary, g_depth))

    def draw() -> tuple[rp.Fragments, Tensor]:
        found = rasterize()
        return found, rp.interpolate(colors, faces, found)

    def draw_both_ways() -> tuple[Any, ...]:
        found, image = draw()
        return found, image, torch.autograd.grad(image, (positions, colors), g_image)

    return {
        "rasterize, fwd": rasterize,
        "rasterize, fwd + bwd": rasterize_both_ways,
        "rasterize + interpolate, fwd": draw,
        "rasterize + interpolate, fwd + bwd": draw_both_ways,
    }


def _record(call: Call) -> tuple[Call, object]:
    """The kernels that `call` ran, with the very arguments it gave them, and what it returned.

    Every pointer among the arguments must be to an input or to something that `call` returns.
    """
    lookup, recorded = native.kernel, []

    def recording(name: str, signature: str) -> Callable[..., int]:
        function = lookup(name, signature)

        def run(*arguments: Any) -> int:
            recorded.append((function, arguments))
            return function(*arguments)

        return run

    with mock.patch.object(native, "kernel", recording):
        output = call()

    def replay() -> None:
        for function, arguments in recorded:
            function(*arguments)

    return replay, output
