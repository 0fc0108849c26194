"""The calls of ops that every GPU kernel is tested with: `calls_<folder of the op>.py` beside this file makes them."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDERS = sorted(path.stem.removeprefix("calls_") for path in Path(__file__).parent.glob("calls_*.py"))


class Call(NamedTuple):
    """A call of `torch.ops.repousse.<op>`, with tensors on the CPU.

    label      says what is special about this call; together with `op` it is unique
    tolerance  of floats: largest difference from the kernel for the CPU, as a share of the largest of its result.
               Integers must be equal
    """

    op: str
    label: str
    arguments: tuple[Any, ...]
    tolerance: float = 1e-5


def calls(folder: str, large: bool = False) -> Iterator[Call]:
    """The calls of one folder of ops, which launch every kernel in every variant that counts.

    large  scenes of real sizes, for a device; else of a few hundred pixels, for the interpreter
    """
    yield from importlib.import_module(f"calls_{folder}").calls(large)
