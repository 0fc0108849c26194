"""Counting folds."""

import pytest
import torch

import repousse as rp
from repousse.optim import tangles


def test_shapes_have_no_folds() -> None:
    """Breaks if sharp edges or borders count as folds."""
    for mesh in (rp.icosphere(2), rp.cube(), rp.plane(), rp.torus(), rp.teapot()):
        assert tangles(mesh.positions, mesh.faces) == 0


def test_a_vertex_pulled_across_its_ring_folds() -> None:
    """Breaks if a folded face is missed, or its neighbours count too."""
    sheet = rp.plane(resolution=4)
    positions = sheet.positions.clone()
    middle = int((positions.norm(dim=1) < 1e-6).nonzero()[0])
    positions[middle] += torch.tensor([0.8, 0.0, 0.0])
    corners = positions[sheet.faces.long()]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    folded = int((normals[:, 1] < 0).sum())
    assert folded >= 2
    assert 1 <= tangles(positions, sheet.faces) <= folded + 2


def test_faces_without_area_and_alone() -> None:
    """Breaks if a face that has shrunk to a line passes, or one without neighbours does not."""
    positions = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0]])
    assert tangles(positions, torch.tensor([[0, 1, 2]])) == 0
    assert tangles(positions, torch.tensor([[0, 1, 3]])) == 1


def test_a_mesh_is_needed() -> None:
    """Breaks if poses or indices without vertices are read as something else."""
    with pytest.raises(IndexError):
        tangles(torch.zeros(2, 3), torch.tensor([[0, 1, 2]]))
    with pytest.raises(ValueError, match="one by one"):
        tangles(torch.zeros(2, 3, 3), torch.tensor([[0, 1, 2]]))
