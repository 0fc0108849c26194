"""Texture lookups on a GPU, as `texture` offers them."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_gpu import gpu_kernels
from torch import Tensor

from repousse.ops import texture
from repousse.ops.texture.layout import FILTERS, WRAPS

pytest.importorskip("triton", reason="needs Triton: pip install triton")
from repousse.ops.texture.gpu import _tiles
from repousse.ops.texture.gpu_images import describe_images

SHAPE = (1, 9, 16)
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
# wrap along u and v, and the filter
setting = st.tuples(st.sampled_from(WRAPS), st.sampled_from(WRAPS), st.sampled_from(FILTERS))


def with_gradients(images: list[Tensor], inputs: dict[str, Tensor], named: Any, device: str) -> list[Tensor]:
    """The value, then the gradients of images and inputs."""
    images = [image.to(device).requires_grad_() for image in images]
    inputs = {name: tensor.to(device).requires_grad_() for name, tensor in inputs.items()}
    found = texture(images, **inputs, **named)
    pull = torch.linspace(-1, 1, found.numel()).view(found.shape).to(device)
    gradients = torch.autograd.grad((found * pull).sum(), [*images, *inputs.values()])
    return [found.detach().cpu(), *(gradient.cpu() for gradient in gradients)]


@settings(max_examples=6)
@given(
    st.lists(st.tuples(sizes, setting), min_size=1, max_size=3),
    st.sampled_from(["none", "derivatives", "level"]),
    st.integers(1, 5),
    st.integers(0, 2**32),
)
def test_values_and_gradients(kinds: list[Any], mode: str, channels: int, seed: int) -> None:
    """Fails if a size, a wrap or a filter is taken for that of another image, or a gradient goes elsewhere."""
    generator = torch.Generator().manual_seed(seed)
    images = [torch.randn(*size, channels, generator=generator) for size, _ in kinds]
    inputs = {"uv": torch.randn(*SHAPE, 2, generator=generator)}
    if mode == "derivatives":
        inputs[mode] = torch.randn(*SHAPE, 2, 2, generator=generator) * 0.2
    if mode == "level":
        inputs[mode] = 4 * torch.rand(SHAPE, generator=generator) - 1
    which = torch.randint(-1, len(images), SHAPE, generator=generator)
    named = {"wrap": [kind[:2] for _, kind in kinds], "filter": [kind[2] for _, kind in kinds]}
    expected = with_gradients(images, inputs, {**named, "which": which}, "cpu")
    with gpu_kernels() as device:
        found = with_gradients(images, inputs, {**named, "which": which.to(device)}, device)
    for have, want in zip(found, expected, strict=True):
        torch.testing.assert_close(have, want, rtol=0, atol=1e-5 * max(1.0, float(want.abs().max())))


@pytest.mark.parametrize("wrap", WRAPS)
def test_crowds_at_borders(wrap: Any) -> None:
    """Fails if pixels whose gradients are summed before they are added have only the first of four texels in common:
    on both sides of a border texel's middle."""
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(8, 8, 1, generator=generator)
    uv = torch.rand(1, 16, 16, 2, generator=generator) / 8
    expected = with_gradients([image], {"uv": uv}, {"wrap": wrap}, "cpu")
    with gpu_kernels() as device:
        found = with_gradients([image], {"uv": uv}, {"wrap": wrap}, device)
    for have, want in zip(found, expected, strict=True):
        torch.testing.assert_close(have, want, rtol=0, atol=1e-5 * max(1.0, float(want.abs().max())))


def test_images_that_do_not_exist() -> None:
    """Fails if a wrong `which` reads other memory: on a GPU it cannot raise, and shows nothing."""
    image = torch.rand(2, 3, 3)
    which = torch.tensor([0, 1, -1, -7, 10**9, 0]).view(1, 2, 3)
    with gpu_kernels() as device:
        found = texture([image.to(device)], torch.rand(1, 2, 3, 2).to(device), which=which.to(device)).cpu()
    assert torch.equal((found != 0).any(-1), which == 0)


def test_many_rows() -> None:
    """Fails if pictures of more rows, like samples along many rays, ask for a larger grid than there can be."""
    for height in (8, 4 * 65535, 4 * 65535 + 1, 1_000_000):
        for channels in (1, 3, 32):
            _, grid, _ = _tiles(torch.empty(1).expand(2, height, 32, 2), channels)
            assert grid[1] <= 65535


def test_levels_do_not_overlap() -> None:
    """Fails if the formula for where a level begins gives two levels the same texel, or one beyond the end."""
    for height, width in itertools.product((1, 2, 3, 5, 7, 8, 31, 64, 100), repeat=2):
        images = describe_images([0, height, width, 0, 0, 0], True, torch.device("cpu"))
        longer, room = max(height, width), max(1, min(height, width) // 2)
        end = 0
        for level in range(1, longer.bit_length()):
            start = (longer - (longer >> (level - 1))) * room
            assert start >= end
            end = start + max(1, height >> level) * max(1, width >> level)
        assert end <= images.coarser <= max(height * width, 2 * longer) // 2 + longer // 2
