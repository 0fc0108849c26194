"""Sums to which many programs add, by atomics and in fixed point."""

from collections.abc import Iterator

import pytest
import torch
from ops_gpu import gpu_kernels

pytest.importorskip("triton", reason="needs Triton: pip install triton")
import triton
import triton.language as tl

from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.sums import Sum, accumulate, add

COUNT, ROWS = 1000, 7


@triton.jit
def _scatter(values, rows, count, total, fixed, scale, MODE: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < count
    row = tl.load(rows + at, mask=mask, other=0)
    add(total, fixed, scale, row, tl.load(values + at, mask=mask, other=0.0), mask, MODE)


@pytest.fixture(params=[False, True], ids=["atomics", "deterministic"])
def deterministic(request: pytest.FixtureRequest) -> Iterator[bool]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(request.param)
    yield request.param
    torch.use_deterministic_algorithms(before)


def scattered(values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    def run(sums: list[Sum], mode: int) -> None:
        launch(_scatter, (blocks(len(values), 256),), values, rows, len(values), *sums[0], MODE=mode, BLOCK=256)

    return accumulate([values.new_empty(ROWS)], run)[0]


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_sums_of_any_size(deterministic: bool, size: float) -> None:
    """Fails if contributions to the same sum are lost, or fixed point overflows or rounds small ones away."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(COUNT, generator=generator) * size
    rows = torch.randint(ROWS, (COUNT,), generator=generator)
    expected = torch.zeros(ROWS, dtype=torch.float64).index_add_(0, rows, values.double())
    with gpu_kernels() as device:
        found = scattered(values.to(device), rows.to(device)).cpu()
    torch.testing.assert_close(found.double() / size, expected / size, rtol=1e-5, atol=1e-5)


def test_deterministic_sums_do_not_depend_on_the_order(deterministic: bool) -> None:
    """Fails if a change of the order of contributions changes bits; that is what fixed point is for."""
    if not deterministic:
        pytest.skip("atomics may")
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(COUNT, generator=generator) * torch.rand(COUNT, generator=generator) ** 8
    rows = torch.randint(ROWS, (COUNT,), generator=generator)
    order = torch.randperm(COUNT, generator=generator)
    with gpu_kernels() as device:
        values, rows = values.to(device), rows.to(device)
        assert torch.equal(scattered(values, rows), scattered(values[order], rows[order]))


def test_what_is_not_finite_arrives(deterministic: bool) -> None:
    """Fails if a NaN or an infinity is lost, or spreads to other sums."""
    values = torch.tensor([1.0, float("inf"), float("nan"), 2.0, -float("inf"), 3.0])
    rows = torch.tensor([0, 1, 2, 3, 1, 0])
    with gpu_kernels() as device:
        found = scattered(values.to(device), rows.to(device)).tolist()
    assert found[0] == 4 and found[3:] == [2, 0, 0, 0]
    assert found[1] != found[1] and found[2] != found[2]
