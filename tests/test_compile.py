"""The operations as torch's compiler, autograd, autocast and inference mode see them."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import icosphere, pack
from repousse.gradients import Antialias, Boundary, Edge, Estimator, Interior, Kato
from repousse.ops import crossings, interpolate, rasterize

SIZE = (12, 10)
MESH = icosphere(1)
POSITIONS = Camera.orbit(3.0).project(MESH.positions, SIZE).contiguous()
COLORS = torch.rand(42, 3, generator=torch.Generator().manual_seed(0))
ESTIMATORS = pytest.mark.parametrize(
    "estimator", [Boundary(), Antialias(), Edge(), Interior(), Kato("crossings"), Kato("released")], ids=str
)

# Derivatives have no derivative: their opcheck must not ask for one. `test_second_derivatives_raise` covers it.
ONCE = ("barycentrics_backward", "boundary", "interpolate_backward", "kato_released", "kato_from_crossings")
DIFFERENTIATES = "test_aot_dispatch_dynamic"


@functools.cache
def arguments(packed: bool) -> dict[str, tuple[Any, ...]]:
    """An ordinary call of each registered op, on two images."""
    generator = torch.Generator().manual_seed(1)
    mesh = pack([MESH, icosphere(0)]) if packed else MESH
    positions = Camera.orbit(3.0).project(mesh.positions, SIZE).contiguous()[0].expand(2, -1, -1).contiguous()
    positions = positions[0] if packed else positions
    f = rasterize(positions, mesh.faces, SIZE, ranges=mesh.ranges)
    t = mesh.topology
    found = crossings(positions, t, f)
    colors = torch.rand(positions.shape[-2], 3, generator=generator)
    ndc = positions[..., :2] / positions[..., 3:]
    image, grad = torch.rand(2, 2, *SIZE, 3, generator=generator)
    fused = (colors, f.faces, positions, f.faces, f.face_id, f.bary)
    calls = {
        "visibility": (positions, f.faces, f.ranges, *SIZE, 0),
        "barycentrics": (positions, f.faces, f.face_id),
        "barycentrics_backward": (positions, f.faces, f.face_id, image[..., :2], grad[..., 0]),
        "interpolate": fused,
        "interpolate_backward": (*fused, grad, True, True),
        "crossings": (
            *(positions, t.faces, t.edges, t.edge_faces, t.consistent, t.extra),
            *(f.faces, f.face_id, f.depth, f.facing, f.ranges),
        ),
        "boundary": (
            *(positions, t.faces, t.edges, t.edge_faces, t.consistent, t.extra, t.face_edges),
            *(f.faces, f.face_id, f.depth, f.facing, f.ranges, image, grad),
        ),
        "kato_from_crossings": (ndc, *found, f.face_id, f.depth, image, grad, 1e-3),
    }
    if packed:
        return calls
    return calls | {
        "kato_released": (ndc, f.faces, f.face_id, image, grad, 1e-3),
        "kato_visible": (torch.rand(2, 5, 3, 3, generator=generator), 6, 7, 0.1, 100.0),
    }


def fresh(argument: Any, requires_grad: bool) -> Any:
    if isinstance(argument, Tensor):
        return argument.detach().clone().requires_grad_(requires_grad and argument.is_floating_point())
    return argument


@pytest.mark.parametrize("requires_grad", [False, True], ids=["plain", "requires_grad"])
@pytest.mark.parametrize(
    ("name", "packed"),
    [(name, packed) for packed in (False, True) for name in arguments(packed)],
)
def test_opcheck(name: str, packed: bool, requires_grad: bool) -> None:
    """Breaks if a schema, a fake kernel's shapes or strides, or the registration of a derivative is wrong."""
    tests = ["test_schema", "test_autograd_registration", "test_faketensor", DIFFERENTIATES]
    if requires_grad and name in ONCE:
        tests.remove(DIFFERENTIATES)
    op = getattr(torch.ops.repousse, name).default
    given = tuple(fresh(argument, requires_grad) for argument in arguments(packed)[name])
    torch.library.opcheck(op, given, test_utils=tests)


def test_opcheck_sees_every_op() -> None:
    """Breaks if an op is added and checked neither above nor in the tests of its own folder."""
    names = torch._C._dispatch_get_all_op_names()
    registered = {name.removeprefix("repousse::") for name in names if name.startswith("repousse::")}
    sources = [path.read_text() for path in Path(__file__).parent.glob("*/test_*.py")]
    elsewhere = "\n".join(source for source in sources if "opcheck" in source)
    unchecked = {name for name in registered if not re.search(rf"\b{name}\b", elsewhere)}
    assert unchecked <= set(arguments(False)) <= registered


def test_ids_and_crossings_require_no_gradient() -> None:
    """Breaks if discrete results pretend to be differentiable."""
    positions = POSITIONS.clone().requires_grad_()
    fragments = rasterize(positions, MESH.faces, SIZE)
    assert fragments.bary.requires_grad and fragments.depth.requires_grad
    assert not fragments.face_id.requires_grad and not fragments.facing.requires_grad
    assert not any(column.requires_grad for column in crossings(positions, MESH.topology, fragments))
    raw = torch.ops.repousse.crossings(*(fresh(a, True) for a in arguments(False)["crossings"]))
    assert not any(column.requires_grad for column in raw)


# ---- torch.compile ---------------------------------------------------------------------------------------------------


def line(positions: Tensor, colors: Tensor, estimator: Estimator) -> Tensor:
    """From positions to a loss, with everything in between."""
    fragments = rasterize(positions, MESH.faces, SIZE)
    image = interpolate(colors, MESH.faces, fragments)
    mask = (fragments.face_id >= 0).to(image.dtype)[..., None]
    image = estimator(torch.cat([image, mask], -1), fragments, MESH.topology)
    return (image - 0.4).square().sum() + (fragments.depth * fragments.bary.sum(-1)).sum()


