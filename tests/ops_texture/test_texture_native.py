"""The native texture lookup against the reference in float64."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_everywhere import everywhere, per_instruction_set, same_bits, threads
from texture_cases import MODES, assert_close, picture, with_gradients

from repousse.ops import texture

sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))
wraps = st.sampled_from(["repeat", "clamp", "mirror"])
filters = st.sampled_from(["linear", "linear", "nearest"])
seeds = st.integers(0, 10**6)


@settings(deadline=None, max_examples=60)
@given(sizes, st.sampled_from([1, 2, 3, 4, 5, 9]), st.sampled_from(MODES), st.tuples(wraps, wraps), filters, seeds)
def test_one_image(size: Any, channels: int, mode: str, wrap: Any, filter: Any, seed: int) -> None:
    """Breaks if a size, a number of channels, a wrap, or a derivative is mishandled."""
    image = torch.randn(*size, channels, generator=torch.Generator().manual_seed(seed))
    case = picture((2, 7, 9), mode, seed)
    setting = {"wrap": wrap, "filter": filter}
    (values,) = everywhere(lambda: (texture(image, **case, **setting),))
    expected = with_gradients(image, case, "reference", torch.float64, **setting)
    assert_close([values], expected[:1])
    for found in per_instruction_set(lambda: with_gradients(image, case, "native", torch.float32, **setting)).values():
        assert_close(found, expected)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(sizes, wraps, wraps, filters), min_size=1, max_size=5), st.sampled_from(MODES), seeds)
def test_several_images(images: list[Any], mode: str, seed: int) -> None:
    """Breaks if pixels of one block that show different images get each other's texels, settings or gradients."""
    generator = torch.Generator().manual_seed(seed)
    textures = [torch.randn(*size, 3, generator=generator) for size, *_ in images]
    setting = {
        "which": torch.randint(-1, len(images), (2, 9, 10), generator=generator),
        "wrap": [(u, v) for _, u, v, _ in images],
        "filter": [filter for *_, filter in images],
    }
    case = picture((2, 9, 10), mode, seed)
    expected = with_gradients(textures, case, "reference", torch.float64, **setting)
    everywhere(lambda: (texture(textures, **case, **setting),))
    for found in per_instruction_set(
        lambda: with_gradients(textures, case, "native", torch.float32, **setting)
    ).values():
        assert_close(found, expected)
    assert not expected[0][setting["which"] < 0].any()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stacked", [True, False])
def test_one_image_per_picture(stacked: bool, mode: str) -> None:
    """Breaks if a picture shows another one's image, or their gradients are mixed."""
    images = torch.randn(3, 6, 5, 3, generator=torch.Generator().manual_seed(0))
    case = picture((3, 8, 8), mode, 1)
    given_images = images if stacked else [image[: 6 - i] for i, image in enumerate(images)]
    found = with_gradients(given_images, case, "native", torch.float32)
    assert_close(found, with_gradients(given_images, case, "reference", torch.float64))
    for i in range(3):
        alone = texture(given_images[i], **{name: value[i : i + 1] for name, value in case.items()})
        assert same_bits(alone[0], found[0][i])


@pytest.mark.parametrize("width", [1000, 1023, 1024, 4099])
def test_large_images_keep_their_digits(width: int) -> None:
    """Breaks if a texel's number times its size is rounded to float32: its weight would be wrong by 1e-4."""
    image = torch.randn(3, width, 3, generator=torch.Generator().manual_seed(0))
    case = {"uv": torch.rand(1, 40, 40, 2, generator=torch.Generator().manual_seed(1)) * 6 - 3}
    for wrap in ("repeat", "clamp", "mirror"):
        found = with_gradients(image, case, "native", torch.float32, wrap=wrap)
        assert_close(found, with_gradients(image, case, "reference", torch.float64, wrap=wrap))


def test_gradients_have_the_same_bits_for_any_number_of_threads() -> None:
    """Breaks if a texel's sum depends on who computed which part of it; per_instruction_set compares 1 and 2 only."""
    image = torch.randn(50, 37, 3, generator=torch.Generator().manual_seed(0))
    case = picture((3, 70, 41), "derivatives", 3)
    results = []
    for count in (1, 2, 3, 5):
        with threads(count):
            results.append(with_gradients(image, case, "native", torch.float32))
    for result in results[1:]:
        assert all(map(same_bits, result, results[0]))


@pytest.mark.parametrize("wanted", ["image", "uv", "derivatives"])
def test_one_gradient_alone(wanted: str) -> None:
    """Breaks if one gradient is computed only together with the others."""
    inputs = {"image": torch.randn(9, 6, 3, generator=torch.Generator().manual_seed(0))}
    inputs |= picture((2, 9, 10), "derivatives", 5)

    def gradients(names: tuple[str, ...]) -> dict[str, Any]:
        given_inputs = {name: tensor.clone().requires_grad_(name in names) for name, tensor in inputs.items()}
        image = given_inputs.pop("image")
        out = texture(image, **given_inputs)
        tensors = [image if name == "image" else given_inputs[name] for name in names]
        return dict(zip(names, torch.autograd.grad(out.square().sum(), tensors), strict=True))

    assert same_bits(gradients((wanted,))[wanted], gradients(("image", "uv", "derivatives"))[wanted])


def test_memory_layout_does_not_matter() -> None:
    """Breaks if strides are ignored."""
    image, case = torch.randn(8, 6, 3), picture((2, 9, 10), "derivatives", 5)
    expected = texture(image, **case)
    loose = {name: tensor.transpose(1, 2).contiguous().transpose(1, 2) for name, tensor in case.items()}
    assert same_bits(texture(image.transpose(0, 1).contiguous().transpose(0, 1), **loose), expected)
