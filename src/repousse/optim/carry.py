"""An optimiser that goes on when remeshing has changed the vertices under it."""

from collections.abc import Sequence

from torch import Tensor
from torch.optim import Optimizer

from repousse.core.checks import describe


def carried_state(optimiser: Optimizer, parameter: Tensor) -> tuple[Tensor, ...]:
    """What an optimiser remembers for each row of a parameter (V, ...): for Adam both moments, before its first step
    nothing. To be handed to `remesh(..., carried=...)`.

    ValueError if the optimiser does not have this parameter.
    """
    _group(optimiser, parameter)
    state = optimiser.state.get(parameter, {})
    return tuple(state[name] for name in _names(state, parameter))


def carry_state(optimiser: Optimizer, old: Tensor, new: Tensor, rows: Sequence[Tensor]) -> None:
    """Let an optimiser go on with parameter `new` (V', ...) in the place of `old` (V, ...).

    >>> kept = carried_state(optimiser, u)
    >>> finer = remesh(steps.from_differential(u), faces, 0.05, carried=kept)
    >>> steps = LargeSteps(finer.faces, len(finer.positions))
    >>> new = steps.to_differential(finer.positions).requires_grad_()
    >>> carry_state(optimiser, u, new, finer.carried)

    rows  what `carried_state` returned, remeshed: each like `new`

    Learning rate, number of steps and all else stays. The moments of `LargeSteps` coordinates are those of a smoothed
    gradient, so they interpolate well, and the optimiser does not have to gather speed again.

    ValueError if the optimiser does not have `old`, or `rows` do not fit.
    """
    group = _group(optimiser, old)
    state = optimiser.state.get(old, {})
    names = _names(state, old)
    if len(rows) != len(names) or any(row.shape != new.shape for row in rows):
        given = ", ".join(describe(row) for row in rows) or "none"
        raise ValueError(
            f"carry_state: there are {len(names)} tensors of state for each row ({', '.join(names)}), which must be "
            f"{tuple(new.shape)} like `new`; got {given}. Give what `carried_state` returned, after `remesh`."
        )
    optimiser.state.pop(old, None)
    if state:
        optimiser.state[new] = {**state, **dict(zip(names, rows, strict=True))}
    group["params"] = [new if parameter is old else parameter for parameter in group["params"]]


def _group(optimiser: Optimizer, parameter: Tensor) -> dict:
    for group in optimiser.param_groups:
        if any(parameter is one for one in group["params"]):
            return group
    raise ValueError(f"carry_state: the optimiser has no such parameter ({describe(parameter)}).")


def _names(state: dict, parameter: Tensor) -> list[str]:
    """State tensors with a value for each entry of the parameter, in fixed order."""
    return sorted(name for name, value in state.items() if isinstance(value, Tensor) and value.shape == parameter.shape)
