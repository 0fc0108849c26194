"""What has been found out about tensors, so that it need not be found again: looking into one on a GPU waits for it."""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_T = TypeVar("_T")


def version(tensor: Tensor) -> int | None:
    """A number that grows when the tensor is changed; None for those of inference mode, which have none."""
    return None if tensor.is_inference() else tensor._version


class Remembered:
    """One finding per tensor, kept while the tensor lives, until it is changed or something else is asked."""

    def __init__(self) -> None:
        self._findings: WeakTensorKeyDictionary = WeakTensorKeyDictionary()

    def get(self, tensor: Tensor, question: Any, find: Callable[[], _T]) -> _T:
        """What `find` returns, or returned before for this tensor and an equal `question`."""
        state = version(tensor), question
        known = self._findings.get(tensor)
        if known is None or known[0] != state:
            known = state, find()
            self._findings[tensor] = known
        return known[1]
