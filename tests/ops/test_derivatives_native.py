"""How interpolated values change from pixel to pixel: the native op against the reference in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_everywhere import everywhere, per_instruction_set, same_bits
from ops_scenes import ORDINARY, build, pack, seeds
from test_interpolate_native import make_attributes
from test_rasterize_native import comparable
from torch import Tensor

from repousse.geometry import icosphere
from repousse.ops import Fragments, interpolate, rasterize
from repousse.ops.interpolate import reference

kind_lists = st.lists(st.sampled_from(ORDINARY), min_size=1, max_size=6)
channel_counts = st.sampled_from([1, 2, 3, 4, 5, 8])


def steps(values: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    return interpolate(values, faces, fragments, derivatives=True)[1]


def in_float64(values: Tensor, faces: Tensor, positions: Tensor, fragments: Fragments) -> Tensor:
    return reference.derivatives(values.double(), faces, positions.double(), fragments.faces, fragments.face_id)


@settings(deadline=None, max_examples=30)
@given(kind_lists, seeds, st.integers(1, 2), channel_counts, st.booleans())
def test_derivatives_are_those_of_the_reference(
    kinds: list[str], seed: int, batch: int, channels: int, shared: bool
) -> None:
    """Breaks for a number of channels, a layout of attributes, a clipped face or a border block that is mishandled."""
    scene = build(kinds, seed, (18, 27), batch)
    values, faces = make_attributes(scene, channels, shared, seed)
    fragments = rasterize(*scene)
    (found,) = everywhere(lambda: (steps(values, faces, rasterize(*scene)),))
    expected = in_float64(values, faces, scene.positions, fragments)
    good = comparable(scene, fragments)
    torch.testing.assert_close(found[good].double(), expected[good], rtol=1e-3, atol=1e-3)
    assert (found[fragments.face_id < 0] == 0).all()


@settings(deadline=None, max_examples=30)
@given(kind_lists, seeds, st.integers(1, 3), channel_counts, st.booleans())
def test_gradients_are_those_of_the_reference(
    kinds: list[str], seed: int, batch: int, channels: int, shared: bool
) -> None:
    """Breaks if the derivative in attributes or in positions is wrong, or depends on the number of threads."""
    scene = build(kinds, seed, (22, 35), batch)
    values, faces = make_attributes(scene, channels, shared, seed)
    fragments = rasterize(*scene)
    good = comparable(scene, fragments)[..., None, None]
    pull = torch.randn((*good.shape[:3], channels, 2), generator=torch.Generator().manual_seed(seed)) * good

    def native() -> tuple[Tensor, ...]:
        a, p = values.clone().requires_grad_(), scene.positions.clone().requires_grad_()
        return torch.autograd.grad((steps(a, faces, rasterize(p, scene.faces, scene.size)) * pull).sum(), (a, p))

    a, p = values.double().requires_grad_(), scene.positions.double().requires_grad_()
    expected = torch.autograd.grad((in_float64(a, faces, p, fragments) * pull).sum(), (a, p))
    # Sums over pixels run in the order of the kernel's blocks, which depends on the lanes: close, not equal.
    for isa, found in per_instruction_set(native).items():
        for name, have, want in zip(("attributes", "positions"), found, expected, strict=True):
            assert (have - want).norm() <= 2e-3 * want.norm() + 1e-5, f"{name}, {isa}"


def test_values_are_the_same_with_derivatives() -> None:
    """Breaks if asking for derivatives changes a value or its gradient."""
    scene = build(["large", "tilted", "near"], 3, (20, 23), batch=2)
    values, faces = make_attributes(scene, 3, True, 0)
    results = []
    for derivatives in (False, True):
        a, p = values.clone().requires_grad_(), scene.positions.clone().requires_grad_()
        found = interpolate(a, faces, rasterize(p, scene.faces, scene.size), derivatives=derivatives)
        image = found if isinstance(found, Tensor) else found[0]
        results.append((image.detach(), *torch.autograd.grad(image.square().sum(), (a, p))))
    assert all(same_bits(plain, other) for plain, other in zip(*results, strict=True))


@pytest.mark.parametrize("wanted", ["attributes", "positions"])
def test_one_gradient_alone(wanted: str) -> None:
    """Breaks if one input's gradient is computed only together with the other's."""
    scene = build(["large", "tilted", "near"], 3, (20, 20), batch=2)
    values, faces = make_attributes(scene, 3, True, 0)

    def gradients(which: tuple[str, ...]) -> dict[str, Tensor]:
        a = values.clone().requires_grad_("attributes" in which)
        p = scene.positions.clone().requires_grad_("positions" in which)
        change = steps(a, faces, rasterize(p, scene.faces, scene.size))
        inputs = [tensor for tensor in (a, p) if tensor.requires_grad]
        return dict(zip(which, torch.autograd.grad(change.square().sum(), inputs), strict=True))

    assert same_bits(gradients((wanted,))[wanted], gradients(("attributes", "positions"))[wanted])


def test_packed_meshes_have_the_derivatives_of_the_separate_ones() -> None:
    """Breaks if packed meshes read or pull another mesh's vertices or attributes."""
    size = (18, 26)
    positions, faces, ranges = pack([build(["large", "tilted", "near"][: n + 1], n, size) for n in range(3)])
    values = torch.randn(len(positions), 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    positions.requires_grad_()
    fragments = rasterize(positions, faces, size, ranges=ranges)
    change = steps(values, faces, fragments)
    found = torch.autograd.grad(change.square().sum(), (values, positions))
    a, p = values.detach().double().requires_grad_(), positions.detach().double().requires_grad_()
    expected_change = in_float64(a, faces, p, fragments)
    torch.testing.assert_close(change.double(), expected_change, rtol=1e-3, atol=1e-3)
    expected = torch.autograd.grad(expected_change.square().sum(), (a, p))
    for have, want in zip(found, expected, strict=True):
        assert (have - want).norm() <= 2e-3 * want.norm()


def test_a_linear_function_of_the_screen_changes_by_its_slope() -> None:
    """Breaks if columns and rows are exchanged, a sign is wrong, or the unit is not a pixel."""
    positions = torch.tensor([[[-1.0, -1, 0.5, 1], [1, -1, 0.5, 1], [1, 1, 0.5, 1], [-1, 1, 0.5, 1]]])
    faces = torch.tensor([[0, 2, 1], [0, 3, 2]])
    pixels = torch.tensor([[0.0, 0], [40, 0], [40, 30], [0, 30]])  # column and row of each corner
    values, change = interpolate(pixels, faces, rasterize(positions, faces, (30, 40)), derivatives=True)
    columns, rows = torch.meshgrid(torch.arange(40) + 0.5, torch.arange(30) + 0.5, indexing="xy")
    torch.testing.assert_close(values[0], torch.stack([columns, rows], -1), rtol=0, atol=1e-4)
    torch.testing.assert_close(change, torch.eye(2).expand_as(change), rtol=0, atol=1e-5)


def test_constant_attributes_do_not_change() -> None:
    """Breaks if rounding makes a constant texture coordinate vary, or pulls at the positions of one."""
    positions = torch.cat([icosphere(2).positions * 0.8, torch.ones(162, 1)], 1)[None]
    positions[..., 2] = positions[..., 2] * 0.5 + 0.5
    positions.requires_grad_()
    fragments = rasterize(positions, icosphere(2).faces, (40, 40))
    change = steps(torch.full((162, 2), 0.3), icosphere(2).faces, fragments)
    assert (change == 0).all()
    (gradient,) = torch.autograd.grad(change.sum(), positions)
    assert (gradient == 0).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["nan", "inf", "zero", "flat", "behind", "wide", "sliver"])
