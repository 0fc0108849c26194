"""Adam of `repousse.compat.neural_renderer`: Chainer's formula, and elements without gradient left alone."""

import copy
import math

import pytest
import torch
from torch import nn

from repousse.compat.neural_renderer import Adam


def chainer_steps(gradients: list[float], lr: float, beta1: float, beta2: float, eps: float) -> float:
    """The value of one element that starts at 0, one gradient for each step."""
    x = m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        if g != 0:
            m += (1 - beta1) * (g - m)
            v += (1 - beta2) * (g * g - v)
            x -= lr * math.sqrt(1 - beta2**t) / (1 - beta1**t) * m / (math.sqrt(v) + eps)
    return x


def run(optimizer: torch.optim.Optimizer, parameter: torch.Tensor, rows: list[list[float]]) -> None:
    for row in rows:
        parameter.grad = torch.tensor(row, dtype=parameter.dtype)
        optimizer.step()


def test_first_step_by_hand():
    """Breaks if the bias correction or the sign is wrong: the first step has the length of the step size."""
    parameter = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    run(Adam([parameter], lr=0.1), parameter, [[2.0, -0.01, 0.0]])
    assert parameter.tolist() == pytest.approx([-0.1, 0.1, 0], abs=1e-5)


def test_follows_the_formula_element_by_element():
    """Breaks if t, a moment or eps differs, or if a zero gradient decays the moments."""
    rows = [[1.0, 0.0, -2.0], [0.5, 0.0, 0.0], [0.0, 3.0, 1.0], [-1.0, 0.25, 0.0], [2.0, 0.0, 0.5]]
    parameter = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    run(Adam([parameter], lr=0.1, betas=(0.5, 0.9), eps=1e-2), parameter, rows)
    columns = list(zip(*rows, strict=True))
    expected = [chainer_steps(list(column), 0.1, 0.5, 0.9, 1e-2) for column in columns]
    torch.testing.assert_close(parameter.detach(), torch.tensor(expected, dtype=torch.float64))


def test_zero_gradient_touches_nothing():
    """Breaks if value or moments of an unseen element change by as much as one bit."""
    parameter = nn.Parameter(torch.tensor([0.1, 0.2, 0.3]))
    optimizer = Adam([parameter], lr=0.1)
    run(optimizer, parameter, [[1.0, 0.7, -0.3]])
    before = [t.clone() for t in (parameter.detach(), *list(optimizer.state[parameter].values())[1:])]
    run(optimizer, parameter, [[0.0, 0.0, 5.0]] * 3)
    after = (parameter.detach(), *list(optimizer.state[parameter].values())[1:])
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old[:2], new[:2]) and old[2] != new[2]


def test_agrees_with_torch_where_no_gradient_is_zero():
    """Breaks if it is not Adam: with a tiny eps, its place in the formula does not matter."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(20, 4, generator=generator, dtype=torch.float64).tolist()
    a, b = (nn.Parameter(torch.zeros(4, dtype=torch.float64)) for _ in range(2))
    run(Adam([a], lr=0.03, betas=(0.7, 0.99), eps=1e-14), a, rows)
    run(torch.optim.Adam([b], lr=0.03, betas=(0.7, 0.99), eps=1e-14), b, rows)
    torch.testing.assert_close(a, b)


def test_lr_of_a_parameter_is_a_factor():
    """Breaks if `param.lr` is ignored or replaces the step size; 0 must freeze the parameter."""
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(3)]
    parameters[1].lr = 0.01  # type: ignore[attr-defined]
    parameters[2].lr = 0  # type: ignore[attr-defined]
    optimizer = Adam(parameters, lr=0.5)
    for parameter in parameters:
        parameter.grad = torch.ones(1)
    optimizer.step()
    assert [p.item() for p in parameters] == pytest.approx([-0.5, -0.005, 0])


def test_chainer_call_style():
    """Breaks if alpha, beta1, beta2, setup or update mean anything else than lr, betas, params and step."""
    layer = nn.Linear(2, 1)
    twin = nn.Linear(2, 1)
    twin.load_state_dict(layer.state_dict())
    chainer = Adam(alpha=0.1, beta1=0.5, beta2=0.9).setup(layer)
    torch_style = Adam(twin.parameters(), lr=0.1, betas=(0.5, 0.9))
    for _ in range(3):
        for model in (layer, twin):
            model.zero_grad()
            model(torch.tensor([[1.0, -2.0]])).sum().backward()
        chainer.update()
        torch_style.step()
    assert torch.equal(layer.weight, twin.weight) and not torch.equal(layer.weight, layer.weight * 0)
    assert len(Adam().setup(layer).setup(layer).param_groups[-1]["params"]) == 2


def test_state_survives_saving():
    """Breaks if the moments are not part of the state."""
    a = nn.Parameter(torch.zeros(2))
    optimizer = Adam([a])
    run(optimizer, a, [[1.0, 0.5]])
    b = nn.Parameter(a.detach().clone())
    restored = Adam([b])
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(optimizer, a, [[0.3, 0.0]])
    run(restored, b, [[0.3, 0.0]])
    assert torch.equal(a, b)


def test_closure_and_missing_gradient():
    """Breaks if a parameter without gradient fails or the closure's loss is lost."""
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = Adam([a, b], lr=0.1)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (a**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1
    assert a.item() == pytest.approx(0.9) and b.item() == 1


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda p: Adam(p, lr=0.1, alpha=0.1), ValueError),
        (lambda p: Adam(p, betas=(0.9, 0.99), beta1=0.9), ValueError),
        (lambda p: Adam(p, lr=-1), ValueError),
        (lambda p: Adam(p, beta1=1.0), ValueError),
        (lambda p: Adam(0.1), TypeError),
    ],
)
def test_wrong_settings_are_refused(call, error):
    """Breaks if contradicting or senseless settings are accepted."""
    with pytest.raises(error):
        call([nn.Parameter(torch.zeros(1))])
