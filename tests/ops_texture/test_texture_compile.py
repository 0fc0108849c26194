"""Texture lookup as torch's compiler, autograd, autocast and inference mode see it."""

from typing import Any

import pytest
import torch
from texture_cases import picture
from torch import Tensor

from repousse.ops import texture

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = [torch.rand(5, 6, 3, generator=GENERATOR), torch.rand(4, 8, 3, generator=GENERATOR)]
WHICH = torch.randint(-1, 2, (2, 5, 7), generator=GENERATOR)
WRAPS: Any = [("repeat", "clamp"), ("mirror", "mirror")]


def arguments(mode: str, requires_grad: bool) -> tuple[Any, ...]:
    case = {name: tensor.requires_grad_(requires_grad) for name, tensor in picture((2, 5, 7), mode, 0).items()}
    texels = torch.cat([image.flatten(0, 1) for image in IMAGES]).requires_grad_(requires_grad)
    layout = [0, 5, 6, 0, 1, 0, 30, 4, 8, 2, 2, 0]
    return texels, layout, case["uv"], WHICH.int(), case.get("derivatives"), case.get("level")


@pytest.mark.parametrize("mode", ["none", "derivatives", "level"])
@pytest.mark.parametrize("requires_grad", [False, True], ids=["plain", "requires_grad"])
def test_opcheck(requires_grad: bool, mode: str) -> None:
    """Breaks if a schema, a fake kernel's shapes or strides, or the registration of a derivative is wrong."""
    given = arguments(mode, requires_grad)
    torch.library.opcheck(torch.ops.repousse.texture.default, given)
    g_out = torch.rand(2, 5, 7, 3, requires_grad=requires_grad)
    tests = ["test_schema", "test_autograd_registration", "test_faketensor"]
    wanted = [True, True, mode == "derivatives", mode == "level"]
    torch.library.opcheck(torch.ops.repousse.texture_backward.default, (*given, g_out, wanted), test_utils=tests)


def look(images: list[Tensor], uv: Tensor, derivatives: Tensor) -> Tensor:
    one = texture(images[0], uv, derivatives=derivatives, wrap=("mirror", "clamp"))
    return one + texture(images, uv, derivatives=derivatives, which=WHICH, wrap=WRAPS, filter=["linear", "nearest"])


def loss_and_gradients(run: Any) -> tuple[Tensor, ...]:
    case = picture((2, 5, 7), "derivatives", 0)
    inputs = [tensor.clone().requires_grad_() for tensor in (*IMAGES, *case.values())]
    loss = (run(inputs[:2], *inputs[2:]) - 0.4).square().sum()
    return loss.detach(), *torch.autograd.grad(loss, inputs)


def test_it_compiles_into_one_graph() -> None:
    """Breaks if anything decides in Python on data."""
    torch.compiler.reset()
    found = loss_and_gradients(torch.compile(look, fullgraph=True, backend="aot_eager"))
    for have, want in zip(found, loss_and_gradients(look), strict=True):
        torch.testing.assert_close(have, want, rtol=1e-5, atol=1e-5)


def test_sizes_may_be_symbols() -> None:
    """Breaks if a graph with dynamic shapes cannot look up images and pictures of other sizes."""
    torch.compiler.reset()

    def run(image: Tensor, uv: Tensor, level: Tensor) -> Tensor:
        return texture(image, uv, level=level)

    compiled = torch.compile(run, fullgraph=True, backend="aot_eager", dynamic=True)
    for height, width in ((5, 6), (16, 3), (7, 7)):
        image, case = torch.rand(height, width, 3), picture((2, height + 1, width + 2), "level", 0)
        assert torch.equal(compiled(image, **case), run(image, **case))


def test_autocast_computes_in_float32() -> None:
    """Breaks if half precision from a layer before is refused, or the result is rounded to it."""
    case = picture((2, 5, 7), "derivatives", 0)
    image = IMAGES[0].bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = texture(image, **case)
    assert out.dtype == torch.float32 and torch.equal(out, texture(image.float(), **case))
    (gradient,) = torch.autograd.grad(out.sum(), image)
    assert gradient.dtype == torch.bfloat16


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(mode: Any) -> None:
    """Breaks if values depend on whether gradients are recorded, or a graph is kept all the same."""
    image, case = IMAGES[0].clone().requires_grad_(), picture((2, 5, 7), "derivatives", 0)
    with mode():
        found = texture(image, **case)
    assert not found.requires_grad and torch.equal(found, texture(image, **case))


@pytest.mark.parametrize("by", ["image", "uv"])
def test_second_derivatives_raise(by: str) -> None:
    """Breaks if a second derivative is silently 0 instead of not implemented."""
    image, uv = IMAGES[0].clone().requires_grad_(), picture((2, 5, 7), "none", 0)["uv"].requires_grad_()
    wanted = image if by == "image" else uv
    (first,) = torch.autograd.grad(texture(image, uv).square().sum(), wanted, create_graph=True)
    with pytest.raises(RuntimeError, match=r"second derivatives are not implemented .* without create_graph=True"):
        first.sum().backward()


def test_a_dry_run_is_possible() -> None:
    """Breaks if shapes cannot be found without numbers, or another device is not refused."""
    case = {name: tensor.to("meta") for name, tensor in picture((2, 5, 7), "derivatives", 0).items()}
    assert texture(IMAGES[0].to("meta"), **case).shape == (2, 5, 7, 3)
