"""Every GPU kernel gives what the kernel for the CPU gives, whatever the order of its programs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from calls import FOLDERS, Call, calls
from ops_gpu import DEVICE, HAS_DEVICE, needs_device
from torch import Tensor

from repousse.ops import library

pytest.importorskip("triton", reason="needs Triton: pip install triton")
LISTS = ("crossings", "intersections")  # ops whose result is as long as data says


def results(found: Any) -> tuple[Tensor, ...]:
    return (found,) if isinstance(found, Tensor) else tuple(found)


def by_native(call: Call) -> tuple[Tensor, ...]:
    return results(getattr(torch.ops.repousse, call.op)(*call.arguments))


def moved(call: Call) -> list[Any]:
    """The arguments of a call on the device; ranges stay on the CPU."""
    names = [argument.name for argument in library.schema_of(call.op).arguments]
    return [
        value.to(DEVICE) if isinstance(value, Tensor) and name != "ranges" else value
        for name, value in zip(names, call.arguments, strict=True)
    ]


def by_gpu(call: Call, arguments: list[Any] | None = None) -> tuple[Tensor, ...]:
    op = getattr(torch.ops.repousse, call.op) if HAS_DEVICE else library.gpu_kernel(call.op)
    return results(op(*(moved(call) if arguments is None else arguments)))


def assert_agree(call: Call, found: tuple[Tensor, ...], expected: tuple[Tensor, ...], tolerance: float) -> None:
    where = f"{call.op}, {call.label}: "
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        got, want = got.cpu(), want.cpu()
        assert (got.dtype, got.shape) == (want.dtype, want.shape), where
        if tolerance == 0 or not want.is_floating_point():
            differ = (got != want) & ~(got.isnan() & want.isnan())
            assert not differ.any(), f"{where}{int(differ.sum())} of {want.numel()} differ"
            continue
        scale = float(want[want.isfinite()].abs().max()) if want.isfinite().any() else 1.0
        torch.testing.assert_close(
            got, want, rtol=0, atol=tolerance * scale, equal_nan=True, msg=lambda text, where=where: where + text
        )


@contextmanager
def deterministic_algorithms() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def last_program_first() -> Iterator[None]:
    """The interpreter runs programs one by one. On a device they run in any order."""
    from triton.runtime.interpreter import InterpreterBuilder

    place = InterpreterBuilder.set_grid_idx

    def from_the_end(self: InterpreterBuilder, x: int, y: int, z: int) -> None:
        place(self, *(size - 1 - at for size, at in zip(self.grid_dim, (x, y, z), strict=True)))

    InterpreterBuilder.set_grid_idx = from_the_end
    try:
        yield
    finally:
        InterpreterBuilder.set_grid_idx = place


@pytest.mark.parametrize("folder", FOLDERS)
def test_small_scenes(folder: str) -> None:
    """Fails if a kernel disagrees with the one for the CPU."""
    for call in calls(folder):
        assert_agree(call, by_gpu(call), by_native(call), call.tolerance)


@pytest.mark.skipif(HAS_DEVICE, reason="a device has an order of its own")
@pytest.mark.parametrize("folder", FOLDERS)
def test_order_of_programs(folder: str) -> None:
    """Fails if a program relies on another one to have run before, or deterministic sums depend on their order."""
    compared = set()  # bits, of the first call of each op: that takes another run
    for call in calls(folder):
        with deterministic_algorithms():
            with last_program_first():
                backward = by_gpu(call)
            assert_agree(call, backward, by_native(call), call.tolerance)
            if call.op not in compared:
                compared.add(call.op)
                assert_agree(call, by_gpu(call), backward, 0)


@needs_device
@pytest.mark.parametrize("folder", FOLDERS)
def test_large_scenes(folder: str) -> None:
    """Fails if a kernel disagrees with the one for the CPU on scenes of real sizes."""
    for call in calls(folder, large=True):
        assert_agree(call, by_gpu(call), by_native(call), call.tolerance)


@needs_device
@pytest.mark.parametrize("folder", FOLDERS)
def test_deterministic_mode_repeats_its_bits(folder: str) -> None:
    """Fails if anything depends on the order in which programs run."""
    for call in calls(folder, large=True):
        arguments = moved(call)
        with deterministic_algorithms():
            first = by_gpu(call, arguments)
            for _ in range(3):
                assert_agree(call, by_gpu(call, arguments), first, 0)


@needs_device
@pytest.mark.parametrize("folder", FOLDERS)
def test_captured_graphs(folder: str) -> None:
    """Fails if an op waits for the device, or a replayed graph computes something else."""
    for call in calls(folder):
        if call.op in LISTS or any(isinstance(value, Tensor) and not value.is_cuda for value in moved(call)):
            continue  # packed meshes: their ranges come from the CPU
        arguments = moved(call)
        with deterministic_algorithms():
            expected = by_gpu(call, arguments)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                found = by_gpu(call, arguments)
            for output in found:
                output.zero_()
            graph.replay()
        assert_agree(call, found, expected, 0)


@needs_device
@pytest.mark.parametrize("folder", FOLDERS)
def test_other_streams(folder: str) -> None:
    """Fails if a kernel runs on another stream than the current one."""
    for call in calls(folder):
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(10_000_000)  # whoever does not wait for this stream reads what is not there yet
            found = by_gpu(call)
        stream.synchronize()
        assert_agree(call, found, by_native(call), call.tolerance)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("folder", FOLDERS)
def test_other_devices(folder: str) -> None:
    """Fails if a kernel runs on the current device instead of that of its tensors."""
    for call in calls(folder):
        arguments = [
            value.to("cuda:1") if isinstance(value, Tensor) and value.is_cuda else value for value in moved(call)
        ]
        found = by_gpu(call, arguments)
        assert all(output.device.index == 1 for output in found)
        assert_agree(call, found, by_native(call), call.tolerance)
