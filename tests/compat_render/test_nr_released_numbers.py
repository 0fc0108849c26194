"""The assertions of the released tests, on their scenes: images, and what gradients mean."""

import numpy as np
import pytest
import torch
from released_forward import released_forward
from scenes import teapot_file, third_of_four

from repousse.compat import neural_renderer as nr

OUTSIDE = [[0.8, 0.8, 1.0], [0.0, -0.5, 1.0], [0.2, -0.4, 1.0]]
INSIDE = [[0.8, 0.8, 1.0], [-0.5, -0.8, 1.0], [0.8, -0.8, 1.0]]
# triangle, marked pixel (row, column), the value it should have, the released gradient of x and y
CASES = [
    (OUTSIDE, (25, 35), 1.0, [[1.6725862, -0.26021874], [1.41986704, -1.64284933], [0.0, 0.0]]),
    (
        INSIDE,
        (40, 50),
        0.0,
        [[0.98646867, 1.04628897], [-1.03415668, -0.10403691], [3.00094461, -1.55173182]],
    ),
]
VIEWS = [
    (0, 0, -2.732),
    (1, 1, -2.7),
    nr.get_points_from_angles(2.732, 0, 90),
    nr.get_points_from_angles(2.732, 30, -15),
    nr.get_points_from_angles(2.732, 30, 120),
    (6, 10, -14),
]


@pytest.fixture(scope="module")
def teapot(shared_data, tmp_path_factory):
    return nr.load_obj(teapot_file(shared_data, tmp_path_factory.mktemp("teapot")))


def plain_renderer(image_size):
    renderer = nr.Renderer(camera_mode="look_at")
    renderer.image_size = image_size
    renderer.anti_aliasing = False
    renderer.light_intensity_ambient = 1.0
    renderer.light_intensity_directional = 0.0
    return renderer


def expected_teapot(teapot, eye, size):
    vertices, faces = (torch.as_tensor(part) for part in teapot)
    faces = torch.cat([faces, faces.flip(-1)])
    screen = nr.perspective(nr.look_at(vertices[None], eye))
    return released_forward(nr.vertices_to_faces(screen, faces[None])[0].numpy(), (size, size))


def test_teapot_silhouette_is_exact(teapot):
    """Breaks if any pixel of the released (and Blender's) 256 x 256 silhouette of the teapot changes."""
    vertices, faces = third_of_four(*(torch.as_tensor(part) for part in teapot))
    alpha = plain_renderer(256)(vertices, faces, mode="silhouettes")
    expected = expected_teapot(teapot, nr.Renderer().eye, 256).face_id >= 0
    assert alpha[[0, 1, 3]].abs().max() == 0
    assert (alpha[2].numpy() == expected).all()
    assert expected.sum() == 7580


def test_teapot_colour_and_depth_have_the_silhouettes_mask(teapot):
    """Breaks if the three images of one call disagree about what is covered, or depth is off."""
    vertices, faces = third_of_four(*(torch.as_tensor(part) for part in teapot))
    rgb, depth, alpha = plain_renderer(256)(vertices, faces, torch.ones(4, faces.shape[1], 4, 4, 4, 3))
    expected = expected_teapot(teapot, nr.Renderer().eye, 256)
    assert torch.allclose(rgb[2].mean(0), alpha[2], atol=1e-6)
    assert ((depth[2] != depth[2].max()) == alpha[2].bool()).all()
    assert torch.allclose(depth[2].double(), torch.from_numpy(expected.depth.copy()), atol=1e-4)


