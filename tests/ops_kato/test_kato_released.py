"""The pseudo-gradient of Kato et al.: the kernel against the transcription, and what holds for both."""

import pytest
import torch
from torch import Tensor

from repousse.ops import kato
from repousse.ops.kato import reference

BACKENDS = pytest.mark.parametrize("released", [kato.released, reference.released], ids=["native", "reference"])
TRIANGLE = torch.tensor([[[-0.5, -0.52], [0.61, -0.43], [0.13, 0.57]]])
FACE = torch.tensor([[0, 1, 2]], dtype=torch.int32)


def cover(points: Tensor, faces: Tensor, size: tuple[int, int]) -> Tensor:
    """Which face holds each pixel centre (B, H, W), the last of several; row 0 on top, borders inclusive."""
    height, width = size
    x = ((2 * torch.arange(width, dtype=torch.float64) + 1 - width) / width).expand(height, width)
    y = ((height - 1 - 2 * torch.arange(height, dtype=torch.float64)) / height)[:, None].expand(height, width)
    out = torch.full((len(points), height, width), -1, dtype=torch.int32)
    for item in range(len(points)):
        for index, face in enumerate(faces.tolist()):
            corners = points[item, face].double()
            inside = torch.ones(height, width, dtype=torch.bool)
            for a, b in zip(corners, corners.roll(-1, 0), strict=True):
                inside &= (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) >= 0
            out[item][inside] = index
    return out


def draws(seed: int, size: tuple[int, int], channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A batch of two of triangles that share vertices, and random images and gradients."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(2, 9, 2, generator=generator) * 2.6 - 1.3
    faces = torch.randint(0, 9, (8, 3), generator=generator, dtype=torch.int32)
    faces = torch.cat([faces, faces.flip(1)])  # one of each pair is in front
    image = torch.rand(2, *size, channels, generator=generator)
    grad = torch.randn(2, *size, channels, generator=generator)
    return points, faces, cover(points, faces, size), image, grad


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected).norm() / expected.norm())


def silhouette(points: Tensor, size: tuple[int, int], row: int, column: int, wanted: float):
    """A triangle's mask and the gradient of |pixel - wanted|."""
    face_id = cover(points, FACE, size)
    image = (face_id >= 0).float()[..., None]
    grad = torch.zeros_like(image)
    grad[:, row, column] = torch.sign(image[:, row, column] - wanted)
    return face_id, image, grad


@pytest.mark.parametrize("eps", [1e-3, 1e-1])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(17, 17), (12, 30), (33, 8)])
def test_native_equals_reference(size, channels, eps):
    """Breaks if the kernel drops or doubles a term: overlap, corners off the image, shared vertices."""
    compared = 0
    for seed in range(5):
        scene = draws(seed, size, channels)
        expected = reference.released(*scene, eps)
        shaken = reference.released(scene[0].double() * (1 + 1e-7), *scene[1:], eps)
        if distance(shaken, expected) < 1e-4:  # else the result hangs on a pixel centre that an edge passes
            compared += 1
            assert distance(kato.released(*scene, eps), expected) < 1e-3
    assert compared >= 2


@BACKENDS
def test_shared_vertices_sum_over_their_faces(released):
    """Breaks if vertices shared by faces get anything but the sum of the corners' gradients."""
    points, faces, face_id, image, grad = draws(3, (16, 16), 3)
    shared = released(points, faces, face_id, image, grad, 1e-3)
    corners = torch.arange(faces.numel(), dtype=torch.int32).reshape(-1, 3)
    single = released(points[:, faces.long()].flatten(1, 2), corners, face_id, image, grad, 1e-3)
    total = torch.zeros_like(shared).index_add_(1, faces.long().flatten(), single)
    assert torch.allclose(shared, total, rtol=1e-4, atol=1e-4 * float(shared.abs().max()))


@BACKENDS
def test_constant_image_has_no_gradient(released):
    """Breaks if the gradient depends on anything but differences of the image."""
    points, faces, face_id, image, grad = draws(1, (16, 16), 3)
    assert released(points, faces, face_id, torch.full_like(image, 0.3), grad, 1e-3).abs().max() == 0


@BACKENDS
def test_clockwise_and_hidden_faces_get_nothing(released):
    """Breaks if a face that is seen from behind, or not at all, contributes."""
    face_id, image, grad = silhouette(TRIANGLE, (32, 32), 20, 3, 1.0)
    assert released(TRIANGLE, FACE, face_id, image, grad, 1e-3).abs().max() > 0
    picture = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    slope = picture - 0.5
    assert released(TRIANGLE, FACE, face_id, picture, slope, 1e-3).abs().max() > 0
    assert released(TRIANGLE, FACE.flip(1), face_id, picture, slope, 1e-3).abs().max() == 0
    hidden = torch.full_like(face_id, -1)
    assert released(TRIANGLE, FACE, hidden, image, grad, 1e-3).abs().max() == 0


