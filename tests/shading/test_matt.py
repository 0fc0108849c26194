"""lambert and flat."""

import math
from dataclasses import replace

import pytest
import torch
from shading_scenes import UP, random_points, single_point

from repousse import render
from repousse.camera import Camera
from repousse.geometry import icosphere
from repousse.shading import Ambient, Directional, flat, lambert


def test_sums_ambient_and_directional_light():
    # Breaks if a term is dropped, or the cosine is wrong.
    point = single_point(color=(1.0, 0.5, 0.0))
    color = lambert(point, [Ambient(0.25), Directional((0.0, 3.0, 3.0), 0.5)])
    expected = 0.25 + 0.5 * math.cos(math.pi / 4)
    torch.testing.assert_close(color.flatten(), expected * torch.tensor([1.0, 0.5, 0.0]))


def test_surface_turned_away_gets_ambient_only():
    # Breaks if the cosine is not cut off at zero.
    color = lambert(single_point(-UP), [Ambient(0.3), Directional((0, 1, 0), 5.0)])
    assert color.flatten().tolist() == pytest.approx([0.3] * 3)


def test_values_are_not_clamped():
    # Breaks if colours are cut at 1.
    assert lambert(single_point(), [Ambient(2.0), Directional((0, 1, 0), 3.0)]).flatten().tolist() == [5.0] * 3


def test_occlusion_darkens_only_light_from_everywhere_and_emission_is_added():
    # Breaks if crevices lose direct light, or a lamp's own light depends on others.
    point = replace(single_point(), occlusion=0.5, emission=torch.tensor([0.0, 0.0, 0.25]))
    color = lambert(point, [Ambient(0.5), Directional((0, 1, 0), 0.5)])
    assert color.flatten().tolist() == [0.75, 0.75, 1.0]
    assert lambert(point, ()).flatten().tolist() == [0.0, 0.0, 0.25]


def test_material_is_differentiable():
    # Breaks if a quantity of the points is cut off.
    points = random_points()

    def shaded(color, occlusion, emission, normal):
        changed = replace(points, color=color, occlusion=occlusion, emission=emission, normal=normal)
        return lambert(changed, [Ambient(0.4), Directional(strength=0.8)])

    inputs = (points.color, points.occlusion, points.emission, points.normal)
    assert torch.autograd.gradcheck(shaded, [value.clone().requires_grad_() for value in inputs])


def test_flat_shows_faces_where_normals_are_smooth():
    # Breaks if flat uses interpolated normals.
    ball, camera = icosphere(1), Camera.orbit(4.0, 0.3)
    smooth = render(ball, camera, (24, 32), smooth=True, shader=flat).color
    torch.testing.assert_close(smooth, render(ball, camera, (24, 32)).color)
    assert not torch.allclose(smooth, render(ball, camera, (24, 32), smooth=True).color, atol=1e-2)


def test_flat_says_what_it_lacks():
    # Breaks if points without a mesh fail with an AttributeError.
    with pytest.raises(ValueError, match="mesh"):
        flat(random_points(), ())
