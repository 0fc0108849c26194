"""albedo, normals, depth, position."""

import torch

from repousse import render
from repousse.camera import Camera
from repousse.geometry import cube, plane
from repousse.shading import albedo, depth, normals, position

FRONT = Camera.orbit(4.0, 0.4, 0.6)


def picture(shader, mesh=None):
    return render(mesh or cube(), FRONT, (24, 32), shader=shader, lights=(), gradient=None)


def test_albedo_is_the_color():
    """Breaks if light changes it."""
    colors = torch.rand(8, 3, generator=torch.Generator().manual_seed(0))
    seen = picture(albedo, cube().with_attribute("color", colors)).color
    assert seen.max() <= colors.max() and seen.any()


def test_normals_as_colors():
    """Breaks if the axes are exchanged."""
    shown = picture(normals)
    covered = shown.mask > 0
    torch.testing.assert_close(shown.color[covered], 0.5 + 0.5 * shown.normal[covered])


def test_depth_runs_from_white_to_black():
    """Breaks if far is bright, or empty samples count."""
    shown = picture(depth)
    covered = shown.mask > 0
    assert shown.color[covered].max() == 1 and shown.color[covered].min().abs() < 1e-6
    nearest = shown.depth[covered].argmin()
    assert shown.color[covered][nearest].tolist() == [1.0] * 3
    fixed = picture(lambda points, lights: depth(points, lights, bounds=(0.0, 10.0)))
    torch.testing.assert_close(fixed.color[covered][:, 0], 1 - fixed.depth[covered] / 10)


def test_positions_fill_the_unit_cube():
    """Breaks if bounds of the points seen are wrong, or a flat mesh divides by 0."""
    covered = picture(position).mask > 0
    colors = picture(position).color[covered]
    torch.testing.assert_close(colors.amin(0), torch.zeros(3))
    torch.testing.assert_close(colors.amax(0), torch.ones(3))
    assert picture(position, plane()).color.isfinite().all()


def test_empty_pictures_are_black():
    """Breaks if bounds of nothing are used."""
    behind = cube().with_positions(cube().positions + torch.tensor([0.0, 0.0, 100.0]))
    for shader in (depth, position, normals, albedo):
        assert not picture(shader, behind).color.any()
