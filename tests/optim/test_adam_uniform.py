"""Adam with one step length per tensor."""

import math

import pytest
import torch

from repousse.optim import AdamUniform


def test_steps_follow_the_equations() -> None:
    """Breaks if a moment, its correction or the maximum is computed otherwise than written."""
    generator = torch.Generator().manual_seed(0)
    parameter = torch.randn(6, 3, dtype=torch.float64, generator=generator).requires_grad_()
    optimiser = AdamUniform([parameter], lr=0.1, betas=(0.8, 0.95))
    p, m, v = parameter.detach().clone(), torch.zeros(6, 3), torch.zeros(6, 3)
    for t in range(1, 6):
        g = torch.randn(6, 3, dtype=torch.float64, generator=generator)
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2
        p = p - 0.1 * (m / (1 - 0.8**t)) / (1e-8 + math.sqrt(float(v.max()) / (1 - 0.95**t)))
        parameter.grad = g
        optimiser.step()
        torch.testing.assert_close(parameter.detach(), p, rtol=1e-12, atol=1e-12)


def test_directions_are_kept() -> None:
    """Breaks if coordinates are scaled one by one, as in Adam: the first step then is (±1, ±1, ±1) lr."""
    parameter = torch.zeros(2, 3, requires_grad=True)
    parameter.grad = torch.tensor([[3.0, -4.0, 0.0], [1e-3, 0.0, 1.0]])
    AdamUniform([parameter], lr=0.5).step()
    torch.testing.assert_close(parameter.detach(), -0.5 * parameter.grad / 4.0)


def test_tensors_have_lengths_of_their_own() -> None:
    """Breaks if one parameter's gradient sets the step of another."""
    small, large = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    small.grad, large.grad = torch.full((3,), 1e-4), torch.full((3,), 1e4)
    AdamUniform([{"params": [small]}, {"params": [large], "lr": 2.0}], lr=1.0).step()
    torch.testing.assert_close(small.detach(), torch.full((3,), -1.0), rtol=1e-3, atol=0)
    torch.testing.assert_close(large.detach(), torch.full((3,), -2.0))


def test_no_gradient_no_step() -> None:
    """Breaks if missing, zero or empty gradients move anything, divide by zero or fail."""
    missing, zero, empty = (torch.ones(n, requires_grad=True) for n in (2, 2, 0))
    zero.grad, empty.grad = torch.zeros(2), torch.zeros(0)
    AdamUniform([missing, zero, empty], lr=1.0).step()
    assert torch.equal(missing, torch.ones(2)) and torch.equal(zero, torch.ones(2))


def test_a_bad_gradient_changes_nothing() -> None:
    """Breaks if one NaN makes the whole mesh NaN, or some parameters step before the error."""
    good, bad = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    good.grad, bad.grad = torch.ones(2), torch.tensor([0.0, math.nan])
    optimiser = AdamUniform([good, bad], lr=1.0)
    with pytest.raises(FloatingPointError, match="not finite"):
        optimiser.step()
    assert torch.equal(good, torch.ones(2)) and not optimiser.state


def test_saved_state_continues() -> None:
    """Breaks if a checkpoint misses part of the state."""
    torch.manual_seed(0)
    gradients = torch.randn(6, 4)

    def run(parameter: torch.Tensor, optimiser: AdamUniform, steps: range) -> None:
        for i in steps:
            parameter.grad = gradients[i]
            optimiser.step()

    whole = torch.zeros(4, requires_grad=True)
    run(whole, AdamUniform([whole], lr=0.1), range(6))
    first = torch.zeros(4, requires_grad=True)
    stopped = AdamUniform([first], lr=0.1)
    run(first, stopped, range(3))
    second = first.detach().clone().requires_grad_()
    resumed = AdamUniform([second], lr=0.7)
    resumed.load_state_dict(stopped.state_dict())
    run(second, resumed, range(3, 6))
    assert torch.equal(second, whole)


def test_closures_and_settings() -> None:
    """Breaks if the loss of a closure is lost, or settings without meaning pass."""
    parameter = torch.ones(1, requires_grad=True)
    optimiser = AdamUniform([parameter], lr=0.1)

    def closure() -> torch.Tensor:
        loss = parameter.square().sum()
        loss.backward()
        return loss

    assert optimiser.step(closure).detach() == 1.0
    assert float(parameter.detach()) == pytest.approx(0.9)
    for lr, betas in ((0.0, (0.9, 0.9)), (math.nan, (0.9, 0.9)), (1.0, (1.0, 0.9))):
        with pytest.raises(ValueError, match="AdamUniform"):
            AdamUniform([parameter], lr, betas)
