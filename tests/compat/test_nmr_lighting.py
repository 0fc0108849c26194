"""Lighting of `repousse.compat.neural_renderer` against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch

from repousse.compat import neural_renderer as nr

# Clockwise seen from above: the release's normal (v0 - v1) x (v2 - v1) is +y.
UP = [[0.0, 0, 0], [1, 0, 1], [0, 0, 1]]
STEEP = [
    [0.0, 0, 0],
    [1, math.sqrt(3), 1],
    [0, 0, 1],
]  # rises by 60 degrees along x: normal (-sqrt(3)/2, 1/2, 0)


def scene(*faces, batch: int = 1, size: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    corners = torch.tensor([list(faces)] * batch, dtype=torch.float64)
    return corners, torch.ones(batch, len(faces), size, size, size, 3, dtype=torch.float64)


def normal(face) -> np.ndarray:
    v0, v1, v2 = np.array(face)
    n = np.cross(v0 - v1, v2 - v1)
    return n / np.linalg.norm(n)


def test_flat_shading_by_hand():
    """Breaks if the normal's sign, the cosine, the clamp at 0 or the sum of the two lights is wrong."""
    assert normal(UP) == pytest.approx([0, 1, 0]) and normal(STEEP)[1] == pytest.approx(0.5)
    lit = nr.lighting(*scene(UP, STEEP, UP[::-1]))
    assert lit.shape == (1, 3, 2, 2, 2, 3)
    torch.testing.assert_close(lit[0, :, 0, 0, 0, 0], lit.new_tensor([1.0, 0.75, 0.5]))
    assert (lit == lit[:, :, :1, :1, :1, :1]).all()


def test_colors_and_intensities_multiply():
    """Breaks if a colour goes to the wrong light or an intensity is forgotten."""
    faces, textures = scene(STEEP)
    textures = textures * torch.tensor([1.0, 0.5, 0.25], dtype=torch.float64)
    lit = nr.lighting(faces, textures, 0.2, 0.8, [1, 0.5, 0], np.array([0.0, 1, 1]), (0, 2, 0))
    # directions are not normalised: cosine 1/2 times 2
    torch.testing.assert_close(lit[0, 0, 0, 0, 0], lit.new_tensor([0.2, 0.5 * (0.1 + 0.8), 0.25 * 0.8]))


def test_each_image_may_have_its_own_light():
    """Breaks if (B, 3) is broadcast over faces instead of images."""
    faces, textures = scene(UP, STEEP, batch=2)
    colors = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    lit = nr.lighting(faces, textures, torch.tensor([0.5, 1.0]), 1.0, colors, colors, [[0, 1, 0], [0, -1, 0]])
    torch.testing.assert_close(lit[0, :, 0, 0, 0, 0], lit.new_tensor([1.5, 1.0]))
    torch.testing.assert_close(lit[1, :, 0, 0, 0, 1], lit.new_tensor([1.0, 1.0]))
    assert lit[0, ..., 1].max() == 0 and lit[1, ..., 0].max() == 0
    per_face = torch.tensor([[[0.0, 1, 0], [0, 2, 0]]], dtype=torch.float64)
    lit = nr.lighting(faces, textures, 0, 1, direction=per_face)
    torch.testing.assert_close(lit[1, :, 0, 0, 0, 2], lit.new_tensor([1.0, 1.0]))


def test_textures_are_not_overwritten():
    """Breaks if light is multiplied in place, which darkens every repeated render (the released port)."""
    faces, textures = scene(STEEP)
    leaf = textures.clone().requires_grad_()
    first = nr.lighting(faces, leaf)
    second = nr.lighting(faces, leaf)
    assert torch.equal(first, second) and torch.equal(leaf, textures)


def test_faces_without_area_are_safe():
    """Breaks if a degenerate face gives NaN, in the picture or in the gradient."""
    faces, textures = scene([[1.0, 2, 3]] * 3)
    faces.requires_grad_()
    lit = nr.lighting(faces, textures)
    lit.sum().backward()
    assert (lit == 0.5).all() and faces.grad is not None and faces.grad.isfinite().all()


def test_result_stays_on_the_device_of_the_textures():
    """Breaks if an intermediate tensor is made elsewhere; like a GPU, the meta device refuses to mix."""
    faces = torch.zeros(2, 4, 3, 3, device="meta")
    lit = nr.lighting(faces, torch.zeros(2, 4, 2, 2, 2, 3, device="meta"), 0.3, 0.7, [1, 0, 0], (0, 1, 0))
    assert lit.device == faces.device and lit.shape == (2, 4, 2, 2, 2, 3)


def test_gradients_are_derivatives():
    """Breaks if any of the seven arguments is cut from the graph."""
    generator = torch.Generator().manual_seed(5)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64).requires_grad_()

    arguments = (
        random(2, 2, 3, 3),
        random(2, 2, 2, 2, 2, 3),
        random(),
        random(2),
        random(3),
        random(2, 3),
        random(3),
    )
    assert torch.autograd.gradcheck(nr.lighting, arguments)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: nr.lighting(torch.zeros(1, 4, 3), torch.zeros(1, 4, 2, 2, 2, 3)), "vertices_to_faces"),
        (lambda: nr.lighting(torch.zeros(1, 4, 3, 3), torch.zeros(1, 5, 2, 2, 2, 3)), "5 texture cubes"),
        (lambda: nr.lighting(torch.zeros(1, 4, 3, 3), torch.zeros(4, 2, 2, 2, 3)), "textures"),
        (
            lambda: nr.lighting(torch.zeros(1, 4, 3, 3), torch.zeros(1, 4, 2, 2, 2, 3), direction=(1, 0)),
            "direction",
        ),
    ],
)
def test_wrong_shapes_are_named(call, part):
    """Breaks if wrong shapes are broadcast instead of being refused."""
    with pytest.raises(ValueError, match=part):
        call()
