"""Ambient, directional and point lights."""

import math
from dataclasses import replace

import pytest
import torch
from shading_scenes import random_points, random_unit, single_point

from repousse.shading import Ambient, Directional, Light, PointLight, Points, as_lights, lambert


def test_a_direction_is_a_direction_whatever_its_length():
    # Breaks if the direction is not normalised.
    point = single_point()
    for length in (1e-3, 1.0, 1e3):
        color = lambert(point, Directional((0.0, length, length), 0.5))
        assert color.flatten().tolist() == pytest.approx([0.5 * math.cos(math.pi / 4)] * 3)


def test_a_point_light_shines_weaker_with_the_square_of_the_distance():
    # Breaks if the falloff is not 1 / d², or the cosine is not that at the point.
    near, far = (lambert(single_point(), PointLight((0.0, d, 0.0), 3.0)).flatten()[0].item() for d in (1.0, 2.0))
    assert (near, far) == pytest.approx((3.0, 0.75))
    aside = lambert(single_point(), PointLight((1.0, 1.0, 0.0), 1.0)).flatten()[0].item()
    assert aside == pytest.approx(math.cos(math.pi / 4) / 2)


def test_a_point_light_seen_from_its_own_place_is_dark_and_not_nan():
    # Breaks if the distance 0, which empty samples may have, divides.
    points = single_point()
    position = points.position.clone().requires_grad_()
    color = lambert(replace(points, position=position), PointLight((0.0, 0.0, 0.0)))
    assert not color.any()
    (derivative,) = torch.autograd.grad(color.sum(), position)
    assert derivative.isfinite().all()


@pytest.mark.parametrize("light", [Ambient, Directional, PointLight])
def test_one_light_per_picture(light):
    # Breaks if (B, 3) is broadcast against the wrong dimension.
    strength = torch.tensor([[1.0, 0, 0], [0, 2.0, 0]], dtype=torch.float64)
    points = random_points(2)
    color = lambert(points, light(strength=strength))
    for i in range(2):
        alone = lambert(points, light(strength=strength[i]))
        torch.testing.assert_close(color[i], alone[i])


def test_one_direction_and_place_per_picture():
    # Breaks if (B, 3) is broadcast against the wrong dimension.
    places = random_unit(2) * 3
    points = random_points(2)
    for light in (Directional, PointLight):
        color = lambert(points, light(places))
        for i in range(2):
            torch.testing.assert_close(color[i], lambert(points, light(places[i]))[i])


def test_lights_are_differentiable():
    # Breaks if a tensor of a light is copied out of the graph, or a derivative is wrong.
    points = random_points(2)

    def shaded(ambient, strength, direction, position, lamp, where, normal):
        lights = [Ambient(ambient), Directional(direction, strength), PointLight(position, lamp)]
        return lambert(replace(points, position=where, normal=normal), lights)

    values = [torch.rand(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(i)) for i in range(5)]
    inputs = [*values[:2], values[2] + 0.5, 3 + values[3], values[4], points.position, points.normal]
    assert torch.autograd.gradcheck(shaded, [value.clone().requires_grad_() for value in inputs])


def test_a_lone_light_is_a_list_of_one():
    # Breaks if a light must be wrapped.
    light = Ambient()
    assert as_lights(light) == (light,) == as_lights([light])
    assert as_lights(()) == ()


def test_your_own_light_is_a_subclass():
    # Breaks if a light has to have all three methods.
    class Floor(Light):
        def diffuse(self, points: Points) -> torch.Tensor:
            return 0.5 - 0.5 * points.normal[..., 1:2]

    assert lambert(single_point(), Floor()).tolist() == [[[[0.0, 0.0, 0.0]]]]
    assert lambert(single_point(-single_point().normal[0, 0, 0]), [Floor()]).tolist() == [[[[1.0, 1.0, 1.0]]]]


@pytest.mark.parametrize("wrong", [0.5, "sun", [Ambient(), 0.5], None, Ambient])
def test_refuses_what_is_no_light(wrong):
    # Breaks if something else gets as far as being asked for light.
    with pytest.raises(TypeError, match="lights"):
        as_lights(wrong)


FIELDS = [
    (Ambient, "strength"),
    (Directional, "strength"),
    (Directional, "direction"),
    (PointLight, "strength"),
    (PointLight, "position"),
]


@pytest.mark.parametrize(("light", "field"), FIELDS)
@pytest.mark.parametrize("wrong", ["bright", None, object(), ["a", "b", "c"]])
def test_refuses_what_is_no_quantity(light, field, wrong):
    # Breaks if a wrong type gets as far as tensor arithmetic.
    with pytest.raises(TypeError, match=field):
        light(**{field: wrong})


@pytest.mark.parametrize(
    ("light", "field", "wrong"),
    [
        (Ambient, "strength", (1.0, 2.0)),
        (Directional, "direction", 1.0),
        (Directional, "direction", (0, 0, 0)),
        (Directional, "strength", torch.ones(2, 2, 3)),
        (PointLight, "position", 2.0),
        (PointLight, "position", torch.ones(4)),
    ],
)
def test_refuses_wrong_shapes(light, field, wrong):
    # Breaks if a shape that cannot be meant is broadcast, or a direction without direction is accepted.
    with pytest.raises(ValueError, match=field):
        light(**{field: wrong})


def test_refuses_the_lights_of_another_number_of_pictures():
    # Breaks if three lights are silently spread over two pictures.
    with pytest.raises(ValueError, match="3 pictures"):
        lambert(random_points(2), Ambient(torch.ones(3, 3)))
