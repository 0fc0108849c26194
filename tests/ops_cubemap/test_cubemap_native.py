"""Native lookups of directions against the reference in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_everywhere import everywhere, same_bits
from torch import Tensor

from repousse.ops import cubemap, environment

seeds = st.integers(0, 2**32 - 1)
channel_counts = st.sampled_from([1, 2, 3, 4, 7])
Lookup = Callable[..., Tensor]
BOTH = pytest.mark.parametrize("lookup", [cubemap, environment])


def directions(count: int, rng: np.random.Generator) -> Tensor:
    """Random directions of any length, and those where maps change: axes, edges and corners of the cube, poles."""
    random = rng.normal(size=(count, 3)) * 10.0 ** rng.uniform(-3, 3, (count, 1))
    special = rng.integers(-1, 2, (count, 3)).astype(float)
    special[~special.any(1)] = (0, 1, 0)
    mixed = np.where(rng.random((count, 1)) < 0.2, special, random)
    return torch.tensor(mixed, dtype=torch.float32).view(1, count, 1, 3)


def make_image(lookup: Lookup, rng: np.random.Generator, channels: int) -> Tensor:
    size, width = rng.integers(1, 10, 2)
    shape = (6, size, size, channels) if lookup is cubemap else (size, width, channels)
    return torch.tensor(rng.normal(size=shape), dtype=torch.float32)


def all_of(lookup: Lookup, inputs: tuple[Tensor, ...], pull: Tensor, backend: str = "native") -> tuple[Tensor, ...]:
    """The value and the gradients of all inputs: image, direction and, if given, level."""
    image, direction, *level = (tensor.detach().clone().requires_grad_() for tensor in inputs)
    found = lookup(image, direction, level=level[0] if level else None, backend=backend)
    return found.detach(), *torch.autograd.grad((found * pull).sum(), (image, direction, *level))


@BOTH
@settings(deadline=None, max_examples=30)
@given(seed=seeds, channels=channel_counts, with_level=st.booleans())
def test_values_and_gradients_are_those_of_the_reference(
    lookup: Lookup, seed: int, channels: int, with_level: bool
) -> None:
    """Breaks for a size, a place on the map or a level that is mishandled; if instruction sets or threads matter."""
    rng = np.random.default_rng(seed)
    image, direction = make_image(lookup, rng, channels), directions(40, rng)
    inputs = (image, direction)
    if with_level:
        inputs = (*inputs, torch.tensor(rng.uniform(-1, 5, (1, 40, 1)), dtype=torch.float32))
    pull = torch.tensor(rng.normal(size=(1, 40, 1, channels)), dtype=torch.float32)
    found = everywhere(lambda: all_of(lookup, inputs, pull))
    expected = all_of(lookup, tuple(tensor.double() for tensor in inputs), pull.double(), "reference")
    for index, (have, want) in enumerate(zip(found, expected, strict=True)):
        if index == 2:  # the derivative in the direction is two-valued at texel borders, where special directions lie
            ordinary = (direction / direction.abs().amax(-1, keepdim=True)).frac().ne(0).sum(-1) == 2
            have, want = have[ordinary], want[ordinary]
        torch.testing.assert_close(have.double(), want, rtol=1e-4, atol=1e-5)


@BOTH
def test_many_pixels_have_the_same_bits_for_any_threads(lookup: Lookup) -> None:
    """Breaks if the order in which gradients are added depends on the number of threads."""
    rng = np.random.default_rng(0)
    image, direction = make_image(lookup, rng, 3), directions(20000, rng)
    level = torch.tensor(rng.uniform(0, 3, (1, 20000, 1)), dtype=torch.float32)
    pull = torch.randn(1, 20000, 1, 3, generator=torch.Generator().manual_seed(0))
    found = everywhere(lambda: all_of(lookup, (image, direction, level), pull))
    want = all_of(lookup, (image.double(), direction.double(), level.double()), pull.double(), "reference")[1]
    torch.testing.assert_close(found[1].double(), want, rtol=1e-3, atol=1e-3)


@BOTH
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_directions_that_are_none_give_zero(lookup: Lookup, backend: str) -> None:
    """Breaks if an empty pixel or a NaN reads a texel, writes NaN or pulls at anything."""
    nan, inf = float("nan"), float("inf")
    none = torch.tensor([[0.0, 0, 0], [nan, 1, 0], [0, inf, 0], [1, -inf, nan]]).view(1, 1, 4, 3)
    image = torch.rand(make_image(lookup, np.random.default_rng(3), 2).shape)
    inputs = (image, none, torch.ones(1, 1, 4))
    assert all((tensor == 0).all() for tensor in all_of(lookup, inputs, torch.ones(1, 1, 4, 2), backend))
    known = torch.tensor([0.3, 0.4, 0.5]).expand(1, 1, 4, 3)
    inputs = (image, known, torch.full((1, 1, 4), nan))
    assert all((tensor == 0).all() for tensor in all_of(lookup, inputs, torch.ones(1, 1, 4, 2), backend))


@BOTH
def test_levels_are_clamped(lookup: Lookup) -> None:
    """Breaks if a level outside of those there are reads other texels, or a clamped level is pulled at."""
    image, direction = make_image(lookup, np.random.default_rng(5), 3), directions(50, np.random.default_rng(1))
    inf = float("inf")
    for outside, inside in ((-3.0, 0.0), (-inf, 0.0), (99.0, 20.0), (inf, 20.0)):
        assert same_bits(lookup(image, direction, level=outside), lookup(image, direction, level=inside))
        level = torch.full(direction.shape[:-1], outside)
        assert (all_of(lookup, (image, direction, level), torch.ones(1, 50, 1, 3))[3] == 0).all()
    torch.testing.assert_close(lookup(image, direction, level=0), lookup(image, direction), rtol=0, atol=0)


def test_levels_may_be_given() -> None:
    """Breaks if levels of the user's own are replaced by computed ones, or must halve in size."""
    rng = np.random.default_rng(0)
    direction = directions(30, rng)
    for lookup, shapes in ((cubemap, [(6, s, s, 2) for s in (5, 9, 1)]), (environment, [(5, 7, 2), (2, 9, 2)])):
        levels = [torch.tensor(rng.normal(size=shape), dtype=torch.float32) for shape in shapes]
        for number, one in enumerate(levels):
            found = lookup(levels, direction, level=float(number))
            torch.testing.assert_close(found, lookup(one, direction), rtol=0, atol=0)
        between = lookup(levels, direction, level=0.25)
        expected = 0.75 * lookup(levels[0], direction) + 0.25 * lookup(levels[1], direction)
        torch.testing.assert_close(between, expected)
        assert same_bits(lookup(levels, direction), lookup(levels[0], direction))


