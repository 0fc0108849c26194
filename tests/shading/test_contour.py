"""contour: lines where the surface ends, jumps or bends, and nowhere else."""

import functools
import math

import pytest
import torch

from repousse.camera import Camera
from repousse.geometry import Mesh, cube, icosphere, join, plane
from repousse.render import render
from repousse.shading import Ambient, albedo
from repousse.shading.contour import contour

BARE = functools.partial(contour, base=albedo, width=1.0)
SIZE = (64, 64)


def dark(mesh: Mesh, camera: Camera, shader=BARE, **settings: object) -> torch.Tensor:
    """bool (H, W): covered by a line (or half of it)."""
    picture = render(mesh, camera, SIZE, shader=shader, gradient=None, background=1.0, **settings)  # type: ignore[arg-type]
    return picture.color[0].mean(-1) < 0.5


def covered(mesh: Mesh, camera: Camera) -> torch.Tensor:
    return render(mesh, camera, SIZE, gradient=None).mask[0] > 0


@pytest.mark.parametrize("camera", [Camera.orbit(5.0), Camera.orbit(5.0, extent=3.0)])
def test_a_smooth_sphere_has_its_outline_only(camera: Camera) -> None:
    """Breaks if lines appear on smooth surfaces, or the outline has gaps."""
    mesh = icosphere(4)
    lines, seen = dark(mesh, camera, smooth=True), covered(mesh, camera)
    padded = torch.nn.functional.pad(seen.float()[None, None], (1, 1, 1, 1))[0, 0]
    inside = seen & (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] == 4)
    assert lines[seen & ~inside].all()
    deep = -torch.nn.functional.max_pool2d(-inside.float()[None], 5, 1, 2)[0] > 0
    assert not lines[deep].any()


@pytest.mark.parametrize("extent", [None, 6.0])
def test_a_steep_plane_has_no_lines(extent: float | None) -> None:
    """Breaks if depth differences of a plane that is seen at a grazing angle are taken for jumps."""
    floor = plane().with_positions(plane().positions * 50)
    camera = Camera.look_at((0.0, 0.4, 3.0), (0.0, 0.3, 0.0), extent=extent, far=200.0)
    for turned in (floor, floor.with_positions(floor.positions[:, [0, 2, 1]])):
        seen = covered(turned, camera)
        interior = -torch.nn.functional.max_pool2d(-seen.float()[None], 5, 1, 2)[0] > 0
        assert not (dark(turned, camera) & interior).any()


def test_edges_of_a_cube_are_drawn() -> None:
    """Breaks if creases are missed: the three visible inner edges meet in the picture's middle."""
    camera = Camera.look_at((3.0, 3.0, 3.0))
    lines = dark(cube(), camera)
    assert lines[30:34, 30:34].any()
    flat = functools.partial(contour, base=albedo, width=1.0, crease=math.pi)
    assert not dark(cube(), camera, flat)[28:36, 28:36].any()


def square() -> Mesh:
    return Mesh(torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]), torch.tensor([[0, 1, 2], [0, 2, 3]]))


def test_one_object_before_another_has_an_outline() -> None:
    """Breaks if outlines are found against the background only. Both squares face the same way."""
    small = square().with_positions(square().positions * 0.5 + torch.tensor([0.0, 0.0, 1.0]))
    lines = dark(join([square(), small]), Camera.look_at((0.0, 0.0, 5.0), extent=2.5))
    assert lines[32].sum() >= 3 and lines[32, 16:24].any() and lines[32, 40:48].any()
    assert not lines[32, 26:38].any()


def test_width_is_in_pixels() -> None:
    """Breaks if supersampling makes lines thinner."""
    camera = Camera.look_at((0.0, 0.0, 5.0), extent=4.0)
    for supersample in (1, 2, 4):
        shader = functools.partial(contour, base=albedo, width=4.0)
        picture = render(square(), camera, SIZE, shader=shader, gradient=None, background=1.0, supersample=supersample)
        assert (1 - picture.color[0, 32]).mean(-1).sum().item() == pytest.approx(8, abs=1.1)


def test_lines_go_over_another_shader() -> None:
    """Breaks if the base is lost, or lines do not have their colour."""

    def base(points, lights):
        return torch.full_like(points.color, 0.25)

    shader = functools.partial(contour, base=base, color=(1.0, 0.0, 0.0))
    picture = render(cube(), Camera.orbit(5.0), SIZE, lights=Ambient(1.0), shader=shader, gradient=None)
    colors = picture.color[0][picture.mask[0] > 0].unique(dim=0)
    torch.testing.assert_close(colors, torch.tensor([[0.25, 0.25, 0.25], [1.0, 0.0, 0.0]]))


def test_nothing_seen_and_tiny_pictures() -> None:
    """Breaks if a picture without surface, or of one pixel, has no neighbours to compare."""
    away = Camera.look_at((0.0, 0.0, 5.0), (0.0, 0.0, 9.0))
    assert (render(cube(), away, (4, 4), shader=contour).color == 0).all()
    for size in ((1, 1), (1, 5), (5, 1)):
        assert render(cube(), Camera.orbit(5.0), size, shader=contour).color.isfinite().all()
