"""The metallic-roughness shader."""

import math
from dataclasses import replace

import pytest
import torch
from shading_scenes import UP, random_points, random_unit, single_point

from repousse.camera import Camera
from repousse.shading import Ambient, Directional, Environment, Light, PointLight, SphericalHarmonics, pbr
from repousse.shading.reflectance import reflectance

ABOVE = Camera.look_at((0.0, 3.0, 0.5))


def by_the_book(points, direction, strength):
    """Appendix B of glTF 2.0, written out for one light of one direction; radiance for irradiance pi * strength."""
    n, v, light = points.normal, points.view, torch.nn.functional.normalize(direction, dim=-1)
    h = torch.nn.functional.normalize(light + v, dim=-1)
    nl, nv, nh, vh = ((a * b).sum(-1, keepdim=True) for a, b in ((n, light), (n, v), (n, h), (v, h)))
    a2 = points.roughness**4

    def masking(x):
        return 2 * x.abs() / (x.abs() + (a2 + (1 - a2) * x * x).sqrt())

    d = a2 / (math.pi * (nh * nh * (a2 - 1) + 1) ** 2)
    specular = masking(nl) * masking(nv) * d / (4 * nl.abs() * nv.abs())
    diffuse = points.color / math.pi
    dielectric = diffuse + (0.04 + 0.96 * (1 - vh) ** 5) * (specular - diffuse)
    metal = specular * (points.color + (1 - points.color) * (1 - vh) ** 5)
    brdf = dielectric + points.metallic * (metal - dielectric)
    return brdf * math.pi * strength * nl.clamp(min=0) + points.emission


def test_is_the_model_of_the_specification():
    """Breaks if any term of appendix B is missing or other, for metals or for everything else."""
    points = random_points(2)
    for metallic in (0.0, 1.0):
        one = replace(points, metallic=torch.full_like(points.metallic, metallic))
        expected = by_the_book(one, torch.tensor([0.3, 1.0, 0.8], dtype=torch.float64), 0.7)
        torch.testing.assert_close(pbr(one, Directional((0.3, 1.0, 0.8), 0.7)), expected)


def test_a_rough_white_dielectric_in_uniform_surroundings_keeps_the_light():
    """Breaks if diffuse and specular parts are added without weighing one against the other."""
    point = replace(single_point(), camera=ABOVE)
    for roughness in (0.0, 0.5, 1.0):
        color = pbr(replace(point, roughness=roughness), Ambient(1.0))
        assert color.min() > 0.97 and color.max() <= 1.001


def test_a_polished_metal_shows_its_surroundings():
    """Breaks if the mirrored direction or its colour is wrong."""
    direction = random_unit(1, 3, 4).float()
    points = replace(random_points(1), normal=direction.double(), metallic=1.0, roughness=0.0)

    class Compass(Light):
        def reflected(self, points, direction, roughness):
            return direction

    view = points.view
    mirrored = 2 * (points.normal * view).sum(-1, keepdim=True) * points.normal - view
    white = replace(points, color=torch.ones_like(points.color), emission=0.0, occlusion=1.0)
    seen = torch.nn.functional.normalize(pbr(white, Compass()), dim=-1)
    front = ((points.normal * view).sum(-1) > 0.1)[0]
    torch.testing.assert_close(seen[0][front], mirrored[0][front], atol=2e-3, rtol=0)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
def test_the_table_of_the_split_sum_is_the_integral(alpha):
    """Breaks if the table is read at the wrong place, or integrates something else."""
    cosine = torch.tensor([0.15, 0.4, 0.8, 1.0], dtype=torch.float64).view(1, 1, 4, 1)
    # A grid of half vectors, dense where GGX has them.
    u = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    phi = 2 * math.pi * (torch.arange(200, dtype=torch.float64) + 0.5) / 200
    up = ((1 - u) / (1 + (alpha**2 - 1) * u)).sqrt()[:, None].expand(400, 200)
    half = torch.stack([(1 - up * up).sqrt() * phi.cos(), (1 - up * up).sqrt() * phi.sin(), up], -1)
    for f0 in (0.04, 1.0):
        mirror = torch.full((1, 1, 4, 3), f0, dtype=torch.float64)
        found = reflectance(mirror, torch.tensor(math.sqrt(alpha)).double().view(1, 1, 1, 1), cosine)[0, 0, :, 0]
        for value, nv in zip(found, cosine.flatten(), strict=True):
            view = torch.stack([(1 - nv * nv).sqrt(), torch.zeros_like(nv), nv])
            vh = half @ view
            nl = 2 * vh * up - nv
            g = [2 * x / (x + (alpha**2 + (1 - alpha**2) * x * x).sqrt()) for x in (nl, nv)]
            fresnel = f0 + (1 - f0) * (1 - vh) ** 5
            weight = fresnel * g[0] * g[1] * vh / (up * nv)
            assert abs(weight[(nl > 0) & (vh > 0)].sum() / weight.numel() - value) < 0.01


