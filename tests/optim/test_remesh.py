"""Remeshing: what must hold on any mesh, and how good the result is."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optim_meshes import bumpy, characteristic, is_manifold, loops, relative_lengths

import repousse as rp
from repousse.geometry import Mesh, inspect
from repousse.optim import remesh, tangles

_SETTINGS: dict[str, Any] = {"passes": st.integers(1, 3), "smoothing": st.sampled_from([0.0, 0.5, 1.0])}


def remeshed(mesh: Mesh, edge_length: float | torch.Tensor, **options: Any) -> Mesh:
    return Mesh(*remesh(mesh.positions, mesh.faces, edge_length, **options)[:2])


@settings(max_examples=25)
@given(bumpy(), st.floats(0.08, 1.5), _SETTINGS["passes"], _SETTINGS["smoothing"])
def test_topology_is_kept(mesh: Mesh, edge_length: float, passes: int, smoothing: float) -> None:
    """Breaks if a step closes a hole, pinches a handle, opens a seam, or makes an edge of three faces."""
    result = remeshed(mesh, edge_length, passes=passes, smoothing=smoothing)
    assert is_manifold(result)
    assert characteristic(result) == characteristic(mesh)
    assert loops(result) == loops(mesh)
    assert inspect(result).components == inspect(mesh).components


@settings(max_examples=25)
@given(bumpy(), st.floats(0.1, 1.0), _SETTINGS["passes"], _SETTINGS["smoothing"])
def test_nothing_folds(mesh: Mesh, edge_length: float, passes: int, smoothing: float) -> None:
    """Breaks if a check before a step is missing: folds or faces without area appear where there were none."""
    result = remeshed(mesh, edge_length, passes=passes, smoothing=smoothing)
    assert inspect(result).flat_faces == 0
    # Where edges are longer than what they go around is thick, neighbouring faces may look away from each other.
    if edge_length <= 0.25 and not tangles(mesh.positions, mesh.faces):
        assert tangles(result.positions, result.faces) == 0


@settings(max_examples=25)
@given(bumpy(), st.floats(0.1, 1.0), _SETTINGS["passes"], _SETTINGS["smoothing"])
def test_carried_values_stay_in_range(mesh: Mesh, edge_length: float, passes: int, smoothing: float) -> None:
    """Breaks if new values are extrapolated, or land in another tensor or column."""
    generator = torch.Generator().manual_seed(0)
    colors = torch.rand(len(mesh.positions), 2, 3, generator=generator) + torch.tensor([0.0, 5.0, 9.0])
    heights = torch.rand(len(mesh.positions), generator=generator, dtype=torch.float64) - 7
    found = remesh(
        mesh.positions, mesh.faces, edge_length, carried=[colors, heights], passes=passes, smoothing=smoothing
    )
    assert [tensor.shape for tensor in found.carried] == [(len(found.positions), 2, 3), (len(found.positions),)]
    for before, after in zip((colors, heights), found.carried, strict=True):
        assert after.dtype == before.dtype
        assert (after >= before.amin(0) - 1e-6).all() and (after <= before.amax(0) + 1e-6).all()


@pytest.mark.parametrize(
    ("mesh", "edge_length"),
    [(rp.icosphere(4), 0.2), (rp.icosphere(1), 0.05), (rp.torus(), 0.06), (rp.plane(resolution=5), 0.05)],
    ids=["sphere, coarser", "sphere, finer", "torus", "sheet"],
)
def test_lengths_approach_the_target(mesh: Mesh, edge_length: float) -> None:
    """Breaks if a step stops early or works against the others."""
    result = remeshed(mesh, edge_length, passes=5)
    lengths = relative_lengths(result, edge_length)
    assert ((lengths >= 4 / 5) & (lengths <= 4 / 3)).float().mean() > 0.93
    assert lengths.mean() == pytest.approx(1, abs=0.1)
    valence = torch.bincount(result.topology.edges.flatten())
    assert ((valence - 6).abs() <= 1).float().mean() > 0.9


def test_lengths_may_vary() -> None:
    """Breaks if the target of a vertex is not carried along: the fine and the coarse half would drift apart."""
    mesh = rp.icosphere(4)

    def wanted(positions: torch.Tensor) -> torch.Tensor:
        return 0.13 + 0.07 * positions[:, 1]

    found = remesh(mesh.positions, mesh.faces, wanted(mesh.positions), passes=5)
    result = Mesh(found.positions, found.faces)
    lengths = relative_lengths(result, wanted(result.positions))
    assert ((lengths >= 4 / 5) & (lengths <= 4 / 3)).float().mean() > 0.9
    fine, coarse = ((sign * result.positions[:, 1] > 0.5).sum() for sign in (-1, 1))
    assert fine > 4 * coarse


def test_the_surface_stays_where_it_is() -> None:
    """Breaks if merging shrinks what is curved, or smoothing lets vertices leave the surface."""
    sphere, ring = rp.icosphere(4), rp.torus(resolution=(96, 48))
    for mesh, edge_length, radius in ((sphere, 0.15, 1.0), (ring, 0.06, 0.3)):
        result = remeshed(mesh, edge_length)
        assert inspect(result).volume == pytest.approx(inspect(mesh).volume, rel=0.01)
        middle = torch.zeros(3)
        if mesh is ring:
            middle = 0.7 * torch.nn.functional.normalize(result.positions * torch.tensor([1.0, 0.0, 1.0]), dim=1)
        off = (result.positions - middle).norm(dim=1) - radius
        assert off.abs().max() < 0.8 * edge_length**2 / radius  # a chord lies edge^2 / (8 radius) below the surface


def test_linear_values_stay_linear() -> None:
    """Breaks if what a vertex carries is not that of its new place: colours would smear at every remesh."""
    mesh = rp.plane(resolution=9)
    slope = torch.tensor([[1.0, 2.0], [0.0, 0.0], [-3.0, 0.5]])
    found = remesh(mesh.positions, mesh.faces, 0.15, carried=[mesh.positions @ slope])
    assert len(found.positions) != len(mesh.positions)
    torch.testing.assert_close(found.carried[0], found.positions @ slope, rtol=0, atol=1e-5)


def test_borders_and_their_corners_stay() -> None:
    """Breaks if the rim of an open surface retreats, or its corners are cut."""
    sheet = rp.plane(resolution=6)
    for edge_length in (0.1, 0.35, 1.0):
        result = remeshed(sheet, edge_length)
        assert inspect(result).area == pytest.approx(4, rel=1e-6)
        corners = sheet.positions[(sheet.positions.abs().sum(1) - 2).abs() < 1e-6]
        assert torch.cdist(corners, result.positions).amin(1).max() < 1e-6


def test_small_bodies_do_not_vanish() -> None:
    """Breaks if the link condition forgets the tetrahedron, whose faces would fold onto each other."""
    result = remeshed(rp.icosphere(2), 50.0, passes=3)
    assert characteristic(result) == 2 and is_manifold(result)
    assert len(result.faces) < 40
    again = remeshed(result, 50.0)
    assert characteristic(again) == 2 and inspect(again).watertight


def test_places_that_are_no_manifold_are_left_alone() -> None:
    """Breaks if the link condition is applied where it means nothing, or such meshes are refused."""
    leaf = rp.plane(resolution=4)
    corner = leaf.positions[:, [1, 0, 2]]  # stands on the middle of the leaf: an edge of four faces along x = 0
    both = torch.cat([leaf.positions, corner])
    unique, index = both.round(decimals=5).unique(dim=0, return_inverse=True)
    book = Mesh(unique, index[torch.cat([leaf.faces, leaf.faces + len(leaf.positions)])])
    assert inspect(book).crowded_edges == 4
    result = remeshed(book, 0.3)
    spine = unique[(unique[:, :2].abs() < 1e-6).all(1)]
    assert torch.cdist(spine, result.positions).amin(1).max() < 1e-6
    assert inspect(result).components == 1
    tips = rp.join([rp.icosphere(1), rp.icosphere(1)])
    tips = Mesh(torch.cat([tips.positions[:42], tips.positions[42:] + tips.positions[:1] * 2]), tips.faces)
    touching, index = tips.positions.round(decimals=5).unique(dim=0, return_inverse=True)
    touch = Mesh(touching, index[tips.faces.long()])
    assert len(touching) == 83 and inspect(touch).watertight
    result = remeshed(touch, 0.3)
    assert inspect(result).watertight and inspect(result).components == 1


def test_leftovers_are_dropped() -> None:
    """Breaks if unused vertices survive, or a face without area stops everything."""
    sphere = rp.icosphere(2)
    positions = torch.cat([torch.full((1, 3), 9.0), sphere.positions])
    faces = torch.cat([sphere.faces + 1, torch.tensor([[3, 3, 4]])])
    found = remesh(positions, faces, 0.3)
    assert found.positions.abs().max() < 1.1
    assert characteristic(Mesh(found.positions, found.faces)) == 2


def test_caps_and_needles_are_repaired() -> None:
    """Breaks if faces without area, which have no normal to compare with, block every step around them."""
    sheet = rp.plane(resolution=4)
    positions = sheet.positions.clone()
    positions[12] = (positions[6] + positions[11]) / 2 + torch.tensor([0.0, 0.0, 1e-9])
    result = remeshed(Mesh(positions, sheet.faces), 0.4, passes=4)
    corners = result.positions[result.faces.long()]
    areas = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=1)
    assert areas.min() > 1e-3


def test_repeatable_and_detached() -> None:
    """Breaks if chance differs from run to run, the input is changed, or a graph is kept."""
    mesh = rp.icosphere(3)
    positions = mesh.positions.double().requires_grad_()
    before = positions.detach().clone(), mesh.faces.clone()
    first, second = (remesh(positions, mesh.faces.long(), 0.1, carried=[positions]) for _ in range(2))
    assert torch.equal(first.positions, second.positions) and torch.equal(first.faces, second.faces)
    assert first.positions.dtype == torch.float64 and first.faces.dtype == torch.int64
    assert not first.positions.requires_grad and not first.carried[0].requires_grad
    assert torch.equal(positions, before[0]) and torch.equal(mesh.faces, before[1])
    unchanged = remesh(mesh.positions, mesh.faces, 0.15, passes=1, smoothing=0)
    unchanged.positions.zero_()
    assert mesh.positions.abs().max() > 0.9


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"positions": torch.zeros(2, 12, 3)}, ValueError, "one by one"),
        ({"positions": torch.full((12, 3), math.nan)}, ValueError, "finite"),
        ({"positions": None}, TypeError, "tensor"),
        ({"faces": torch.zeros(3, 4, dtype=torch.int32)}, ValueError, "triangles"),
        ({"faces": torch.tensor([[0, 1, 12]])}, IndexError, "12"),
        ({"faces": torch.tensor([[0, 1, 1]])}, ValueError, "names a vertex twice"),
        ({"edge_length": 0.0}, ValueError, "positive"),
        ({"edge_length": math.nan}, ValueError, "positive"),
        ({"edge_length": torch.ones(5)}, ValueError, "(12,)"),
        ({"edge_length": 1e-5}, ValueError, "20000000 faces"),
        ({"carried": [torch.zeros(5, 3)]}, ValueError, "carried[0]"),
        ({"carried": [torch.zeros(12, dtype=torch.int64)]}, TypeError, "carried[0]"),
        ({"carried": [torch.zeros(12, 3), torch.full((12,), math.inf)]}, ValueError, "carried[1]"),
        ({"passes": 0}, ValueError, "passes"),
        ({"smoothing": 1.5}, ValueError, "smoothing"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    """Breaks if something that cannot be meant is remeshed, or fills the memory."""
    ball = rp.icosphere(0)
    arguments: dict[str, Any] = {"positions": ball.positions, "faces": ball.faces, "edge_length": 0.5, **change}
    with pytest.raises(error) as caught:
        remesh(**arguments)
    assert message in str(caught.value)
