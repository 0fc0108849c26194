"""Light and lambert."""

import math

import pytest
import torch

from repousse.shading import Light, Points, lambert

UP = torch.tensor([0.0, 1.0, 0.0])


def test_sums_ambient_and_directional_light():
    # Breaks if a term is dropped, the direction is not normalised, or the cosine is wrong.
    tilted = Light(ambient=0.25, directional=0.5, direction=(0.0, 3.0, 3.0))
    color = lambert(torch.tensor([1.0, 0.5, 0.0]), UP, tilted)
    expected = 0.25 + 0.5 * math.cos(math.pi / 4)
    torch.testing.assert_close(color, expected * torch.tensor([1.0, 0.5, 0.0]))


def test_surface_turned_away_gets_ambient_only():
    # Breaks if the cosine is not cut off at zero.
    assert lambert(torch.ones(3), -UP, Light(0.3, 5.0, (0, 1, 0))).tolist() == pytest.approx([0.3] * 3)


def test_values_are_not_clamped():
    # Breaks if colours are cut at 1.
    assert lambert(torch.ones(3), UP, Light(2.0, 3.0, (0, 1, 0))).tolist() == [5.0] * 3


def test_one_light_per_picture():
    # Breaks if (B, 3) is broadcast against the wrong dimension.
    points = Points(torch.zeros(2, 4, 3, 3), UP.expand(2, 4, 3, 3), torch.ones(2, 4, 3, 3))
    light = Light(ambient=torch.tensor([[1.0, 0, 0], [0, 2.0, 0]]), directional=0.0)
    color = light(points)
    assert color.shape == (2, 4, 3, 3)
    assert (color[0] == torch.tensor([1.0, 0, 0])).all() and (color[1] == torch.tensor([0, 2.0, 0])).all()


def test_light_is_differentiable():
    # Breaks if a tensor of the light is copied out of the graph, or a derivative is wrong.
    generator = torch.Generator().manual_seed(0)
    normal = torch.nn.functional.normalize(torch.randn(2, 5, 3, generator=generator, dtype=torch.float64), dim=-1)
    albedo = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64)
    values = [torch.rand(2, 3, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3)]
    inputs = (albedo.requires_grad_(), normal.requires_grad_(), *values)
    assert torch.autograd.gradcheck(lambda a, n, *v: lambert(a, n, Light(*v)), inputs)


@pytest.mark.parametrize("field", ["ambient", "directional", "direction"])
@pytest.mark.parametrize("wrong", ["bright", None, object(), ["a", "b", "c"]])
def test_refuses_what_is_no_quantity(field, wrong):
    # Breaks if a wrong type gets as far as tensor arithmetic.
    with pytest.raises(TypeError, match=field):
        Light(**{field: wrong})


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("ambient", (1.0, 2.0)),
        ("direction", 1.0),
        ("direction", (0, 0, 0)),
        ("directional", torch.ones(2, 2, 3)),
    ],
)
def test_refuses_wrong_shapes(field, wrong):
    # Breaks if a shape that cannot be meant is broadcast, or a direction without direction is accepted.
    with pytest.raises(ValueError, match=field):
        Light(**{field: wrong})
