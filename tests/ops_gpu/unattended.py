"""Running on torch's device without data, "meta", as if on a GPU that nobody may wait for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def tensors(*values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


class _Dispatched(TorchDispatchMode):
    """Refuses operations that mix tensors there and here; numbers and `ranges` may lie on the CPU."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        given = tensors(args, kwargs)
        here = [tensor for tensor in given if tensor.is_cpu]
        copied = "copy" in function.__name__ or any(tensor.dim() for tensor in here)
        if here and copied and any(tensor.is_meta for tensor in (*given, *tensors(result))):
            assert function.namespace == "repousse", f"{function} needs {[tuple(tensor.shape) for tensor in here]}"
        return result


class _Made(TorchFunctionMode):
    """Refuses to make tensors from lists and numbers there, and to put numbers at indices, which copies them."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function in (torch.tensor, torch.as_tensor, Tensor.new_tensor) and result.is_meta:
            assert isinstance(args[-1], Tensor), f"{args[-1]} is copied"
        if function is Tensor.__setitem__ and args[0].is_meta and not isinstance(args[2], Tensor):
            assert not any(index.dtype != torch.bool for index in tensors(args[1])), f"{args[2]} is copied"
        return result


@contextmanager
def unattended() -> Iterator[None]:
    """Within the block nothing may be copied to the device; that nothing can be read from it, it sees to itself."""
    with _Dispatched(), _Made():
        yield
