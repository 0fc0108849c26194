"""Shadows: what a light sees is lit, against rays that are cast at the meshes themselves."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import Mesh, cube, icosphere, join, pack
from repousse.ops import interpolate, rasterize
from repousse.shading import Ambient, Directional, Light, PointLight, Points, Shadowed, lambert

UP = torch.tensor([0.0, 1.0, 0.0])
LIGHTS = [Directional((1.0, 1.6, -0.8)), Directional((-1.0, 0.5, 0.4)), PointLight((1.0, 2.8, 0.5))]


def bare(mesh: Mesh, scale: Any = 1.0, shift: Any = 0.0) -> Mesh:
    return Mesh(mesh.positions * torch.as_tensor(scale) + torch.as_tensor(shift), mesh.faces)


def floor(half: float = 2.5) -> Mesh:
    corners = [(-half, 0.0, -half), (half, 0.0, -half), (half, 0.0, half), (-half, 0.0, half)]
    return Mesh(torch.tensor(corners), torch.tensor([[0, 2, 1], [0, 3, 2]]))


def scene(seed: int) -> Mesh:
    """Boxes and balls, some of them turned, on and over a floor."""
    random = np.random.default_rng(seed)
    parts = [floor()]
    for number in range(6):
        solid = [cube(), icosphere(2), icosphere(1)][random.integers(3)]
        turn = np.linalg.qr(random.normal(size=(3, 3)))[0] if number % 2 else np.eye(3)
        corners = solid.positions @ torch.tensor(turn, dtype=torch.float32) * random.uniform(0.2, 0.6)
        height = random.uniform(0, 1) if number % 3 else 0.0
        aside = random.uniform(-1.6, 1.6, 2)
        shift = torch.tensor([aside[0], height - float(corners[:, 1].min()), aside[1]], dtype=torch.float32)
        parts.append(Mesh(corners + shift, solid.faces))
    return join(parts)


def seen(mesh: Mesh, camera: Camera, size: tuple[int, int]) -> Points:
    fragments = rasterize(camera.project(mesh.positions, size), mesh.faces, size)
    position = interpolate(mesh.positions, mesh.faces, fragments)
    color = torch.ones_like(position)
    points = Points(position, torch.zeros_like(position), color, mesh=mesh, camera=camera, fragments=fragments)
    return replace(points, normal=points.face_normal)


def on_floor(x: Tensor, z: Tensor | float = 0.0) -> Points:
    """Points of the plane y = 0, facing up, without a mesh."""
    z = torch.as_tensor(z, dtype=x.dtype).expand_as(x)
    position = torch.stack([x, torch.zeros_like(x), z], -1).view(1, 1, -1, 3)
    return Points(position, UP.to(x.dtype).expand_as(position), torch.ones_like(position))


class Rays:
    """Rays from points of a surface to a light, cast by Embree."""

    def __init__(self, mesh: Mesh, points: Points, light: Directional | PointLight) -> None:
        trimesh = pytest.importorskip("trimesh")
        pytest.importorskip("embreex", reason="needs Embree: the extra `rays`")
        from trimesh.ray.ray_pyembree import RayMeshIntersector

        self.caster = RayMeshIntersector(trimesh.Trimesh(mesh.positions.numpy(), mesh.faces.numpy(), process=False))
        self.start = points.position[points.covered[..., 0]].double().numpy()
        self.normal = points.face_normal[points.covered[..., 0]].double().numpy()
        place = np.array(light.direction if isinstance(light, Directional) else light.position)
        path = place - self.start if isinstance(light, PointLight) else np.broadcast_to(place, self.start.shape)
        length = np.linalg.norm(path, axis=1)
        self.length = length - 1e-3 if isinstance(light, PointLight) else np.full_like(length, np.inf)
        self.direction = path / length[:, None]
        self.cosine = (self.direction * self.normal).sum(1)

    def lit(self, shift: np.ndarray | float = 0.0) -> np.ndarray:
        start = self.start + 5e-4 * self.normal + shift
        places, rays, _ = self.caster.intersects_location(start, self.direction, multiple_hits=False)
        lit = np.ones(len(start), dtype=bool)
        lit[rays] = np.linalg.norm(places - start[rays], axis=1) >= self.length[rays]
        return lit

    def away_from_borders(self, distance: float) -> np.ndarray:
        """Points whose surroundings, on the plane of their face, are lit or dark as they are."""
        lit, clear = self.lit(), np.ones(len(self.start), dtype=bool)
        right = np.cross(self.direction, (0.3, 0.5, 0.81))
        right /= np.linalg.norm(right, axis=1, keepdims=True)
        down = np.cross(self.direction, right)
        for angle in np.arange(8) * np.pi / 4:
            shift = distance * (np.cos(angle) * right + np.sin(angle) * down)
            rise = (shift * self.normal).sum(1) / np.where(abs(self.cosine) > 0.02, self.cosine, 1)
            clear &= self.lit(shift - rise[:, None] * self.direction) == lit
        return clear


@pytest.mark.parametrize("light", LIGHTS, ids=["sun", "low sun", "lamp"])
@pytest.mark.parametrize("seed", [0, 1])
def test_shadows_are_those_of_rays(light: Directional | PointLight, seed: int) -> None:
    """Breaks if maps are misplaced, mirrored or cut off, surfaces shade themselves, or shadows come off."""
    mesh = scene(seed)
    points = seen(mesh, Camera.look_at((2.5, 3.5, 5.0), (0.0, 0.4, 0.0)), (90, 120))
    visible = Shadowed(light, size=512).visibility(points)[points.covered].numpy()
    rays = Rays(mesh, points, light)
    lit = rays.lit()
    texel = 2 * 3.6 / 512 if isinstance(light, Directional) else 2 * 4.5 / 512
    judged = (rays.cosine > 0.02) & rays.away_from_borders(2.5 * texel)
    assert judged.sum() > 3000 and 0.05 < lit[judged].mean() < 0.95
    assert (abs(visible - lit) < 0.5)[judged].mean() >= 0.999
    facing = rays.cosine > 0.02
    assert abs(visible - lit)[facing].mean() < 0.02  # borders and all


@pytest.mark.parametrize("elevation", [4, 10, 45, 90])
@pytest.mark.parametrize("lamp", [False, True], ids=["sun", "lamp"])
def test_a_floor_does_not_shade_itself(elevation: float, lamp: bool) -> None:
    """Breaks if the comparison ignores the slope of a surface: stripes."""
    angle = math.radians(elevation)
    towards = (2 * math.cos(angle) * 0.8, 2 * math.sin(angle), 2 * math.cos(angle) * 0.6)
    x, z = 4 * torch.rand(2, 4000, generator=torch.Generator().manual_seed(0)) - 2
    light = PointLight(towards) if lamp else Directional(towards)
    assert (Shadowed(light, floor(), size=512).visibility(on_floor(x, z)) == 1).all()


def test_a_lamp_lights_the_room_around_it() -> None:
    """Breaks if the six maps leave gaps, overlap wrongly, or a view is mirrored against its points."""
    room = bare(icosphere(3))
    directions = torch.nn.functional.normalize(torch.randn(6000, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    inside = (0.9 * directions).view(1, 60, 100, 3)
    for place in ((0.0, 0.0, 0.0), (0.3, -0.2, 0.1)):
        assert (Shadowed(PointLight(place), room, size=128).visibility(Points(inside, -inside, inside)) == 1).all()
        behind = Points(1.3 * inside, inside, inside)
        assert (Shadowed(PointLight(place), room, size=128).visibility(behind) == 0).all()
    # One patch over each octant hides what lies behind it and nothing else.
    shade = Mesh(torch.tensor([[0.3, 0.1, 0.1], [0.1, 0.3, 0.1], [0.1, 0.1, 0.3]]), torch.tensor([[0, 1, 2]]))
    weights = torch.linalg.solve(shade.positions.T, inside.view(-1, 3).T).T
    hidden, clear = (weights > 0.2).all(1), (weights < -0.2).any(1)
    found = Shadowed(PointLight((0.0, 0.0, 0.0)), shade, size=256).visibility(Points(inside, -inside, inside)).flatten()
    assert hidden.any() and (found[hidden] == 0).all() and (found[clear] == 1).all()


@pytest.mark.parametrize("width", [0.02, 0.5])
@pytest.mark.parametrize("elevation", [20, 45, 70])
def test_shadows_begin_where_things_stand(width: float, elevation: float) -> None:
    """Breaks if the bias lets light through under walls."""
    angle, size = math.radians(elevation), 512
    wall = bare(cube(), (width / 2, 0.4, 0.5), (0.0, 0.4, 0.0))
    light = Directional((math.cos(angle), math.sin(angle), 0.2))
    for mesh in (wall, join([floor(), wall])):
        texel = float((mesh.positions.amax(0) - mesh.positions.amin(0)).norm()) / size
        steps = torch.linspace(1.0, 10.0, 50) * texel
        assert (Shadowed(light, mesh, size=size).visibility(on_floor(-width / 2 - steps)) < 0.5).all()


def test_borders_are_as_wide_as_asked() -> None:
    """Breaks if the filter is not a square of 2 softness + 1 texels around the point, or is not continuous."""
    card = bare(cube(), (0.5, 0.01, 0.5), (0.0, 1.0, 0.0))
    across = torch.linspace(0.3, 0.7, 4001)
    radius = float((card.positions - torch.tensor([0.0, 1.0, 0.0])).norm(dim=-1).max())
    for softness in (0, 1, 4):
        size = 128
        found = Shadowed(Directional((0.0, 1.0, 0.0)), card, size, softness).visibility(on_floor(across)).flatten()
        texel = 2 * 1.001 * radius / (size - 2 * (softness + 2))
        width = float(((found > 0) & (found < 1)).sum()) * 1e-4
        assert width == pytest.approx((2 * softness + 1) * texel, rel=0.1)
        assert (found.diff() >= -1e-6).all() and found.diff().max() < 0.05
        assert found[0] == 0 and found[-1] == 1


# ---- as a light ------------------------------------------------------------------------------------------------------


def ball_over_floor() -> Mesh:
    return join([floor(), bare(icosphere(2), 0.5, (0.0, 1.0, 0.0))])


@pytest.mark.parametrize("light", [Directional((0.3, 1.0, 0.2), 0.8), PointLight((0.5, 3.0, 0.3), (3.0, 2.0, 1.0))])
def test_a_shadowed_light_is_the_light_where_it_arrives(light: Light) -> None:
    """Breaks if the wrapper changes direction, colour or falloff, or forgets the shadow."""
    points = seen(ball_over_floor(), Camera.look_at((2.5, 3.5, 5.0)), (60, 80))
    sun = Shadowed(light, size=256)
    plain, found, share = light.rays(points), sun.rays(points), sun.visibility(points)
    assert torch.equal(found.direction, plain.direction)
    torch.testing.assert_close(found.strength, plain.strength * share)
    assert (share[points.covered] == 0).any() and (share[points.covered] == 1).any()
    assert sun.diffuse(points) is None
    both = lambert(points, [Ambient(0.2), sun])
    torch.testing.assert_close(both, lambert(points, Ambient(0.2)) + lambert(points, sun))


def test_gradient_flows_to_the_light_and_not_through_the_shadow() -> None:
    """Breaks if visibility has a derivative, or cuts that of the light it dims."""
    mesh = ball_over_floor()
    mesh = mesh.with_positions(mesh.positions.requires_grad_())
    points = seen(mesh, Camera.look_at((2.5, 3.5, 5.0)), (30, 40))
    strength, place = (
        torch.tensor([1.0, 2.0, 3.0], requires_grad=True),
        torch.tensor([0.5, 3.0, 0.3], requires_grad=True),
    )
    sun = Shadowed(PointLight(place, strength), size=128)
    share = sun.visibility(points)
    assert not share.requires_grad
    plain = lambert(points, PointLight(place, strength)) * share
    slope = torch.linspace(-1, 1, plain.numel()).view_as(plain)
    wanted = torch.autograd.grad((plain * slope).sum(), (strength, place, mesh.positions), retain_graph=True)
    found = torch.autograd.grad((lambert(points, sun) * slope).sum(), (strength, place, mesh.positions))
    for one, other in zip(found, wanted, strict=True):
        assert one.any() and one.isfinite().all()
        torch.testing.assert_close(one, other)


def test_each_picture_has_its_own_shadow() -> None:
    """Breaks if maps of several lights, poses or packed meshes are mixed up."""
    x, z = torch.rand(2, 500, generator=torch.Generator().manual_seed(0)) - 0.5
    spot = on_floor(x, z)
    points = Points(*(part.repeat(2, 1, 1, 1) for part in (spot.position, spot.normal, spot.color)))
    places = ((0.0, 2.0, 0.0), (0.5, 2.0, 0.4))
    ball, box = bare(icosphere(1), 0.2, (0.0, 0.5, 0.0)), bare(cube(), 0.1, (0.2, 0.4, 0.1))
    poses = Mesh(torch.stack([ball.positions, ball.positions + 0.1]), ball.faces)
    for kind in (Directional, PointLight):
        both, one = kind(torch.tensor(places)), kind(places[0])
        cases = {
            "lights": (both, ball, [(kind(place), ball) for place in places]),
            "poses": (
                both,
                poses,
                [(kind(p), Mesh(m, ball.faces)) for p, m in zip(places, poses.positions, strict=True)],
            ),
            "packed": (both, pack([ball, box]), list(zip(map(kind, places), (ball, box), strict=True))),
            "packed, one light": (one, pack([ball, box]), [(one, ball), (one, box)]),
        }
        for name, (light, mesh, parts) in cases.items():
            together = Shadowed(light, mesh, size=64).visibility(points)
            for found, (alone, part) in zip(together, parts, strict=True):
                assert torch.equal(found, Shadowed(alone, part, size=64).visibility(spot)[0]), name
            assert (together < 0.5).any() and not torch.equal(together[0], together[1]), name


def test_odd_meshes_cast_no_shadow_and_do_no_harm() -> None:
    """Breaks if a single point, an unused vertex far away, or doubles upset the maps."""
    x = torch.linspace(-1, 1, 50)
    ball = bare(icosphere(1), 0.3, (0.0, 1.0, 0.0))
    far = Mesh(torch.cat([ball.positions, torch.tensor([[1e6, 0.0, 0.0]])]), ball.faces)
    for light in (Directional((0.0, 1.0, 0.0)), PointLight((0.0, 3.0, 0.0))):
        point = Mesh(torch.ones(3, 3), torch.tensor([[0, 1, 2]]))
        assert (Shadowed(light, point).visibility(on_floor(x)) == 1).all()
        expected = Shadowed(light, ball).visibility(on_floor(x))
        assert torch.equal(Shadowed(light, far).visibility(on_floor(x)), expected) and (expected == 0).any()
        exact = Shadowed(light, ball.to(torch.float64)).visibility(on_floor(x.double()))
        assert exact.dtype == torch.float64 and (exact - expected).abs().max() < 1e-3


@pytest.mark.filterwarnings("ignore:layers")
def test_a_vertex_that_is_not_finite_spoils_its_faces_only() -> None:
    """Breaks if NaN reaches the frame of the map."""
    ball = bare(icosphere(2), 0.3, (0.0, 1.0, 0.0))
    broken = Mesh(
        torch.cat([ball.positions, torch.full((1, 3), math.nan)]), torch.cat([ball.faces, ball.faces[:1] * 0 + 162])
    )
    light, x = Directional((0.0, 1.0, 0.0)), torch.linspace(-1, 1, 50)
    expected = Shadowed(light, ball).visibility(on_floor(x))
    assert torch.equal(Shadowed(light, broken).visibility(on_floor(x)), expected)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Shadowed(Ambient()), TypeError, "`light` is a Ambient. Only Directional and PointLight"),
        (lambda: Shadowed(Directional(), "teapot.obj"), TypeError, "`mesh` is a str, not a Mesh"),
        (lambda: Shadowed(Directional(), size=8), ValueError, "`size` must be a whole number from 32 to 8192, not 8"),
        (lambda: Shadowed(Directional(), size=1e3), ValueError, "`size` must be a whole number"),
        (lambda: Shadowed(Directional(), softness=-1), ValueError, "`softness` must be a whole number from 0 to 8"),
        (lambda: Shadowed(Directional()).visibility(on_floor(torch.ones(2))), ValueError, "the points have no mesh"),
        (
            lambda: Shadowed(Directional(torch.rand(3, 3)), cube()).visibility(on_floor(torch.ones(2))),
            ValueError,
            "shadows of 3 meshes on 1 pictures",
        ),
        (
            lambda: Shadowed(PointLight(torch.rand(3, 3)), pack([cube()] * 2)).visibility(on_floor(torch.ones(2))),
            ValueError,
            "the light is set for 3 pictures, but there are 2 meshes",
        ),
    ],
)
def test_errors(make: Any, error: type, message: str) -> None:
    """Breaks if a mistake passes, or is reported without saying what is wanted."""
    with pytest.raises(error, match=message):
        make()
