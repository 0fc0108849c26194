"""Every GPU kernel gives what the kernel for the CPU gives."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from calls import FOLDERS, Call, calls
from ops_gpu import DEVICE, HAS_DEVICE, needs_device
from torch import Tensor

from repousse.ops import library

pytest.importorskip("triton", reason="needs Triton: pip install triton")


def results(found: Any) -> tuple[Tensor, ...]:
    return (found,) if isinstance(found, Tensor) else tuple(found)


def moved(argument: Any) -> Any:
    return argument.to(DEVICE) if isinstance(argument, Tensor) else argument


def check(call: Call) -> None:
    expected = results(getattr(torch.ops.repousse, call.op)(*call.arguments))
    arguments = list(call.arguments)
    for index, argument in enumerate(library.schema_of(call.op).arguments):
        if argument.name != "ranges":  # these stay on the CPU
            arguments[index] = moved(arguments[index])
    op = getattr(torch.ops.repousse, call.op) if HAS_DEVICE else library.gpu_kernel(call.op)
    found = results(op(*arguments))
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        got = got.cpu()
        if not want.is_floating_point():
            assert torch.equal(got, want), f"{int((got != want).sum())} of {want.numel()} differ"
            continue
        scale = want[want.isfinite()].abs().max() if want.isfinite().any() else torch.tensor(1.0)
        torch.testing.assert_close(got, want, rtol=0, atol=call.tolerance * float(scale), equal_nan=True)


@pytest.fixture(params=[False, True], ids=["atomics", "deterministic"])
def deterministic(request: pytest.FixtureRequest) -> Iterator[bool]:
    yield request.param
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("folder", FOLDERS)
def test_small_scenes(folder: str, deterministic: bool) -> None:
    """Fails if a kernel disagrees with the one for the CPU."""
    for call in calls(folder):
        torch.use_deterministic_algorithms(deterministic)
        try:
            check(call)
        except AssertionError as error:
            raise AssertionError(f"{call.op}, {call.label}: {error}") from error


@needs_device
@pytest.mark.parametrize("folder", FOLDERS)
def test_large_scenes(folder: str) -> None:
    """Fails if a kernel disagrees with the one for the CPU on scenes of real sizes."""
    for call in calls(folder, large=True):
        try:
            check(call)
        except AssertionError as error:
            raise AssertionError(f"{call.op}, {call.label}: {error}") from error


@needs_device
@pytest.mark.parametrize("folder", FOLDERS)
def test_deterministic_mode_repeats_its_bits(folder: str) -> None:
    """Fails if anything depends on the order in which programs run."""
    torch.use_deterministic_algorithms(True)
    try:
        for call in calls(folder, large=True):
            op, arguments = getattr(torch.ops.repousse, call.op), [moved(a) for a in call.arguments]
            first = results(op(*arguments))
            for _ in range(3):
                for one, two in zip(first, results(op(*arguments)), strict=True):
                    assert torch.equal(one.cpu().nan_to_num(), two.cpu().nan_to_num()), f"{call.op}, {call.label}"
    finally:
        torch.use_deterministic_algorithms(False)
