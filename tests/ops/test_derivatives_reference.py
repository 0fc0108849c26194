"""The reference for derivatives of interpolated values: against differences on the screen and in the inputs."""

import pytest
import torch
from ops_scenes import build
from torch import Tensor

from repousse.ops import rasterize
from repousse.ops.interpolate import reference
from repousse.ops.rasterize.reference import barycentrics

FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])
PLANE = torch.tensor(  # in perspective, with one corner behind the eye in the second list
    [
        [[-1.2, -1.1, 0.2, 1.0], [1.4, -1.2, 0.9, 1.9], [2.1, 2.4, 1.1, 2.6], [-1.1, 1.2, 0.5, 1.2]],
        [[-1.2, -1.1, 0.2, 1.0], [1.4, -1.2, 0.9, 1.9], [2.1, 2.4, 1.1, 2.6], [-1.1, 1.2, -0.5, -0.2]],
    ],
    dtype=torch.float64,
)


def values_and_derivatives(positions: Tensor, values: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    face_id = rasterize(positions.float(), FACES, size).face_id
    bary, _ = barycentrics(positions, FACES, face_id, None, size)
    image = reference.interpolate(values, FACES, face_id, bary)
    return face_id, image, reference.derivatives(values, FACES, positions, FACES, face_id)


@pytest.mark.parametrize("image", [0, 1], ids=["whole", "clipped"])
def test_neighbouring_pixels_of_a_face_differ_by_the_derivative(image: int) -> None:
    """Breaks if the derivative is not that of the perspective-correct values, per pixel of the picture."""
    size = (60, 80)
    values = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]], dtype=torch.float64)
    face_id, image_, change = values_and_derivatives(PLANE[image : image + 1], values, size)
    for axis, dim in ((0, 2), (1, 1)):
        ahead, behind = image_.roll(-1, dim), image_.roll(1, dim)
        inside = (face_id >= 0) & (face_id == face_id.roll(-1, dim)) & (face_id == face_id.roll(1, dim))
        inside[:, [0, -1]] = False
        inside[:, :, [0, -1]] = False
        assert inside.sum() > 1000
        difference = (ahead - behind)[inside] / 2
        torch.testing.assert_close(change[..., axis][inside], difference, rtol=2e-2, atol=2e-5)


@pytest.mark.parametrize("image", [0, 1], ids=["whole", "clipped"])
def test_gradcheck(image: int) -> None:
    """Breaks if autograd through the reference is not its derivative in attributes and positions."""
    size = (3, 4)
    face_id = rasterize(PLANE[image : image + 1].float(), FACES, size).face_id
    positions = PLANE[image : image + 1].clone().requires_grad_()
    values = torch.rand(4, 2, dtype=torch.float64, requires_grad=True)

    def change(values: Tensor, positions: Tensor) -> Tensor:
        return reference.derivatives(values, FACES, positions, FACES, face_id)

    assert torch.autograd.gradcheck(change, (values, positions))


def test_both_formulas_agree() -> None:
    """Breaks if faces on the screen and clipped faces have different derivatives: a step in the picture."""
    scene = build(["large", "tilted", "large"], 4, (14, 16))
    face_id = rasterize(*scene).face_id
    values = torch.rand(9, 2, dtype=torch.float64)
    on_screen = reference.derivatives(values, scene.faces, scene.positions.double(), scene.faces, face_id)
    # Far below the near plane everything is clipped, while x, y, w and so the interpolation stay the same.
    lowered = scene.positions.double() - torch.tensor([0, 0, 100.0, 0])
    clipped = reference.derivatives(values, scene.faces, lowered, scene.faces, face_id)
    torch.testing.assert_close(clipped, on_screen, rtol=1e-9, atol=1e-12)
