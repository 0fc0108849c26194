"""The photo hull: hollows that masks do not show, and what must stay."""

import math

import pytest
import torch

from repousse.camera import Camera
from repousse.geometry import Mesh, icosphere, torus
from repousse.render import render
from repousse.shading import Ambient, Directional
from repousse.voxels import photo_hull, visual_hull

LIGHTS = (Ambient(0.5), Directional((0.4, 0.8, 0.45), 0.5))


def patterned(mesh: Mesh) -> Mesh:
    return mesh.with_attribute("color", 0.5 + 0.4 * torch.sin(6 * mesh.positions + torch.tensor([0.0, 1, 2])))


def bowl() -> Mesh:
    """Walls as thick as 0.2, the upper half of a sphere turned inwards."""
    ball = icosphere(4)
    upper = (ball.positions[:, 1] > 1e-4)[:, None]
    return Mesh(torch.where(upper, ball.positions * torch.tensor([0.8, -0.8, 0.8]), ball.positions), ball.faces)


def pictures(mesh: Mesh, count: int = 20, size: int = 64) -> tuple[torch.Tensor, torch.Tensor, Camera]:
    """Colours and masks from all around."""
    i = torch.arange(count) + 0.5
    camera = Camera.orbit(3.2, torch.asin(1 - 2 * i / count), i * math.pi * (3 - math.sqrt(5)), fov=math.radians(45))
    with torch.no_grad():
        picture = render(mesh, camera, (size, size), lights=LIGHTS, gradient=None, supersample=2, smooth=True)
    return picture.color.clamp(0, 1), picture.mask, camera


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.positions.double()[mesh.faces.long()].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def test_a_hollow_is_found():
    """Breaks if the lid that masks leave over a bowl stays, or the carving goes through the walls."""
    target = bowl()
    color, mask, camera = pictures(patterned(target))
    lid = visual_hull(mask, camera, resolution=32)
    found = photo_hull(color, mask, camera, resolution=32)
    true = volume(target)
    assert volume(lid) > 1.8 * true
    assert true < volume(found) < (true + volume(lid)) / 2
    assert len(found.positions) - len(found.topology.edges) + len(found.faces) == 2


def test_without_hollows_it_is_the_visual_hull():
    """Breaks if texture, outlines or noise in the pictures are taken for hollows."""
    for mesh in (icosphere(4), torus(0.7, 0.3)):
        color, mask, camera = pictures(patterned(mesh), count=12)
        noise = 0.03 * torch.randn(color.shape, generator=torch.Generator().manual_seed(0))
        color = (color + noise * mask[..., None]).clamp(0, 1)
        hull, found = visual_hull(mask, camera, resolution=32), photo_hull(color, mask, camera, resolution=32)
        assert torch.equal(found.positions, hull.positions)
        assert torch.equal(found.faces, hull.faces)


def test_pictures_that_agree_about_nothing_carve_nothing():
    """Breaks if pictures in changing light, or of a mirror, eat the object up."""
    color, mask, camera = pictures(patterned(icosphere(4)))
    color = color * (0.1 + 0.9 * torch.rand((len(color), 1, 1, 3), generator=torch.Generator().manual_seed(0)))
    hull, found = visual_hull(mask, camera, resolution=32), photo_hull(color, mask, camera, resolution=32)
    assert torch.equal(found.positions, hull.positions)


def test_pictures_of_one_color_carve_nothing():
    """Breaks if silhouettes alone, white on black, are taken for colours that disagree."""
    _, mask, camera = pictures(bowl(), count=12)
    color = mask[..., None].expand(*mask.shape, 3)
    hull, found = visual_hull(mask, camera, resolution=32), photo_hull(color, mask, camera, resolution=32)
    assert torch.equal(found.positions, hull.positions)


def test_colors_that_do_not_fit_are_refused():
    """Breaks if a transposed picture or NaN is carved with."""
    color, mask, camera = pictures(icosphere(2), count=3, size=16)
    for wrong in (color.movedim(-1, 1), color * torch.nan):
        with pytest.raises(ValueError, match="photo_hull: `color` must be finite"):
            photo_hull(wrong, mask, camera)