def test_unfriendly_faces_give_numbers(kind: str) -> None:
    """Breaks if a face that cannot be drawn leaves NaN behind, in the derivatives or in the gradients."""
    for seed in range(5):
        scene = build([kind, "large", kind], seed, (20, 24))
        p = scene.positions.clone().requires_grad_()
        change = steps(torch.randn(9, 2), scene.faces, rasterize(p, scene.faces, scene.size))
        (gradient,) = torch.autograd.grad(change.sum(), p)
        assert change.isfinite().all() and gradient.isfinite().all()


@pytest.mark.parametrize("batch, faces, channels", [(0, 4, 2), (2, 0, 2), (2, 4, 0)])
def test_nothing_to_do(batch: int, faces: int, channels: int) -> None:
    """Breaks if an empty batch, mesh or set of channels is an error, or not empty or zero."""
    scene = build(["large"] * 4, 0, (9, 11), batch=2)
    p = scene.positions[:batch].clone().requires_grad_()
    values = torch.rand(12, channels, requires_grad=True)
    fragments = rasterize(p, scene.faces[:faces], scene.size)
    change = steps(values, scene.faces[:faces], fragments)
    assert change.shape == (batch, 9, 11, channels, 2)
    gradients = torch.autograd.grad(change.sum(), (values, p))
    assert faces == 4 or all((tensor == 0).all() for tensor in (change, *gradients))


def test_the_reference_backend_is_the_reference() -> None:
    """Breaks if `backend` is ignored, or the two differ in more than rounding."""
    scene = build(["large", "tilted"], 5, (16, 20))
    values, faces = make_attributes(scene, 2, True, 1)
    fragments = rasterize(*scene)
    native, slow = (interpolate(values, faces, fragments, derivatives=True, backend=b) for b in ("native", "reference"))
    for have, want in zip(native, slow, strict=True):
        torch.testing.assert_close(have, want, rtol=1e-3, atol=1e-3)
