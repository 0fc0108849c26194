"""The specification of texture lookup, held against what it should mean."""

from typing import Any

import pytest
import torch
from texture_cases import MODES, picture
from torch import Tensor

from repousse.camera import Camera
from repousse.ops import interpolate, rasterize, texture
from repousse.ops.texture.reference import halving, mipmaps

WRAPS = pytest.mark.parametrize("wrap", ["repeat", "clamp", "mirror"])


def centres(height: int, width: int) -> Tensor:
    """uv (1, height, width, 2) of the texels' middles."""
    v = 1 - (torch.arange(height, dtype=torch.float64) + 0.5) / height
    u = (torch.arange(width, dtype=torch.float64) + 0.5) / width
    return torch.stack([u.expand(height, -1), v[:, None].expand(-1, width)], -1)[None]


def random_image(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@WRAPS
@pytest.mark.parametrize("filter", ["linear", "nearest"])
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_the_middles_of_texels_show_the_texels(backend: Any, filter: Any, wrap: Any) -> None:
    """Breaks if uv is half a texel off, upside down, or u and v are confused."""
    image, uv = random_image(5, 8, 3), centres(5, 8)
    if backend == "native":
        image, uv = image.float(), uv.float()
    torch.testing.assert_close(texture(image, uv, filter=filter, wrap=wrap, backend=backend)[0], image)


def test_wraps() -> None:
    """Breaks if what lies outside of [0, 1] is not what the name of the wrap says."""
    image, uv = random_image(4, 6, 1), centres(4, 6)
    right, above = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])

    def at(uv: Tensor, *wrap: Any) -> Tensor:
        return texture(image, uv, wrap=wrap, backend="reference")[0]

    torch.testing.assert_close(at(uv + 3 * right - 2 * above, "repeat", "repeat"), image)
    torch.testing.assert_close(at(uv + right, "mirror", "clamp"), image.flip(1))
    torch.testing.assert_close(at(uv - 3 * above, "clamp", "mirror"), image.flip(0))
    torch.testing.assert_close(at(uv + 2 * right, "clamp", "repeat"), image[:, -1:].expand(-1, 6, -1))
    torch.testing.assert_close(at(uv - 5 * above, "clamp", "clamp"), image[-1:].expand(4, -1, -1))


@pytest.mark.parametrize("level", [0.0, 0.6, 1.0, 2.3, 9.0])
@WRAPS
def test_there_is_no_seam(wrap: Any, level: float) -> None:
    """Breaks if the picture jumps where u passes 0 or 1, on any level."""
    image = random_image(7, 5, 3)
    step = 1e-9
    for border in (-1.0, 0.0, 1.0, 2.0):
        uv = torch.tensor([[border - step, 0.3], [border + step, 0.3], [0.3, border - step], [0.3, border + step]])
        uv = uv.double().view(1, 4, 1, 2)
        a, b, c, d = texture(
            image, uv, level=torch.full((1, 4, 1), level, dtype=torch.float64), wrap=wrap, backend="reference"
        )[0, :, 0]
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7)
        torch.testing.assert_close(c, d, rtol=0, atol=1e-7)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (7, 5), (1, 9), (6, 1), (13, 2)])
def test_mipmaps_keep_the_mean(size: tuple[int, int]) -> None:
    """Breaks if a level is darker, or loses the texels of a border, or its shares do not add up to one texel."""
    levels = mipmaps(random_image(*size, 2))
    assert levels[-1].shape[:2] == (1, 1) and len(levels) == max(size).bit_length()
    for coarser in levels:
        torch.testing.assert_close(coarser.mean((0, 1)), levels[0].mean((0, 1)))


