"""Cameras that are a little off: brought back along with the shape, or against a known one."""

import io
import math
from dataclasses import replace

import pytest
import torch
from fit_scenes import bare, painted_torus, torus_views
from torch import Tensor

from repousse import metrics
from repousse.apps.fit import Fit, command, fit
from repousse.apps.fit.frame import Frame
from repousse.apps.fit.poses import Corrections, aligned
from repousse.apps.fit.shape import Level, ShapeSettings, ShapeStage
from repousse.camera import Camera
from repousse.data import Views, load_views, save_views
from repousse.geometry import Mesh, torus
from repousse.optim import Pose, rotation_to_6d
from repousse.render import silhouette

POINTS = bare(painted_torus()).positions[::7]


def turns(count: int, angle: float) -> Tensor:
    """Rotations by `angle` about random axes."""
    axes = torch.nn.functional.normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    return torch.linalg.matrix_exp(torch.linalg.cross(angle * axes[:, None], torch.eye(3).expand(count, 3, 3), dim=-1))


def shaken(camera: Camera, degrees: float = 1.0, share: float = 0.01) -> Camera:
    """Each turned about its eye, and the eye moved by a share of its distance."""
    count, eyes = len(camera), camera.position
    shift = torch.nn.functional.normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(2)), dim=-1)
    eyes = eyes + share * eyes.norm(dim=-1, keepdim=True) * shift
    pose = camera.world_to_camera.clone()
    pose[:, :3, :3] = turns(count, math.radians(degrees)) @ pose[:, :3, :3]
    pose[:, :3, 3] = -(pose[:, :3, :3] @ eyes[..., None])[..., 0]
    return Camera(pose, camera.projection)


def off(found: Camera, true: Camera, size: int) -> float:
    """How far points of the object are from their places in pictures, pixels; the mean.

    Before, all found cameras are moved together by the similarity that fits the true ones best, which no picture tells.
    """
    mine, theirs = found.world_to_camera[:, :3, :3], true.world_to_camera[:, :3, :3]
    left, _, right = torch.linalg.svd((mine.mT @ theirs).mean(0))
    turn = left @ right
    eyes, goals = found.position @ turn, true.position
    eyes, middle = eyes - eyes.mean(0), goals.mean(0)
    scale = (eyes * (goals - middle)).sum() / eyes.square().sum()
    pose = true.world_to_camera.clone()
    pose[:, :3, :3] = mine @ turn
    pose[:, :3, 3] = -(pose[:, :3, :3] @ (scale * eyes + middle)[..., None])[..., 0]
    places = Camera(pose, true.projection).to_pixels(POINTS, (size, size))[0]
    return float((places - true.to_pixels(POINTS, (size, size))[0]).norm(dim=-1).mean())


def overlap(mesh: Mesh, views: Views) -> float:
    mask = silhouette(mesh, views.camera, views.size, gradient=None, supersample=2)
    return float(metrics.iou(mask, views.mask).mean())


def ran(stage: ShapeStage, first: int = 0, until: int | None = None) -> ShapeStage:
    for i in range(first, stage.steps if until is None else until):
        stage.step(i)
        if i + 1 >= stage.steps:
            break
    return stage


def test_shaken_cameras_are_brought_back():
    """Breaks if cameras get no gradient, or a wrong one, or the surface takes up their errors."""
    true = torus_views(48, 12)
    views = replace(true, camera=shaken(true.camera))
    start = bare(torus(0.7, 0.37, resolution=(24, 12)).normalized())
    settings = ShapeSettings(levels=(Level(1, 4, 15, color=False), Level(1, 4, 45)), batch=6, poses=0.01)
    stage = ran(ShapeStage(views, start, settings))
    before, after = off(views.camera, true.camera, 48), off(stage.views().camera, true.camera, 48)
    assert after < before / 3, (before, after)
    assert overlap(stage.mesh(), stage.views()) > overlap(bare(painted_torus()), views) + 0.02  # with given cameras
    assert torch.equal(stage.views().mask, views.mask)


def test_without_corrections_cameras_are_as_given():
    """Breaks if cameras known to be right are moved."""
    views = torus_views(32, 8)
    start = bare(torus(0.7, 0.37, resolution=(20, 10)).normalized())
    stage = ran(ShapeStage(views, start, ShapeSettings(levels=(Level(1, 4, 2),))))
    assert stage.views() is views
    assert stage.corrected(views.camera, Frame.of(start)) is views.camera


def test_what_all_cameras_share_is_held():
    """Breaks if object and cameras wander off together, which no picture shows."""
    camera = shaken(torus_views(32, 8).camera)
    corrections = Corrections(camera)
    pose = corrections._pose
    with torch.no_grad():  # a common turn, a common shift, all eyes further away
        pose.rotation.copy_(rotation_to_6d(turns(1, 0.02)).expand(8, 6))
        pose.translation.copy_(torch.tensor([0.1, 0.2, -0.1]) - 0.02 * camera.position)
    corrections._hold()
    assert torch.allclose(corrections.camera().world_to_camera, camera.world_to_camera, atol=1e-5)


