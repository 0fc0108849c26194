"""What is done around the kernels needs nothing from the device but the lengths of lists."""

from typing import Any

import pytest
import torch
from calls import FOLDERS, calls
from torch import Tensor
from unattended import unattended

from repousse.core import checks
from repousse.ops import library

pytest.importorskip("triton", reason="needs Triton: pip install triton")
from triton.runtime.interpreter import GridExecutor
from triton.runtime.jit import JITFunction

from repousse.ops.gpu import launch


@pytest.fixture(autouse=True)
def _no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels do not run; what is checked once for each tensor has been; lists have eight rows."""
    monkeypatch.setattr(GridExecutor, "__call__", lambda *arguments, **named: None)
    monkeypatch.setattr(JITFunction, "run", lambda *arguments, **named: None)
    monkeypatch.setattr(checks, "bounds", lambda indices: (0, 0))
    monkeypatch.setattr(launch, "read_count", lambda count: 8)


@pytest.mark.parametrize("ranges", [torch.int32, torch.int64], ids=["int32", "int64"])
@pytest.mark.parametrize("deterministic", [False, True], ids=["atomics", "deterministic"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_read_or_copied(folder: str, deterministic: bool, ranges: torch.dtype) -> None:
    """Fails if the host code of a GPU kernel waits for the device, or uses tensors on the CPU."""
    found = []
    for call in calls(folder):
        names = [argument.name for argument in library.schema_of(call.op).arguments]
        arguments: list[Any] = [
            value.to(ranges if name == "ranges" else "meta") if isinstance(value, Tensor) else value
            for name, value in zip(names, call.arguments, strict=True)
        ]
        kernel = library.gpu_kernel(call.op)
        torch.use_deterministic_algorithms(deterministic)
        try:
            kernel(*arguments)  # ranges are copied once
            with unattended():
                kernel(*arguments)
        except Exception as error:
            found.append(f"{call.op}, {call.label}: {type(error).__name__} {error}")
        finally:
            torch.use_deterministic_algorithms(False)
    assert not found, "\n".join(found)
