"""Adam as `neural_renderer` uses it: weights that no picture shows are left alone."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class Adam(torch.optim.Optimizer):
    """Adam that does not touch an element whose gradient is exactly 0: neither its value nor its moments.

    >>> optimizer = Adam([vertices, textures], lr=0.1, betas=(0.5, 0.999))
    >>> optimizer = Adam(alpha=0.1, beta1=0.5).setup(mesh)

    params        tensors, or groups of them as for every torch optimiser; None if `setup` names them later
    lr, alpha     step size, default 1e-3; the second name is Chainer's
    betas         decay of the two moments, default (0.9, 0.999)
    eps           added to the root of the second moment
    beta1, beta2  Chainer's names for the two `betas`

    A parameter with an attribute `lr` uses that as a factor on the step size (default 1); with factor 0 it is
    skipped. Per element with gradient g != 0, at the t-th step of its parameter, as in Chainer:

    m += (1 - beta1) (g - m)
    v += (1 - beta2) (g^2 - v)
    x -= lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + eps)

    t counts the steps in which the parameter has a gradient, zero or not. The release runs on GPUs only.
    Raises ValueError for both names of one setting and for settings out of range, RuntimeError for sparse
    gradients.
    """

    def __init__(
        self,
        params: Iterable[Any] | None = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float = 1e-8,
        *,
        alpha: float | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
    ) -> None:
        if lr is not None and alpha is not None:
            raise ValueError("Adam: `lr` and `alpha` are two names of the step size; pass one of them.")
        if betas is not None and not (beta1 is None and beta2 is None):
            raise ValueError("Adam: `betas` already holds `beta1` and `beta2`; pass either.")
        if isinstance(params, int | float):
            raise TypeError(f"Adam: the first argument names the parameters, but is {params}. Pass alpha={params}.")
        size = lr if lr is not None else alpha if alpha is not None else 1e-3
        first, second = betas or (0.9 if beta1 is None else beta1, 0.999 if beta2 is None else beta2)
        if not size >= 0 or not eps >= 0:
            raise ValueError(f"Adam: the step size and `eps` must not be negative, but are {size} and {eps}.")
        if not (0 <= first < 1 and 0 <= second < 1):
            raise ValueError(f"Adam: the betas must be in [0, 1), but are {first} and {second}.")
        defaults = {"lr": size, "betas": (first, second), "eps": eps}
        super().__init__([{"params": []}] if params is None else params, defaults)

    def setup(self, link: nn.Module) -> "Adam":
        """Optimise the parameters of `link` too, and return the optimiser (Chainer's way to name them)."""
        known = {id(p) for group in self.param_groups for p in group["params"]}
        new = [p for p in link.parameters() if id(p) not in known]
        if new:
            self.add_param_group({"params": new})
        return self

    def update(self) -> None:
        """`step`, under its Chainer name."""
        self.step()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One step for all parameters that have a gradient; returns what `closure` returns, or None."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._step_one(param, param.grad, group)
        return loss

    def _step_one(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        if grad.is_sparse:
            raise RuntimeError("Adam: gradients must be dense. Call .to_dense() on them or use torch.optim.SparseAdam.")
        state = self.state[param]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(param)
            state["exp_avg_sq"] = torch.zeros_like(param)
        state["step"] += 1
        rate = group["lr"] * getattr(param, "lr", 1.0)
        if rate == 0:
            return
        beta1, beta2 = group["betas"]
        first, second = state["exp_avg"], state["exp_avg_sq"]
        seen = grad != 0
        # A weight of 0 leaves a moment exactly as it is.
        first.lerp_(grad, seen.to(grad.dtype) * (1 - beta1))
        second.lerp_(grad * grad, seen.to(grad.dtype) * (1 - beta2))
        rate *= math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
        param.sub_(torch.where(seen, rate * first / (second.sqrt() + group["eps"]), 0))
