"""The native library: a plain C ABI, loaded with ctypes, one set of kernels per instruction set.

ctypes releases the GIL during calls and needs neither Python nor torch headers, so one shared library serves every
version of both.
"""

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

_FILE = "repousse_native.so"
_LEVELS = ("base", "v3", "v4")  # in rising order; the x86-64 micro-architecture levels, `base` is any CPU


class NativeLibraryError(ImportError):
    """The native library is missing or cannot be loaded."""


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded native library.

    Raises NativeLibraryError if it was not built (no compiler at installation) or does not fit this machine. The slow
    reference implementations stay available on request: `backend="reference"`.
    """
    # An editable installation keeps Python files and built files in two folders, both on the package's path.
    import repousse.core

    folders = [Path(folder) for folder in repousse.core.__path__]
    found = [folder / _FILE for folder in folders if (folder / _FILE).is_file()]
    advice = (
        "Install a C++20 compiler (gcc >= 12 or clang >= 15) and reinstall repousse, or ask for the slow "
        'reference implementation with backend="reference".'
    )
    if not found:
        searched = ", ".join(map(str, folders))
        raise NativeLibraryError(f"repousse: {_FILE} was not found in {searched}. {advice}")
    try:
        return ctypes.CDLL(str(found[0]))
    except OSError as error:
        raise NativeLibraryError(f"repousse: {found[0]} cannot be loaded ({error}). {advice}") from error


@functools.cache
def instruction_sets() -> tuple[str, ...]:
    """Kernel variants this CPU can run, slowest first."""
    return _LEVELS[: library().rp_instruction_level() + 1]


_override = threading.local()


@contextmanager
def use_isa(name: str) -> Iterator[None]:
    """Run the kernels of one instruction set inside a `with` block of this thread. For tests and benchmarks."""
    if name not in instruction_sets():
        raise ValueError(f"use_isa: {name!r} is not one of {instruction_sets()}, which this CPU can run.")
    before = getattr(_override, "name", None)
    _override.name = name
    try:
        yield
    finally:
        _override.name = before


_KINDS = {"p": ctypes.c_void_p, "i": ctypes.c_int32, "l": ctypes.c_int64, "f": ctypes.c_float}


def _bind(symbol: str, signature: str) -> Callable[..., int]:
    try:
        function = getattr(library(), symbol)
    except AttributeError:
        raise NativeLibraryError(
            f"repousse: {library()._name} has no {symbol}: it was built from other sources. Reinstall repousse."
        ) from None
    function.argtypes = [_KINDS[kind] for kind in signature]
    function.restype = ctypes.c_int64
    return function


@functools.cache
def function(name: str, signature: str) -> Callable[..., int]:
    """A C function that has one version for all CPUs.

    `signature` has a letter per argument: p pointer, i int32, l int64, f float. The result is an int64.
    """
    return _bind(name, signature)


@functools.cache
def _variants(name: str, signature: str) -> dict[str | None, Callable[..., int]]:
    variants: dict[str | None, Callable[..., int]] = {
        isa: _bind(f"{name}_{isa}", signature) for isa in instruction_sets()
    }
    # REPOUSSE_ISA limits the whole process, for instance to compare machines.
    wanted = os.environ.get("REPOUSSE_ISA", instruction_sets()[-1])
    if wanted not in variants:
        raise ValueError(f"REPOUSSE_ISA={wanted!r} is not one of {instruction_sets()}, which this CPU can run.")
    variants[None] = variants[wanted]
    return variants


def kernel(name: str, signature: str) -> Callable[..., int]:
    """A C function compiled once per instruction set: the fastest this CPU can run (see `function`)."""
    return _variants(name, signature)[getattr(_override, "name", None)]


def threads() -> int:
    """Threads a kernel may use: torch's setting, so one knob serves both."""
    return torch.get_num_threads()
