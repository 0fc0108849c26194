"""What texture lookup says to input it cannot use, and what it makes of numbers that are merely odd."""

from typing import Any

import pytest
import torch
from texture_cases import picture, with_gradients
from torch import Tensor

from repousse.ops import texture

IMAGE = torch.rand(5, 6, 3, generator=torch.Generator().manual_seed(0))
CASE = picture((2, 5, 7), "derivatives", 0)
UV, DERIVATIVES = CASE["uv"], CASE["derivatives"]
BACKENDS = pytest.mark.parametrize("backend", ["native", "reference"])
WRAPS = pytest.mark.parametrize("wrap", ["repeat", "clamp", "mirror"])
TINY = torch.zeros(1, 1).expand(30000, 30000)[..., None]  # as large as an image of 0.9 G texels, in four bytes


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"uv": UV[0]}, ValueError, r"`uv` must be \(B, H, W, 2\), got float32 \(5, 7, 2\)"),
        ({"uv": UV.tolist()}, ValueError, r"`uv` must be \(B, H, W, 2\), got list"),
        ({"uv": UV.int()}, TypeError, "`uv` must be float32, got int32"),
        ({"uv": UV.double()}, TypeError, r"`uv` must be float32, got float64 .*backend=\"reference\""),
        ({"images": IMAGE.double()}, TypeError, "`images` must be float32, got float64"),
        ({"images": IMAGE[0]}, ValueError, r"`images` must be \(H, W, C\), .* got float32 \(6, 3\)"),
        ({"images": [IMAGE, 3]}, ValueError, r"a sequence of tensors \(H, W, C\), got \['float32 \(5, 6, 3\) on cpu'"),
        ({"images": None}, ValueError, "got NoneType"),
        ({"images": []}, ValueError, "`images` is empty"),
        ({"images": IMAGE[:0]}, ValueError, "image 0 has no texels"),
        ({"images": IMAGE.expand(3, -1, -1, -1)}, ValueError, "3 images for 2 pictures"),
        ({"images": [IMAGE, IMAGE[..., :1]]}, ValueError, r"image 1 is float32 \(5, 6, 1\).*same number of channels"),
        ({"images": TINY}, ValueError, "image 0 is too large"),
        ({"derivatives": DERIVATIVES[..., 0]}, ValueError, r"`derivatives` must be \(2, 5, 7, 2, 2\)"),
        ({"level": UV}, ValueError, r"`level` must be \(2, 5, 7\)"),
        ({"level": UV[..., 0], "derivatives": DERIVATIVES}, ValueError, "`derivatives` or `level`, not both"),
        ({"which": UV[..., 0]}, TypeError, "`which` must be int32 or int64, got float32"),
        ({"filter": "cubic"}, ValueError, '`filter` must be "linear" or "nearest"'),
        ({"filter": ["linear", "linear"]}, ValueError, "for 1 images"),
        ({"wrap": "border"}, ValueError, '`wrap` must be "repeat", "clamp" or "mirror"'),
        ({"wrap": ["repeat", "clamp", "mirror"]}, ValueError, "`wrap` must be"),
        ({"wrap": None}, ValueError, "`wrap` must be"),
        ({"backend": "cuda"}, ValueError, '`backend` must be "native" or "reference"'),
        ({"uv": UV.to("meta")}, ValueError, "Move all inputs to one device"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    """Breaks if an argument of the wrong kind is taken, or the error does not say what arrived."""
    with pytest.raises(error, match=f"texture: .*{message}"):
        texture(**({"images": IMAGE, "uv": UV} | arguments))


@BACKENDS
@pytest.mark.parametrize("index", [2, -2, 2**31 - 1, 2**32 + 1])
def test_images_that_do_not_exist(index: int, backend: Any) -> None:
    """Breaks if `which` is trusted, or wraps into an image that exists."""
    which = torch.zeros(2, 5, 7, dtype=torch.int64)
    which[1, 2, 3] = index if backend == "native" else min(index, 2**31 - 1)
    with pytest.raises(
        IndexError, match=rf"`which` is {min(index, 2**31 - 1)} in row 2, column 3 of picture 1, .* 2 images"
    ):
        texture([IMAGE, IMAGE[:2]], UV, which=which, backend=backend)


def test_a_backward_pass_never_reads_images_that_do_not_exist() -> None:
    """Breaks if the derivative, called on its own, trusts `which`."""
    which = torch.full((2, 5, 7), 1 << 30, dtype=torch.int32)
    arguments = IMAGE.flatten(0, 1), [0, 5, 6, 0, 0, 0], UV, which, DERIVATIVES, None, torch.ones(2, 5, 7, 3)
    for gradient in torch.ops.repousse.texture_backward(*arguments, [True, True, True, False]):
        assert not gradient.any()


# ---- odd numbers -----------------------------------------------------------------------------------------------------


def changed(tensor: Tensor, value: float, at: int) -> Tensor:
    result = tensor.clone()
    result[0, 1, 2].view(-1)[at] = value
    return result


@BACKENDS
@WRAPS
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e30, -3e38, 16777217.0, -1e-9, 1e-40])
@pytest.mark.parametrize("filter", ["linear", "nearest"])
def test_odd_coordinates(filter: Any, value: float, wrap: Any, backend: Any) -> None:
    """Breaks if a coordinate overflows, reaches another pixel, or makes a gradient NaN."""
    case = {"uv": changed(UV, value, 0), "derivatives": DERIVATIVES}
    out, *gradients = with_gradients(IMAGE, case, backend, torch.float32, wrap=wrap, filter=filter)
    lost = value != value or (abs(value) == torch.inf and wrap != "clamp")
    assert out[0, 1, 2].isnan().all() == lost
    usual, *_ = with_gradients(IMAGE, CASE, backend, torch.float32, wrap=wrap, filter=filter)
    out[0, 1, 2] = usual[0, 1, 2] = 0
    assert torch.equal(out, usual)
    assert all(gradient.isfinite().all() for gradient in gradients)
    if lost:
        assert not gradients[1][0, 1, 2].any() and not gradients[2][0, 1, 2].any()


