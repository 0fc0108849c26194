"""What is touched and what is inside: figures with known answers, and what must not matter."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from repousse.geometry import Mesh, cube, icosphere, torus
from repousse.ops import voxelize
from repousse.ops.voxelize import reference

SIZE = (12, 12, 12)
seeds = st.integers(0, 2**31)


def placed(mesh: Mesh, scale: float | Tensor, centre: float | Tensor) -> tuple[Tensor, Tensor]:
    return (mesh.positions * scale + centre)[None], mesh.faces


def blob(seed: int) -> tuple[Tensor, Tensor]:
    """A closed surface without overlaps, at a random place in SIZE, some of it concave."""
    generator = torch.Generator().manual_seed(seed)
    mesh = [icosphere(1), icosphere(2), torus(resolution=(12, 8))][seed % 3]
    stretch = 2 + 3 * torch.rand(3, generator=generator)
    return placed(mesh, stretch, 6 + 0.5 * torch.rand(3, generator=generator))


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_cube_on_borders_of_cells(backend) -> None:
    """Breaks if a flat side between two layers marks one of them only, or the inside loses or gains a layer."""
    box = placed(cube(), torch.tensor([1.0, 2.0, 1.5]), torch.tensor([3.0, 4.0, 3.5]))  # 2..4, 2..6, 2..5
    solid = voxelize(*box, (8, 8, 8), fill="solid", backend=backend)[0]
    expected = torch.zeros(8, 8, 8, dtype=torch.bool)
    expected[2:4, 2:6, 2:5] = True
    assert torch.equal(solid, expected)
    shell = torch.zeros(8, 8, 8, dtype=torch.bool)
    shell[1:5, 1:7, 1:6] = True  # the two layers of either side meet along x
    assert torch.equal(voxelize(*box, (8, 8, 8), fill="none", backend=backend)[0], shell)
    grown = voxelize(*placed(cube(), 3.0, 4.0), (8, 8, 8), fill="none", backend=backend)[0]  # 1..7
    assert grown[0].all() and not grown[3:5, 3:5, 3:5].any() and grown.sum() == 8**3 - 4**3
    assert voxelize(*placed(cube(), 3.0, 4.0), (8, 8, 8), fill="carve", backend=backend).all()


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_sides_through_centres(backend) -> None:
    """Breaks if a side that runs through centres of cells gives them to both of its faces, or to none."""
    solid = voxelize(*placed(cube(), 2.0, 3.5), (7, 7, 7), backend=backend)[0]  # from 1.5 to 5.5
    expected = torch.zeros(7, 7, 7, dtype=torch.bool)
    expected[1:5, 1:5, 1:5] = True  # a centre belongs to what lies behind it along the axes
    assert torch.equal(solid, expected)


@pytest.mark.parametrize("resolution", [16, 48, 96])
def test_the_volume_of_a_sphere(resolution: int) -> None:
    """Breaks if the solid is fat, thin or shifted: its volume differs from that of the faces by rounding only."""
    sphere = icosphere(4)
    positions, faces = placed(sphere, 0.46 * resolution, resolution / 2)
    corners = positions[0][faces.long()].double()
    volume = (corners[:, 0] * torch.linalg.cross(corners[:, 1], corners[:, 2])).sum() / 6
    solid = voxelize(positions, faces, (resolution,) * 3)[0]
    assert solid.sum() == pytest.approx(float(volume), rel=1.5 / resolution**1.5)
    where = solid.nonzero().double() + 0.5
    assert torch.allclose(where.mean(0), torch.full((3,), resolution / 2, dtype=torch.float64), atol=0.01)
    if resolution == 96:
        assert volume == pytest.approx(4 / 3 * math.pi * (0.46 * resolution) ** 3, rel=0.01)


def test_a_segment_and_a_point_mark_what_they_touch() -> None:
    """Breaks if faces without area are dropped, or mark their bounding box."""
    ends = torch.tensor([[[0.2, 0.3, 0.4], [3.2, 3.3, 3.4], [1.7, 1.8, 1.9]]])
    line = voxelize(ends, torch.tensor([[0, 1, 2]]), (4, 4, 4), fill="none")[0]
    steps = ends[0, 0] + torch.linspace(0, 3, 3001)[:, None]
    expected = torch.zeros(4, 4, 4, dtype=torch.bool)
    expected[steps.floor().long().unbind(1)] = True
    assert torch.equal(line, expected)
    point = voxelize(ends, torch.tensor([[1, 1, 1]]), (4, 4, 4), fill="none")[0]
    assert point.nonzero().tolist() == [[3, 3, 3]]


def test_overlapping_parts_unite_and_cavities_stay() -> None:
    """Breaks if an overlap counts as outside (parity alone), or a cavity as inside (nonzero of unsigned hits)."""
    ball, other = icosphere(2), icosphere(2)
    count = len(ball.positions)
    faces = torch.cat([ball.faces, other.faces + count])
    apart = torch.tensor([1.5, 0, 0])
    pair = torch.cat([ball.positions * 4 + 6 - apart, ball.positions * 4 + 6 + apart])[None]
    each = [voxelize(pair[:, part], ball.faces, SIZE) for part in (slice(0, count), slice(count, None))]
    assert torch.equal(voxelize(pair, faces, SIZE), each[0] | each[1]) and (each[0] & each[1]).any()

    shells = torch.cat([ball.positions * 5 + 6, ball.positions * 3 + 6])[None]
    inwards = torch.cat([ball.faces, other.faces.flip(1) + count])
    hollow = voxelize(shells, inwards, SIZE)
    outer, inner = (voxelize(placed(ball, r, 6.0)[0], ball.faces, SIZE) for r in (5.0, 3.0))
    assert torch.equal(hollow, outer & ~inner)
    assert torch.equal(voxelize(shells, faces, SIZE), outer)  # both outwards: two solids, one inside the other


def test_faces_drawn_from_both_sides_count_once() -> None:
    """Breaks if the second side of a model made for renderers without back faces takes the first away."""
    positions, faces = placed(torus(), 5.0, 6.0)
    both = torch.cat([faces, faces.flip(1)])
    expected = voxelize(positions, faces, SIZE)
    assert expected.any() and torch.equal(voxelize(positions, both, SIZE), expected)


def test_a_hole_does_not_let_the_inside_out() -> None:
    """Breaks if one ray through a hole decides; only cells near the hole may change."""
    positions, faces = placed(icosphere(3), 5.0, 6.0)
    top = positions[0][faces.long()].amin(1)[:, 1] > 9.5
    assert top.any()
    whole, opened = voxelize(positions, faces, SIZE)[0], voxelize(positions, faces[~top], SIZE)[0]
    changed = (whole ^ opened).nonzero()
    assert opened[6, 3, 6] and (changed[:, 1] >= 9).all()
    sheet = torch.tensor([[[-9.0, 6.2, -9.0], [-9.0, 6.2, 40.0], [40.0, 6.2, -9.0]]])
    assert not voxelize(sheet, torch.tensor([[0, 1, 2]]), SIZE).any()
    assert voxelize(sheet, torch.tensor([[0, 1, 2]]), SIZE, fill="none").sum() == 144


def test_carving_fills_what_the_axes_do_not_see() -> None:
    """Breaks if a direction is forgotten, or empty columns hide anything."""
    for axis, near in itertools.product(range(3), (True, False)):
        # A box of five sides, open towards one direction: from there all of it is seen.
        box = cube()
        corners = box.positions[box.faces.long()]
        open_side = (corners[:, :, axis] == (-1 if near else 1)).all(1)
        positions, _ = placed(box, 2.2, 3.5)
        carved = voxelize(positions, box.faces[~open_side], (7, 7, 7), fill="carve")
        surface = voxelize(positions, box.faces[~open_side], (7, 7, 7), fill="none")
        assert torch.equal(carved, surface)
        assert voxelize(positions, box.faces, (7, 7, 7), fill="carve").sum() > surface.sum()


# ---- what must not matter --------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(seeds, st.sampled_from(["none", "solid", "carve"]), st.tuples(*[st.integers(-3, 3)] * 3))
def test_moving_by_whole_cells_moves_the_cells(seed: int, fill: str, shift: tuple[int, int, int]) -> None:
    """Breaks if decisions depend on where in the grid a face lies."""
    positions, faces = blob(seed)
    positions = (positions * 1024).round() / 1024  # so that the move is exact
    wide = voxelize(positions + 4, faces, (20, 20, 20), fill=fill)[0]
    moved = voxelize(positions + 4 + torch.tensor(shift), faces, (20, 20, 20), fill=fill)[0]
    assert wide.any() and torch.equal(moved, wide.roll(shift, (0, 1, 2)))


@settings(deadline=None, max_examples=25)
@given(seeds, st.sampled_from(["none", "solid", "carve"]), st.permutations([0, 1, 2]), st.integers(0, 7))
def test_turning_and_mirroring(seed: int, fill: str, order: list[int], mirrored: int) -> None:
    """Breaks if an axis is treated differently from the others (positions are such that no centre lies on a face)."""
    positions, faces = blob(seed)
    found = voxelize(positions, faces, SIZE, fill=fill)[0].permute(order)
    turned = positions[..., order].clone()
    for axis in range(3):
        if mirrored >> axis & 1:
            turned[..., axis] = SIZE[0] - turned[..., axis]
            found = found.flip(axis)
    assert torch.equal(voxelize(turned, faces, SIZE, fill=fill)[0], found)


@settings(deadline=None, max_examples=25)
@given(seeds, st.sampled_from(["none", "solid", "carve"]))
def test_order_of_faces_and_corners(seed: int, fill: str) -> None:
    """Breaks if a later face overrides an earlier one, or the first corner is special."""
    positions, faces = blob(seed)
    generator = torch.Generator().manual_seed(seed)
    shuffled = faces[torch.randperm(len(faces), generator=generator)].roll(seed % 3, 1)
    assert torch.equal(voxelize(positions, shuffled, SIZE, fill=fill), voxelize(positions, faces, SIZE, fill=fill))


@settings(deadline=None, max_examples=25)
@given(seeds, st.floats(0, 1))
def test_faces_wound_the_other_way(seed: int, share: float) -> None:
    """Breaks if a few or all faces of a closed surface wound the other way open it."""
    positions, faces = blob(seed)
    flipped = torch.rand(len(faces), 1, generator=torch.Generator().manual_seed(seed)) < share
    turned = torch.where(flipped, faces.flip(1), faces)
    assert torch.equal(voxelize(positions, turned, SIZE), voxelize(positions, faces, SIZE))


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_all_rays_agree_about_a_closed_surface(seed: int) -> None:
    """Breaks if rays through edges and corners, or from centres on faces, count wrongly.

    The surface is closed but crosses itself, and its corners lie on centres, edges and corners of cells.
    """
    generator = torch.Generator().manual_seed(seed)
    points = torch.randint(0, 15, (12, 3), generator=generator) * (reference.UNITS // 2)
    says_inside, odd = reference.votes(points, icosphere(0).faces, (8, 8, 8))
    assert says_inside.unique().tolist() == [0, 6]
    assert set(odd.unique().tolist()) <= {0, 6}


def test_solid_lies_within_carved() -> None:
    """Breaks if carving removes cells whose centre is inside."""
    for seed in range(6):
        solid, carved = (voxelize(*blob(seed), SIZE, fill=fill) for fill in ("solid", "carve"))
        assert solid.any() and not (solid & ~carved).any()
