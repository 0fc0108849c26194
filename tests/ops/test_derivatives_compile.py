"""Derivatives of interpolated values as torch's compiler and autograd see them."""

from typing import Any

import pytest
import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import icosphere, pack
from repousse.ops import interpolate, rasterize

SIZE = (12, 10)
MESH = icosphere(1)
POSITIONS = Camera.orbit(3.0).project(MESH.positions, SIZE).contiguous()
UV = torch.rand(42, 2, generator=torch.Generator().manual_seed(0))


def arguments(packed: bool) -> tuple[Any, ...]:
    mesh = pack([MESH, icosphere(0)]) if packed else MESH
    positions = Camera.orbit(3.0).project(mesh.positions, SIZE)[0]
    positions = positions.clone() if packed else positions.expand(2, -1, -1).contiguous()
    fragments = rasterize(positions, mesh.faces, SIZE, ranges=mesh.ranges)
    uv = torch.rand(positions.shape[-2], 2, generator=torch.Generator().manual_seed(1))
    return uv, fragments.faces, positions, fragments.faces, fragments.face_id


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("requires_grad", [False, True], ids=["plain", "requires_grad"])
@pytest.mark.parametrize("name", ["interpolate_derivatives", "interpolate_derivatives_backward"])
def test_opcheck(name: str, requires_grad: bool, packed: bool) -> None:
    """Breaks if a schema, a fake kernel's shapes or strides, or the registration of a derivative is wrong."""
    given = arguments(packed)
    tests = ["test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic"]
    if name.endswith("backward"):
        given = (*given, torch.rand(2, *SIZE, 2, 2, generator=torch.Generator().manual_seed(2)), True, True)
        tests = tests[:-1] if requires_grad else tests  # a derivative has no derivative
    given = tuple(
        a.requires_grad_(requires_grad) if isinstance(a, Tensor) and a.is_floating_point() else a for a in given
    )
    torch.library.opcheck(getattr(torch.ops.repousse, name).default, given, test_utils=tests)


def loss_and_gradients(run: Any) -> tuple[Tensor, ...]:
    uv, positions = UV.clone().requires_grad_(), POSITIONS.clone().requires_grad_()
    loss = run(uv, positions)
    return loss.detach(), *torch.autograd.grad(loss, (uv, positions))


def test_it_compiles_into_one_graph() -> None:
    """Breaks if Python decides on data on the way to the derivatives."""

    def draw(uv: Tensor, positions: Tensor) -> Tensor:
        fragments = rasterize(positions, MESH.faces, SIZE)
        values, change = interpolate(uv, MESH.faces, fragments, derivatives=True)
        return values.square().sum() + change.square().sum()

    torch.compiler.reset()
    compiled = torch.compile(draw, fullgraph=True, backend="aot_eager")
    for have, want in zip(loss_and_gradients(compiled), loss_and_gradients(draw), strict=True):
        torch.testing.assert_close(have, want, rtol=1e-5, atol=1e-5)


def test_second_derivatives_raise() -> None:
    """Breaks if a second derivative is silently 0 instead of not implemented."""
    positions = POSITIONS.clone().requires_grad_()
    fragments = rasterize(positions, MESH.faces, SIZE)
    _, change = interpolate(UV, MESH.faces, fragments, derivatives=True)
    (first,) = torch.autograd.grad(change.square().sum(), positions, create_graph=True)
    with pytest.raises(RuntimeError, match=r"second derivatives are not implemented"):
        first.sum().backward()
