"""Calibrated cameras in the conventions of OpenCV and OpenGL, against points worked out by hand."""

import math

import pytest
import torch

from repousse.camera import Camera

K = torch.tensor([[100.0, 0, 40], [0, 120, 30], [0, 0, 1]], dtype=torch.float64)
SIZE = (60, 80)


def test_opengl_axes() -> None:
    """Breaks if an axis of OpenGL's camera is taken for OpenCV's, or the matrix for its inverse."""
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, 3] = torch.tensor([1.0, 2.0, 5.0])  # looks along -z of the world
    camera = Camera.from_opengl(pose, K, SIZE)
    point = torch.tensor([[1.5, 2.5, 0.0]], dtype=torch.float64)  # 0.5 to the right, 0.5 up, 5 ahead
    pixel, depth = camera.to_pixels(point, SIZE)
    assert torch.allclose(pixel[0, 0], torch.tensor([40 + 100 * 0.1, 30 - 120 * 0.1], dtype=torch.float64))
    assert depth.item() == pytest.approx(5)
    assert torch.allclose(camera.position[0], pose[:3, 3])


def test_a_turned_opengl_camera() -> None:
    """Breaks if rotations are transposed: here camera x is world y, camera y is world z, so it looks along -x."""
    pose = torch.tensor([[0.0, 0, 1, 4], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=torch.float64)
    camera = Camera.from_opengl(pose, K, SIZE)
    pixel, depth = camera.to_pixels(torch.tensor([[0.0, 1.0, 0.0], [0, 0, 1]], dtype=torch.float64), SIZE)
    assert torch.allclose(pixel[0], torch.tensor([[65.0, 30], [40, 0]], dtype=torch.float64))
    assert torch.allclose(depth, torch.full_like(depth, 4))


def test_there_and_back() -> None:
    """Breaks if a constructor and its inverse disagree."""
    angles = torch.linspace(-1, 2, 5, dtype=torch.float64)
    camera = Camera.orbit(3.0, angles / 2, angles, fov=0.7, near=0.2, far=9.0)
    found = Camera.from_opencv(*camera.to_opencv(SIZE), SIZE, near=0.2, far=9.0)
    again = Camera.from_opengl(camera.to_opengl(), camera.to_opencv(SIZE)[0], SIZE, near=0.2, far=9.0)
    for other in (found, again):
        assert torch.allclose(other.world_to_camera, camera.world_to_camera, atol=1e-14)
        assert torch.allclose(other.projection, camera.projection.expand(5, 4, 4), atol=1e-14)
    skewed = torch.tensor([[100.0, 7, 41], [0, 110, 29], [0, 0, 1]], dtype=torch.float64)
    assert torch.allclose(Camera.from_opengl(torch.eye(4).double(), skewed, SIZE).to_opencv(SIZE)[0][0], skewed)


def test_gradients_pass() -> None:
    """Breaks if the pose is detached on the way."""
    pose = torch.eye(4, dtype=torch.float64, requires_grad=True)
    camera = Camera.from_opengl(pose, K, SIZE)
    camera.to_pixels(torch.tensor([[0.1, 0.2, -3.0]], dtype=torch.float64), SIZE)[0].sum().backward()
    assert pose.grad is not None and (pose.grad[:3] != 0).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m * 2, r"last row of `camera_to_world` should be \(0, 0, 0, 1\)"),
        (lambda m: m * torch.tensor([2.0, 2, 2, 1]), "not a rotation and a translation"),
        (lambda m: m * torch.tensor([-1.0, 1, 1, 1]), "mirrored axis"),
        (lambda m: m * math.nan, "not finite"),
        (lambda m: m[:3], r"should be \(4, 4\)"),
    ],
)
def test_what_is_no_pose(change, message) -> None:
    """Breaks if a matrix with a scale, a mirrored axis or NaN becomes a camera."""
    with pytest.raises(ValueError, match=message):
        Camera.from_opengl(change(torch.eye(4)), K, SIZE)


def test_orthographic_cameras_have_no_K() -> None:
    """Breaks if an orthographic camera gets intrinsics."""
    with pytest.raises(ValueError, match="only perspective cameras"):
        Camera.orbit(3.0, extent=2.0).to_opencv(SIZE)
