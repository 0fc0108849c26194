"""Registration of kernels with torch's dispatcher, so that torch.compile, opcheck and autograd know them."""

import functools
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_LIBRARY = torch.library.Library("repousse", "FRAGMENT")

# For each op, the module with its GPU kernels.
gpu_modules: dict[str, str] = {}


def define(schema: str, cpu: Callable[..., Any], fake: Callable[..., Any]) -> Callable[..., Any]:
    """Define `repousse::schema` with a CPU kernel and a fake one (shapes only); returns the callable op.

    For GPUs it is implemented by a function of the op's name and arguments in the module `gpu` of the folder that
    `cpu` comes from. That is imported at the first call with a tensor on a GPU, so Triton is needed there only.
    """
    _LIBRARY.define(schema)
    name = schema.split("(", 1)[0]
    repousse, ops, folder, *_ = cpu.__module__.split(".")
    gpu_modules[name] = f"{repousse}.{ops}.{folder}.gpu"
    _LIBRARY.impl(name, cpu, "CPU")
    _LIBRARY.impl(name, _on_its_device(name), "CUDA")  # ROCm builds of torch use this key too
    torch.library.register_fake(f"repousse::{name}", fake, lib=_LIBRARY)
    return getattr(torch.ops.repousse, name).default


def schema_of(name: str) -> torch.FunctionSchema:
    """The parameters and results of `repousse::name`."""
    return getattr(torch.ops.repousse, name).default._schema


@functools.cache
def gpu_kernel(name: str) -> Callable[..., Any]:
    """The function that implements `repousse::name` with Triton.

    Raises ImportError if Triton is not installed.
    """
    try:
        module = importlib.import_module(gpu_modules[name])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "triton":
            raise
        raise ImportError(
            f"repousse: {name} on a GPU needs Triton, which builds of PyTorch for GPUs bring along. "
            'Install it with: pip install "repousse[gpu]"'
        ) from error
    return getattr(module, name)


def _on_its_device(name: str) -> Callable[..., Any]:
    """The GPU kernel of an op, run on the device of its first tensor, whichever device is the current one."""

    def call(*arguments: Any) -> Any:
        device = next(argument.device for argument in arguments if isinstance(argument, Tensor))
        with torch.cuda.device(device):
            return gpu_kernel(name)(*arguments)

    return call


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
