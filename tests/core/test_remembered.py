"""What has been found out about tensors."""

import gc
import weakref

import torch

from repousse.core import checks
from repousse.core.remembered import Remembered


def test_found_once() -> None:
    """Breaks if the same is found again and again, or a change of the tensor or of the question is not seen."""
    remembered, tensor, found = Remembered(), torch.tensor([3, 1]), []

    def ask(question: str) -> int:
        return remembered.get(tensor, question, lambda: found.append(question) or int(tensor[0]))

    assert ask("a") == ask("a") == 3 and found == ["a"]
    tensor[0] = 7
    assert ask("a") == ask("a") == 7 and found == ["a", "a"]
    assert ask("b") == 7 and found == ["a", "a", "b"]


def test_other_tensors_are_others() -> None:
    """Breaks if tensors are told apart by their values, or by where they happened to lie."""
    remembered, one = Remembered(), torch.zeros(2)
    assert [remembered.get(tensor, None, lambda tensor=tensor: id(tensor)) for tensor in (one, one.clone())] != [
        id(one)
    ] * 2
    with torch.inference_mode():
        assert remembered.get(torch.ones(2), None, lambda: 5) == 5


def test_nothing_is_kept_alive() -> None:
    """Breaks if what is remembered of a tensor keeps its memory."""
    remembered, tensor = Remembered(), torch.zeros(2)
    remembered.get(tensor, None, lambda: 1)
    alive = weakref.ref(tensor)
    del tensor
    gc.collect()
    assert alive() is None


def test_bounds() -> None:
    """Breaks if an index is passed over."""
    assert checks.bounds(torch.tensor([[4, 2, 9], [3, -1, 5]])) == (-1, 9)
