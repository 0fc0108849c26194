"""The references of barycentrics and interpolation: values, derivatives, edge cases."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from ops_scenes import Scene, build, from_pixels, reference_fragments, scenes, seeds
from torch import Tensor

from repousse.ops.interpolate.reference import interpolate
from repousse.ops.rasterize.reference import barycentrics, visibility


@settings(deadline=None, max_examples=30)
@given(scenes())
def test_weights_are_a_partition_and_depth_is_in_range(scene: Scene) -> None:
    """Breaks if a clamp is missing or empty pixels are not 0."""
    face_id, _ = visibility(*scene)
    bary, depth = barycentrics(scene.positions.double(), scene.faces, face_id, None, scene.size)
    weights = torch.cat([bary, 1 - bary.sum(-1, keepdim=True)], -1)
    assert (weights >= -1e-12).all() and (weights <= 1 + 1e-12).all()
    assert (depth >= -1e-12).all() and (depth <= 1 + 1e-12).all()
    assert (bary[face_id < 0] == 0).all() and (depth[face_id < 0] == 0).all()


def test_depth_stays_in_range_beyond_the_far_plane() -> None:
    """Breaks if depth is not clamped where a snapped corner reaches over the far plane: it would be 1.19 here."""
    kinds = ["tiny", "nan", "copy", "lattice", "far", "far", "copy"]
    scene = build(kinds, 2540639502, (4, 20), batch=2)
    face_id, _ = visibility(*scene)
    _, depth = barycentrics(scene.positions.double(), scene.faces, face_id, None, scene.size)
    assert depth.max() == 1


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_weights_point_back_at_the_pixel(seed: int) -> None:
    """Breaks if perspective correction or the order of the corners is wrong, for whole or clipped faces."""
    size = (24, 31)
    positions, faces, _ = build(["small", "large", "tilted", "near", "near", "far"], seed, size)
    positions = positions.double()
    face_id, _ = visibility(positions, faces, size)
    bary, depth = barycentrics(positions, faces, face_id, None, size)
    _, row, column = torch.nonzero(face_id >= 0, as_tuple=True)
    found = bary[0, row, column]
    weights = torch.cat([found, 1 - found.sum(1, keepdim=True)], 1)
    points = positions[0, faces[face_id[0, row, column].long()].long()]
    x, y, z, w = (weights[..., None] * points).sum(1).unbind(1)
    # A snapped triangle covers centres up to 1/512 pixel outside the true one, where weights are clamped.
    free = weights.min(1).values > 0
    torch.testing.assert_close((x / w * 15.5 + 15.5)[free], (column + 0.5).double()[free], rtol=0, atol=1e-7)
    torch.testing.assert_close((y / w * 12 + 12)[free], (row + 0.5).double()[free], rtol=0, atol=1e-7)
    # Depth is clamped where snapping reaches over the near or far plane.
    torch.testing.assert_close((z / w)[free].clamp(0, 1), depth[0, row, column][free], rtol=0, atol=1e-7)


def inner_pixels(scene: Scene) -> Tensor:
    """Face ids of the pixels that are far enough inside for a finite difference to clamp nothing."""
    face_id, _ = visibility(*scene)
    bary, _ = barycentrics(scene.positions.double(), scene.faces, face_id, None, scene.size)
    weights = torch.cat([bary, 1 - bary.sum(-1, keepdim=True)], -1)
    return torch.where(weights.amin(-1) > 1e-3, face_id, -1)


@pytest.mark.parametrize("kinds", [["small", "tilted"], ["large", "small"], ["near", "near"], ["far", "far", "far"]])
def test_barycentrics_gradcheck(kinds: list[str]) -> None:
    """Breaks if the derivative of weights or depth is not that of the formula."""
    scene = build(kinds, 11, (6, 7))
    face_id = inner_pixels(scene)
    assert (face_id >= 0).any()
    positions = scene.positions.double().requires_grad_()

    def f(p: Tensor) -> tuple[Tensor, Tensor]:
        return barycentrics(p, scene.faces, face_id, None, scene.size)

    assert torch.autograd.gradcheck(f, (positions,), atol=1e-4, rtol=1e-4)


def test_packed_barycentrics_gradcheck() -> None:
    """Breaks if packed vertices are gathered from the wrong image."""
    scene = build(["tilted", "tilted"], 5, (6, 7))
    ranges = torch.tensor([[1, 1], [0, 2]])
    face_id, _ = visibility(scene.positions[0], scene.faces, scene.size, ranges)
    positions = scene.positions[0].double().requires_grad_()
    bary, _ = barycentrics(positions, scene.faces, face_id, ranges, scene.size)
    together, _ = barycentrics(positions.expand(2, -1, -1), scene.faces, face_id, None, scene.size)
    assert torch.equal(bary, together)


def test_the_clamp_lets_the_derivative_through() -> None:
    """Breaks if a clamped weight loses its derivative, or derivatives are taken at unclamped values."""
    size = (4, 4)
    # The centre (1.5, 1.5) lies 1/1024 px outside the edge x = 1.5 + 1/1024, inside the snapped triangle.
    xy = [(1.5 + 2**-10, 0.0), (1.5 + 2**-10, 4.0), (4.0, 2.0)]
    positions = from_pixels(xy, size).double().requires_grad_()
    face_id = torch.full((1, 4, 4), -1, dtype=torch.int32)
    face_id[0, 1, 1] = 0
    bary, _ = barycentrics(positions, torch.tensor([[0, 1, 2]]), face_id, None, size)
    third = 1 - bary[0, 1, 1].sum()
    assert third.item() == 0
    (gradient,) = torch.autograd.grad(third, positions)
    assert gradient.abs().sum() > 0.1
    # Moving the edge right by d px takes the centre d further out: the third weight falls by d / 2.5.
    pixels = gradient[0, :2, 0].sum() / 2  # 2 pixels per unit of x
    torch.testing.assert_close(pixels, torch.tensor(-1 / 2.5, dtype=torch.float64), rtol=2e-3, atol=0)


def test_no_weight_left_means_thirds() -> None:
    """Breaks if a pixel outside of all three edges divides by zero."""
    size = (4, 4)
    positions = from_pixels([(1.5, 1.5), (1.5, 1.5), (1.5, 1.5)], size).double().requires_grad_()
    face_id = torch.full((1, 4, 4), -1, dtype=torch.int32)
    face_id[0, 1, 1] = 0
    bary, depth = barycentrics(positions, torch.tensor([[0, 1, 2]]), face_id, None, size)
    torch.testing.assert_close(bary[0, 1, 1], torch.full((2,), 1 / 3, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(bary.sum() + depth.sum(), positions)
    assert torch.isfinite(gradient).all()


def test_vertices_that_cover_nothing_leave_gradients_finite() -> None:
    """Breaks if 0 * infinity of an unused vertex reaches the gradient."""
    scene = build(["small", "zero", "nan", "inf", "behind"], 2, (16, 16))
    positions = scene.positions.double().requires_grad_()
    face_id, _ = visibility(*scene)
    bary, depth = barycentrics(positions, scene.faces, face_id, None, scene.size)
    (gradient,) = torch.autograd.grad(bary.sum() + depth.sum(), positions)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("shared", [True, False])
def test_interpolate_gradcheck(shared: bool) -> None:
    """Breaks if the derivative in attributes, or through the barycentrics in positions, is wrong."""
    scene = build(["large", "tilted"], 4, (5, 6), batch=2)
    face_id = inner_pixels(scene)
    attribute_faces = torch.tensor([[0, 1, 2], [2, 1, 3]])
    rng = np.random.default_rng(0)
    attributes = torch.tensor(rng.normal(size=(4, 2) if shared else (2, 4, 2))).requires_grad_()
    positions = scene.positions.double().requires_grad_()

    def f(values: Tensor, p: Tensor) -> Tensor:
        bary, _ = barycentrics(p, scene.faces, face_id, None, scene.size)
        return interpolate(values, attribute_faces, face_id, bary)

    assert torch.autograd.gradcheck(f, (attributes, positions), atol=1e-4, rtol=1e-4)


def test_interpolating_the_corners_positions_gives_the_pixel() -> None:
    """Breaks if corners and weights are paired wrongly, or empty pixels are not 0."""
    scene = build(["large", "tilted", "small"], 8, (20, 30))
    fragments = reference_fragments(scene)
    image = interpolate(scene.positions.double(), scene.faces, fragments.face_id, fragments.bary.double())
    _, row, column = torch.nonzero(fragments.face_id >= 0, as_tuple=True)
    found = image[0, row, column]
    x, y = found[:, 0] / found[:, 3] * 15 + 15, found[:, 1] / found[:, 3] * 10 + 10
    torch.testing.assert_close(x, column + 0.5, rtol=0, atol=0.01, check_dtype=False)
    torch.testing.assert_close(y, row + 0.5, rtol=0, atol=0.01, check_dtype=False)
    assert (image[fragments.face_id < 0] == 0).all()
