"""phong and blinn_phong."""

import math
from dataclasses import replace

import pytest
import torch
from shading_scenes import UP, random_points, single_point

from repousse.camera import Camera
from repousse.shading import Ambient, Directional, blinn_phong, lambert, phong

BOTH = pytest.mark.parametrize("shader", [phong, blinn_phong])
ABOVE = replace(single_point(color=(0.2, 0.2, 0.2)), camera=Camera.look_at((0.0, 3.0, 0.0), up=(0.0, 0.0, 1.0)))


@BOTH
def test_the_mirrored_light_is_brightest(shader):
    """Breaks if the highlight lies elsewhere, or is not added to the matt colour."""
    color = shader(ABOVE, Directional((0, 1, 0), 0.8), specular=0.5)
    assert color.flatten().tolist() == pytest.approx([0.2 * 0.8 + 0.5 * 0.8] * 3)


def test_the_highlight_falls_off_as_stated():
    """Breaks if the exponent is applied to another cosine."""
    angle = 0.4
    light = Directional((math.sin(angle), math.cos(angle), 0.0))
    matt = lambert(ABOVE, light).flatten()[0].item()
    found = [shader(ABOVE, light, specular=1.0, shininess=9.0).flatten()[0].item() for shader in (phong, blinn_phong)]
    assert found == pytest.approx([matt + math.cos(angle) ** 9, matt + math.cos(angle / 2) ** 9], rel=1e-5)


@BOTH
def test_no_highlight_on_the_dark_side_or_of_ambient_light(shader):
    """Breaks if light shines through the surface."""
    dark = replace(ABOVE, normal=-UP.expand(1, 1, 1, 3))
    assert not shader(dark, Directional((0.1, 1, 0))).any()
    torch.testing.assert_close(shader(ABOVE, Ambient(0.5)), lambert(ABOVE, Ambient(0.5)))


@BOTH
def test_derivatives(shader):
    """Breaks if a setting, the surface or a light is cut off."""
    points = random_points(2)

    def shaded(normal, specular, shininess, direction, strength):
        changed = replace(points, normal=normal)
        return shader(changed, Directional(direction, strength), specular=specular, shininess=shininess)

    random = torch.rand(3, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.1
    inputs = [points.normal, random[0], torch.tensor(7.5, dtype=torch.float64), *random[1:]]
    assert torch.autograd.gradcheck(shaded, [value.clone().requires_grad_() for value in inputs])


@BOTH
def test_grazing_light_and_empty_samples_have_finite_gradients(shader):
    """Breaks if 0 to a power has a derivative that is not a number."""
    normal = torch.stack([torch.zeros(3), torch.tensor([1.0, 0, 0]), UP]).view(1, 1, 3, 3).requires_grad_()
    shininess = torch.tensor(20.0, requires_grad=True)
    points = replace(ABOVE, position=torch.zeros(1, 1, 3, 3), normal=normal, color=torch.ones(1, 1, 3, 3))
    color = shader(points, Directional((0.0, 1.0, 0.0)), shininess=shininess)
    assert color.isfinite().all()
    assert all(g.isfinite().all() for g in torch.autograd.grad(color.sum(), (normal, shininess)))
