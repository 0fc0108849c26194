"""The dispatcher op behind `cubemap` and `environment`."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library


def _lookup_cpu(texels: Tensor, sizes: Sequence[int], cube: bool, direction: Tensor, level: Tensor | None) -> Tensor:
    out = _lookup_fake(texels, sizes, cube, direction, level)
    rows = torch.tensor(sizes, dtype=torch.int64)
    native.kernel("rp_surroundings", "plipipplip")(*_pointers(texels, rows, cube, direction, level), out.data_ptr())
    return out


def _pointers(texels: Tensor, sizes: Tensor, cube: bool, direction: Tensor, level: Tensor | None) -> tuple[Any, ...]:
    return (
        texels.data_ptr(),
        texels.shape[-1],
        len(sizes) // 2,
        sizes.data_ptr(),
        cube,
        direction.data_ptr(),
        None if level is None else level.data_ptr(),
        direction.shape[:-1].numel(),
        native.threads(),
    )


def _lookup_fake(texels: Tensor, sizes: Sequence[int], cube: bool, direction: Tensor, level: Tensor | None) -> Tensor:
    return texels.new_empty((*direction.shape[:-1], texels.shape[-1]))


def _backward_cpu(
    texels: Tensor,
    sizes: Sequence[int],
    cube: bool,
    direction: Tensor,
    level: Tensor | None,
    g_out: Tensor,
    wanted: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    gradients = _backward_fake(texels, sizes, cube, direction, level, g_out, wanted)
    rows, g_out = torch.tensor(sizes, dtype=torch.int64), g_out.contiguous()
    status = native.kernel("rp_surroundings_backward", "plipipplipppp")(
        *_pointers(texels, rows, cube, direction, level),
        g_out.data_ptr(),
        *(gradient.data_ptr() if asked else None for gradient, asked in zip(gradients, wanted, strict=True)),
    )
    checks.check_status("cubemap or environment (backward)", status)
    return gradients


def _backward_fake(
    texels: Tensor,
    sizes: Sequence[int],
    cube: bool,
    direction: Tensor,
    level: Tensor | None,
    g_out: Tensor,
    wanted: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    # What is not wanted is returned empty: a dispatcher op cannot return None for a tensor.
    g_texels = texels.new_empty(texels.shape if wanted[0] else (0,))
    g_direction = direction.new_empty(direction.shape if wanted[1] else (0,))
    g_level = direction.new_empty(direction.shape[:-1] if wanted[2] else (0,))
    return g_texels, g_direction, g_level


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    texels, ctx.sizes, ctx.cube, direction, level = inputs
    ctx.save_for_backward(texels, direction, level)


def _backward(ctx: Any, g_out: Tensor) -> Any:
    texels, direction, level = ctx.saved_tensors
    needed = ctx.needs_input_grad
    wanted = [needed[0], needed[3], level is not None and needed[4]]
    found = _lookup_backward(texels, ctx.sizes, ctx.cube, direction, level, g_out, wanted)
    g_texels, g_direction, g_level = (
        gradient if asked else None for gradient, asked in zip(found, wanted, strict=True)
    )
    return g_texels, None, None, g_direction, g_level


_INPUTS = "Tensor texels, SymInt[] sizes, bool cube, Tensor direction, Tensor? level"
# texels (N, C): of all levels, one after the other; sizes: height and width of each level; direction (..., 3);
# level (...). -> (..., C); float32, contiguous
lookup = library.define(f"surroundings({_INPUTS}) -> Tensor", _lookup_cpu, _lookup_fake)
_lookup_backward = library.define(
    f"surroundings_backward({_INPUTS}, Tensor g_out, bool[] wanted) -> (Tensor, Tensor, Tensor)",
    _backward_cpu,
    _backward_fake,
)
library.differentiable("surroundings", _setup, _backward)
library.once_differentiable("surroundings_backward")
