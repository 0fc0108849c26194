"""Turns what a caller passed (numbers, sequences, tensors) into tensors of one dtype."""

from collections.abc import Sequence

import torch
from torch import Tensor

from repousse.core.numbers import tensor_of

Number = float | Tensor
Vector = Sequence[float] | Tensor


def as_floats(caller: str, **arguments: Number | Vector) -> list[Tensor]:
    """All arguments as floating tensors of the widest dtype among them, on one device.

    Plain numbers and integer tensors do not widen the dtype; tensors without dimensions do not choose the
    device. Tensors inside a sequence keep their gradient.
    """
    leaves = [leaf for a in arguments.values() for leaf in (a if isinstance(a, (list, tuple)) else (a,))]
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    floating = [a.dtype for a in tensors if a.dtype.is_floating_point]
    dtype = floating[0] if floating else torch.get_default_dtype()
    for other in floating[1:]:
        dtype = torch.promote_types(dtype, other)
    placed = [a for a in tensors if a.ndim] or tensors
    device = placed[0].device if placed else None
    converted = []
    for name, value in arguments.items():
        try:
            if isinstance(value, (list, tuple)) and any(isinstance(leaf, Tensor) for leaf in value):
                value = torch.stack([tensor_of(leaf, dtype, device) for leaf in value])
            converted.append(tensor_of(value, dtype, device))
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(
                f"{caller}: `{name}` should be a number, a sequence of numbers or a tensor, got a "
                f"{type(value).__name__} ({error})"
            ) from error
    return converted


def check_shape(caller: str, name: str, value: Tensor, tail: tuple[int, ...]) -> None:
    """`value` is `tail`, or a batch of it."""
    batched = value.ndim - len(tail)
    if batched not in (0, 1) or tuple(value.shape[batched:]) != tail:
        single = ", ".join(map(str, tail))
        wanted = f"({single}{',' * (len(tail) == 1)}) or (B, {single})" if tail else "a number or (B,)"
        raise ValueError(f"{caller}: `{name}` should be {wanted}, got shape {tuple(value.shape)}")


def check_batches(caller: str, **batches: int | None) -> None:
    """Batch lengths that are not None agree, apart from ones."""
    given = {name: length for name, length in batches.items() if length is not None}
    if len(set(given.values()) - {1}) > 1:
        listed = ", ".join(f"{length} in `{name}`" for name, length in given.items())
        raise ValueError(f"{caller}: batches do not match: {listed}")


def check_size(caller: str, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) in pixels, both positive."""
    if not isinstance(size, Sequence) or len(size) != 2 or size[0] < 1 or size[1] < 1:
        raise ValueError(f"{caller}: `size` should be (height, width), both at least 1, got {size!r}")
    return size[0], size[1]


def check_values(caller: str, holds: Tensor, message: str, **values: Tensor) -> None:
    """Raise if `holds` is false somewhere, with the values there; these may have further dimensions.

    Values cannot be looked at while a graph is traced, so compiled callers skip the check. So do those with values on
    a GPU, which would have to be waited for.
    """
    if torch.compiler.is_compiling() or not holds.is_cpu or bool(holds.all()):
        return
    index = int((~holds).flatten().nonzero()[0])
    got = []
    for name, value in values.items():
        row = value.detach().reshape(holds.numel(), -1)[index].tolist()
        got.append(f"{name} = {row[0]:g}" if len(row) == 1 else f"{name} = {tuple(row)}")
    where = f" (camera {index})" if holds.numel() > 1 else ""
    raise ValueError(f"{caller}: {message}, got {', '.join(got)}{where}")
