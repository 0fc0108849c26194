"""Running one computation under every setting that must not change its result."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from repousse.core import native


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal type, shape and bits: NaN equals itself, 0 differs from -0."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def assert_same_bits(first: tuple[Tensor, ...], second: tuple[Tensor, ...], settings: str) -> None:
    for index, (a, b) in enumerate(zip(first, second, strict=True)):
        assert same_bits(a, b), f"output {index} differs between {settings}"


def per_instruction_set(compute: Callable[[], tuple[Tensor, ...]]) -> dict[str, tuple[Tensor, ...]]:
    """The result of each instruction set of this CPU, after checking that 1 and 2 threads give its bits."""
    results = {}
    for isa in native.instruction_sets():
        with native.use_isa(isa):
            with threads(1):
                results[isa] = compute()
            with threads(2):
                assert_same_bits(results[isa], compute(), f"1 and 2 threads of {isa}")
    return results


def everywhere(compute: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """The result, after checking that each instruction set and 1 or 2 threads give the same bits."""
    (first_isa, first), *others = per_instruction_set(compute).items()
    for isa, result in others:
        assert_same_bits(first, result, f"{first_isa} and {isa}")
    return first