@pytest.mark.parametrize("eye", VIEWS)
def test_teapot_faces_agree_with_the_released_rasteriser(teapot, eye):
    """Breaks if the place of corners, the rule for edges or the depth order changes a single pixel."""
    faces = torch.as_tensor(teapot[1])
    number = torch.arange(len(faces), dtype=torch.float32) / len(faces)
    textures = number[None, :, None, None, None, None].expand(1, -1, 2, 2, 2, 3)
    renderer = plain_renderer(256)
    renderer.eye = eye
    rgb = renderer.render_rgb(torch.as_tensor(teapot[0])[None], faces[None], textures)[0, 0]
    expected = expected_teapot(teapot, eye, 256).face_id
    alpha = renderer.render_silhouettes(torch.as_tensor(teapot[0])[None], faces[None])[0]
    found = torch.where(alpha > 0, (rgb * len(faces)).round().long(), -1)
    assert (found.numpy() == np.where(expected >= 0, expected % len(faces), -1)).all()


@pytest.mark.parametrize("kind", ["silhouettes", "rgb"])
@pytest.mark.parametrize(("triangle", "pixel", "wanted", "gradient"), CASES)
def test_gradients_of_one_pixel(triangle, pixel, wanted, gradient, kind):
    """Breaks if one term, lever or sign of the pseudo-gradient changes, or batch items mix."""
    vertices, faces = third_of_four(torch.tensor(triangle), torch.tensor([[0, 1, 2]]))
    vertices.requires_grad_()
    renderer = plain_renderer(64)
    renderer.perspective = False
    if kind == "rgb":
        image = renderer(vertices, faces, torch.ones(4, 1, 4, 4, 4, 3), mode="rgb").mean(1)
    else:
        image = renderer(vertices, faces, mode=kind)
    (image[2, *pixel] - wanted).abs().backward()
    expected = torch.zeros(4, 3, 3)
    expected[2, :, :2] = torch.tensor(gradient)
    assert vertices.grad is not None
    assert torch.allclose(vertices.grad, expected, rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize(
    ("triangle", "pixel", "wanted", "corner", "axis"),
    # Coordinates that get their gradient from one edge only: outside all, inside those of one crossed edge.
    [(*CASES[0][:3], k, axis) for k in (0, 1) for axis in (0, 1)]
    + [(*CASES[1][:3], *at) for at in ((1, 0), (2, 0), (0, 1), (2, 1))],
)
def test_unit_step(triangle, pixel, wanted, corner, axis):
    """Breaks if a coordinate moved by -1 / gradient no longer flips the marked pixel just then."""
    faces = torch.tensor(triangle)[None, None].requires_grad_()

    def pixel_of(corners):
        return nr.rasterize_silhouettes(corners, 64, anti_aliasing=False, eps=1e-7)[0, *pixel]

    (pixel_of(faces) - wanted).abs().backward()
    assert faces.grad is not None
    step = -1 / faces.grad[0, 0, corner, axis]
    for part, value in ((0.95, 1 - wanted), (1.05, wanted)):
        moved = faces.detach().clone()
        moved[0, 0, corner, axis] += part * step
        assert pixel_of(moved) == value


def test_depth_gradient_is_a_difference_quotient():
    """Breaks if depth is not differentiated exactly inside a face, in x, y and z."""
    triangle = torch.tensor([[-0.9, -0.9, 2.0], [-0.8, 0.8, 1.0], [0.8, 0.8, 0.5]])
    renderer = nr.Renderer()
    renderer.image_size = 64
    renderer.anti_aliasing = False
    renderer.perspective = False
    renderer.camera_mode = "none"

    def loss(triangle):
        vertices, faces = third_of_four(triangle, torch.tensor([[0, 1, 2]]))
        return (renderer.render_depth(vertices, faces)[2, 15, 20] - 1) ** 2

    triangle.requires_grad_()
    loss(triangle).backward()
    quotient = torch.zeros(3, 3)
    for k in range(9):
        step = torch.zeros(9)
        step[k] = 1e-3
        with torch.no_grad():
            quotient.view(-1)[k] = (loss(triangle + step.view(3, 3)) - loss(triangle - step.view(3, 3))) / 2e-3
    assert triangle.grad is not None
    assert quotient.abs().min() > 0.001
    assert torch.allclose(triangle.grad, quotient, atol=1e-3)
