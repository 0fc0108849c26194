"""Adam with one step length for all coordinates of a tensor (Nicolet, Jacobson and Jakob 2021)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_EPSILON = 1e-8


class AdamUniform(Optimizer):
    """Adam whose second moment is the largest over the coordinates of the whole tensor.

        m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2
        p = p - lr (m / (1 - b1^t)) / (1e-8 + sqrt(max v / (1 - b2^t)))

    >>> optimiser = AdamUniform([u], lr=0.01)

    Adam scales each coordinate by itself: one with a small gradient takes as long a step as one with a large one,
    which undoes the smoothing of `LargeSteps` and turns with the axes. Here the direction of the step is that of the
    smoothed gradient, and no coordinate moves farther than about lr.

    params  tensors, or groups of options as in all optimisers of PyTorch
    lr      > 0, the longest step, in units of the parameters; in `LargeSteps` it refers to u
    betas   decay of the two moments, each in [0, 1)

    The state of a parameter is "step" (int) and "exp_avg", "exp_avg_sq" like the parameter, as in `torch.optim.Adam`.
    `step` raises FloatingPointError, and changes nothing, for a gradient that is not finite: one such number would
    make all coordinates useless. On a GPU, where that would wait for the device in every step, there is no error: the
    parameter and its moments stay as they are.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        if not 0 < lr < float("inf"):
            raise ValueError(f"AdamUniform: `lr` must be a positive number, got {lr}.")
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"AdamUniform: `betas` must be two numbers in [0, 1), got {betas}.")
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Take one step. Parameters without a gradient stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moving = [(p, p.grad, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        for parameter, gradient, _ in moving:
            if gradient.is_cpu and not bool(gradient.isfinite().all()):
                raise FloatingPointError(
                    f"AdamUniform: the gradient of the parameter of shape {tuple(parameter.shape)} is not finite. "
                    "Nothing was changed. Look for a division by zero in the loss."
                )
        for parameter, gradient, group in moving:
            self._move(parameter, gradient, group["lr"], *group["betas"])
        return loss

    def _move(self, parameter: Tensor, gradient: Tensor, lr: float, first_decay: float, second_decay: float) -> None:
        if not parameter.numel():
            return
        state = self.state[parameter]
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(parameter), exp_avg_sq=torch.zeros_like(parameter))
        state["step"] += 1
        first_share, second_share, step = 1 - first_decay, 1 - second_decay, lr
        if not gradient.is_cpu:  # a gradient that is not finite takes no part
            good = gradient.isfinite().all()
            gradient = torch.where(good, gradient, 0)
            good = good.to(torch.promote_types(gradient.dtype, torch.float32))  # a bool would make it float32
            first_share, second_share, step = good * first_share, good * second_share, good * step
        first = state["exp_avg"].lerp_(gradient, first_share)
        second = state["exp_avg_sq"].lerp_(gradient.square(), second_share)
        mean = first / (1 - first_decay ** state["step"])
        largest = (second.max() / (1 - second_decay ** state["step"])).sqrt()
        parameter.sub_(step * mean / (largest + _EPSILON))