@BACKENDS
@pytest.mark.parametrize(("row", "column", "wanted"), [(20, 3, 1.0), (20, 28, 1.0), (18, 16, 0.0)])
def test_mirror_and_quarter_turn(released, row, column, wanted):
    """Breaks if rows and columns, or the two directions along one, are treated differently."""
    size = (32, 32)
    scene = silhouette(TRIANGLE, size, row, column, wanted)
    expected = released(TRIANGLE, FACE, *scene, 1e-3)
    assert expected.abs().max() > 0

    mirror = torch.tensor([-1.0, 1.0])
    flipped = [part.flip(2) for part in scene]
    found = released(TRIANGLE * mirror, FACE.flip(1), *flipped, 1e-3)
    assert torch.allclose(found, expected * mirror.to(expected), rtol=1e-4, atol=1e-6)

    turned = [part.rot90(1, (1, 2)) for part in scene]  # counter-clockwise: (x, y) -> (-y, x)
    found = released(torch.stack([-TRIANGLE[..., 1], TRIANGLE[..., 0]], -1), FACE, *turned, 1e-3)
    assert torch.allclose(found, torch.stack([-expected[..., 1], expected[..., 0]], -1), rtol=1e-4, atol=1e-6)


@BACKENDS
def test_a_wide_image_counts_its_own_width(released):
    """Breaks if the height is used for x: with empty margins left and right, gradients per pixel stay."""
    scene = silhouette(TRIANGLE, (16, 16), 10, 1, 1.0)
    square = released(TRIANGLE, FACE, *scene, 1e-7)
    narrow = TRIANGLE * torch.tensor([0.5, 1.0])
    face_id = torch.nn.functional.pad(scene[0], (8, 8), value=-1)
    image, grad = (torch.nn.functional.pad(part, (0, 0, 8, 8)) for part in scene[1:])
    wide = released(narrow, FACE, face_id, image, grad, 1e-7)
    assert square[..., 0].abs().max() > 0
    assert torch.allclose(wide, square * torch.tensor([2.0, 1.0]).to(square), rtol=1e-3)


@BACKENDS
def test_a_pixel_pulls_by_one_over_its_distance(released):
    """Breaks if the lever of a corner or eps is off: a wall parallel to y must move 1 / (distance + eps)."""
    wall = torch.tensor([[[-0.9, -5.0], [0.3, -5.0], [0.3, 5.0]]])  # its right side is at x = 0.3
    face_id, image, grad = silhouette(wall, (20, 20), 9, 17, 1.0)
    found = released(wall, FACE, face_id, image, grad, 1e-2)[0]
    y, target = (20 - 1 - 2 * 9) / 20, (2 * 17 + 1 - 20) / 20
    lower, upper = (5.0 - y) / 10, (y + 5.0) / 10  # how much of a corner's motion arrives at this row
    assert found[1, 0] == pytest.approx(-1 / ((target - 0.3) / lower + 1e-2), rel=1e-4)
    assert found[2, 0] == pytest.approx(-1 / ((target - 0.3) / upper + 1e-2), rel=1e-4)
    assert found[0].abs().max() == 0


@BACKENDS
@pytest.mark.parametrize(("row", "pulled"), [(5, False), (6, True), (13, True), (14, False)])
def test_an_edge_owns_the_lines_between_its_corners(released, row, pulled):
    """Breaks if the first or last line that an edge crosses is left out, or one beyond its end is taken."""
    wall = torch.tensor([[[-0.9, -0.4], [0.3, -0.4], [0.3, 0.43]]])  # rows 6 to 13 of 20 have centres in between
    face_id, image, grad = silhouette(wall, (20, 20), row, 17, 1.0)
    found = released(wall, FACE, face_id, image, grad, 1e-3)
    assert (found[..., 0].abs().max() > 0) == pulled
    assert found[..., 1].abs().max() == 0


@BACKENDS
def test_channels_are_summed_before_the_gate(released):
    """Breaks if channels pass the gate one by one: one that gains and one that loses as much give nothing."""
    face_id, image, grad = silhouette(TRIANGLE, (32, 32), 20, 3, 1.0)
    both = released(TRIANGLE, FACE, face_id, image.expand(-1, -1, -1, 2), torch.cat([grad, -grad], -1), 1e-3)
    assert both.abs().max() == 0
    more = released(TRIANGLE, FACE, face_id, image.expand(-1, -1, -1, 2), torch.cat([3 * grad, -grad], -1), 1e-3)
    one = released(TRIANGLE, FACE, face_id, image, grad, 1e-3)
    assert torch.allclose(more, 2 * one, rtol=1e-4)


