"""Timing on a GPU: by its own clock, one call at a time and replayed from a captured graph."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

Call = Callable[[], object]
_WARM_UP = 5
_COPIED_BYTES = 2**30


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one call; medians.

    eager     from the first to the last of its kernels, launched one by one from Python
    launched  what Python needs to launch it, without waiting for the device
    captured  replayed as a CUDA graph: kernels alone. None if `not_captured` says why there is none
    memory    bytes that the call needs at most, above what was allocated before; its results included
    """

    eager: float
    launched: float
    captured: float | None
    not_captured: str | None
    memory: int


def measure(call: Call, repeat: int) -> Timing:
    """Time a call. It should leave nothing behind that makes the next one different."""
    for _ in range(_WARM_UP):
        call()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    memory = torch.cuda.max_memory_allocated() - before
    try:
        captured, problem = _replay(call, repeat), None
    except RuntimeError as error:
        captured, problem = None, str(error).splitlines()[0]
        torch.cuda.synchronize()
    return Timing(_by_events(call, repeat), _launch(call, repeat), captured, problem, memory)


def _by_events(call: Call, repeat: int) -> float:
    marks = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeat)]
    for begin, end in marks:
        begin.record()
        call()
        end.record()
        torch.cuda.synchronize()
    return median(begin.elapsed_time(end) for begin, end in marks)


def _launch(call: Call, repeat: int) -> float:
    times = []
    for _ in range(repeat):
        torch.cuda.synchronize()
        begin = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - begin) / 1e6)
    torch.cuda.synchronize()
    return median(times)


def _replay(call: Call, repeat: int) -> float:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    graph.replay()
    return _by_events(graph.replay, repeat)


def copy_bandwidth(repeat: int) -> float:
    """Bytes per millisecond, read and written, of a plain copy: what no kernel that moves memory can exceed."""
    source = torch.empty(_COPIED_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    for _ in range(_WARM_UP):
        target.copy_(source)
    return 2 * _COPIED_BYTES / _by_events(lambda: target.copy_(source), repeat)