@pytest.mark.parametrize("size", range(1, 12))
def test_mipmaps_shift_nothing(size: int) -> None:
    """Breaks if a slope does not stay one, with the same middle."""
    half = max(1, size // 2)
    slope = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    expected = (torch.arange(half, dtype=torch.float64) + 0.5) / half
    found = halving(size, slope) @ slope
    torch.testing.assert_close(found.mean(), expected.mean())
    if size % 2 == 0:
        torch.testing.assert_close(found, expected)


def test_the_level_follows_from_the_footprint() -> None:
    """Breaks if the level is not log2 of the longer axis in texels, or width and height are confused."""
    image = random_image(16, 64, 3)
    uv = torch.rand(1, 1, 5, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    footprints = [((2, 0), (0, 1)), ((0, 4), (1, 0)), ((1, 1), (3, 4)), ((0.1, 0.1), (0.2, 0)), ((99, 0), (0, 1))]
    levels = [1.0, 2.0, torch.log2(torch.tensor(5.0)).item(), 0.0, 6.0]
    # ((columns, rows of texels) per column, the same per row) of the picture
    texels = torch.tensor(footprints, dtype=torch.float64).transpose(-1, -2)
    derivatives = (texels / torch.tensor([[64.0], [16.0]])).view(1, 1, 5, 2, 2)
    found = texture(image, uv, derivatives=derivatives, backend="reference")
    level = torch.tensor(levels, dtype=torch.float64).view(1, 1, 5)
    torch.testing.assert_close(found, texture(image, uv, level=level, backend="reference"))


@pytest.mark.parametrize("mode", MODES)
@WRAPS
def test_derivatives_are_those_of_finite_differences(wrap: Any, mode: str) -> None:
    """Breaks if autograd does not see a dependence (uv, level, footprint, mip levels), or sees one twice."""
    image = random_image(5, 8, 2).requires_grad_()
    case = {name: tensor.double().requires_grad_() for name, tensor in picture((1, 3, 4), mode, 4).items()}
    names = tuple(case)

    def run(image: Tensor, *tensors: Tensor) -> Tensor:
        return texture(image, **dict(zip(names, tensors, strict=True)), wrap=wrap, backend="reference")

    assert torch.autograd.gradcheck(run, (image, *case.values()), eps=1e-7, atol=1e-4)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_equal_axes_share_the_derivative(backend: Any) -> None:
    """Breaks if a pixel that sees a surface head-on lets one axis of its footprint have the whole derivative."""
    image = random_image(8, 8, 1).float()
    derivatives = (torch.eye(2) * 0.3).view(1, 1, 1, 2, 2).requires_grad_()
    uv = torch.full((1, 1, 1, 2), 0.2)
    out = texture(image, uv, derivatives=derivatives, backend=backend)
    (gradient,) = torch.autograd.grad(out.sum(), derivatives)
    assert gradient[..., 0, 0] != 0 and gradient[..., 0, 0] == gradient[..., 1, 1]


def test_a_plane_seen_at_an_angle_does_not_flicker() -> None:
    """Breaks if mipmaps alias or blur absurdly: against many samples per pixel they halve the error of none."""
    size, many = (48, 80), 8
    positions = torch.tensor([[-20, 0, -60.0], [20, 0, -60], [20, 0, 2], [-20, 0, 2]])
    faces, uv = torch.tensor([[0, 2, 1], [0, 3, 2]]), torch.tensor([[0, 31.0], [20, 31], [20, 0], [0, 0]])
    camera = Camera.look_at((0, 1.2, 2), target=(0.6, 0, -5), fov=1.0)
    half = torch.arange(64) // 32
    checkers = (half[:, None] != half).float()[..., None]

    def look(size: tuple[int, int], mipmaps: bool) -> Tensor:
        fragments = rasterize(camera.project(positions, size), faces, size)
        at, derivatives = interpolate(uv, faces, fragments, derivatives=True)
        color = texture(checkers, at, derivatives=derivatives if mipmaps else None)
        return color * (fragments.face_id >= 0)[..., None]

    fine = look((size[0] * many, size[1] * many), False)
    truth = fine.view(1, size[0], many, size[1], many, 1).mean((2, 4))
    error, error_without = ((look(size, mipmaps) - truth).square().mean().sqrt() for mipmaps in (True, False))
    assert error < 0.55 * error_without