@BACKENDS
def test_the_gate_closes_for_pixels_that_are_right(released):
    """Breaks if pixels whose loss would rise pull or push."""
    face_id, image, grad = silhouette(TRIANGLE, (32, 32), 20, 3, 1.0)
    assert released(TRIANGLE, FACE, face_id, image, -grad, 1e-3).abs().max() == 0


@BACKENDS
def test_the_outside_is_not_asked_through_a_nearer_face(released):
    """Breaks if an edge hidden behind another face sweeps outwards, or a seen one stops at other objects."""
    face_id, image, grad = silhouette(TRIANGLE, (32, 32), 20, 3, 1.0)
    before = released(TRIANGLE, FACE, face_id, image, grad, 1e-3)
    beyond = face_id.clone()
    beyond[:, :, 4:6] = 7  # another object between the pixel and the edge
    faces = torch.cat([FACE] + [FACE.flip(1)] * 7)
    assert torch.allclose(released(TRIANGLE, faces, beyond, image, grad, 1e-3), before)
    hidden = face_id.clone()
    hidden[:, 20, :20] = torch.where(hidden[:, 20, :20] == 0, 7, hidden[:, 20, :20])
    after = released(TRIANGLE, faces, hidden, image, grad, 1e-3)
    assert after[..., 0].abs().max() == 0


@BACKENDS
def test_an_occluded_pixel_does_not_push(released):
    """Breaks if the inside sweep asks pixels where the face is hidden."""
    face_id, image, grad = silhouette(TRIANGLE, (32, 32), 18, 16, 0.0)
    assert released(TRIANGLE, FACE, face_id, image, grad, 1e-3).abs().max() > 0
    face_id[:, 18, 16] = 7
    faces = torch.cat([FACE] + [FACE.flip(1)] * 7)
    assert released(TRIANGLE, faces, face_id, image, grad, 1e-3).abs().max() == 0


@BACKENDS
def test_edges_beyond_the_border_are_silent(released):
    """Breaks if a face that reaches past the image on all sides gets a gradient."""
    large = torch.tensor([[[-9.0, -7.0], [9.0, -7.0], [0.0, 9.0]]])
    face_id, image, grad = silhouette(large, (16, 16), 8, 8, 0.0)
    assert face_id.min() == 0
    assert released(large, FACE, face_id, image, grad, 1e-3).abs().max() == 0


@BACKENDS
@pytest.mark.parametrize("size", [(8, 8), (9, 9)])
def test_edges_along_pixel_centres_stay_finite(released, size):
    """Breaks if vertices and edges on pixel centres, or faces without area, divide by zero."""
    generator = torch.Generator().manual_seed(0)
    grid = (2 * torch.randint(0, size[0], (1, 12, 2), generator=generator) + 1.0 - size[0]) / size[0]
    faces = torch.randint(0, 12, (30, 3), generator=generator, dtype=torch.int32)
    face_id = cover(grid, faces, size)
    image = torch.rand(1, *size, 3, generator=generator)
    grad = torch.randn(1, *size, 3, generator=generator)
    assert released(grid, faces, face_id, image, grad, 1e-3).isfinite().all()


@BACKENDS
def test_nothing_to_do(released):
    """Breaks on empty inputs."""
    points, faces, face_id, image, grad = draws(0, (8, 8), 1)
    assert released(points, faces[:0], torch.full_like(face_id, -1), image, grad, 1e-3).abs().max() == 0
    none = released(points[:0], faces, face_id[:0], image[:0], grad[:0], 1e-3)
    assert none.shape == (0, 9, 2)


def test_depth_gradient_is_a_difference_quotient():
    """Breaks if the transcribed depth gradient differs from a quotient of 1/z interpolated on the screen."""
    corners = torch.tensor([[-0.5, -0.52, 2.0], [0.61, -0.43, 1.0], [0.13, 0.57, 3.5]], dtype=torch.float64)
    size = (12, 20)
    face_id = cover(corners[None, :, :2], FACE, size)
    grad = torch.zeros(1, *size, dtype=torch.float64)
    grad[0, 6, 9] = 1.0
    assert face_id[0, 6, 9] == 0
    pixel = torch.tensor([(2 * 9 + 1 - 20) / 20, (11 - 2 * 6) / 12, 1.0], dtype=torch.float64)

    def depth(corners: Tensor) -> Tensor:
        matrix = torch.cat([corners[:, :2], corners.new_ones(3, 1)], 1).T
        return 1 / (torch.linalg.solve(matrix, pixel) / corners[:, 2]).sum()

    expected = torch.zeros(9, dtype=torch.float64)
    for k in range(9):
        step = torch.zeros(9, dtype=torch.float64)
        step[k] = 1e-6
        expected[k] = (depth(corners + step.view(3, 3)) - depth(corners - step.view(3, 3))) / 2e-6
    found = reference.released_depth(corners[None, None], face_id, grad)
    assert torch.allclose(found.view(9), expected, rtol=1e-6)
