"""Conventions and smoothness of directional pictures, by the reference; its derivatives by finite differences."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from repousse.ops import cubemap, cubemap_from_environment, environment
from repousse.ops.cubemap import (
    Backend,
    cubemap_directions,
    cubemap_levels,
    environment_directions,
    environment_levels,
)

Lookup = Callable[..., Tensor]
BOTH = pytest.mark.parametrize("lookup", [cubemap, environment])
BACKENDS = pytest.mark.parametrize("backend", ["native", "reference"])


def random_directions(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)


def smooth(direction: Tensor) -> Tensor:
    """A smooth function of the direction: (..., 2)."""
    x, y, z = torch.nn.functional.normalize(direction, dim=-1).unbind(-1)
    return torch.stack([x * y - 0.5 * z, z * z + 0.3 * x], -1)


# Columns and rows of each face, in the words of the OpenGL specification: (major axis, sc, tc).
OPENGL = {
    0: lambda s, t: (1, -t, -s),
    1: lambda s, t: (-1, -t, s),
    2: lambda s, t: (s, 1, t),
    3: lambda s, t: (s, -1, -t),
    4: lambda s, t: (s, -t, 1),
    5: lambda s, t: (-s, -t, -1),
}


@BACKENDS
def test_faces_lie_as_in_opengl(backend: Backend) -> None:
    """Breaks if a face is exchanged, turned or mirrored."""
    size = 4
    images = torch.arange(6.0 * size * size).view(6, size, size, 1)
    for face, row, column in itertools.product(range(6), range(size), range(size)):
        s, t = 2 * (column + 0.5) / size - 1, 2 * (row + 0.5) / size - 1
        direction = torch.tensor([float(x) for x in OPENGL[face](s, t)])
        assert cubemap(images, direction, backend=backend).item() == images[face, row, column].item()


@BACKENDS
def test_panoramas_lie_as_in_three_js(backend: Backend) -> None:
    """Breaks if a panorama is turned, mirrored or upside down."""
    image = torch.arange(8.0).expand(4, 8)[..., None].clone()  # each column its number
    image[0], image[-1] = 100, -100
    at_columns = {(1, 0, 0): 3.5, (0, 0, 1): 5.5, (0, 0, -1): 1.5, (1, 0, 1): 4.5, (-1, 0, -1): 0.5}
    for direction, value in at_columns.items():
        assert environment(image, torch.tensor(direction).float(), backend=backend).item() == pytest.approx(value)
    assert environment(image, torch.tensor([-1.0, 0, 0]), backend=backend).item() == pytest.approx(3.5)  # 7 and 0
    assert environment(image, torch.tensor([0.0, 1, 0]), backend=backend).item() == pytest.approx(100)
    assert environment(image, torch.tensor([0.0, -1, 0]), backend=backend).item() == pytest.approx(-100)


def test_mitsubas_panoramas_are_a_quarter_to_the_left() -> None:
    """Breaks if what the docstring says about images for Mitsuba is wrong."""
    mi = pytest.importorskip("mitsuba")
    mi.set_variant("scalar_rgb")
    height, width = 32, 64
    colors = smooth(environment_directions(height, width))
    image = torch.cat([colors, colors[..., :1]], -1) + 1
    bitmap = mi.Bitmap(image.roll(-(width // 4), 1).numpy())
    light = mi.load_dict({"type": "envmap", "bitmap": bitmap})
    for direction in random_directions(20).tolist():
        surface = mi.SurfaceInteraction3f()
        surface.wi = [-x for x in direction]
        seen = torch.tensor(list(light.eval(surface)))
        torch.testing.assert_close(seen, environment(image, torch.tensor(direction)), rtol=0, atol=0.05)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_cube_maps_have_no_seams(size: int) -> None:
    """Breaks if the value jumps across an edge or at a corner of the cube, on any level."""
    images = torch.rand(6, size, size, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    along = torch.linspace(-1, 1, 41, dtype=torch.float64)
    one, tiny = torch.ones_like(along), 1e-9
    for a, b in itertools.product((1, -1), (1, -1)):
        for order in itertools.permutations(range(3)):
            sides = [torch.stack([a * (one + step), b * one, along], -1)[:, order] for step in (tiny, -tiny)]
            for level in (0.0, 0.6, 1.0):
                first, second = (cubemap(images, side, level=level, backend="reference") for side in sides)
                torch.testing.assert_close(first, second, rtol=0, atol=1e-7)
    for corner in itertools.product((1.0, -1.0), repeat=3):
        around = torch.tensor(corner, dtype=torch.float64) + tiny * random_directions(20).double()
        values = cubemap(images, around, backend="reference")
        torch.testing.assert_close(values, values[:1].expand_as(values), rtol=0, atol=1e-7)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (4, 8), (5, 7), (2, 3)])
def test_panoramas_have_no_seam(height: int, width: int) -> None:
    """Breaks if the value jumps where the image wraps around, or on the way over a pole; for odd widths too."""
    image = torch.rand(height, width, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = torch.linspace(-1, 1, 21, dtype=torch.float64)
    sides = [torch.stack([-torch.ones_like(y), y, torch.full_like(y, z)], -1) for z in (1e-9, -1e-9)]
    angle = torch.linspace(0, 2 * math.pi, 21, dtype=torch.float64)
    for pole in (1, -1):
        step = torch.stack([angle.cos(), pole * 1e9 * torch.ones_like(angle), angle.sin()], -1)
        poles = [step, step * torch.tensor([-1, 1, -1])]
        for first, second in (sides, poles):
            found = [environment(image, d, backend="reference") for d in (first, second)]
            torch.testing.assert_close(*found, rtol=0, atol=1e-6)


@BOTH
@BACKENDS
def test_a_smooth_function_is_met_everywhere(lookup: Lookup, backend: Backend) -> None:
    """Breaks if texels beyond an edge, a corner or a pole are not those of the neighbour."""
    texels = cubemap_directions(64) if lookup is cubemap else environment_directions(64, 128)
    image = smooth(texels)
    where = torch.cat([random_directions(5000), torch.tensor(list(itertools.product((-1.0, 0, 1), repeat=3)))])
    where = where[(where != 0).any(1)]
    torch.testing.assert_close(lookup(image, where, backend=backend), smooth(where), rtol=0, atol=3e-3)


def test_texel_directions_are_where_texels_lie() -> None:
    """Breaks if the helpers and the lookups have different conventions."""
    images, panorama = torch.rand(6, 5, 5, 3), torch.rand(5, 9, 3)
    torch.testing.assert_close(cubemap(images, cubemap_directions(5)), images, rtol=0, atol=1e-5)
    torch.testing.assert_close(environment(panorama, environment_directions(5, 9)), panorama, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 5, 7, 12])
def test_levels_keep_the_mean(size: int) -> None:
    """Breaks if a level is brighter or darker than the one before, or an odd row of texels is lost."""
    images = torch.rand(6, size, size, 2, dtype=torch.float64)
    levels = cubemap_levels(images)
    assert [level.shape[1] for level in levels] == [size >> n for n in range(size.bit_length())]
    for level in levels:
        torch.testing.assert_close(level.mean((1, 2)), images.mean((1, 2)))


@pytest.mark.parametrize(("height", "width"), [(64, 128), (33, 65), (1, 5), (7, 1)])
def test_levels_of_panoramas_keep_the_mean_over_directions(height: int, width: int) -> None:
    """Breaks if rows near the poles count for more than the directions they stand for."""
    image = torch.rand(height, width, 2, dtype=torch.float64)
    border = torch.cos(math.pi * torch.arange(height + 1, dtype=torch.float64) / height)
    share = ((border[:-1] - border[1:]) / 2)[:, None]
    mean = (image.mean(1) * share).sum(0)
    levels = environment_levels(image)
    assert levels[-1].shape == (1, 1, 2)
    torch.testing.assert_close(levels[-1][0, 0], mean)


def test_panoramas_become_cube_maps() -> None:
    """Breaks if the two kinds disagree about directions, or a bright texel is missed or counted twice."""
    panorama = smooth(environment_directions(64, 128))
    where = random_directions(2000)
    cube = cubemap_from_environment(panorama, 48)
    torch.testing.assert_close(cubemap(cube, where), smooth(where), rtol=0, atol=5e-3)
    bright = torch.zeros(32, 64, 1, requires_grad=True)
    directions = cubemap_directions(16)
    solid_angle = (directions * directions).sum(-1, keepdim=True) ** -1.5  # of a texel, up to a constant
    seen = (cubemap_from_environment(bright, 16) * solid_angle).sum() / solid_angle.sum()
    (share,) = torch.autograd.grad(seen, bright)
    rows = torch.cos(math.pi * torch.arange(33) / 32)
    expected = ((rows[:-1] - rows[1:]) / 2 / 64)[:, None, None].expand_as(share)
    middle = slice(4, -4)  # near the poles lookups are denser than texels are wide
    torch.testing.assert_close(share[middle].mean(1), expected[middle].mean(1), rtol=0.15, atol=0)
    assert (share[middle] > 0).all()


@BOTH
def test_gradcheck(lookup: Lookup) -> None:
    """Breaks if autograd through the reference is not its derivative in image, direction and level."""
    shape = (6, 3, 3, 2) if lookup is cubemap else (3, 5, 2)
    generator = torch.Generator().manual_seed(4)
    image = torch.rand(shape, dtype=torch.float64, generator=generator).requires_grad_()
    direction = random_directions(12, seed=4).double().requires_grad_()
    level = (torch.rand(12, dtype=torch.float64, generator=generator) * 1.8 - 0.3).requires_grad_()

    def values(image: Tensor, direction: Tensor, level: Tensor) -> Tensor:
        return lookup(image, direction, level=level, backend="reference")

    assert torch.autograd.gradcheck(values, (image, direction, level))


@BACKENDS
def test_length_does_not_matter(backend: Backend) -> None:
    """Breaks if directions must have unit length, or are pulled at along themselves."""
    direction = random_directions(200)
    for lookup, image in ((cubemap, torch.rand(6, 4, 4, 3)), (environment, torch.rand(4, 8, 3))):
        for length in (1e-30, 1e-3, 1e30):
            scaled = (direction * length).requires_grad_()
            found = lookup(image, scaled, backend=backend)
            torch.testing.assert_close(found, lookup(image, direction, backend=backend), rtol=0, atol=1e-4)
            (pull,) = torch.autograd.grad(found.sum(), scaled)
            along = (pull * length * direction).sum(-1)
            torch.testing.assert_close(along, torch.zeros_like(along), rtol=0, atol=1e-3)
