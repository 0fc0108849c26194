"""Optimisers that go on over a remesh."""

import pytest
import torch

import repousse as rp
from repousse.optim import AdamUniform, LargeSteps, carried_state, carry_state, remesh


def optimise(steps: LargeSteps, u: torch.Tensor, optimiser: torch.optim.Optimizer, count: int) -> float:
    """Towards a sphere of radius 2 around (1, 0, 0); the last loss."""
    loss = torch.zeros(())
    for _ in range(count):
        x = steps.from_differential(u)
        loss = ((x - torch.tensor([1.0, 0.0, 0.0])).norm(dim=1) - 2).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return float(loss.detach())


@pytest.mark.parametrize("kind", [AdamUniform, torch.optim.Adam])
def test_an_optimisation_goes_on(kind: type[torch.optim.Optimizer]) -> None:
    """Breaks if moments, the number of steps or the learning rate are lost, or belong to the wrong vertices."""
    start = rp.icosphere(2)
    steps = LargeSteps(start.faces, len(start.positions), 5.0)
    u = steps.to_differential(start.positions).requires_grad_()
    other = torch.zeros(3, requires_grad=True)
    optimiser = kind([other, u], lr=0.2)  # type: ignore[call-arg]
    before = optimise(steps, u, optimiser, 5)
    kept = carried_state(optimiser, u)
    assert len(kept) == 2
    finer = remesh(steps.from_differential(u), steps.topology.faces, 0.2, carried=kept)
    assert len(finer.positions) > 2 * len(u)
    steps = LargeSteps(finer.faces, len(finer.positions), 5.0)
    new = steps.to_differential(finer.positions).requires_grad_()
    carry_state(optimiser, u, new, finer.carried)
    assert optimiser.param_groups[0]["params"][0] is other and optimiser.param_groups[0]["params"][1] is new
    assert u not in optimiser.state and int(optimiser.state[new]["step"]) == 5
    for old, carried in zip(kept, carried_state(optimiser, new), strict=True):
        torch.testing.assert_close(carried.mean(0), old.mean(0), rtol=0.3, atol=1e-2 * float(old.abs().max()))
    assert optimise(steps, new, optimiser, 1) < 1.2 * before
    assert optimise(steps, new, optimiser, 60) < 0.05 * before


def test_the_same_mesh_changes_nothing() -> None:
    """Breaks if handing over the state alters it: a run with a needless hand-over must be the run without."""
    sphere = rp.icosphere(2)
    steps = LargeSteps(sphere.faces, len(sphere.positions))
    results = []
    for hand_over in (False, True):
        u = steps.to_differential(sphere.positions).requires_grad_()
        optimiser = AdamUniform([u], lr=0.05)
        optimise(steps, u, optimiser, 5)
        if hand_over:
            new = u.detach().clone().requires_grad_()
            carry_state(optimiser, u, new, carried_state(optimiser, u))
            u = new
        optimise(steps, u, optimiser, 5)
        results.append(u.detach())
    assert torch.equal(*results)


def test_before_the_first_step() -> None:
    """Breaks if an optimiser without state yet cannot be handed over."""
    old, new = torch.zeros(4, 3, requires_grad=True), torch.zeros(7, 3, requires_grad=True)
    optimiser = AdamUniform([old], lr=0.1)
    assert carried_state(optimiser, old) == ()
    carry_state(optimiser, old, new, ())
    assert optimiser.param_groups[0]["params"] == [new] and not optimiser.state


def test_what_does_not_fit_is_refused() -> None:
    """Breaks if state of other vertices, or of a parameter the optimiser does not have, is accepted."""
    old, new = torch.zeros(4, 3, requires_grad=True), torch.zeros(7, 3, requires_grad=True)
    optimiser = AdamUniform([old], lr=0.1)
    old.grad = torch.ones(4, 3)
    optimiser.step()
    with pytest.raises(ValueError, match="no such parameter"):
        carried_state(optimiser, new)
    for rows in ((), carried_state(optimiser, old)):
        with pytest.raises(ValueError, match="exp_avg"):
            carry_state(optimiser, old, new, rows)
    assert optimiser.param_groups[0]["params"][0] is old
