"""Rigid motions as parameters."""

import math

import pytest
import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import cube, teapot
from repousse.optim import Pose, far_to_near, rotation_from_6d, rotation_to_6d
from repousse.render import silhouette


def rotations(count: int) -> Tensor:
    q, r = torch.linalg.qr(torch.randn(count, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    q = q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None]
    return q * torch.linalg.det(q)[:, None, None]


def test_six_numbers_are_a_rotation() -> None:
    """Breaks if the frame is not orthonormal, mirrored, or another than the one it was made from."""
    six = torch.randn(50, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    turn = rotation_from_6d(six)
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3, dtype=torch.float64).expand(50, 3, 3))
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close(rotation_from_6d(rotation_to_6d(rotations(50))), rotations(50))
    torch.testing.assert_close(rotation_from_6d(3.7 * six), turn)


def test_six_numbers_have_the_right_derivative() -> None:
    """Breaks if the derivative is not that of the rotation, or blows up where a vector is short or 0."""
    six = torch.randn(5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    torch.autograd.gradcheck(rotation_from_6d, six)
    short = torch.tensor([[1e-20, 0, 0, 0, 1e-20, 0], [0.0] * 6]).requires_grad_()
    rotation_from_6d(short).sum().backward()
    assert short.grad is not None and short.grad.isfinite().all()


def test_a_pose_is_where_it_starts() -> None:
    """Breaks if centre, length or the order of rotation and translation are mixed up."""
    turn, shift = rotations(3).float(), torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [-1.0, 0.5, 0.0]])
    centre, points = torch.tensor([0.3, -0.2, 1.0]), torch.randn(3, 7, 3)
    pose = Pose(turn, shift, centre=centre, length=2.5)
    expected = (points - centre) @ turn.mT + centre + shift[:, None]
    matrix = pose.matrix()
    torch.testing.assert_close(points @ matrix[:, :3, :3].mT + matrix[:, None, :3, 3], expected)
    torch.testing.assert_close(pose.translation, shift / 2.5)
    torch.testing.assert_close(Pose().matrix(), torch.eye(4)[None])
    assert Pose(turn[0], shift).matrix().shape == Pose(turn, shift[0]).matrix().shape == (3, 4, 4)
    assert {name for name, _ in pose.named_parameters()} == {"rotation", "translation"}


def test_the_moved_scene_is_what_the_moved_camera_sees() -> None:
    """Breaks if the motion is applied on the wrong side of the camera, or to the wrong camera of a batch."""
    mesh, size = cube(), (20, 24)
    cameras = Camera.orbit(5.0, torch.tensor([0.2, 0.5, -0.3]), 0.3)
    pose = Pose(rotations(3).float(), torch.tensor([0.1, 0.2, 0.3]), centre=(0.5, 0.0, 0.0))
    matrix = pose.matrix().detach()
    moved = mesh.positions @ matrix[:, :3, :3].mT + matrix[:, None, :3, 3]
    for camera in (cameras, cameras[1]):
        found = pose.applied(camera).project(mesh.positions, size)
        torch.testing.assert_close(found, camera.project(moved, size))
    one = Pose(rotations(1)[0].float())
    assert one.applied(cameras).world_to_camera.shape == (3, 4, 4)


def test_what_is_no_pose_is_refused() -> None:
    """Breaks if a scale or a mirror is taken for a rotation, or batches that do not match are broadcast."""
    with pytest.raises(ValueError, match=r"`rotation` must be \(3, 3\) or \(B, 3, 3\)"):
        Pose(torch.eye(4))
    with pytest.raises(ValueError, match="a matrix that is no rotation"):
        Pose(torch.diag(torch.tensor([1.0, 1.0, -1.0])))
    with pytest.raises(ValueError, match="a matrix that is no rotation"):
        Pose(torch.full((3, 3), torch.nan))
    with pytest.raises(ValueError, match="2 rotations for 3 translations"):
        Pose(rotations(2), torch.zeros(3, 3))
    with pytest.raises(ValueError, match="`length` must be positive, got 0"):
        Pose(length=0)
    with pytest.raises(ValueError, match=r"`centre` must be \(3,\), got \(2,\)"):
        Pose(centre=torch.zeros(2))
    with pytest.raises(ValueError, match="2 poses for 3 cameras"):
        Pose(rotations(2)).applied(Camera.orbit(3.0, torch.zeros(3)))


def test_a_pose_is_found() -> None:
    """Breaks if the chain from a silhouette to six degrees of freedom is broken, or badly scaled."""
    mesh, camera, size = teapot(4).normalized(), Camera.orbit(3.0, 0.4, 0.5), (48, 48)
    angle = torch.tensor(0.35)
    turn = torch.tensor([[angle.cos(), 0, angle.sin()], [0, 1, 0], [-angle.sin(), 0, angle.cos()]])
    truth = Pose(turn, torch.tensor([0.2, -0.1, 0.1]))
    with torch.no_grad():
        target = silhouette(mesh, truth.applied(camera), size, gradient=None, supersample=2)
    pose, schedule = Pose(), far_to_near(0.25, steps=90)
    optimizer = torch.optim.Adam(pose.parameters())
    for i in range(schedule.steps):
        if schedule.begins(i):
            optimizer = torch.optim.Adam(pose.parameters(), betas=(0.9, 0.99))
        optimizer.param_groups[0]["lr"] = schedule.learning_rate(i)
        optimizer.zero_grad()
        mask = silhouette(mesh, pose.applied(camera), size, gradient=schedule(i), supersample=2)
        (mask - target).square().mean().backward()
        optimizer.step()
    between = pose.matrix()[0, :3, :3].detach() @ turn.mT
    off = math.degrees(math.acos(min(1.0, (between.trace().item() - 1) / 2)))
    assert off < 3 and (pose.translation - truth.translation).norm() < 0.05
