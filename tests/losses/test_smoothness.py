"""The released smoothness loss: its formula edge by edge, its choice of edges, and what it measures."""

import math

import numpy as np
import pytest
import torch

from repousse import losses
from repousse.geometry import Mesh, cube, icosphere, teapot, torus


def by_the_formula(positions, faces, released, eps=1e-6):
    """The sum over edges with two faces, one after the other, in float64."""
    across, listed = {}, set()
    for face in faces:
        for k in range(3):
            edge = tuple(sorted((face[k], face[(k + 1) % 3])))
            across.setdefault(edge, []).append(face[(k + 2) % 3])
            if k < 2:
                listed.add(edge)
    total, used = 0.0, 0
    for (low, high), apexes in across.items():
        if len(apexes) != 2 or (released and (low, high) not in listed):
            continue
        a = positions[high] - positions[low]
        parts, lengths = [], []
        for apex in apexes:
            b = positions[apex] - positions[low]
            length_b = math.sqrt(b @ b + eps)
            cos = a @ b / (math.sqrt(a @ a + eps) * length_b + eps)
            parts.append(b - a * (a @ b) / (a @ a + eps))
            lengths.append(length_b * math.sqrt(1 - cos * cos + eps))
        total += (parts[0] @ parts[1] / (lengths[0] * lengths[1] + eps) + 1) ** 2
        used += 1
    return total, used


@pytest.mark.parametrize("edges", ["all", "released"])
@pytest.mark.parametrize("mesh", [icosphere(1), torus(resolution=(7, 5)), teapot(3)], ids=["ball", "ring", "teapot"])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_against_the_formula(mesh, edges, scale):
    """Breaks if an epsilon moves or an edge is chosen that the released code does not choose."""
    positions = scale * mesh.positions.double()
    expected, used = by_the_formula(positions.numpy(), mesh.faces.tolist(), edges == "released")
    assert used > 100
    found = losses.smoothness(mesh.with_positions(positions), edges=edges).item()
    assert found == pytest.approx(expected, rel=1e-9)
    single = losses.smoothness(mesh.with_positions(positions.float()), edges=edges).item()
    assert single == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_released_code_misses_an_edge():
    """Breaks if the edge from the third to the first corner, in both of its faces, counts where it should not."""
    positions = torch.tensor([[0.0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
    mesh = Mesh(positions, torch.tensor([[0, 1, 2], [2, 3, 0]]))  # they share (0, 2), folded by 90 degrees
    assert losses.smoothness(mesh).item() == pytest.approx(1, rel=1e-4)
    assert losses.smoothness(mesh, edges="released").item() == 0


def test_angles():
    """Breaks if flat is not 0, a right angle not 1, or a fold not 4."""
    assert losses.smoothness(cube()).item() == pytest.approx(12, rel=1e-4)
    for angle in np.linspace(0, math.pi, 7):
        side = [0.5, math.cos(angle), math.sin(angle)]
        mesh = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0.5, 1, 0], side]), torch.tensor([[0, 1, 2], [1, 0, 3]]))
        assert losses.smoothness(mesh).item() == pytest.approx((math.cos(angle) + 1) ** 2, abs=1e-4)
