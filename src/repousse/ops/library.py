"""Registration of native kernels with torch's dispatcher, so that torch.compile, opcheck and autograd know them."""

from collections.abc import Callable
from typing import Any

import torch

_LIBRARY = torch.library.Library("repousse", "FRAGMENT")


def define(schema: str, cpu: Callable[..., Any], fake: Callable[..., Any]) -> Callable[..., Any]:
    """Define `repousse::schema` with a CPU kernel and a fake one (shapes only); returns the callable op."""
    _LIBRARY.define(schema)
    name = schema.split("(", 1)[0]
    _LIBRARY.impl(name, cpu, "CPU")
    torch.library.register_fake(f"repousse::{name}", fake, lib=_LIBRARY)
    return getattr(torch.ops.repousse, name).default


def differentiable(name: str, setup: Callable[..., None], backward: Callable[..., Any]) -> None:
    """Give `repousse::name` a derivative (see torch.library.register_autograd)."""
    torch.library.register_autograd(f"repousse::{name}", backward, setup_context=setup, lib=_LIBRARY)


def not_differentiable(name: str) -> None:
    """Declare that nothing flows back through `repousse::name`: its outputs never require a gradient."""
    _LIBRARY.impl(name, torch.library.fallthrough_kernel, "Autograd")


def once_differentiable(name: str) -> None:
    """Declare that `repousse::name`, a derivative itself, has none: asking for it raises instead of giving zeros."""

    def backward(ctx: Any, *gradients: Any) -> Any:
        raise RuntimeError(
            f"repousse: second derivatives are not implemented (the derivative of {name} was asked for). "
            "Call backward without create_graph=True."
        )

    differentiable(name, lambda ctx, inputs, output: None, backward)