@BACKENDS
@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize(("value", "like"), [(torch.nan, 0.0), (torch.inf, 1e6), (-torch.inf, 1e6), (3e38, 1e6)])
def test_odd_derivatives(value: float, like: float, at: int, backend: Any) -> None:
    """Breaks if a footprint that is not a number, or too large for its square, has another level than documented."""
    odd, plain = ({"uv": UV, "derivatives": changed(DERIVATIVES, x, at)} for x in (value, like))
    found = with_gradients(IMAGE, odd, backend, torch.float32)
    expected = with_gradients(IMAGE, plain, backend, torch.float32)
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])
    assert all(gradient.isfinite().all() for gradient in found)
    assert found[3][0, 1, 2].view(-1)[at] == 0


@BACKENDS
@pytest.mark.parametrize(("value", "like"), [(torch.nan, 0.0), (torch.inf, 2.0), (-torch.inf, 0.0), (99.0, 2.0)])
def test_odd_levels(value: float, like: float, backend: Any) -> None:
    """Breaks if a level that does not exist is looked for. The image's coarsest one is 2."""
    level = torch.full((2, 5, 7), 0.5)
    odd, plain = ({"uv": UV, "level": level.index_fill(1, torch.tensor([3]), x)} for x in (value, like))
    found = with_gradients(IMAGE, odd, backend, torch.float32)
    assert torch.equal(found[0], with_gradients(IMAGE, plain, backend, torch.float32)[0])
    assert not found[3][:, 3].any() and found[3][:, 2].all()


@BACKENDS
def test_no_footprint_at_all(backend: Any) -> None:
    """Breaks if derivatives of 0, as of a degenerate face, divide by them."""
    case = {"uv": UV, "derivatives": torch.zeros_like(DERIVATIVES)}
    found = with_gradients(IMAGE, case, backend, torch.float32)
    assert torch.equal(found[0], texture(IMAGE, UV, backend=backend))
    assert all(gradient.isfinite().all() for gradient in found) and not found[3].any()


@BACKENDS
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nearest_shows_one_texel_only(value: float, backend: Any) -> None:
    """Breaks if "nearest" mixes in, with weight 0, a texel that is not finite."""
    image = torch.full((4, 4, 3), value)
    image[1, 2] = 0.25
    uv = torch.tensor([2.6 / 4, 1 - 1.3 / 4]).expand(1, 3, 5, 2)
    found = with_gradients(image, {"uv": uv}, backend, torch.float32, filter="nearest")
    assert (found[0] == 0.25).all() and not found[2].any()


@BACKENDS
def test_nothing_to_look_at(backend: Any) -> None:
    """Breaks if no picture, no pixel, no channel or no image in sight is an error."""
    for shape in ((0, 4, 4), (2, 0, 4), (2, 4, 0)):
        case = picture(shape, "derivatives", 0)
        assert texture(IMAGE, **case, backend=backend).shape == (*shape, 3)
        assert not any(tensor.any() for tensor in with_gradients(IMAGE, case, "native", torch.float32))
    assert texture(IMAGE[..., :0], UV, backend=backend).shape == (2, 5, 7, 0)
    which = torch.full((2, 5, 7), -1)
    assert not texture([IMAGE, IMAGE[:1]], **CASE, which=which, backend=backend).any()
    found = with_gradients([IMAGE, IMAGE[:1]], CASE, "native", torch.float32, which=which)
    assert not any(tensor.any() for tensor in found)


def test_a_constant_image_is_constant() -> None:
    """Breaks if weights do not add up to 1 exactly: a plain colour would flicker, and pull at uv."""
    for value in (0.1, 1.0, 1 / 3):
        case = picture((2, 9, 10), "derivatives", 2)
        found = with_gradients(torch.full((8, 4, 3), value), case, "native", torch.float32)
        assert (found[0] == value).all() and not found[2].any() and not found[3].any()
