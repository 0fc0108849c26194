"""Which estimator when: far-reaching gradients find the way, exact ones the place.

The exact derivative of a silhouette lives in the pixels next to it. Far from the goal it points into whatever local
minimum is near. Kato's gradient is no derivative, but every wrong pixel takes part in it, however far away; it passes
over minima that stop the exact one, and in exchange never comes to rest. So one begins with it and ends with the other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """Part of an optimisation in which one estimator is used.

    gradient       what `render` and `silhouette` take under this name: a name or an estimator
    steps          how long it lasts, >= 1
    learning_rate  at its first step; it falls to nothing along half a cosine
    """

    gradient: str | Callable[..., Any]
    steps: int
    learning_rate: float

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.learning_rate > 0:
            raise ValueError(
                "Stage: `steps` must be at least 1 and `learning_rate` positive, got "
                f"{self.steps} and {self.learning_rate}."
            )


@dataclass(frozen=True)
class Schedule:
    """Stages one after the other.

    >>> schedule = far_to_near()
    >>> for i in range(schedule.steps):
    ...     if schedule.begins(i):
    ...         optimizer = torch.optim.Adam(pose.parameters(), betas=(0.9, 0.99))
    ...     optimizer.param_groups[0]["lr"] = schedule.learning_rate(i)
    ...     mask = silhouette(mesh, pose.applied(camera), size, gradient=schedule(i))

    Steps beyond the last count as the last one.
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("Schedule: there must be at least one stage.")

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return sum(stage.steps for stage in self.stages)

    def __call__(self, step: int) -> Any:
        """The estimator, or its name, of a step."""
        return self._at(step)[0].gradient

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step."""
        stage, elapsed = self._at(step)
        return stage.learning_rate * 0.5 * (1 + math.cos(math.pi * elapsed / stage.steps))

    def begins(self, step: int) -> bool:
        """Is it the first step of a stage? What an optimiser has learned of the last one's gradients is void then."""
        return self._at(step)[1] == 0

    def _at(self, step: int) -> tuple[Stage, int]:
        """The stage of a step, and how many of the stage's steps are over."""
        if step < 0:
            raise IndexError(f"Schedule: step {step} is negative.")
        step = min(step, self.steps - 1)
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        raise AssertionError("unreachable")


def far_to_near(length: float = 1.0, *, steps: int = 270) -> Schedule:
    """The recommended search for a pose by silhouettes: Kato's gradient as released, then the exact derivative.

    length  what a learning rate of 1 would mean: the distance of the camera if its place is optimised, 1 for the
            parameters of a `Pose`

    steps   of both stages together, >= 2

    To be used with a loss that compares pictures at all scales (`repousse.losses.pyramid`), and Adam. As released,
    Kato's gradient counts every edge of every visible face, so it does not settle where the outline happens to fit.
    `python -m benchmarks.pose_search` compares it with single estimators.
    """
    far = round(steps * 5 / 9)
    return Schedule((Stage("kato-released", far, 0.15 * length), Stage("boundary", steps - far, 0.09 * length)))
