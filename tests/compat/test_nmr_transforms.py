"""Cameras and gathers of `repousse.compat.neural_renderer` against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch

from repousse.compat import neural_renderer as nr

SQRT_HALF = math.sqrt(0.5)


def points(*rows: tuple[float, float, float], batch: int = 1) -> torch.Tensor:
    return torch.tensor([rows] * batch, dtype=torch.float64)


@pytest.mark.parametrize(
    ("eye", "expected"),
    [
        ((0, 0, -2), (1, 2, 5)),  # from the default side: the axes stay
        ((0, 0, 2), (-1, 2, -1)),  # from behind: x and z turn
        ((2, 0, 0), (3, 2, 1)),  # from +x: right is +z, forward is -x
        ((-2, 0, 0), (-3, 2, 3)),
    ],
)
def test_look_at_from_the_four_sides(eye, expected):
    """Breaks if an axis is swapped or its sign is: the space is left-handed, x right, y up, z forward."""
    seen = nr.look_at(points((1, 2, 3)), eye)
    torch.testing.assert_close(seen, points(expected))


def test_look_at_with_target_and_up():
    """Breaks if `at` or `up` is ignored."""
    seen = nr.look_at(points((1, 2, 3)), eye=(1, 0, 0), at=(1, 0, 5), up=(1, 0, 0))
    torch.testing.assert_close(seen, points((-2, 0, 3)))


def test_look_at_takes_every_kind_of_eye():
    """Breaks if a tuple, list, array, tensor, list of tensors or a batch differs from the others."""
    vertices = points((1, 2, 3), (-1, 0.5, 2), batch=2).float()
    eye = (0.5, 1.0, -2.0)
    expected = nr.look_at(vertices, eye)
    array = np.array(eye)
    tensors = [torch.tensor(value, requires_grad=True) for value in eye]
    for given in (
        list(eye),
        array,
        torch.tensor(eye),
        tensors,
        np.stack([array, array]),
        torch.tensor([eye, eye]),
    ):
        torch.testing.assert_close(nr.look_at(vertices, given), expected)
    nr.look_at(vertices, tensors).sum().backward()
    assert all(value.grad is not None for value in tensors)


def test_cameras_keep_dtype_and_batch():
    """Breaks if float64 is rounded, or if one eye for each image is not told apart from one for all."""
    vertices = points((1, 2, 3), batch=2)
    seen = nr.look_at(vertices, torch.tensor([[0.0, 0, -2], [2, 0, 0]]))
    assert seen.dtype == torch.float64
    torch.testing.assert_close(seen[:, 0], torch.tensor([[1.0, 2, 5], [3, 2, 1]], dtype=torch.float64))


def test_look_looks_along_positive_z_by_default():
    """Breaks if the default direction is parallel to `up`, as in the released port, which shows nothing."""
    torch.testing.assert_close(nr.look(points((1, 2, 3)), (0, 0, -2)), points((1, 2, 5)))


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_look_serves_any_batch_with_one_direction(batch):
    """Breaks if the rotation is broadcast to the shape of the vertices, as in the released Chainer code."""
    vertices = points((1, 2, 3), (0, 1, 0), (2, 2, 2), (1, 0, 1), batch=batch)
    one = nr.look(vertices[:1], (1, 0, -2), direction=(1, 0, 1))
    torch.testing.assert_close(nr.look(vertices, (1, 0, -2), direction=(1, 0, 1)), one.expand(batch, -1, -1))
    # The point (1, 0, 1) is 3 in front of the eye along z: half a right angle to the left of the direction.
    torch.testing.assert_close(one[0, 3], one.new_tensor([-3 * SQRT_HALF, 0, 3 * SQRT_HALF]))


def test_look_does_not_need_a_unit_direction():
    """Breaks if the length of the direction scales the picture."""
    vertices = points((1, 2, 3), (0, 1, 0))
    torch.testing.assert_close(nr.look(vertices, (1, 0, -2), (2, 0, 4)), nr.look(vertices, (1, 0, -2), (1, 0, 2)))


def test_perspective_divides_by_depth_and_angle():
    """Breaks if the angle is the full field of view, or z is changed."""
    seen = nr.perspective(points((1, 2, 10)), 45)
    torch.testing.assert_close(seen, points((0.1, 0.2, 10)))
    wide = nr.perspective(points((1, 2, 10)))
    torch.testing.assert_close(wide, points((0.1 * math.sqrt(3), 0.2 * math.sqrt(3), 10)))


def test_perspective_takes_one_angle_for_each_image():
    """Breaks if a tensor of angles is broadcast over vertices instead of images."""
    seen = nr.perspective(points((1, 2, 10), (3, 0, 5), batch=2), torch.tensor([45.0, 30.0]))
    torch.testing.assert_close(seen[0, 1], seen.new_tensor([0.6, 0, 5]))
    torch.testing.assert_close(seen[1, 1], seen.new_tensor([0.6 * math.sqrt(3), 0, 5]))


def test_projection_by_hand():
    """Breaks if v is not flipped, or if NDC, intrinsics and translation are applied in another order."""
    K = torch.tensor([[100.0, 0, 50], [0, 200, 40], [0, 0, 1]])
    R = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    # camera = (-2 + 0.5, 1 + 1, 3 + 1) = (-1.5, 2, 4); x' = -.375, y' = .5
    # u = 12.5, v = 140 -> 100 - 140 = -40
    seen = nr.projection(points((1, 2, 3)), K[None], R[None], torch.tensor([[[0.5, 1, 1]]]), torch.zeros(1, 5), 100)
    torch.testing.assert_close(seen, points((-0.75, -1.8, 4)), atol=1e-7, rtol=0)


def test_projection_distorts_as_opencv_does():
    """Breaks if a coefficient is exchanged or distortion follows the intrinsics."""
    k1, k2, p1, p2, k3 = 0.1, 0.02, 0.003, 0.004, 0.005
    x, y = 0.5, -0.25
    r2 = 0.3125
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    eye = np.eye(3)
    seen = nr.projection(points((1, -0.5, 2)), eye, eye, np.zeros(3), [[k1, k2, p1, p2, k3]], 2)
    # K is the identity and the picture is 2 pixels wide: NDC = (u - 1, (2 - v) - 1)
    torch.testing.assert_close(seen, points((u - 1, 1 - v, 2)), atol=1e-8, rtol=0)


def test_projection_has_a_gradient_on_the_axis():
    """Breaks if the radius is a square root, whose derivative at 0 is infinite (NaN in the release)."""
    vertices = points((0, 0, 2)).requires_grad_()
    eye = torch.eye(3, dtype=torch.float64)
    nr.projection(vertices, eye, eye, (0, 0, 0), (0.1, 0.2, 0.3, 0.4, 0.5), 2).sum().backward()
    assert vertices.grad is not None
    # Undistorted to first order at the axis: d(u)/dx = 1/2, d(1 - v)/dy = -1/2.
    torch.testing.assert_close(vertices.grad, points((0.5, -0.5, 1)))


def test_projection_takes_translations_of_every_shape():
    """Breaks if (B, 3) is broadcast against the vertices instead of the images."""
    vertices = points((1, 2, 3), (0, 1, 2), batch=2)
    eye = torch.eye(3).expand(2, 3, 3)
    t = torch.tensor([[0.0, 0, 1], [1.0, 0, 0]])
    a = nr.projection(vertices, eye, eye, t[:, None], None, 2)
    torch.testing.assert_close(nr.projection(vertices, eye, eye, t, None, torch.tensor([2.0, 2.0])), a)
    torch.testing.assert_close(a[1, 1], a.new_tensor([-0.5, 0.5, 2]), atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    ("angles", "expected"),
    [((0, 0), (0, 0, -2)), ((0, 90), (2, 0, 0)), ((90, 0), (0, 2, 0)), ((30, 180), (0, 1, math.sqrt(3)))],
)
def test_points_from_angles_by_hand(angles, expected):
    """Breaks if an angle turns the other way or starts elsewhere."""
    point = nr.get_points_from_angles(2, *angles)
    assert isinstance(point, tuple) and all(type(value) is float for value in point)
    assert point == pytest.approx(expected)
    radians = [math.radians(angle) for angle in angles]
    assert nr.get_points_from_angles(2.0, *radians, degrees=False) == pytest.approx(expected)


def test_points_from_angles_keep_the_kind_of_their_input():
    """Breaks if arrays come back as tensors, tensors lose their gradient, or shapes are transposed."""
    azimuth = np.array([0, 90], dtype=np.float32)
    array = nr.get_points_from_angles(np.full(2, 2, np.float32), np.zeros(2, np.float32), azimuth)
    assert isinstance(array, np.ndarray) and array.dtype == np.float32
    np.testing.assert_allclose(array, [[0, 0, -2], [2, 0, 0]], atol=1e-6)
    given = torch.tensor([0.0, 90.0], requires_grad=True)
    tensor = nr.get_points_from_angles(2.0, 0, given)
    assert isinstance(tensor, torch.Tensor) and tensor.shape == (2, 3)
    tensor[:, 0].sum().backward()
    torch.testing.assert_close(given.grad, torch.tensor([2 * math.pi / 180, 0.0]), atol=1e-6, rtol=0)
    with torch.device("meta"):
        assert nr.get_points_from_angles(np.ones(1), 0.0, 90.0)[0, 0] == nr.get_points_from_angles(1, 0, 90)[0] == 1
    single = nr.get_points_from_angles(torch.tensor(2), torch.tensor(0), torch.tensor(90))
    torch.testing.assert_close(single, torch.tensor([2.0, 0, 0]), atol=1e-6, rtol=0)


def test_vertices_to_faces_gathers_each_batch_item():
    """Breaks if an item takes the vertices of another."""
    vertices = torch.arange(24, dtype=torch.float32).reshape(2, 4, 3)
    faces = torch.tensor([[[0, 1, 2]], [[3, 2, 1]]], dtype=torch.int32)
    corners = nr.vertices_to_faces(vertices, faces)
    assert corners.shape == (2, 1, 3, 3)
    assert torch.equal(corners[0, 0], vertices[0, :3])
    assert torch.equal(corners[1, 0], vertices[1, [3, 2, 1]])
    assert torch.equal(nr.vertices_to_faces(vertices, faces[0])[1, 0], vertices[1, :3])


def test_cross_follows_the_right_hand():
    """Breaks if the arguments are exchanged; numpy input is Chainer's call style."""
    torch.testing.assert_close(
        nr.cross(np.array([[1.0, 0, 0]]), np.array([[0, 1.0, 0]])),
        torch.tensor([[0, 0, 1.0]], dtype=torch.float64),
    )


