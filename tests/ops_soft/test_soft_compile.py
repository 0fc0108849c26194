"""Soft rasterization as torch's compiler and autograd see it."""

from typing import Any

import pytest
import torch
from soft_scenes import BROAD, random_scene

from repousse.ops import soft
from repousse.ops.rasterize.arguments import CULL

SCENE = random_scene(0)


@pytest.mark.parametrize("color", ["hard", "softmax"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_opcheck(color: Any, packed: bool, requires_grad: bool) -> None:
    """Breaks if a schema, a fake kernel's shapes or strides, or the registration of soft or soft_backward is wrong."""
    options = BROAD.__class__(color=color, sigma=1e-2)
    corners = torch.rand(2, 15, 4, generator=torch.Generator().manual_seed(1)) + 0.5
    ranges = torch.tensor([[0, 5], [2, 2]]) if packed else None
    floats = [corners[0] if packed else corners, SCENE.colors, SCENE.background]
    corners, colors, background = (value.clone().requires_grad_(requires_grad) for value in floats)
    faces, rules = SCENE.faces.int(), (options.rules(CULL[None]), options.numbers())
    given = (corners, faces, ranges, colors, background, *SCENE.size, *rules)
    torch.library.opcheck(torch.ops.repousse.soft.default, given)
    if requires_grad:  # a derivative has none
        return
    results = torch.ops.repousse.soft(*given)
    backward = (corners, faces, ranges, colors, *results, SCENE.pull, *rules, True, True)
    torch.library.opcheck(torch.ops.repousse.soft_backward.default, backward)


def test_compiled_is_eager() -> None:
    """Breaks if the op splits the graph, or compiled values or gradients differ."""

    def loss(positions: torch.Tensor, colors: torch.Tensor) -> torch.Tensor:
        image = soft(positions, SCENE.faces, colors, SCENE.size, BROAD, background=SCENE.background)
        return (image * SCENE.pull).sum()

    def run(function: Any) -> tuple[torch.Tensor, ...]:
        given = SCENE.positions.clone().requires_grad_(), SCENE.colors.clone().requires_grad_()
        value = function(*given)
        return value.detach(), *torch.autograd.grad(value, given)

    for found, expected in zip(run(torch.compile(loss, fullgraph=True, backend="aot_eager")), run(loss), strict=True):
        torch.testing.assert_close(found, expected)


def test_second_derivatives_raise() -> None:
    """Breaks if differentiating the gradient once more gives numbers."""
    positions = SCENE.positions.clone().requires_grad_()
    image = soft(positions, SCENE.faces, SCENE.colors, SCENE.size, BROAD)
    (gradient,) = torch.autograd.grad((image * SCENE.pull).sum(), positions, create_graph=True)
    with pytest.raises(RuntimeError, match="second derivatives are not implemented"):
        gradient.square().sum().backward()


def test_only_what_is_asked_for() -> None:
    """Breaks if a gradient that is not wanted is computed into memory that is not there."""
    for index in range(3):
        given = [SCENE.positions.clone(), SCENE.colors.clone(), SCENE.background.clone()]
        wanted = given[index].requires_grad_()
        image = soft(given[0], SCENE.faces, given[1], SCENE.size, BROAD, background=given[2])
        (found,) = torch.autograd.grad((image * SCENE.pull).sum(), wanted)
        assert found.any() and found.shape == wanted.shape