@BOTH
@pytest.mark.parametrize("wanted", range(3))
def test_one_gradient_alone(lookup: Lookup, wanted: int) -> None:
    """Breaks if an input's gradient is computed only together with the others'."""
    rng = np.random.default_rng(2)
    inputs = [make_image(lookup, rng, 3), directions(60, rng), torch.rand(1, 60, 1) * 3]
    pull = torch.ones(1, 60, 1, 3)
    together = all_of(lookup, tuple(inputs), pull)[1 + wanted]
    inputs[wanted] = inputs[wanted].clone().requires_grad_()
    (alone,) = torch.autograd.grad(lookup(*inputs[:2], level=inputs[2]).sum(), inputs[wanted])
    assert same_bits(alone, together)


@pytest.mark.parametrize("shape", [(0, 4, 5, 3), (2, 0, 5, 3), (3,), (7, 3)])
def test_any_number_of_directions(shape: tuple[int, ...]) -> None:
    """Breaks if directions must be a picture, or none is an error."""
    direction = torch.rand(shape, requires_grad=True)
    image = torch.rand(4, 8, 2, requires_grad=True)
    found = environment(image, direction)
    assert found.shape == (*shape[:-1], 2)
    g_image, g_direction = torch.autograd.grad(found.sum(), (image, direction))
    assert g_image.sum() == pytest.approx(2 * found.numel() / 2, abs=1e-4) and g_direction.shape == shape


D = torch.rand(1, 2, 2, 3)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: cubemap(torch.rand(4, 4, 3), D), ValueError, r"`images` must be \(6, S, S, C\)"),
        (lambda: cubemap(torch.rand(5, 4, 4, 3), D), ValueError, "six square faces"),
        (lambda: cubemap(torch.rand(6, 4, 5, 3), D), ValueError, "six square faces"),
        (lambda: cubemap(torch.rand(6, 0, 0, 3), D), ValueError, "must be"),
        (lambda: cubemap([], D), ValueError, "empty sequence"),
        (lambda: cubemap([torch.rand(6, 2, 2, 3), torch.rand(6, 1, 1, 2)], D, level=0.0), ValueError, "channels"),
        (lambda: environment(torch.rand(6, 4, 4, 3), D), ValueError, r"`image` must be \(Ht, Wt, C\)"),
        (lambda: environment(torch.rand(4, 8, 3), torch.rand(5, 2)), ValueError, "`direction` must be"),
        (lambda: environment(torch.rand(4, 8, 3), D, level=torch.rand(1, 2)), ValueError, "`level` must be a number"),
        (lambda: environment(torch.rand(4, 8, 3).double(), D), TypeError, "must be float32"),
        (lambda: environment(torch.rand(4, 8, 3), D.double()), TypeError, "must be float32"),
        (lambda: environment(torch.ones(4, 8, 3, dtype=torch.uint8), D), TypeError, "must be float32"),
        (lambda: environment(torch.rand(4, 8, 3), D.to("meta")), ValueError, "one device"),
        (lambda: environment(torch.rand(4, 8, 3), D, backend="gpu"), ValueError, "backend"),  # pyright: ignore
    ],
)
def test_bad_input(call: Callable[[], Tensor], error: type[Exception], message: str) -> None:
    """Breaks if a wrong shape, dtype or device reaches the kernel, or the message does not name it."""
    with pytest.raises(error, match=message):
        call()
