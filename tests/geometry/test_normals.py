"""Normals: directions, weights, derivatives."""

import pytest
import torch

from repousse.geometry import cube, face_normals, icosphere, vertex_normals

TRIANGLE = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)


def noisy_sphere():
    mesh = icosphere(1).to(torch.float64)
    noise = torch.randn(mesh.positions.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return mesh.positions + 0.1 * noise, mesh.faces


def test_right_hand_rule():
    """Breaks if the sign or the length is wrong."""
    assert face_normals(TRIANGLE, torch.tensor([[0, 1, 2]])).tolist() == [[0, 0, 1]]


def test_sphere_normals_point_outward():
    """Breaks if faces are summed to the wrong vertices."""
    mesh = icosphere(4)
    assert (face_normals(mesh.positions, mesh.faces) * mesh.positions[mesh.faces[:, 0]]).sum(-1).min() > 0.99
    assert (vertex_normals(mesh.positions, mesh.faces) * mesh.positions).sum(-1).min() > 0.9999


def test_weights_are_areas():
    """Breaks if vertex normals count faces instead of areas."""
    # At the corner of a cube each side weighs the same, whether it is one face there or two.
    mesh = cube()
    expected = mesh.positions / 3**0.5
    upright = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 1]], dtype=torch.float64)
    normal = vertex_normals(upright, torch.tensor([[0, 1, 2], [0, 2, 3]]))[0]  # areas 1 (towards z), 1 (x)
    assert torch.allclose(normal, torch.tensor([1.0, 0, 1], dtype=torch.float64) / 2**0.5)
    upright[3, 2] = 3
    normal = vertex_normals(upright, torch.tensor([[0, 1, 2], [0, 2, 3]]))[0]
    assert torch.allclose(normal, torch.tensor([3.0, 0, 1], dtype=torch.float64) / 10**0.5)
    assert (vertex_normals(mesh.positions, mesh.faces) * expected).sum(-1).min() > 0.8


@pytest.mark.parametrize("normals", [face_normals, vertex_normals])
def test_batch_is_each_pose(normals):
    """Breaks if poses mix."""
    positions, faces = noisy_sphere()
    poses = torch.stack([positions, positions.flip(-1), 2 * positions])
    each = torch.stack([normals(pose, faces) for pose in poses])
    assert torch.equal(normals(poses, faces), each)


@pytest.mark.parametrize("normals", [face_normals, vertex_normals])
def test_derivative(normals):
    """Breaks if the derivative is not that of the formula (finite differences in float64)."""
    positions, faces = noisy_sphere()
    assert torch.autograd.gradcheck(lambda p: normals(p, faces), positions.requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("normals", [face_normals, vertex_normals])
def test_degenerate_faces(normals):
    """Breaks if a face without area, or a vertex without faces, gives NaN here or in the derivative."""
    flat = torch.tensor([[0.0, 0, 0], [1, 1, 1], [2, 2, 2], [5, 5, 5]], requires_grad=True)
    result = normals(flat, torch.tensor([[0, 1, 2], [1, 1, 0]]))
    assert result.abs().max() == 0
    result.sum().backward()
    assert flat.grad is not None and flat.grad.abs().max() == 0


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
def test_scale_does_not_matter(scale):
    """Breaks if squares of tiny or huge areas leave the range of float32."""
    small = (TRIANGLE.float() * scale).requires_grad_()
    result = face_normals(small, torch.tensor([[0, 1, 2]]))
    assert result.tolist() == [[0, 0, 1]]
    result[0, 0].backward()
    assert small.grad is not None
    assert torch.allclose(small.grad[:, 2] * scale, torch.tensor([1.0, -1.0, 0.0]))
