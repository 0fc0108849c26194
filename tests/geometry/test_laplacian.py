"""Laplacians: against trimesh, against a dense matrix in float64, and against the curvature of a sphere."""

import numpy as np
import pytest
import torch
import trimesh

from repousse.geometry import Mesh, icosphere, plane, topology, torus
from repousse.geometry.laplacian import cotangent_weights, laplacian


def noisy(mesh, seed=0):
    mesh = mesh.to(torch.float64)
    noise = torch.randn(mesh.positions.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return mesh.with_positions(mesh.positions + 0.05 * noise)


def dense_cotangents(mesh):
    """(V, V): half the cotangents of the angles across, by the law of cosines, face by face."""
    matrix = np.zeros((len(mesh.positions),) * 2)
    positions = mesh.positions.numpy()
    for corners in mesh.faces.tolist():
        for k in range(3):
            i, j, apex = corners[k], corners[(k + 1) % 3], corners[(k + 2) % 3]
            a, b, c = (np.linalg.norm(positions[p] - positions[q]) for p, q in ((i, apex), (j, apex), (i, j)))
            angle = np.arccos((a * a + b * b - c * c) / (2 * a * b))
            matrix[i, j] += 0.5 / np.tan(angle)
            matrix[j, i] += 0.5 / np.tan(angle)
    return matrix


@pytest.mark.parametrize(
    "mesh", [icosphere(1), plane(resolution=3), torus(resolution=(8, 5))], ids=["ball", "sheet", "ring"]
)
def test_uniform_against_trimesh(mesh):
    """Breaks if neighbours are counted twice, or those of boundary vertices once."""
    mesh = noisy(mesh)
    reference = trimesh.Trimesh(mesh.positions.numpy(), mesh.faces.numpy(), process=False)
    means = np.stack([reference.vertices[neighbours].mean(0) for neighbours in reference.vertex_neighbors])
    found = laplacian(mesh.positions, mesh.topology, normalized=True)
    torch.testing.assert_close(found, torch.as_tensor(means) - mesh.positions)


@pytest.mark.parametrize("mesh", [icosphere(1), plane(resolution=3)], ids=["closed", "open"])
def test_cotangents_against_a_dense_matrix(mesh):
    """Breaks if an angle is credited to another edge than that across from it, or boundary edges are lost."""
    mesh = noisy(mesh)
    matrix = torch.as_tensor(dense_cotangents(mesh))
    weights = cotangent_weights(mesh.positions, mesh.topology)
    low, high = mesh.topology.edges.long().unbind(1)
    torch.testing.assert_close(weights, matrix[low, high])
    expected = matrix @ mesh.positions - matrix.sum(1, keepdim=True) * mesh.positions
    torch.testing.assert_close(laplacian(mesh.positions, mesh.topology, weights), expected)


@pytest.mark.parametrize("radius", [0.5, 3.0])
def test_curvature_of_a_sphere(radius):
    """Breaks if the cotangent Laplacian over the area is not -2 H n, with H = 1 / radius."""
    mesh = icosphere(5).to(torch.float64)
    positions = radius * mesh.positions
    reference = trimesh.Trimesh(positions.numpy(), mesh.faces.numpy(), process=False)
    areas = np.zeros(len(positions))
    np.add.at(areas, mesh.faces.numpy(), reference.area_faces[:, None] / 3)
    normal = (
        laplacian(positions, mesh.topology, cotangent_weights(positions, mesh.topology))
        / torch.as_tensor(areas)[:, None]
    )
    expected = -2 / radius * mesh.positions
    # The 12 vertices with five neighbours keep an error that does not shrink with the faces.
    off = (normal - expected).norm(dim=1) * radius / 2
    assert off[12:].max() < 0.07 and off.mean() < 0.01


def test_a_flat_sheet_has_no_curvature():
    """Breaks if the cotangent Laplacian of an irregular flat mesh does not vanish inside (linear precision)."""
    mesh = plane(resolution=6).to(torch.float64)
    inner = mesh.positions.abs().amax(1) < 1
    shift = 0.1 * torch.rand(mesh.positions.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    positions = mesh.positions + inner[:, None] * shift * torch.tensor([1.0, 0.0, 1.0])
    found = laplacian(positions, mesh.topology, cotangent_weights(positions, mesh.topology))
    assert found[inner].abs().max() < 1e-12


def test_non_manifold_edge_counts_all_angles():
    """Breaks if a third face at an edge is dropped."""
    positions = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)
    fan = topology(torch.tensor([[0, 1, 2], [0, 1, 3], [0, 1, 4]]))
    # Each face is half a square: the angle across from the shared side is 45 degrees.
    assert cotangent_weights(positions, fan)[0].item() == pytest.approx(1.5)


def test_poses_are_each_pose():
    """Breaks if poses mix, or shared positions with a batch of weights lose the batch."""
    mesh = noisy(icosphere(1))
    poses = torch.stack([mesh.positions, mesh.positions.flip(-1), 2 * mesh.positions])
    weights = cotangent_weights(poses, mesh.topology)
    found = laplacian(poses, mesh.topology, weights)
    for pose, weight, pull in zip(poses, weights, found, strict=True):
        torch.testing.assert_close(cotangent_weights(pose, mesh.topology), weight)
        torch.testing.assert_close(laplacian(pose, mesh.topology, weight), pull)
    shared = laplacian(mesh.positions, mesh.topology, weights)
    torch.testing.assert_close(shared[1], laplacian(mesh.positions, mesh.topology, weights[1]))


def test_degenerate_faces_are_finite():
    """Breaks if needles, points and repeated vertices give NaN, here or in the derivative."""
    positions = torch.tensor(
        [[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0], [5, 5, 5], [5, 5, 5], [5, 5, 5], [9, 9, 9]], requires_grad=True
    )
    mesh = Mesh(positions, torch.tensor([[0, 1, 2], [0, 1, 3], [4, 5, 6], [0, 0, 1]]))
    weights = cotangent_weights(positions, mesh.topology)
    assert weights.isfinite().all() and weights.abs().max() <= 1001
    pull = laplacian(positions, mesh.topology, weights, normalized=True)
    assert pull.isfinite().all() and (pull[7] == 0).all()
    pull.square().sum().backward()
    assert positions.grad is not None and positions.grad.isfinite().all()


@pytest.mark.parametrize("normalized", [False, True])
def test_derivative(normalized):
    """Breaks if the derivative is not that of the formula (finite differences in float64)."""
    mesh = noisy(plane(resolution=2))

    def pull(positions):
        weights = cotangent_weights(positions, mesh.topology)
        return laplacian(positions, mesh.topology, weights, normalized=normalized)

    assert torch.autograd.gradcheck(pull, mesh.positions.requires_grad_(), fast_mode=True)
