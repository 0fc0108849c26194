"""What the stages of a fit have in common."""

from typing import Any, Protocol

from repousse.geometry import Mesh
from repousse.shading import Light


class Stage(Protocol):
    """One part of a fit: an optimisation that is advanced step by step and can be put down at any step.

    A stage is deterministic: the same views, start and settings, and the same `state`, give the same further steps.
    Whatever random numbers it draws come from a generator of its own, which `state` includes.
    """

    title: str
    """What it looks for: "shape", "appearance"."""
    steps: int
    """How many steps it takes in all. A stage that has converged lowers it to what it has taken."""

    def step(self, i: int) -> dict[str, float]:
        """One step of the optimisation, the i-th. Returns the losses by name."""
        ...

    def state(self) -> dict[str, Any]:
        """All that is needed to go on exactly: tensors, numbers, strings, None, and lists, tuples and dicts of them."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned, whatever has happened since."""
        ...

    def mesh(self) -> Mesh:
        """What has been found so far."""
        ...

    def lights(self) -> list[Light]:
        """The lights it is seen in."""
        ...
