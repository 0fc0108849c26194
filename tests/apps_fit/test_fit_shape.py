"""The shape stage on tiny sets: what it finds, and that it can be put down and taken up."""

import math
from dataclasses import replace

import pytest
import torch
from fit_scenes import all_around, bare, photographed, torus_views

from repousse import metrics
from repousse.apps.fit.frame import Frame
from repousse.apps.fit.shape import Level, ShapeSettings, ShapeStage, has_colors, pixel_size
from repousse.data import Views
from repousse.geometry import Mesh, icosphere, inspect, torus
from repousse.optim import tangles
from repousse.render import silhouette

BRIEF = ShapeSettings(levels=(Level(1, 3, 4, color=False), Level(1, 2.5, 6)), batch=4, remesh_every=3)


def overlap(mesh: Mesh, views: Views) -> float:
    mask = silhouette(mesh, views.camera, views.size, gradient=None, supersample=2)
    return float(metrics.iou(mask, views.mask).mean())


def ran(stage: ShapeStage, first: int = 0, until: int | None = None) -> ShapeStage:
    for i in range(first, stage.steps if until is None else until):
        losses = stage.step(i)
        assert all(math.isfinite(value) for value in losses.values())
        if i + 1 >= stage.steps:
            break
    return stage


def colored(mesh: Mesh) -> Mesh:
    return mesh.with_attribute("color", 0.5 + 0.4 * torch.sin(4 * mesh.positions))


def test_a_torus_from_a_fatter_one():
    """Breaks if silhouettes do not move the surface the right way, or remeshing changes the genus or tangles it."""
    views = torus_views(32, 8)
    start = bare(torus(0.7, 0.4, resolution=(24, 12)).normalized())
    settings = ShapeSettings(levels=(Level(1, 2.5, 50, color=False), Level(1, 2.5, 30)), batch=8)
    stage = ran(ShapeStage(views, start, settings))
    assert overlap(start, views) < 0.93 < 0.96 < overlap(stage.mesh(), views)
    mesh = stage.mesh()
    assert len(mesh.positions) - len(mesh.topology.edges) + len(mesh.faces) == 0  # Euler characteristic of a torus
    assert inspect(mesh).watertight
    assert tangles(mesh.positions, mesh.faces) == 0


def test_a_sphere_becomes_an_ellipsoid_from_silhouettes_alone():
    """Breaks if a set without colours is refused, or painted."""
    target = bare(icosphere(3)).with_positions(icosphere(3).positions * torch.tensor([1.0, 0.5, 0.7]))
    views = photographed(target, all_around(8), 32)
    views = replace(views, color=views.mask[..., None].expand(*views.mask.shape, 3).contiguous())
    assert not has_colors(views)
    stage = ran(ShapeStage(views, bare(icosphere(2)), ShapeSettings(levels=(Level(1, 4, 60, color=False),))))
    assert overlap(stage.mesh(), views) > 0.95
    assert not stage.mesh().attributes


def test_colors_are_found():
    """Breaks if colours are not learnt, or not those of the surface."""
    views = photographed(colored(icosphere(4)), all_around(8), 32)
    stage = ShapeStage(views, bare(icosphere(3)), ShapeSettings(levels=(Level(1, 3, 60),)))
    first = last = stage.step(0)["color"]
    for i in range(1, 60):
        last = stage.step(i)["color"]
    assert last < 0.25 * first
    assert "color" in stage.mesh().attributes


@pytest.mark.parametrize("at", [0, 3, 4, 7])
def test_restored_goes_on_bit_by_bit(at):
    """Breaks if the state forgets a moment, the order of the pictures, the generator or the place in the schedule."""
    views = torus_views(32, 8)
    start = bare(torus(0.7, 0.35, resolution=(20, 10)))
    whole = ran(ShapeStage(views, start, BRIEF))
    state = ran(ShapeStage(views, start, BRIEF), until=at).state()
    again = ShapeStage(views, start, BRIEF)
    ran(again, until=2)  # whatever has happened since
    again.restore(state)
    ran(again, at)
    assert torch.equal(again.mesh().positions, whole.mesh().positions)
    assert torch.equal(again.mesh().faces, whole.mesh().faces)
    assert torch.equal(again.mesh().attributes["color"].values, whole.mesh().attributes["color"].values)
    assert again.steps == whole.steps


def test_state_is_not_changed_by_later_steps():
    """Breaks if a checkpoint shares memory with what goes on."""
    stage = ran(ShapeStage(torus_views(32, 8), bare(torus(resolution=(20, 10))), BRIEF), until=2)
    state = stage.state()
    kept = state["u"].clone(), state["shape"]["state"][0]["exp_avg"].clone()
    stage.step(2)
    assert torch.equal(state["u"], kept[0])
    assert torch.equal(state["shape"]["state"][0]["exp_avg"], kept[1])


def test_a_settled_fit_ends_early():
    """Breaks if steps go on although nothing is left to gain, or `steps` does not say so."""
    mesh = bare(icosphere(3))
    views = photographed(mesh, all_around(4), 32)
    settings = ShapeSettings(levels=(Level(1, 3, 400, color=False),), batch=4)
    stage = ran(ShapeStage(views, mesh, settings))
    assert stage.steps < 400
    assert stage._since == stage.steps


def test_pixel_size_is_that_of_the_pictures():
    """Breaks if edges of the mesh do not scale with the pictures."""
    views = photographed(icosphere(2), all_around(4, distance=3.0), 32)
    assert pixel_size(views) == pytest.approx(2 * 3.0 * math.tan(math.radians(22.5)) / 32, rel=1e-4)
    assert pixel_size(views.resized(0.5)) == pytest.approx(2 * pixel_size(views), rel=1e-4)


def test_a_frame_shows_the_same_pictures():
    """Breaks if cameras are not moved with the mesh, or their clipping planes not."""
    frame = Frame(torch.tensor([3.0, -2.0, 5.0]), 40.0)
    views = torus_views(32, 4)
    mesh = bare(torus())
    world = frame.outside(mesh)
    assert torch.allclose(frame.inside(world).positions, mesh.positions, atol=1e-5)
    pose = views.camera.world_to_camera.clone()
    pose[:, :3, 3] = pose[:, :3, 3] * frame.scale - pose[:, :3, :3] @ frame.centre
    camera = replace(views.camera, world_to_camera=pose)
    lens = views.camera.projection.clone()
    lens[..., :3] = lens[..., :3] / frame.scale
    outside = replace(views, camera=replace(camera, projection=lens))
    inside = frame.views(outside)
    points = icosphere(1).positions
    found, expected = inside.camera.project(points, (32, 32)), views.camera.project(points, (32, 32))
    assert torch.allclose(found, expected, atol=1e-4)
    assert overlap(world, outside) == pytest.approx(overlap(mesh, inside), abs=0.01)


def test_a_frame_of_a_mesh_normalises_it():
    """Breaks if the object does not fill the frame."""
    mesh = bare(torus()).with_positions(torus().positions * 7 + 100)
    frame = Frame.of(mesh)
    assert torch.allclose(frame.inside(mesh).positions, mesh.normalized().positions, atol=1e-4)
