"""Lookups of directions as torch's compiler and autograd see them."""

from typing import Any

import pytest
import torch
from torch import Tensor

from repousse.ops import cubemap, environment

GENERATOR = torch.Generator().manual_seed(0)
DIRECTION = torch.randn(2, 3, 4, 3, generator=GENERATOR)
LEVEL = torch.rand(2, 3, 4, generator=GENERATOR)
CUBE = torch.rand(6, 4, 4, 3, generator=GENERATOR)
PANORAMA = torch.rand(4, 8, 3, generator=GENERATOR)


@pytest.mark.parametrize("requires_grad", [False, True], ids=["plain", "requires_grad"])
@pytest.mark.parametrize("level", [None, LEVEL], ids=["bilinear", "trilinear"])
@pytest.mark.parametrize("cube", [True, False])
@pytest.mark.parametrize("name", ["surroundings", "surroundings_backward"])
def test_opcheck(name: str, cube: bool, level: Tensor | None, requires_grad: bool) -> None:
    """Breaks if a schema, a fake kernel's shapes or strides, or the registration of a derivative is wrong."""
    texels = torch.rand(6 * 16 + 6 * 4 if cube else 4 * 8 + 2 * 4, 3)
    given: tuple[Any, ...] = (texels, [4, 4, 2, 2] if cube else [4, 8, 2, 4], cube, DIRECTION, level)
    tests = ["test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic"]
    if name.endswith("backward"):
        given = (*given, torch.rand(2, 3, 4, 3), [True, True, level is not None])
        tests = tests[:-1] if requires_grad else tests  # a derivative has no derivative
    given = tuple(a.clone().requires_grad_(requires_grad) if isinstance(a, Tensor) else a for a in given)
    torch.library.opcheck(getattr(torch.ops.repousse, name).default, given, test_utils=tests)


def draw(cube: Tensor, panorama: Tensor, direction: Tensor, level: Tensor) -> Tensor:
    value = cubemap(cube, direction, level=level) + environment(panorama, direction, level=2 * level)
    return (value + cubemap(cube, direction)).square().sum()


def loss_and_gradients(run: Any) -> tuple[Tensor, ...]:
    inputs = [tensor.clone().requires_grad_() for tensor in (CUBE, PANORAMA, DIRECTION, LEVEL)]
    loss = run(*inputs)
    return loss.detach(), *torch.autograd.grad(loss, inputs)


def test_it_compiles_into_one_graph() -> None:
    """Breaks if Python decides on data on the way to a value."""
    torch.compiler.reset()
    compiled = torch.compile(draw, fullgraph=True, backend="aot_eager")
    for have, want in zip(loss_and_gradients(compiled), loss_and_gradients(draw), strict=True):
        torch.testing.assert_close(have, want, rtol=1e-5, atol=1e-5)


def test_autocast_computes_in_float32() -> None:
    """Breaks if half precision out of a network is refused."""
    expected = environment(PANORAMA, DIRECTION.bfloat16().float(), level=LEVEL)
    found = environment(PANORAMA, DIRECTION.bfloat16(), level=LEVEL)
    assert torch.equal(found, expected)


def test_second_derivatives_raise() -> None:
    """Breaks if a second derivative is silently 0 instead of not implemented."""
    direction = DIRECTION.clone().requires_grad_()
    (first,) = torch.autograd.grad(cubemap(CUBE, direction).square().sum(), direction, create_graph=True)
    with pytest.raises(RuntimeError, match="second derivatives are not implemented"):
        first.sum().backward()
