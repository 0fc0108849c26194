"""inspect: each count on a mesh made to have it."""

import math

import pytest
import torch

from repousse.geometry import Mesh, cube, icosphere, inspect, join, pack, plane


def changed(faces: torch.Tensor) -> Mesh:
    return Mesh(cube().positions, faces)


def test_a_good_mesh_has_no_problems() -> None:
    """Breaks if something harmless is reported, or measures have a wrong factor."""
    found = inspect(cube())
    assert found.watertight and not list(found.problems())
    assert (found.vertices, found.faces, found.components) == (8, 12, 1)
    assert found.area == pytest.approx(24) and found.volume == pytest.approx(8)
    assert (found.low, found.high) == ((-1, -1, -1), (1, 1, 1))
    assert inspect(icosphere(4)).volume == pytest.approx(4 / 3 * math.pi, rel=1e-2)


def test_every_problem_is_counted() -> None:
    """Breaks if a defect of a file goes unnoticed, or is taken for another one."""
    faces = cube().faces
    opened = inspect(changed(faces[1:]))
    assert opened.boundary_edges == 3 and not opened.watertight and opened.volume is None
    torn = inspect(changed(torch.cat((faces[:1, [0, 2, 1]], faces[1:]))))
    assert torn.torn_edges == 3 and not torn.watertight
    doubled = inspect(changed(torch.cat((faces, faces[:1]))))
    assert doubled.doubled_faces == 1 and doubled.crowded_edges == 3
    flat = inspect(changed(torch.cat((faces, torch.tensor([[0, 0, 1]], dtype=torch.int32)))))
    assert flat.flat_faces == 1
    unused = inspect(Mesh(torch.cat((cube().positions, torch.full((1, 3), 9.0))), faces))
    assert unused.unused_vertices == 1 and unused.high == (1, 1, 1)
    inverted = inspect(changed(faces[:, [0, 2, 1]]))
    assert inverted.volume == pytest.approx(-8) and "inside out" in " ".join(inverted.problems())


def test_components_are_found_however_vertices_are_numbered() -> None:
    """Breaks if labels do not spread through long chains."""
    length = 500
    order = torch.randperm(2 * length + 2, generator=torch.Generator().manual_seed(0))
    strip = torch.arange(2 * length)[:, None] + torch.arange(3)
    chain = Mesh(torch.rand(2 * length + 2, 3), order[strip])
    assert inspect(chain).components == 1
    assert inspect(join([chain, cube(), plane()])).components == 3


def test_only_single_meshes_are_taken() -> None:
    """Breaks if counts of several meshes are mixed silently."""
    with pytest.raises(ValueError, match="one by one"):
        inspect(pack([cube(), cube()]))
    with pytest.raises(ValueError, match="one by one"):
        inspect(Mesh(cube().positions.expand(2, -1, -1), cube().faces))