def test_held_out_cameras_are_aligned_by_masks_alone():
    """Breaks if colours are looked at, one picture moves another's camera, or the world's frame is mistaken."""
    frame = Frame(torch.tensor([3.0, -2.0, 5.0]), 40.0)
    views = torus_views(48, 4)
    pose = Pose(translation=-frame.centre / frame.scale)  # a scene of another place and size, in the same pictures
    lens = views.camera.projection / torch.tensor([frame.scale, frame.scale, frame.scale, 1.0])
    world = pose.matrix().detach().clone()
    world[:, :3, :3] /= frame.scale
    scaled = views.camera.world_to_camera @ world
    scaled[:, :3] *= frame.scale
    true = replace(views, camera=Camera(scaled, lens))
    mesh = frame.outside(bare(painted_torus()))
    given = replace(true, camera=Camera(shaken(views.camera).world_to_camera @ world, lens))
    given.camera.world_to_camera[:, :3] *= frame.scale
    assert overlap(mesh, true) > 0.98
    found = aligned(mesh, given, frame)
    assert overlap(mesh, given) < 0.95 < 0.975 < overlap(mesh, found)
    black = replace(given, color=torch.zeros_like(given.color))
    assert torch.equal(aligned(mesh, black, frame).camera.world_to_camera, found.camera.world_to_camera)
    alone = aligned(mesh, given[2], frame).camera.world_to_camera
    assert torch.allclose(alone[0], found.camera.world_to_camera[2], atol=1e-3 * frame.scale)


@pytest.mark.parametrize("at", [3, 7])
def test_restored_goes_on_bit_by_bit(at):
    """Breaks if the state forgets the corrections or their optimiser, or shares memory with later steps."""
    views = torus_views(32, 8)
    views = replace(views, camera=shaken(views.camera))
    start = bare(torus(0.7, 0.35, resolution=(20, 10)))
    brief = ShapeSettings(levels=(Level(1, 3, 4, color=False), Level(1, 3, 6)), batch=4, remesh_every=3, poses=0.005)
    whole = ran(ShapeStage(views, start, brief))
    stage = ran(ShapeStage(views, start, brief), until=at)
    state = stage.state()
    ran(stage, at, until=at + 2)
    file = io.BytesIO()
    torch.save(state, file)  # as checkpoints do
    file.seek(0)
    again = ShapeStage(views, start, brief)
    again.restore(torch.load(file, weights_only=True))
    ran(again, at)
    assert torch.equal(again.mesh().positions, whole.mesh().positions)
    assert torch.equal(again.views().camera.world_to_camera, whole.views().camera.world_to_camera)


def test_cameras_of_the_world_see_what_those_in_the_frame_see():
    """Breaks if corrections are turned about the wrong point, or shifts have the wrong length, outside the frame."""
    frame = Frame(torch.tensor([0.3, -0.2, 0.5]), 2.5)
    given = torus_views(32, 8)
    corrections = Corrections(frame.views(given).camera)
    with torch.no_grad():
        corrections._pose.rotation.copy_(rotation_to_6d(turns(8, 0.1)))
        corrections._pose.translation.copy_(0.1 * torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    world = corrections.in_world(frame, given.camera)
    inside = frame.views(replace(given, camera=world)).camera
    assert torch.allclose(inside.world_to_camera, corrections.camera().world_to_camera, atol=1e-5)


def test_the_command_writes_the_cameras_it_found(tmp_path, monkeypatch):
    """Breaks if cameras are not written, are those given, or held-out ones are judged only after alignment."""
    settings = ShapeSettings(levels=(Level(1, 4, 4, color=False), Level(1, 4, 8)), batch=4)
    monkeypatch.setattr(command, "shape_settings", lambda *_, poses, **__: replace(settings, poses=0.005 * poses))
    monkeypatch.setattr(command, "hull_resolution", lambda _: 24)
    measured = {}
    monkeypatch.setattr(command, "write_report", lambda *given: measured.update(given[-1]) or [])
    true = torus_views(32, 8)
    save_views(tmp_path / "pictures", replace(true, camera=shaken(true.camera)))
    asked = Fit(tmp_path / "pictures", tmp_path / "out", held_out=4, texture="vertices", refine_cameras=True)
    result = fit(asked)
    assert "with their cameras aligned" in result.outcome
    found, given = load_views(tmp_path / "out" / "cameras"), load_views(tmp_path / "pictures").split(4)[0]
    assert found.names == given.names and found.size == given.size
    moved = (found.camera.position - given.camera.position).norm(dim=-1)
    assert bool(((moved > 1e-3) & (moved < 0.2)).all())
    assert measured["held_out"]["silhouette_iou"] < measured["held_out_aligned"]["silhouette_iou"]
