"""Pictures of all directions on a GPU, as `cubemap` and `environment` offer them."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_gpu import gpu_kernels
from torch import Tensor

from repousse.ops import cubemap, environment

pytest.importorskip("triton", reason="needs Triton: pip install triton")
import triton
import triton.language as tl

from repousse.ops.gpu.angles import atan2
from repousse.ops.gpu.launch import blocks, launch

Lookup = Callable[..., Tensor]


def with_gradients(lookup: Lookup, inputs: list[Tensor], device: str) -> list[Tensor]:
    """The value, then the gradients of the image, the directions and, if given, the levels."""
    image, direction, *level = (tensor.to(device).requires_grad_() for tensor in inputs)
    found = lookup(image, direction, level=level[0] if level else None)
    pull = torch.linspace(-1, 1, found.numel()).view(found.shape).to(device)
    gradients = torch.autograd.grad((found * pull).sum(), [image, direction, *level])
    return [found.detach().cpu(), *(gradient.cpu() for gradient in gradients)]


@pytest.mark.parametrize("lookup", [cubemap, environment])
@settings(max_examples=5)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 4), st.booleans(), st.integers(0, 2**32))
def test_values_and_gradients(
    lookup: Lookup, height: int, width: int, channels: int, with_level: bool, seed: int
) -> None:
    """Fails if a texel, its weight or its level is another one than on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    shape = (6, height, height, channels) if lookup is cubemap else (height, width, channels)
    inputs = [torch.randn(shape, generator=generator), torch.randn(2, 50, 3, generator=generator)]
    inputs[1] /= inputs[1].norm(dim=-1, keepdim=True)
    if with_level:
        inputs.append(5 * torch.rand(2, 50, generator=generator) - 1)
    expected = with_gradients(lookup, inputs, "cpu")
    with gpu_kernels() as device:
        found = with_gradients(lookup, inputs, device)
    for have, want in zip(found, expected, strict=True):
        torch.testing.assert_close(have, want, rtol=0, atol=1e-5 * max(1.0, float(want.abs().max())))


@triton.jit
def _angles(y, x, out, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    angle = atan2(tl.load(y + at, mask=inside, other=0.0), tl.load(x + at, mask=inside, other=1.0))
    tl.store(out + at, angle, mask=inside)


def test_angles() -> None:
    """Fails if constants are rounded to float32 on the way, or a quadrant is wrong."""
    turn = torch.linspace(-math.pi, math.pi, 2001, dtype=torch.float64)
    y, x = turn.sin() * 3, turn.cos() * 3
    y[0], y[-1] = -y[-1].abs(), y[-1].abs()
    with gpu_kernels() as device:
        out = torch.empty_like(turn, device=device)
        launch(_angles, (blocks(len(turn), 1024),), y.to(device), x.to(device), out, len(turn), BLOCK=1024)
    assert float((out.cpu() - torch.atan2(y, x)).abs().max()) < 2e-15
