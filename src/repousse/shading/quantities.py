"""What lights and shaders are set with: numbers, triples or tensors, one for all pictures or one for each."""

from collections.abc import Sequence

import torch
from torch import Tensor

from repousse.core.numbers import tensor_of

Quantity = float | Sequence[float] | Tensor


def like(value: Quantity, points: Tensor) -> Tensor:
    """`value` in the precision and on the device of `points` (B, ..., C), broadcastable against it.

    value  number or () or (C,): for all pictures; (B, C): one per picture
    """
    tensor = tensor_of(value, points.dtype, points.device)
    if tensor.ndim < 2:
        return tensor
    if len(tensor) not in (1, len(points)):
        raise ValueError(f"A light or shader for {len(tensor)} pictures cannot shade {len(points)}.")
    return tensor.view(len(tensor), *[1] * (points.ndim - 2), tensor.shape[-1])


def check_quantity(owner: str, name: str, value: Quantity, *, vector: bool = False) -> None:
    """Raise unless `value` is a number (but no `vector`), three numbers, or a tensor of shape (), (3,) or (B, 3)."""
    shape: tuple[int, ...]
    if isinstance(value, Tensor):
        shape = tuple(value.shape)
    elif isinstance(value, int | float):
        shape = ()
    elif isinstance(value, Sequence) and all(isinstance(part, int | float) for part in value):
        shape = (len(value),)
    else:
        got = f"{type(value).__name__} {value!r}"
        raise TypeError(f"{owner}: `{name}` must be a number, three numbers or a tensor, not {got}.")
    if len(shape) > 2 or (shape[-1:] != (3,) and (vector or shape != ())):
        wanted = "(3,) or (B, 3)" if vector else "(), (3,) or (B, 3)"
        raise ValueError(f"{owner}: `{name}` must have shape {wanted}, not {shape}.")


def dot(one: Tensor, other: Tensor) -> Tensor:
    """Scalar product over the last dimension, which is kept: (..., 3) and (..., 3) to (..., 1)."""
    # Faster on the CPU than a sum over three channels, and autocast leaves it alone. The derivative of `split` is one
    # picture, those of three slices are three.
    x, y, z = one.split(1, -1)
    u, v, w = other.split(1, -1)
    return x * u + y * v + z * w


def unit(vector: Tensor) -> Tensor:
    """Unit length over the last dimension; 0, with a finite derivative, where the vector is 0."""
    square = dot(vector, vector)
    return vector * square.clamp(min=torch.finfo(vector.dtype).tiny).rsqrt()