def test_results_stay_on_the_device_of_the_vertices():
    """Breaks if an intermediate tensor is made elsewhere; like a GPU, the meta device refuses to mix."""
    vertices = torch.zeros(2, 4, 3, device="meta")
    matrix = np.eye(3)
    for seen in (
        nr.look_at(vertices, (0, 0, -2)),
        nr.look(vertices, [0, 0, -2], np.array([0, 0, 1.0])),
        nr.perspective(vertices, 45),
        nr.projection(vertices, matrix, matrix, [0, 0, 1], [0] * 5, 256),
    ):
        assert seen.device == vertices.device and seen.shape == (2, 4, 3)


def test_gradients_are_derivatives():
    """Breaks if any argument of a camera is cut from the graph or differentiated wrongly."""
    generator = torch.Generator().manual_seed(3)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    vertices = random(2, 3, 3)
    assert torch.autograd.gradcheck(nr.look_at, (vertices, random(2, 3), random(3), random(2, 3)))
    assert torch.autograd.gradcheck(nr.look, (vertices, random(3), random(2, 3), random(3)))
    angle = torch.tensor(30.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(nr.perspective, (vertices, angle))
    angles = torch.tensor([30.0, 15.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(nr.perspective, (vertices, angles))
    far = (random(1, 1, 3) * 0.1 + torch.tensor([0, 0, 4.0])).detach().requires_grad_()
    small = (random(1, 5) * 0.1).detach().requires_grad_()
    size = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(nr.projection, (vertices, random(2, 3, 3), random(1, 3, 3), far, small, size))
    faces = torch.tensor([[[0, 1, 2], [2, 1, 1]]] * 2)
    assert torch.autograd.gradcheck(lambda v: nr.vertices_to_faces(v, faces), (vertices,))
    assert torch.autograd.gradcheck(nr.get_points_from_angles, (random(2), random(2), random(2)))


@pytest.mark.parametrize(
    ("call", "error", "part"),
    [
        (lambda: nr.look_at(torch.zeros(4, 3), (0, 0, 1)), ValueError, r"vertices\[None\]"),
        (lambda: nr.look_at(torch.zeros(1, 4, 3, dtype=torch.int32), (0, 0, 1)), TypeError, "floating"),
        (
            lambda: nr.look_at(torch.zeros(3, 4, 3), torch.zeros(2, 3)),
            ValueError,
            "2 images, but there are 3",
        ),
        (lambda: nr.look(torch.zeros(3, 4, 3), (0, 0, 1), (0, 1)), ValueError, "direction"),
        (lambda: nr.perspective(torch.zeros(3, 4, 3), torch.zeros(2)), ValueError, "angle"),
        (
            lambda: nr.projection(torch.ones(1, 4, 3), np.eye(4), np.eye(3), (0, 0, 0), None, 2),
            ValueError,
            "`K`",
        ),
        (
            lambda: nr.projection(torch.ones(1, 4, 3), np.eye(3), np.eye(3), (0, 0), None, 2),
            ValueError,
            "`t`",
        ),
        (
            lambda: nr.projection(torch.ones(1, 4, 3), np.eye(3), np.eye(3), (0, 0, 0), (1, 2), 2),
            ValueError,
            "k1",
        ),
        (
            lambda: nr.vertices_to_faces(torch.zeros(1, 4, 3), torch.tensor([[[0, 1, 4]]])),
            IndexError,
            "index 4",
        ),
        (
            lambda: nr.vertices_to_faces(torch.zeros(1, 4, 3), torch.tensor([[[0, 1, -1]]])),
            IndexError,
            "index -1",
        ),
        (lambda: nr.vertices_to_faces(torch.zeros(1, 4, 3), torch.zeros(1, 2, 3)), TypeError, "integers"),
    ],
)
def test_wrong_input_is_named(call, error, part):
    """Breaks if wrong input is broadcast into a wrong picture instead of being refused."""
    with pytest.raises(error, match=part):
        call()
