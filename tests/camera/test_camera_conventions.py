"""What a camera sees, where: signs, axes, depths, pixels."""

import math

import pytest
import torch
from torch import Tensor

from repousse.camera import Camera

SIZE = (48, 64)


def points(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def cameras():
    eye = torch.tensor([[1.0, 2.0, 4.0], [-3.0, 0.5, 1.0]], dtype=torch.float64)
    k = torch.tensor([[70.0, 0.3, 30.0], [0.0, 65.0, 25.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    pose = Camera.look_at(eye).world_to_camera
    return {
        "perspective": Camera.look_at(eye, fov=0.8),
        "orthographic": Camera.look_at(eye, extent=3.0, near=0.0),
        "opencv": Camera.from_opencv(k, pose[:, :3, :3], pose[:, :3, 3], SIZE),
    }


@pytest.mark.parametrize("kwargs", [{"fov": math.pi / 2}, {"extent": 10.0}])
def test_axes_on_the_screen(kwargs):
    """Breaks if the picture is mirrored or upside down: +x of the world is right, +y is the top row."""
    camera = Camera.look_at((0.0, 0.0, 5.0), **kwargs)
    pixels, depth = camera.to_pixels(torch.tensor([[0.0, 0, 0], [5, 0, 0], [0, 5, 0], [0, 0, 2]]), (48, 48))
    expected = torch.tensor([[24.0, 24], [48, 24], [24, 0], [24, 24]])
    torch.testing.assert_close(pixels[0], expected)
    torch.testing.assert_close(depth[0], torch.tensor([5.0, 5, 5, 3]))


def test_clip_depth_runs_from_zero_at_near_to_one_at_far():
    """Breaks with OpenGL's [-1, 1], a reversed depth, or w that is not the camera z."""
    camera = Camera.look_at((0.0, 0.0, 0.0), (0.0, 0.0, -1.0), near=0.5, far=8.0)
    z, w = camera.project(torch.tensor([[0.0, 0, -0.5], [0, 0, -8], [0, 0, 1]]), SIZE)[0, :, 2:].unbind(-1)
    torch.testing.assert_close(z[:2] / w[:2], torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(w, torch.tensor([0.5, 8.0, -1.0]))
    flat = Camera.look_at((0.0, 0.0, 0.0), (0.0, 0.0, -1.0), extent=1.0, near=0.5, far=8.0)
    clip = flat.project(torch.tensor([[0.0, 0, -0.5], [0, 0, -8]]), SIZE)[0]
    torch.testing.assert_close(clip[:, 2:], torch.tensor([[0.0, 1.0], [1.0, 1.0]]))


def test_far_plane_may_be_infinite():
    """Breaks if far / (far - near) is computed as inf / inf."""
    camera = Camera.look_at((0.0, 0.0, 0.0), (0.0, 0.0, -1.0), near=0.5, far=math.inf)
    clip = camera.project(torch.tensor([[0.0, 0, -0.5], [0, 0, -1e6]]), SIZE)[0]
    torch.testing.assert_close(clip[:, 2] / clip[:, 3], torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize("size", [(48, 48), (48, 64), (480, 100)])
def test_fov_is_vertical_and_pixels_are_square(size):
    """Breaks if the aspect scales y, or is applied the wrong way round."""
    height, width = size
    camera = Camera.look_at((0.0, 0.0, 1.0), fov=math.pi / 2)
    pixels, _ = camera.to_pixels(torch.tensor([[0.0, 1, 0], [0, -1, 0], [0.1, 0, 0], [0, 0.1, 0]]), size)
    torch.testing.assert_close(pixels[0, :2, 1], torch.tensor([0.0, height]))
    right, up = pixels[0, 2, 0] - width / 2, height / 2 - pixels[0, 3, 1]
    torch.testing.assert_close(right, up)


@pytest.mark.parametrize(
    ("elevation", "azimuth", "where"),
    [
        (0.0, 0.0, (0, 0, 2)),
        (0.0, math.pi / 2, (2, 0, 0)),
        (math.pi / 2, 0.0, (0, 2, 0)),
        (0.0, -math.pi / 2, (-2, 0, 0)),
    ],
)
def test_orbit_angles(elevation, azimuth, where):
    """Breaks if azimuth or elevation start elsewhere or turn the other way."""
    target = torch.tensor([1.0, 2.0, 3.0])
    camera = Camera.orbit(2.0, elevation, azimuth, target=target)
    torch.testing.assert_close(camera.position[0], target + torch.tensor(where, dtype=torch.float32))
    pixels, depth = camera.to_pixels(target[None], SIZE)
    torch.testing.assert_close(pixels[0, 0], torch.tensor([32.0, 24.0]))
    torch.testing.assert_close(depth[0, 0], torch.tensor(2.0))


def test_orbit_agrees_with_look_at_and_is_a_rotation():
    """Breaks if the two constructors disagree about roll or handedness."""
    elevation, azimuth = torch.tensor([0.3, -1.2, 1.5]), torch.tensor([0.0, 2.5, -4.0])
    orbit = Camera.orbit(torch.tensor(3.0), elevation, azimuth, target=(0.1, 0.2, 0.3))
    look = Camera.look_at(orbit.position, (0.1, 0.2, 0.3))
    torch.testing.assert_close(orbit.world_to_camera, look.world_to_camera)
    torch.testing.assert_close(torch.linalg.det(orbit.world_to_camera), torch.ones(3))


def test_opencv_matches_its_formula():
    """Breaks if K, the pixel convention or the skew is misread: compared with K (R X + t) itself."""
    camera = cameras()["opencv"]
    x = torch.randn(20, 3, dtype=torch.float64)
    k = torch.tensor([[70.0, 0.3, 30.0], [0.0, 65.0, 25.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    seen = x @ camera.world_to_camera[:, :3, :3].mT + camera.world_to_camera[:, None, :3, 3]
    image = seen @ k.T
    pixels, depth = camera.to_pixels(x, SIZE)
    torch.testing.assert_close(pixels, image[..., :2] / image[..., 2:])
    torch.testing.assert_close(depth, seen[..., 2])
    half, _ = camera.to_pixels(x, (SIZE[0] // 2, SIZE[1] // 2))
    torch.testing.assert_close(half, pixels / 2)


def test_opencv_agrees_with_look_at():
    """Breaks if from_opencv and fov put a point in different pixels: f = height / 2 / tan(fov / 2)."""
    look = Camera.look_at((1.0, 2.0, 4.0), fov=0.8)
    f = SIZE[0] / 2 / math.tan(0.4)
    k = torch.tensor([[f, 0, SIZE[1] / 2], [0, f, SIZE[0] / 2], [0, 0, 1]])
    pose = look.world_to_camera
    same = Camera.from_opencv(k, pose[:3, :3], pose[:3, 3], SIZE)
    x = torch.randn(10, 3)
    torch.testing.assert_close(same.project(x, SIZE), look.project(x, SIZE), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["perspective", "orthographic", "opencv"])
def test_unproject_inverts_to_pixels(kind):
    """Breaks if either direction forgets the aspect, the half pixel or the pose."""
    camera = cameras()[kind]
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    pixels, depth = camera.to_pixels(x, SIZE)
    torch.testing.assert_close(camera.unproject(pixels, depth, SIZE), x)
    shared = camera.unproject(points((3.5, 4.5), (10.0, 20.0)), torch.ones(2, dtype=torch.float64), SIZE)
    assert shared.shape == (2, 2, 3)


def test_batches_broadcast_on_either_side():
    """Breaks if many views of one mesh or one view of many meshes need copies."""
    camera = cameras()["perspective"]
    x = torch.randn(5, 3, dtype=torch.float64)
    many = camera.project(x, SIZE)
    assert many.shape == (2, 5, 4)
    for i, one in enumerate(camera):
        assert one.world_to_camera.shape == (4, 4)
        assert len(one) == 1
        torch.testing.assert_close(one.project(x, SIZE)[0], many[i])
        torch.testing.assert_close(one.project(x.expand(3, 5, 3), SIZE)[2], many[i])
    assert len(camera[1:]) == 1
    assert len(camera[torch.tensor([0, 1, 1])]) == 3
    again = Camera.stack([camera[1], camera, camera[0]])
    assert len(again) == 4
    torch.testing.assert_close(again.position, camera.position[[1, 0, 1, 0]])


def test_batches_in_every_argument():
    """Breaks if a batch of one argument only (pose or lens) is not a batch of cameras."""
    fov = torch.tensor([0.5, 0.7, 0.9])
    camera = Camera.look_at((0.0, 0.0, 3.0), fov=fov)
    assert len(camera) == 3
    assert camera.position.shape == (3, 3)
    assert camera[2].projection[1, 1] == pytest.approx(1 / math.tan(0.45))
    assert len(Camera.orbit(2.0, azimuth=torch.zeros(4), fov=0.5)) == 4
    assert len(Camera.orbit(2.0, target=torch.zeros(4, 3), fov=torch.full((4,), 0.5))) == 4


def test_dtype_follows_the_tensors():
    """Breaks if plain numbers go through float32 on their way into a float64 camera."""
    camera = Camera.look_at(torch.tensor([0.0, 0.0, 3.0], dtype=torch.float64), fov=0.7)
    assert camera.projection.dtype == torch.float64
    assert float(camera.projection[1, 1]) == 1 / math.tan(0.35)
    assert camera.to(torch.float32).world_to_camera.dtype == torch.float32
    assert Camera.look_at((0, 0, 3)).projection.dtype == torch.float32


def test_autocast_changes_nothing() -> None:
    """Breaks if the matrices are multiplied in bfloat16, which moves vertices by pixels."""
    places = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))

    def everything() -> tuple[Tensor, ...]:
        camera = Camera.look_at((1.3, 2.1, 3.7), (0.1, 0.2, 0.3))
        orbit = Camera.orbit(2.7, 0.3, torch.tensor([0.2, 1.1]))
        return camera.project(places, SIZE), camera.to_camera(places), orbit.project(places, SIZE)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = everything()
    for have, want in zip(found, everything(), strict=True):
        assert have.dtype == torch.float32 and torch.equal(have, want)


def test_eye_leads_to_the_viewer() -> None:
    """Breaks if a shader's view vector points the wrong way for one kind of camera."""
    point = torch.tensor([0.3, -0.2, 0.1])
    perspective = Camera.look_at((1.0, 2.0, 3.0))
    assert torch.allclose(perspective.eye, torch.tensor([[1.0, 2.0, 3.0, 1.0]]), atol=1e-5)
    orthographic = Camera.look_at((0.0, 0.0, 5.0), extent=2.0)
    toward = orthographic.eye[:, :3] - orthographic.eye[:, 3:] * point
    assert torch.allclose(toward, torch.tensor([[0.0, 0.0, 1.0]]), atol=1e-6)
