"""Textures and pictures of them for the tests of `texture`, and its derivatives in both implementations."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from repousse.ops import texture

MODES = ("none", "derivatives", "level")


def picture(shape: tuple[int, int, int], mode: str, seed: int) -> dict[str, Tensor]:
    """uv on and around the image, with footprints from far below a texel's to the whole image."""
    generator = torch.Generator().manual_seed(seed)
    case = {"uv": torch.randn(*shape, 2, generator=generator) * 1.5}
    if mode == "derivatives":
        size = 2.0 ** (torch.rand(*shape, 1, 1, generator=generator) * 9 - 8)
        case["derivatives"] = torch.randn(*shape, 2, 2, generator=generator) * size
    if mode == "level":
        case["level"] = torch.randn(shape, generator=generator) * 2 + 1
    return case


def with_gradients(
    images: Tensor | Sequence[Tensor], case: dict[str, Tensor], backend: Any, dtype: torch.dtype, **settings: Any
) -> tuple[Tensor, ...]:
    """The result, then the gradients by each image and by what the case holds, always for the same gradient."""
    inputs = {name: tensor.detach().to(dtype).requires_grad_() for name, tensor in case.items()}
    if isinstance(images, Tensor):
        images = images.detach().to(dtype).requires_grad_()
        wanted = [images]
    else:
        wanted = images = [image.detach().to(dtype).requires_grad_() for image in images]
    out = texture(images, **inputs, backend=backend, **settings)
    pull = torch.randn(out.shape, generator=torch.Generator().manual_seed(7)).to(dtype)
    wanted = [*wanted, *inputs.values()]
    found = torch.autograd.grad((out * pull).sum(), wanted, allow_unused=True)
    zeros = (torch.zeros_like(tensor) for tensor in wanted)
    return out.detach(), *(zero if gradient is None else gradient for zero, gradient in zip(zeros, found, strict=True))


def assert_close(found: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float = 1e-5) -> None:
    """Values to `tolerance`; gradients likewise, as a share of the largest of their kind."""
    for index, (have, want) in enumerate(zip(found, expected, strict=True)):
        if want.numel():
            scale = 1.0 if index == 0 else max(1.0, float(want.abs().max()))
            error = float((have.double() - want).abs().max())
            assert error <= tolerance * scale, f"output {index}: {error} of {scale}"
