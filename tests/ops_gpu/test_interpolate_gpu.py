"""Interpolation by its GPU kernels, through the public function."""

import pytest
import torch
from ops_gpu import gpu_kernels
from ops_scenes import build

from repousse import Fragments, interpolate, rasterize

pytest.importorskip("triton", reason="needs Triton: pip install triton")


def seen(size: tuple[int, int]) -> Fragments:
    positions, faces, size = build(["large", "tilted", "near", "small", "wide", "large"], 5, size)
    return rasterize(positions, faces, size)


def on(device: str, fragments: Fragments) -> Fragments:
    return Fragments(*(v.to(device) if isinstance(v, torch.Tensor) else v for v in fragments))


def gradients(fragments: Fragments, attributes: torch.Tensor, derivatives: bool) -> list[torch.Tensor]:
    """Of attributes and positions, on the CPU; by the kernels that are there when this is called."""
    attributes = attributes.clone().requires_grad_()
    fragments = fragments._replace(positions=fragments.positions.clone().requires_grad_())
    found = interpolate(attributes, fragments.faces, fragments, derivatives=True)[int(derivatives)]
    (found * torch.linspace(-1, 1, found.numel(), device=found.device).reshape(found.shape)).sum().backward()
    return [gradient.cpu() for gradient in (attributes.grad, fragments.positions.grad) if gradient is not None]


@pytest.mark.parametrize("derivatives", [False, True])
def test_gradients_through_autograd(derivatives: bool) -> None:
    """Fails if the sums of one program and the next, above one another, do not add up, or autograd gets the wrong
    tensor."""
    fragments, attributes = seen((9, 20)), torch.randn(18, 2, generator=torch.Generator().manual_seed(0))
    expected = gradients(fragments, attributes, derivatives)
    with gpu_kernels() as device:
        found = gradients(on(device, fragments), attributes.to(device), derivatives)
    assert len(found) == len(expected) == 2
    for got, want in zip(found, expected, strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-5 * float(want.abs().max()))


def test_equal_attributes_do_not_move_vertices() -> None:
    """Fails if the gradient of the positions is not exactly zero where a face's corners have the same values."""
    fragments = seen((3, 20))
    with gpu_kernels() as device:
        _, of_positions = gradients(on(device, fragments), torch.full((18, 1), 0.3, device=device), False)
    assert not of_positions.any()


def test_indices_are_checked() -> None:
    """Fails if an attribute that does not exist is read."""
    fragments = seen((3, 20))
    with gpu_kernels() as device, pytest.raises(IndexError, match="attribute_faces"):
        interpolate(torch.zeros(17, 1, device=device), fragments.faces.to(device), on(device, fragments))
