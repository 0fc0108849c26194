"""Turns what callers pass (tensors, arrays, lists, numbers) into tensors that fit together."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from repousse.core.numbers import tensor_of

ArrayLike: TypeAlias = Tensor | np.ndarray | Sequence[Any] | float
"""A tensor, an array, a number, or nested lists or tuples of numbers or 0-d tensors."""


def float_tensor(value: ArrayLike, what: str) -> Tensor:
    """`value` as a floating-point tensor on its own device; tensors pass through with their graph.

    `what` names the value in the error, e.g. "look_at: `vertices`". Raises TypeError for integers and
    booleans.
    """
    tensor = value if isinstance(value, Tensor) else torch.as_tensor(value)
    if not tensor.is_floating_point():
        raise TypeError(f"{what} must hold floating-point numbers, not {tensor.dtype}. Convert it with .float().")
    return tensor


def tensor_like(value: ArrayLike, like: Tensor) -> Tensor:
    """`value` with the dtype and the device of `like`.

    The gradient flows on: into a tensor, and into the tensors inside a list such as `[x, 0.0, z]`.
    """
    if isinstance(value, Tensor):
        return value.to(like)
    if isinstance(value, list | tuple) and _holds_tensor(value):
        return torch.stack([tensor_like(item, like) for item in value])
    return tensor_of(value, like.dtype, like.device)


def _holds_tensor(value: Sequence[Any]) -> bool:
    return any(isinstance(x, Tensor) or (isinstance(x, list | tuple) and _holds_tensor(x)) for x in value)


def vectors_like(value: ArrayLike, like: Tensor, what: str) -> Tensor:
    """3-vectors, one per image (B, 3) or one for all (1, 3), with the dtype and the device of `like`.

    Raises ValueError unless `value` is (3,), (1, 3) or (B, 3); B may also be chosen by `value` if `like` has
    one image.
    """
    vectors = tensor_like(value, like)
    if vectors.ndim == 1:
        vectors = vectors[None]
    if vectors.ndim != 2 or vectors.shape[1] != 3:
        raise ValueError(f"{what} must be (3,) or (batch, 3), but is {tuple(np.shape(vectors))}.")
    check_batch(vectors, like, what)
    return vectors


def check_batch(value: Tensor, like: Tensor, what: str) -> None:
    """Raise ValueError unless the first dimensions of the two tensors are equal or one of them is 1."""
    if value.shape[0] != like.shape[0] and 1 not in (value.shape[0], like.shape[0]):
        raise ValueError(
            f"{what} is given for {value.shape[0]} images, but there are {like.shape[0]}. "
            "Pass one for all or one for each."
        )


def check_vertices(vertices: Tensor, what: str) -> None:
    """Raise ValueError unless `vertices` is (B, V, 3)."""
    if vertices.ndim != 3 or vertices.shape[2] != 3:
        raise ValueError(
            f"{what}: `vertices` must be (batch, vertices, 3), but is {tuple(vertices.shape)}. "
            "Add the batch dimension of a single mesh with vertices[None]."
        )
