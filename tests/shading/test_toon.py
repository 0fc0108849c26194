"""toon: few tones, and a rim."""

import pytest
import torch

from repousse.camera import Camera
from repousse.geometry import icosphere
from repousse.render import render
from repousse.shading import Ambient, Directional, Points
from repousse.shading.toon import toon


def lit(strengths: torch.Tensor, **settings: object) -> torch.Tensor:
    """What white points under ambient light of these strengths look like."""
    count = len(strengths)
    up = torch.tensor([0.0, 1.0, 0.0]).expand(count, 1, 1, 3)
    points = Points(torch.zeros(count, 1, 1, 3), up, torch.ones(count, 1, 1, 3))
    return toon(points, Ambient(strengths[:, None].expand(-1, 3)), rim=0, **settings)[:, 0, 0]  # type: ignore[arg-type]


def test_light_is_rounded_to_tones() -> None:
    """Breaks if there are more or fewer tones than asked for, or they drift away from the light's mean."""
    tones = lit(torch.tensor([0.0, 0.1, 0.13, 0.3, 0.374, 0.38, 0.9, 1.0, 1.2]), levels=4, softness=0)[:, 0]
    torch.testing.assert_close(tones, torch.tensor([0, 0, 0.25, 0.25, 0.25, 0.5, 1.0, 1.0, 1.25]))


def test_soft_steps_are_continuous_and_monotone() -> None:
    """Breaks if a ramp jumps or overshoots: bands would flicker in a turntable."""
    tones = lit(torch.linspace(0, 1.5, 4001), levels=3, softness=0.05)[:, 0]
    steps = tones.diff()
    assert steps.min() >= -1e-6 and steps.max() < 0.02


def test_proportions_of_coloured_light_stay() -> None:
    """Breaks if channels are rounded one by one: coloured light would change its hue from tone to tone."""
    points = Points(torch.zeros(1, 1, 1, 3), torch.tensor([[[[0.0, 1, 0]]]]), torch.ones(1, 1, 1, 3))
    color = toon(points, Ambient((0.45, 0.09, 0.0)), levels=2, rim=0, softness=0)[0, 0, 0]
    torch.testing.assert_close(color, torch.tensor([0.5, 0.1, 0.0]))


def test_the_rim_lies_at_the_outline() -> None:
    """Breaks if the rim lights what faces the viewer, or needs a light."""
    camera = Camera.orbit(6.0, fov=0.5)

    def draw(points: Points, lights: object) -> torch.Tensor:
        return toon(points, [], rim=(0.0, 1.0, 0.0), rim_width=0.2)

    picture = render(icosphere(4), camera, (64, 64), shader=draw, lights=[Directional()], smooth=True)
    covered = picture.mask[0] > 0
    distance = ((torch.arange(64) - 31.5)[:, None].square() + (torch.arange(64) - 31.5).square()).sqrt()
    radius = distance[covered].max()
    assert (picture.color[0][covered & (distance < 0.9 * radius)] == 0).all()
    rim = picture.color[0][covered & (distance > 0.995 * radius)]
    assert (rim[:, 1] > 0.9).all() and (rim[:, 0] == 0).all()


def test_colours_can_be_learnt() -> None:
    """Breaks if rounding cuts the gradient of the albedo."""
    color = torch.rand(1, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    up = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).expand_as(color)
    light = [Ambient(0.5), Directional((0.0, 1.0, 1.0), 0.3)]
    assert torch.autograd.gradcheck(lambda c: toon(Points(c.detach() * 0, up, c), light, rim=0), (color,))


@pytest.mark.parametrize("settings", [{"levels": 0}, {"softness": -0.1}])
def test_senseless_settings_are_refused(settings: dict) -> None:
    """Breaks if a division by zero shows as a NaN picture."""
    with pytest.raises(ValueError, match="toon"):
        lit(torch.ones(1), **settings)
