"""Spherical harmonics and environment images."""

import math
from dataclasses import replace

import pytest
import torch
from shading_scenes import random_points, random_unit

from repousse import ops
from repousse.ops.cubemap import environment_directions
from repousse.shading import Ambient, Environment, SphericalHarmonics, harmonics, lambert
from repousse.shading.lobes import lobe, low_lobe
from repousse.shading.surroundings import LOBES


def sphere(rows: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions (N, 3) all around and the solid angle (N, 1) of each, float64."""
    border = torch.cos(math.pi * torch.arange(rows + 1, dtype=torch.float64) / rows)
    area = ((border[:-1] - border[1:]) * math.pi / rows)[:, None].expand(rows, 2 * rows)
    direction = environment_directions(rows, 2 * rows).double()
    return torch.nn.functional.normalize(direction, dim=-1).view(-1, 3), area.reshape(-1, 1)


def sunny(rows: int = 24) -> torch.Tensor:
    image = torch.rand(rows, 2 * rows, 3, generator=torch.Generator().manual_seed(0)) ** 3
    image[rows // 4, rows // 2] = 40.0
    return image


def points_with(normal: torch.Tensor):
    normal = normal.view(1, 1, -1, 3)
    return replace(
        random_points(1), position=torch.zeros_like(normal), normal=normal, color=torch.ones_like(normal), occlusion=1.0
    )


def test_harmonics_are_orthonormal():
    """Breaks if a factor or the degree of a basis function is wrong."""
    direction, area = sphere()
    basis = harmonics(direction)
    product = basis.T @ (basis * area)
    torch.testing.assert_close(product, torch.eye(9, dtype=torch.float64), atol=1e-3, rtol=0)


def test_harmonics_light_matt_surfaces_as_the_integral_does():
    """Breaks if irradiance is not that of Ramamoorthi and Hanrahan, or in another unit."""
    coefficients = torch.randn(9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    direction, area = sphere()
    radiance = harmonics(direction) @ coefficients
    normal = random_unit(20)
    expected = ((normal @ direction.T).clamp(min=0) @ (radiance * area)) / math.pi
    found = SphericalHarmonics(coefficients).diffuse(points_with(normal))
    torch.testing.assert_close(found.view(-1, 3), expected, atol=1e-3, rtol=0)


def test_constant_harmonics_are_ambient_light():
    """Breaks if strength 1 is not radiance 1."""
    coefficients = torch.zeros(9, 3, dtype=torch.float64)
    coefficients[0] = math.sqrt(4 * math.pi)
    points = random_points()
    torch.testing.assert_close(lambert(points, SphericalHarmonics(coefficients)), lambert(points, Ambient(1.0)))


def test_the_smooth_fit_of_lobes_is_close():
    """Breaks if harmonics are blurred by another lobe than environments."""
    for roughness in torch.linspace(0.05, 1, 20):
        kept = lobe(roughness.item(), 2)[1:].float()
        torch.testing.assert_close(torch.stack(low_lobe(roughness)), kept, atol=5e-3, rtol=0)


def test_an_environment_lights_matt_surfaces_as_the_integral_does():
    """Breaks if light is lost, blurred too much, or comes from the wrong side."""
    image = sunny()
    direction, area = sphere(384)
    radiance = ops.environment(image, direction.float()).double()
    normal = random_unit(50)
    expected = ((normal @ direction.T).clamp(min=0) @ (radiance * area)) / math.pi
    found = Environment(image).diffuse(points_with(normal.float())).view(-1, 3).double()
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("roughness", "most"), [(0.05, 0.15), (0.15, 0.15), (0.25, 0.03), (0.5, 0.03), (0.9, 0.01)])
def test_rough_surfaces_blur_their_surroundings_by_the_lobe_of_ggx(roughness, most):
    """Breaks if a level of the blur is taken for another; exact at the roughnesses in LOBES, near between them."""
    rows = 48  # a soft image, so that the narrowest lobes can be integrated too
    image = torch.nn.functional.avg_pool2d(sunny(rows).movedim(-1, 0)[None], 5, 1, 2)[0].movedim(0, -1).contiguous()
    direction, area = sphere(320)
    radiance = ops.environment(image, direction.float()).double()
    mirrored = random_unit(12)
    cosine = mirrored @ direction.T
    alpha = roughness**2
    masked = cosine + (alpha**2 + (1 - alpha**2) * cosine * cosine).sqrt()
    weight = cosine.clamp(min=0) / masked.clamp(min=1e-6) / ((1 + cosine) / 2 * (alpha**2 - 1) + 1) ** 2 * area[:, 0]
    expected = (weight @ radiance) / weight.sum(1, keepdim=True)
    points = points_with(mirrored.float())
    found = Environment(image).reflected(points, points.normal, torch.tensor(roughness)).view(-1, 3).double()
    assert (found - expected).abs().mean() < most * expected.mean()


def test_a_mirror_shows_the_image_itself():
    """Breaks if roughness 0 is blurred."""
    light, points = Environment(sunny()), points_with(random_unit(30).float())
    found = light.reflected(points, points.normal, torch.tensor(0.0))
    torch.testing.assert_close(found, light.seen(points.normal))
    assert LOBES[0] > 0


def test_environment_and_harmonics_are_differentiable():
    """Breaks if an image or coefficients are copied out of the graph, or a derivative is wrong."""
    points = random_points(1)
    points = replace(points, **{name: getattr(points, name)[:, :1, :2] for name in ("position", "normal", "roughness")})
    rough = points.roughness

    def shaded(image, coefficients, normal, direction, roughness):
        changed = replace(points, normal=normal)
        lights = Environment(image), SphericalHarmonics(coefficients)
        return sum(light.diffuse(changed) + light.reflected(changed, direction, roughness) for light in lights)

    image = torch.rand(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    coefficients = torch.rand(1, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    inputs = [image, coefficients, points.normal, random_unit(1, 1, 2, seed=3), 0.3 + 0.5 * rough]
    inputs = [value.clone().requires_grad_() for value in inputs]
    along = [torch.randn(v.shape, generator=torch.Generator().manual_seed(5), dtype=v.dtype) for v in inputs]
    derivatives = torch.autograd.grad(shaded(*inputs).sum(), inputs)
    for i, (derivative, step) in enumerate(zip(derivatives, along, strict=True)):
        with torch.no_grad():
            ends = [[v + h * step if i == j else v for j, v in enumerate(inputs)] for h in (1e-6, -1e-6)]
            difference = (shaded(*ends[0]).sum() - shaded(*ends[1]).sum()) / 2e-6
        torch.testing.assert_close((derivative * step).sum(), difference, rtol=1e-4, atol=1e-5)


def test_a_learned_image_may_be_used_step_after_step():
    """Breaks if blurred images are kept while the image changes, or a graph is used twice."""
    image = torch.full((4, 8, 3), 0.2).requires_grad_()
    light, points = Environment(image), points_with(random_unit(20).float())
    optimizer = torch.optim.SGD([image], lr=2.0)
    losses = []
    for _ in range(3):
        loss = (light.diffuse(points) - 0.7).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    fixed = torch.full((4, 8, 3), 0.2)
    light = Environment(fixed)
    before = light.diffuse(points)
    fixed.mul_(2)
    torch.testing.assert_close(light.diffuse(points), 2 * before)


@pytest.mark.parametrize("wrong", [torch.ones(4, 8), torch.ones(4, 8, 4), torch.ones(0, 8, 3)])
def test_refuses_wrong_images(wrong):
    """Breaks if an image of another shape gets as far as a lookup."""
    with pytest.raises(ValueError, match="image"):
        Environment(wrong)


def test_refuses_what_is_no_float_tensor():
    """Breaks if bytes or lists are taken for radiance."""
    with pytest.raises(TypeError, match="uint8"):
        Environment(torch.ones(4, 8, 3, dtype=torch.uint8))
    with pytest.raises(TypeError, match="list"):
        SphericalHarmonics([[1.0] * 3] * 9)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="9, 3"):
        SphericalHarmonics(torch.ones(4, 3))
    with pytest.raises(ValueError, match="3 pictures"):
        lambert(random_points(2), SphericalHarmonics(torch.ones(3, 9, 3)))
