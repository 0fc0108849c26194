"""Ambient occlusion against exact values and against another sampling."""

import math

import pytest
import torch

from repousse.camera import Camera
from repousse.geometry import Mesh, cube, icosphere, join, pack, teapot
from repousse.render import render
from repousse.shading import Ambient
from repousse.shading.occlusion import AmbientOcclusion, ambient_occlusion

pytest.importorskip("embreex", reason="ambient occlusion needs embreex: pip install repousse[rays]")


def rectangle(corner: list[float], one: list[float], other: list[float]) -> Mesh:
    a, u, v = (torch.tensor(x) for x in (corner, one, other))
    return Mesh(torch.stack((a, a + u, a + u + v, a + v)), torch.tensor([[0, 1, 2], [0, 2, 3]]))


def floor(half: float) -> Mesh:
    """A square on the plane y = 0 that faces up, with a vertex in the middle."""
    around = torch.tensor([[-half, 0.0, -half], [-half, 0, half], [half, 0, half], [half, 0, -half]])
    faces = torch.tensor([[i, (i + 1) % 4, 4] for i in range(4)])
    return Mesh(torch.cat((around, torch.zeros(1, 3))), faces)


def test_nothing_occludes_a_convex_shape() -> None:
    """Breaks if a surface shades itself: rays must start above it, at every scale and place."""
    for scale, shift in ((1.0, 0.0), (1e-3, 0.0), (1e4, 1e6)):
        mesh = icosphere(3).with_positions(icosphere(3).positions.double() * scale + shift)
        assert ambient_occlusion(mesh, rays=64).min() > 0.95


def test_walls_take_what_their_form_factor_says() -> None:
    """Breaks if rays are not distributed by the cosine. A square well of depth h and width 2a: the share of light at
    the middle of its floor is that of the open top (form factor of a differential area to a parallel rectangle,
    Howell C-1)."""
    a, h = 1.0, 1.5
    walls = [
        rectangle([-a, 0, -a], [2 * a, 0, 0], [0, h, 0]),
        rectangle([a, 0, -a], [0, 0, 2 * a], [0, h, 0]),
        rectangle([a, 0, a], [-2 * a, 0, 0], [0, h, 0]),
        rectangle([-a, 0, a], [0, 0, -2 * a], [0, h, 0]),
    ]
    b = c = a / h
    quarter = b / math.sqrt(1 + b * b) * math.atan(c / math.sqrt(1 + b * b))
    expected = 4 * (2 * quarter) / (2 * math.pi)
    seen = ambient_occlusion(join([floor(a), *walls]), rays=4096)[4]
    assert seen.item() == pytest.approx(expected, abs=0.005)
    near = ambient_occlusion(join([floor(a), *walls]), rays=256, distance=0.5)[4]
    assert near.item() == 1.0


def test_pixels_agree_with_many_random_rays() -> None:
    """Breaks if few well-spread rays are worse than 0.02 on average, or positions and normals are mixed up."""
    trimesh = pytest.importorskip("trimesh")
    mesh, camera = teapot(4), Camera.orbit(6.0, 0.4, 0.5)
    picture = render(mesh, camera, (24, 24), shader=AmbientOcclusion(rays=128), gradient=None)
    points = []

    def spy(given, lights):
        points.append(given)
        return given.color

    render(mesh, camera, (24, 24), shader=spy, gradient=None)
    covered = points[0].covered[..., 0]
    position, normal = points[0].position[covered], points[0].normal[covered]
    generator = torch.Generator().manual_seed(0)
    ball = torch.nn.functional.normalize(torch.randn(len(position), 1000, 3, generator=generator), dim=-1)
    directions = torch.nn.functional.normalize(normal[:, None] + ball, dim=-1)  # cosine-distributed
    size = float((mesh.positions.amax(0) - mesh.positions.amin(0)).norm())
    scene = trimesh.Trimesh(mesh.positions.numpy(), mesh.faces.numpy(), process=False)
    starts = (position + 1e-4 * size * normal)[:, None].expand_as(directions)
    hit = scene.ray.intersects_any(starts.reshape(-1, 3).numpy(), directions.reshape(-1, 3).numpy())
    expected = 1 - torch.from_numpy(hit).view(len(position), -1).float().mean(-1)
    assert (picture.color[covered][:, 0] - expected).abs().mean() < 0.02
    assert expected.std() > 0.05


def test_render_dims_ambient_light_only() -> None:
    """Breaks if the attribute is not used, or dims light with a direction, too."""
    mesh = cube().with_attribute("occlusion", torch.full((8, 1), 0.25))
    color = render(mesh, Camera.orbit(5.0), (8, 8), lights=Ambient(1.0)).color[0, 4, 4]
    torch.testing.assert_close(color, torch.full((3,), 0.25))


def test_supersampling_keeps_the_mean() -> None:
    """Breaks if samples take the occlusion of other samples."""
    mesh, camera = teapot(4), Camera.orbit(6.0, 0.4, 0.5)
    coarse = render(mesh, camera, (16, 16), shader=AmbientOcclusion(rays=256), gradient=None)
    fine = render(mesh, camera, (16, 16), shader=AmbientOcclusion(rays=256), gradient=None, supersample=4)
    inside = fine.mask == 1
    assert (coarse.color - fine.color)[inside].abs().mean() < 0.03


def test_packed_meshes_and_poses_do_not_shade_each_other() -> None:
    """Breaks if the meshes of a batch are traced as one scene."""
    well = join([floor(1.0), rectangle([-1.0, 0, -1.0], [2.0, 0, 0], [0, 5.0, 0])])
    alone = ambient_occlusion(well, rays=64)
    lid = rectangle([-3.0, 1.0, -3.0], [6.0, 0, 0], [0, 0, 6.0])
    together = ambient_occlusion(pack([well, lid]), rays=64)
    torch.testing.assert_close(together[: len(alone)], alone, atol=0.02, rtol=0)
    poses = ambient_occlusion(well.with_positions(torch.stack((well.positions, 2 * well.positions))), rays=64)
    torch.testing.assert_close(poses[1], alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("settings", [{"rays": 0}, {"rays": 2.5}, {"distance": -1.0}])
def test_senseless_settings_are_refused(settings: dict) -> None:
    """Breaks if no ray at all gives NaN, or all light is let through without a word."""
    with pytest.raises(ValueError, match=r"rays|distance"):
        ambient_occlusion(cube(), **settings)
    with pytest.raises(ValueError, match=r"rays|distance"):
        AmbientOcclusion(**settings)