def test_nothing_is_nan_where_light_or_view_graze_or_nothing_is_seen():
    """Breaks if a cosine of 0, a roughness of 0, a light behind or an empty sample makes NaN, in value or gradient."""
    normals = torch.stack([UP, -UP, torch.zeros(3), torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0])])
    normals = normals.view(1, 1, 5, 3).clone().requires_grad_()
    color = torch.tensor([0.0, 0.5, 1.0]).expand(1, 1, 5, 3).clone().requires_grad_()
    roughness = torch.tensor([0.0, 1e-8, 0.0, 1.0, 0.0]).view(1, 1, 5, 1).requires_grad_()
    camera = Camera.look_at((0.0, 4.0, 0.0), up=(0.0, 0.0, 1.0))
    lights = [
        Directional((1.0, 0.0, 0.0)),
        Directional((0.0, -1.0, 0.0)),
        Directional((0.0, 1.0, 0.0)),
        PointLight((0.0, 0.0, 0.0)),
        Ambient(0.5),
        SphericalHarmonics(torch.ones(9, 3)),
        Environment(torch.ones(4, 8, 3)),
    ]
    points = replace(
        single_point(),
        position=torch.zeros(1, 1, 5, 3),
        normal=normals,
        color=color,
        roughness=roughness,
        camera=camera,
    )
    shaded = pbr(points, lights)
    assert shaded.isfinite().all()
    for gradient in torch.autograd.grad(shaded.sum(), (normals, color, roughness)):
        assert gradient.isfinite().all()


def test_derivatives():
    """Breaks if a quantity of the surface or a light is cut off, or its derivative is wrong."""
    points = random_points(2)

    def shaded(normal, color, metallic, roughness, occlusion, ambient, strength, direction, where):
        changed = replace(
            points,
            position=where,
            normal=normal,
            color=color,
            metallic=metallic,
            roughness=roughness,
            occlusion=occlusion,
        )
        return pbr(changed, [Ambient(ambient), Directional(direction, strength), PointLight((1.0, 2.0, 3.0), strength)])

    random = torch.rand(3, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.1
    inputs = [
        points.normal,
        points.color,
        points.metallic,
        points.roughness,
        points.occlusion,
        *random,
        points.position,
    ]
    assert torch.autograd.gradcheck(
        shaded, [value.clone().requires_grad_() for value in inputs], atol=1e-4, fast_mode=True
    )


def test_autocast_changes_nothing():
    """Breaks if a part of the shader is computed in half precision because a network around it is."""
    points = random_points(2)
    single = {k: v.float() for k, v in vars(points).items() if isinstance(v, torch.Tensor)}
    points = replace(points, **single, camera=points.camera.to(torch.float32))
    lights = [
        Ambient(0.3),
        Directional(),
        PointLight(),
        SphericalHarmonics(torch.rand(9, 3)),
        Environment(torch.rand(8, 16, 3)),
    ]
    expected = pbr(points, lights)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(pbr(points, lights), expected, atol=1e-6, rtol=1e-6)


def test_one_light_per_picture_and_a_sum_over_lights():
    """Breaks if lights of a batch are mixed up, or their order matters."""
    points = replace(random_points(2), emission=0.0)
    strength = torch.tensor([[1.0, 0.2, 0.4], [0.3, 2.0, 0.1]], dtype=torch.float64)
    coefficients = torch.rand(2, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    both = [Directional(strength=strength), SphericalHarmonics(coefficients)]
    for i in range(2):
        alone = [Directional(strength=strength[i]), SphericalHarmonics(coefficients[i])]
        torch.testing.assert_close(pbr(points, both)[i], pbr(points, alone)[i])
    torch.testing.assert_close(pbr(points, both), pbr(points, both[:1]) + pbr(points, both[1:]))