def loss_and_gradients(run: Callable[..., Tensor], positions: Tensor, estimator: Estimator) -> tuple[Tensor, ...]:
    positions, colors = positions.clone().requires_grad_(), COLORS.clone().requires_grad_()
    loss = run(positions, colors, estimator)
    return loss.detach(), *torch.autograd.grad(loss, (positions, colors))


def assert_compiles(estimator: Estimator, backend: str, other_frames: tuple[Tensor, ...] = ()) -> None:
    MESH.topology  # noqa: B018  computed once, outside of the graph
    torch.compiler.reset()
    compiled = torch.compile(line, fullgraph=True, backend=backend)
    for number, positions in enumerate((POSITIONS, *other_frames)):
        with torch.compiler.set_stance("default" if number == 0 else "fail_on_recompile"):
            found = loss_and_gradients(compiled, positions, estimator)
        for have, want in zip(found, loss_and_gradients(line, positions, estimator), strict=True):
            torch.testing.assert_close(have, want, rtol=1e-5, atol=1e-5)


@ESTIMATORS
def test_the_line_compiles_into_one_graph(estimator: Estimator) -> None:
    """Breaks if anything decides in Python on data, or frames with other or no crossings need another graph."""
    behind = POSITIONS * torch.tensor([1.0, 1.0, -1.0, -1.0])
    far = POSITIONS * torch.tensor([0.2, 0.2, 1.0, 1.0])
    assert_compiles(estimator, "aot_eager", (far, behind, POSITIONS * torch.tensor([3.0, 1.0, 1.0, 1.0])))


def test_inductor_gives_the_same_numbers() -> None:
    """Breaks if generated code lays tensors out in a way that kernels do not expect."""
    assert_compiles(Kato("crossings"), "inductor")


def test_sizes_may_be_symbols() -> None:
    """Breaks if a graph with dynamic shapes cannot take the size of its picture from a tensor's."""

    def draw(positions: Tensor, target: Tensor) -> Tensor:
        fragments = rasterize(positions, MESH.faces, (target.shape[0], target.shape[1]))
        return interpolate(COLORS, MESH.faces, fragments)[0] - target

    torch.compiler.reset()
    compiled = torch.compile(draw, fullgraph=True, backend="aot_eager", dynamic=True)
    for size in ((12, 10), (7, 31), (20, 20)):
        target = torch.zeros(*size, 3)
        assert torch.equal(compiled(POSITIONS, target), draw(POSITIONS, target))


# ---- modes -----------------------------------------------------------------------------------------------------------


@ESTIMATORS
def test_autocast_computes_in_float32(estimator: Estimator) -> None:
    """Breaks if bfloat16 out of a matrix product is refused, or geometry is rounded more than it was on the way in."""
    turn = torch.eye(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        positions = POSITIONS @ turn
        assert positions.dtype == torch.bfloat16
        loss, *gradients = loss_and_gradients(line, positions, estimator)
    assert loss.dtype == torch.float32 and gradients[0].dtype == torch.bfloat16
    expected = loss_and_gradients(line, positions.float(), estimator)
    torch.testing.assert_close(loss, expected[0])
    torch.testing.assert_close(gradients[0], expected[1], check_dtype=False, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@ESTIMATORS
def test_without_gradients(estimator: Estimator, mode: Any) -> None:
    """Breaks if values depend on whether gradients are recorded, or a graph is kept all the same."""
    positions = POSITIONS.clone().requires_grad_()
    expected = line(positions, COLORS, estimator)
    with mode():
        found = line(positions, COLORS, estimator)
    assert not found.requires_grad and torch.equal(found, expected)


def second_derivative(output: Callable[[Tensor], Tensor]) -> None:
    positions = POSITIONS.clone().requires_grad_()
    (first,) = torch.autograd.grad(output(positions).square().sum(), positions, create_graph=True)
    first.sum().backward()


@pytest.mark.parametrize(
    "output",
    [
        lambda p: rasterize(p, MESH.faces, SIZE).bary,
        lambda p: rasterize(p, MESH.faces, SIZE).depth,
        lambda p: interpolate(COLORS, MESH.faces, rasterize(p, MESH.faces, SIZE)),
    ],
    ids=["bary", "depth", "interpolate"],
)
def test_second_derivatives_raise(output: Callable[[Tensor], Tensor]) -> None:
    """Breaks if a second derivative is silently 0 instead of not implemented."""
    with pytest.raises(RuntimeError, match=r"second derivatives are not implemented .* without create_graph=True"):
        second_derivative(output)


@pytest.mark.parametrize("name", ["kato_released", "kato_from_crossings"])
def test_second_derivatives_of_sweeps_raise(name: str) -> None:
    """Breaks if the pseudo-gradient pretends to have a derivative."""
    given = tuple(fresh(argument, True) for argument in arguments(False)[name])
    with pytest.raises(RuntimeError, match="second derivatives are not implemented"):
        getattr(torch.ops.repousse, name)(*given).sum().backward()


@pytest.mark.parametrize("estimator", [Antialias(), Edge(), Kato("crossings"), Kato("released")], ids=str)
def test_second_derivatives_of_estimators_raise(estimator: Estimator) -> None:
    """Breaks if differentiating an estimator's gradient once more gives numbers."""

    def output(positions: Tensor) -> Tensor:
        fragments = rasterize(positions, MESH.faces, SIZE)
        mask = (fragments.face_id >= 0).float()[..., None].requires_grad_()
        return estimator(mask, fragments, MESH.topology) - 0.4

    with pytest.raises(RuntimeError, match=r"once_differentiable|second derivatives"):
        second_derivative(output)
