"""The specification of soft rasterization: against numbers by hand, and its derivative against finite differences."""

import math
from dataclasses import replace

import pytest
import torch
from soft_scenes import BROAD, EVERY_RULE, Scene, random_scene
from torch import Tensor

from repousse.ops import SoftOptions, soft


def one_face(depth: float = 3.0, size: tuple[int, int] = (8, 8)) -> Scene:
    """The left lower half of the square [-0.5, 0.5]², y up, seen from the front, as one face of one colour."""
    corners = torch.tensor([[-0.5, 0.5], [0.5, 0.5], [-0.5, -0.5]], dtype=torch.float64)
    w = torch.full((3, 1), depth, dtype=torch.float64)
    positions = torch.cat([corners * w, w / 2, w], 1)[None]
    colors = torch.tensor([0.25, 0.5, 1.0], dtype=torch.float64).expand(1, 3, 3)
    empty = torch.zeros(1, *size, 4, dtype=torch.float64)
    return Scene(positions, torch.tensor([[0, 1, 2]]), colors, torch.zeros(1, 3, dtype=torch.float64), empty)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_coverage_by_hand() -> None:
    """Breaks if sigma, the unit of length or the sign of the distance mean something else."""
    scene, sigma = one_face(), 0.05
    for distance, alpha, inside, outside in (
        # Pixel (5, 2) is at (-0.375, 0.375 down): 1/8 from two sides. Pixel (5, 0) is at (-0.875, 0.375): 3/8 away.
        ("euclidean", "prod", sigmoid(1 / 64 / sigma), sigmoid(-9 / 64 / sigma)),
        ("euclidean", "sum", sigmoid(1 / 64 / sigma), sigmoid(-9 / 64 / sigma)),
        ("euclidean", "hard", 1.0, 0.0),
        ("barycentric", "prod", sigmoid(1 / 64 / sigma), sigmoid(-9 / 64 / sigma)),
        ("hard", "prod", 1.0, 0.0),
    ):
        options = SoftOptions(sigma=sigma, distance=distance, alpha=alpha, dist_eps=1e-9)  # type: ignore[arg-type]
        mask = soft(*scene[:2], None, scene.size, options, backend="reference")[0, :, :, 0]
        assert float(mask[5, 2]) == pytest.approx(inside), (distance, alpha)
        assert float(mask[5, 0]) == pytest.approx(outside), (distance, alpha)


def test_faces_end_at_dist_eps() -> None:
    """Breaks if the cut-off lies elsewhere than where D falls to dist_eps."""
    scene = one_face(size=(64, 64))
    full = soft(*scene[:2], None, scene.size, replace(BROAD, dist_eps=1e-12), backend="reference")
    cut = soft(*scene[:2], None, scene.size, replace(BROAD, dist_eps=0.01), backend="reference")
    assert torch.equal(cut, torch.where(full > 0.01, full, 0))
    assert (cut[full < 0.0099] == 0).all() and (full < 0.0099).any()


def test_two_faces_share_a_pixel_by_depth() -> None:
    """Breaks if gamma, near, far or eps mean something else: weights are exp(zn / gamma), zn = eps at the back."""
    near, far = one_face(2.0), one_face(3.0)
    positions = torch.cat([far.positions, near.positions], 1)
    faces = torch.arange(6).view(2, 3)
    colors = torch.eye(2, dtype=torch.float64)[:, None].expand(2, 3, 2)
    options = SoftOptions(distance="hard", gamma=0.2, eps=0.3, near=1.0, far=5.0)
    background = torch.tensor([7.0, 7.0], dtype=torch.float64)
    image = soft(positions, faces, colors, (8, 8), options, background=background, backend="reference")
    weights = torch.tensor([math.exp(zn / 0.2) for zn in (2 / 4, 3 / 4, 0.3)], dtype=torch.float64)
    weights = weights / weights.sum()
    torch.testing.assert_close(image[0, 5, 2, :2], weights[:2] + 7 * weights[2])
    torch.testing.assert_close(image[0, 0, 0, :2], background)
    hard = soft(positions, faces, colors, (8, 8), replace(options, color="hard"), backend="reference")
    assert hard[0, 5, 2].tolist() == [0, 1, 1]


def test_depth_and_colours_are_perspective_correct() -> None:
    """Breaks if colours or depths are mixed with weights on the screen, as the released code mixes colours."""
    scene = one_face()
    positions = scene.positions.clone()
    positions[0, 1] *= 4  # the same place on the screen, four times as far
    ramp = torch.tensor([[[0.0], [1.0], [0.0]]], dtype=torch.float64)
    options = SoftOptions(distance="hard", color="hard")
    value = soft(positions, scene.faces, ramp, (8, 8), options, backend="reference")[0, 5, 3, 0]
    share = 0.375 / 4 / (0.375 / 4 + 0.625)  # on the screen: 3/8 of the second corner
    assert float(value) == pytest.approx(share)


@pytest.mark.parametrize("options", EVERY_RULE, ids=lambda o: f"{o.distance}-{o.alpha}-{o.color}")
def test_gradients_are_derivatives(options: SoftOptions) -> None:
    """Breaks if the reference is not differentiable where it should be: all rules, all arguments."""
    scene = random_scene(3, (5, 6), batch=1, triangles=3, channels=2).to(torch.float64)
    depth = scene.positions[..., 3] * 1.1

    def image(positions: Tensor, colors: Tensor, background: Tensor, depth: Tensor) -> Tensor:
        settings = {"background": background, "depth": depth, "backend": "reference"}
        return soft(positions, scene.faces, colors, scene.size, options, **settings)  # type: ignore[arg-type]

    given = (scene.positions, scene.colors, scene.background, depth)
    assert torch.autograd.gradcheck(image, tuple(value.clone().requires_grad_() for value in given))
