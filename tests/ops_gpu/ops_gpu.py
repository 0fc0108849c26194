"""Running the GPU kernels in tests: on a device if there is one, else by Triton's interpreter on CPU tensors.

The interpreter takes 0.1 to 0.2 ms per Triton operation and program, whatever the size of its blocks: scenes for it are
small. tests/conftest.py switches it on before anything imports Triton.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

import repousse.ops  # noqa: F401  (registers all ops)
from repousse.ops import library

HAS_DEVICE = torch.cuda.is_available()
DEVICE = "cuda" if HAS_DEVICE else "cpu"

needs_device = pytest.mark.skipif(not HAS_DEVICE, reason="needs a GPU: `make gpu` runs this where there is one")


@contextmanager
def gpu_kernels() -> Iterator[str]:
    """Within the block, ops compute with their GPU kernels; yields the device to put tensors on."""
    if HAS_DEVICE:
        yield DEVICE
        return
    pytest.importorskip("triton", reason="needs Triton: pip install triton")
    interpreted = torch.library.Library("repousse", "IMPL")
    try:
        for name in library.gpu_modules:
            interpreted.impl(name, functools.partial(_call, name), "CPU", allow_override=True)
        yield DEVICE
    finally:
        interpreted._destroy()


def _call(name: str, *arguments: object) -> object:
    return library.gpu_kernel(name)(*arguments)
