"""Sums over neighbouring lanes that show the same face."""

from collections.abc import Callable

import pytest
import torch
from ops_gpu import gpu_kernels
from torch import Tensor

pytest.importorskip("triton", reason="needs Triton: pip install triton")
import triton
import triton.language as tl

from repousse.ops.gpu.launch import launch
from repousse.ops.gpu.scatter import LANES, add_corners, runs, sum_runs
from repousse.ops.gpu.sums import Sum, accumulate


@triton.jit
def _add_runs(faces, face, values, total, fixed, scale, COUNT: tl.constexpr, LANES: tl.constexpr, MODE: tl.constexpr):
    """Each lane gives its values, (LANES, 3 COUNT), to the corners of its face."""
    lane = tl.arange(0, LANES)
    shown = tl.load(face + lane)
    given = ()
    for i in tl.static_range(3 * COUNT):
        given += (tl.load(values + lane * 3 * COUNT + i),)
    start, last = runs(shown, LANES)
    add_corners((total, fixed, scale), faces, shown, 0, 1, 0, sum_runs(given, start), last & (shown >= 0), MODE)


def added(faces: Tensor, face: Tensor, values: Tensor, vertices: int) -> Tensor:
    count = values.shape[1] // 3
    columns = {1: 1, 2: 2, 3: 4, 4: 4}[count]

    def run(sums: list[Sum], mode: int) -> None:
        launch(_add_runs, (1,), faces, face, values, *sums[0], COUNT=count, LANES=LANES, MODE=mode, num_warps=1)

    return accumulate([values.new_empty(vertices, columns)], run)[0]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("all the same", lambda lane: lane * 0 + 3),
        ("nothing", lambda lane: lane * 0 - 1),
        ("all different", lambda lane: lane % 7),
        ("runs that come back", lambda lane: (lane // 5) % 2),
        ("gaps", lambda lane: torch.where(lane % 6 == 0, -1, lane // 8)),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_runs_are_summed(name: str, pattern: Callable[[Tensor], Tensor], count: int) -> None:
    """Fails if a lane is lost, counted twice or given to a neighbour's face, or columns are mixed up."""
    lane = torch.arange(LANES)
    face = pattern(lane).to(torch.int32)
    generator = torch.Generator().manual_seed(count)
    faces = torch.randint(9, (8, 3), generator=generator, dtype=torch.int32)
    values = torch.randn(LANES, 3 * count, generator=generator)
    expected = torch.zeros(9, count, dtype=torch.float64)
    for at in torch.nonzero(face >= 0)[:, 0].tolist():
        for corner in range(3):
            expected[faces[face[at], corner]] += values[at, corner * count : (corner + 1) * count]
    with gpu_kernels() as device:
        found = added(faces.to(device), face.to(device), values.to(device), 9).cpu()
    torch.testing.assert_close(found[:, :count].double(), expected, rtol=1e-5, atol=1e-5)
    assert not found[:, count:].any()


def test_what_is_not_finite_stays_in_its_run() -> None:
    """Fails if the sum of a run touches numbers of the run before it."""
    faces = torch.tensor([[0, 0, 0], [1, 1, 1]], dtype=torch.int32)
    face = (torch.arange(LANES) >= 9).to(torch.int32)
    values = torch.ones(LANES, 3)
    values[4] = float("nan")
    with gpu_kernels() as device:
        found = added(faces.to(device), face.to(device), values.to(device), 2).cpu()
    assert found[0].isnan().all() and float(found[1]) == 3 * (LANES - 9)
