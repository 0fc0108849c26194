"""Derivatives of the projection in all that a camera is made of, and tracing by the compiler."""

import pytest
import torch

from repousse.camera import Camera

SIZE = (6, 8)


def double(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def scalar(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


POINTS = torch.tensor([[0.1, 0.2, 0.3], [-0.4, 0.5, -0.2]], dtype=torch.float64)


def seen(camera):
    pixels, depth = camera.to_pixels(POINTS, SIZE)
    return (
        camera.project(POINTS, SIZE),
        pixels,
        depth,
        camera.position,
        camera.unproject(pixels, depth + 0.1, SIZE),
    )


@pytest.mark.parametrize("kind", ["fov", "extent"])
def test_look_at(kind):
    """Breaks if an argument of look_at is detached or its derivative is wrong."""

    def views(eye, target, up, lens, near, far):
        return seen(Camera.look_at(eye, target, up, near=near, far=far, **{kind: lens}))

    arguments = (double([1.0, 2.0, 3.0], [0.5, -1.0, 2.0]), double(0.1, 0.0, 0.2), double(0.2, 1.0, 0.1))
    assert torch.autograd.gradcheck(views, (*arguments, double(0.7, 0.9), scalar(0.5), scalar(9.0)))


@pytest.mark.parametrize("elevation", [0.4, torch.pi / 2])
def test_orbit(elevation):
    """Breaks if an argument of orbit is detached, or if the pole is singular."""

    def views(distance, elevation, azimuth, target, fov):
        return seen(Camera.orbit(distance, elevation, azimuth, target=target, fov=fov))

    arguments = (scalar(3.0), scalar(elevation), double(0.2, 2.0), double(0.1, 0.2, 0.3), scalar(0.8))
    assert torch.autograd.gradcheck(views, arguments)


def test_from_opencv():
    """Breaks if K, R or t is detached; R is moved by a rotation vector so that it stays one."""

    def views(k, rotation, t):
        zero = torch.zeros_like(rotation[0])
        x, y, z = rotation
        skew = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero)).reshape(3, 3)
        third = k.new_tensor([[0.0, 0.0, 1.0]])
        return seen(Camera.from_opencv(torch.cat((k, third)), torch.linalg.matrix_exp(skew), t, SIZE))

    assert torch.autograd.gradcheck(
        views, (double([7.0, 0.2, 3.0], [0.1, 8.0, 2.0]), double(0.3, -0.2, 0.5), double(0.1, 0.2, 4.0))
    )


def test_tensors_inside_a_sequence_keep_their_gradient():
    """Breaks if an eye written as a tuple with a learned height is silently made a constant."""
    height = torch.tensor(1.0, requires_grad=True)
    Camera.look_at((0.0, height, 3.0)).project(POINTS.float(), SIZE).sum().backward()
    assert height.grad is not None
    assert height.grad != 0


def test_points_and_matrices_have_gradients():
    """Breaks if project or unproject detaches what it was given."""
    base = Camera.look_at((1.0, 2.0, 3.0)).to(torch.float64)
    pose, lens = base.world_to_camera.clone().requires_grad_(), base.projection.clone().requires_grad_()

    def views(pose, lens, points, pixels, depth):
        camera = Camera(pose, lens)
        return camera.project(points, SIZE), camera.unproject(pixels, depth, SIZE)

    pixels = double([1.0, 2.0], [3.0, 4.0])
    assert torch.autograd.gradcheck(views, (pose, lens, POINTS.clone().requires_grad_(), pixels, double(2.0, 3.0)))


@pytest.mark.parametrize("kind", ["look_at", "orbit", "opencv"])
def test_traces_without_a_break(kind):
    """Breaks if a value check or the dataclass cannot be traced by torch.compile(fullgraph=True)."""

    def views(a, b):
        if kind == "look_at":
            camera = Camera.look_at(a, b, fov=a[0] * 0.2 + 0.3)
        elif kind == "orbit":
            camera = Camera.orbit(a[0], a[1], b, extent=2.0)
        else:
            camera = Camera.from_opencv(torch.eye(3).to(a), torch.eye(3).to(a), a, SIZE)
        pixels, depth = camera.to_pixels(POINTS, SIZE)
        return Camera.stack([camera, camera[0]]).project(POINTS, SIZE), camera.unproject(pixels, depth, SIZE)

    arguments = double(1.0, 0.5, 3.0), double(0.1, 0.2, 0.3)
    expected = views(*arguments)
    compiled = torch.compile(views, fullgraph=True, backend="aot_eager")(*arguments)
    torch.testing.assert_close(compiled, expected)
    (gradient,) = torch.autograd.grad(sum(part.sum() for part in compiled), arguments[:1])
    (reference,) = torch.autograd.grad(sum(part.sum() for part in expected), arguments[:1])
    torch.testing.assert_close(gradient, reference)
