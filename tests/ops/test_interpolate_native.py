"""The native interpolation against the reference in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_everywhere import everywhere, per_instruction_set, same_bits
from ops_scenes import ORDINARY, Scene, build, pack, seeds
from test_rasterize_native import comparable
from torch import Tensor

from repousse.ops import interpolate, rasterize
from repousse.ops.interpolate import reference
from repousse.ops.rasterize.reference import barycentrics

kind_lists = st.lists(st.sampled_from(ORDINARY), min_size=1, max_size=6)


def make_attributes(scene: Scene, channels: int, shared: bool, seed: int) -> tuple[Tensor, Tensor]:
    """Values for an index of their own, with seams: some corners share a row, some do not."""
    generator = torch.Generator().manual_seed(seed)
    rows = len(scene.faces) + 2
    shape = (rows, channels) if shared else (len(scene.positions), rows, channels)
    faces = torch.randint(0, rows, scene.faces.shape, generator=generator, dtype=torch.int32)
    return torch.randn(shape, generator=generator), faces


@settings(deadline=None, max_examples=30)
@given(kind_lists, seeds, st.integers(1, 2), st.sampled_from([1, 2, 3, 4, 5, 8, 17]), st.booleans())
def test_values_are_those_of_the_reference(
    kinds: list[str], seed: int, batch: int, channels: int, shared: bool
) -> None:
    """Breaks for a number of channels, a layout of attributes or a border block that is mishandled."""
    scene = build(kinds, seed, (18, 27), batch)
    values, faces = make_attributes(scene, channels, shared, seed)
    fragments = rasterize(*scene)
    (found,) = everywhere(lambda: (interpolate(values, faces, rasterize(*scene)),))
    expected = reference.interpolate(values.double(), faces, fragments.face_id, fragments.bary.double())
    good = comparable(scene, fragments)  # the fused kernel may compute weights anew
    torch.testing.assert_close(found[good].double(), expected[good], rtol=0, atol=1e-3)
    assert (found[fragments.face_id < 0] == 0).all()


@settings(deadline=None, max_examples=30)
@given(kind_lists, seeds, st.integers(1, 3), st.sampled_from([1, 2, 3, 4, 7]), st.booleans())
def test_gradients_are_those_of_the_reference(
    kinds: list[str], seed: int, batch: int, channels: int, shared: bool
) -> None:
    """Breaks if the derivative in attributes or, through the weights, in positions is wrong or varies."""
    scene = build(kinds, seed, (22, 35), batch)
    values, faces = make_attributes(scene, channels, shared, seed)
    fragments = rasterize(*scene)
    good = comparable(scene, fragments)[..., None]
    pull = torch.randn((*good.shape[:3], channels), generator=torch.Generator().manual_seed(seed)) * good

    def native() -> tuple[Tensor, ...]:
        a, p = values.clone().requires_grad_(), scene.positions.clone().requires_grad_()
        image = interpolate(a, faces, rasterize(p, scene.faces, scene.size))
        return torch.autograd.grad((image * pull).sum(), (a, p))

    a, p = values.double().requires_grad_(), scene.positions.double().requires_grad_()
    bary, _ = barycentrics(p, scene.faces, fragments.face_id, None, scene.size)
    image = reference.interpolate(a, faces, fragments.face_id, bary)
    expected = torch.autograd.grad((image * pull).sum(), (a, p))
    # Sums over pixels run in the order of the kernel's blocks, which depends on the lanes: close, not equal.
    for isa, found in per_instruction_set(native).items():
        for name, have, want in zip(("attributes", "positions"), found, expected, strict=True):
            assert (have - want).norm() <= 1e-3 * want.norm() + 1e-5, f"{name}, {isa}"


@pytest.mark.parametrize("wanted", ["attributes", "positions"])
def test_one_gradient_alone(wanted: str) -> None:
    """Breaks if one input's gradient is computed only together with the other's."""
    scene = build(["large", "tilted", "near"], 3, (20, 20), batch=2)
    values, faces = make_attributes(scene, 3, True, 0)

    def gradients(which: tuple[str, ...]) -> dict[str, Tensor]:
        a = values.clone().requires_grad_("attributes" in which)
        p = scene.positions.clone().requires_grad_("positions" in which)
        image = interpolate(a, faces, rasterize(p, scene.faces, scene.size))
        inputs = [tensor for tensor in (a, p) if tensor.requires_grad]
        return dict(zip(which, torch.autograd.grad(image.square().sum(), inputs), strict=True))

    assert same_bits(gradients((wanted,))[wanted], gradients(("attributes", "positions"))[wanted])


@settings(deadline=None, max_examples=8)
@given(seeds, st.integers(2, 5))
def test_a_batch_is_its_images_one_by_one(seed: int, batch: int) -> None:
    """Breaks if images share state, or the split of the work reaches an image's values."""
    scene = build(["large", "tilted", "near", "small"], seed, (17, 29), batch)
    values, faces = make_attributes(scene, 3, False, seed)
    together = interpolate(values, faces, rasterize(*scene))
    for image in range(batch):
        fragments = rasterize(scene.positions[image : image + 1], scene.faces, scene.size)
        assert same_bits(together[image], interpolate(values[image : image + 1], faces, fragments)[0])


def test_packed_meshes_have_the_gradients_of_the_separate_ones() -> None:
    """Breaks if gradients of packed meshes go to another mesh's vertices or attributes."""
    size = (18, 26)
    parts = [build(["large", "tilted", "near"][: n + 1], n, size) for n in range(3)]
    positions, faces, ranges = pack(parts)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(len(positions), 3, generator=generator).requires_grad_()
    positions.requires_grad_()
    image = interpolate(values, faces, rasterize(positions, faces, size, ranges=ranges))
    found = torch.autograd.grad(image.square().sum(), (values, positions))
    p, a = positions.detach().double().requires_grad_(), values.detach().double().requires_grad_()
    face_id = rasterize(positions, faces, size, ranges=ranges).face_id
    bary, _ = barycentrics(p, faces, face_id, ranges, size)
    expected_image = reference.interpolate(a, faces, face_id, bary)
    torch.testing.assert_close(image.double(), expected_image, rtol=0, atol=1e-3)
    expected = torch.autograd.grad(expected_image.square().sum(), (a, p))
    for have, want in zip(found, expected, strict=True):
        assert (have - want).norm() <= 2e-3 * want.norm()


def test_the_reference_backend_is_the_reference() -> None:
    """Breaks if `backend` is ignored, or the two differ in more than rounding."""
    scene = build(["large", "tilted"], 5, (16, 20))
    values, faces = make_attributes(scene, 3, True, 1)
    fragments = rasterize(*scene)
    native, slow = (interpolate(values, faces, fragments, backend=b) for b in ("native", "reference"))
    torch.testing.assert_close(native, slow, rtol=0, atol=1e-3)
