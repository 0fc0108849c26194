"""Where surfaces pass through one another: the rules, and the native kernel against the reference."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_everywhere import everywhere
from ops_scenes import Scene, build, pack, scenes
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import Mesh, cube, icosphere, join, plane, topology, torus
from repousse.ops import Fragments, crossings, intersections, rasterize, with_face_id

pytestmark = pytest.mark.filterwarnings("ignore")  # faces that are not finite are reported by a warning
SIZE = (40, 48)
COLUMNS = ("inner", "outer", "faces", "offset", "axis")


def frame(mesh: Mesh, camera: Camera, size: tuple[int, int] = SIZE) -> Fragments:
    return rasterize(camera.project(mesh.positions, size).contiguous(), mesh.faces, size)


def parts(fragments: Fragments, *counts: int) -> Tensor:
    """A picture in which each of the joined meshes has a colour of its own."""
    owner = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)) + 1.0
    return torch.cat([torch.zeros(1), owner])[fragments.face_id.long() + 1][..., None]


def assert_same(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    for name, have, want in zip(COLUMNS, found, expected, strict=True):
        assert have.dtype == want.dtype and have.shape == want.shape, name
        if name == "offset":
            torch.testing.assert_close(have, want, rtol=0, atol=1e-5)
        else:
            assert torch.equal(have, want), name


def turned(mesh: Mesh, degrees: float, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    a = math.radians(degrees)
    rotation = torch.tensor([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    return mesh.with_positions(mesh.positions @ rotation.T + torch.tensor(shift))


def two_cubes() -> Mesh:
    one = cube().with_positions(cube().positions * 0.6)
    return join([one, turned(one, 35, (0.4, -0.3, 0.1))])


# ---- the rules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_crossed_walls_meet_along_a_line(backend: Any) -> None:
    """Breaks if a row of the line is missed or counted twice, or lies elsewhere."""
    wall = plane()
    wall = wall.with_positions(wall.positions[:, [0, 2, 1]])  # upright
    mesh = join([turned(wall, 30, (0.03, 0, 0)), turned(wall, -30, (0.03, 0, 0))])
    fragments = frame(mesh, Camera.orbit(3.0))
    found = intersections(fragments, parts(fragments, 2, 2), mesh.topology, backend=backend)
    assert (found.axis == 0).all()
    x = found.inner % SIZE[1] + 0.5 + found.offset
    expected = Camera.orbit(3.0).project(torch.tensor([[0.03, 0.0, 0.0]]), SIZE)[0, 0]
    torch.testing.assert_close(x, ((expected[0] / expected[3] + 1) * SIZE[1] / 2).expand_as(x), atol=1e-3, rtol=0)
    rows = found.inner // SIZE[1]
    covered = (fragments.face_id[0, :, SIZE[1] // 2 - 3 : SIZE[1] // 2 + 3] >= 0).all(1).nonzero().flatten()
    assert torch.equal(rows, covered)


def test_borders_of_two_solids_are_edges_or_intersections() -> None:
    """Breaks if a border between two bodies is explained by neither list, or by both."""
    for mesh, camera in (
        (two_cubes(), Camera.orbit(4.0, 0.5, 0.4)),
        (join([icosphere(3), turned(icosphere(3), 0, (0.7, 0.3, 0.1))]), Camera.orbit(4.0, 0.5, 0.4)),
        (join([icosphere(5), turned(icosphere(5), 0, (0.7, 0.3, 0.1))]), Camera.orbit(4.0, 0.5, 0.4)),
    ):
        size = (64, 64)
        fragments = frame(mesh, camera, size)
        image = parts(fragments, *(len(mesh.faces) // 2,) * 2)
        lines, edges = (
            intersections(fragments, image, mesh.topology),
            crossings(fragments.positions, mesh.topology, fragments),
        )
        by_line = set(zip(lines.inner.tolist(), lines.axis.tolist(), strict=True))
        near = torch.minimum(edges.inner, edges.outer)
        by_edge = set(zip(near.tolist(), edges.axis.tolist(), strict=True))
        assert len(by_line) > 10 and len(by_line & by_edge) <= 1  # where the line ends at an edge
        # Each pixel beside a border between the bodies has a row: of its own, or of the pair on the other axis.
        seen = image[0, ..., 0]
        missed = 0
        for axis, (one, two) in enumerate(((seen[:, :-1], seen[:, 1:]), (seen[:-1], seen[1:]))):
            for y, x in ((one != two) & (one > 0) & (two > 0)).nonzero().tolist():
                inner = y * 64 + x
                outer = inner + (64 if axis else 1)
                around = {(p, a) for p in (inner, outer) for a in (0, 1)} | {(outer - 1, 0), (outer - 64, 1)}
                around |= {(inner - 1, 0), (inner - 64, 1)}
                missed += not around & (by_line | by_edge)
        assert missed <= 1


@pytest.mark.parametrize("mesh", [torus(), icosphere(4), cube()], ids=["torus", "sphere", "cube"])
def test_a_surface_does_not_meet_itself(mesh: Mesh) -> None:
    """Breaks if valleys, ridges or silhouettes of one surface count as intersections."""
    fragments = frame(mesh, Camera.orbit(2.5, 0.4, 0.3), (64, 64))
    image = torch.rand(*fragments.face_id.shape, 3, generator=torch.Generator().manual_seed(0))
    assert not len(intersections(fragments, image, mesh.topology).inner)


def test_equal_pixels_are_skipped() -> None:
    """Breaks if borders that cannot be seen cost anything."""
    mesh = two_cubes()
    fragments = frame(mesh, Camera.orbit(4.0, 0.5, 0.4))
    mask = (fragments.face_id >= 0).float()[..., None]
    assert not len(intersections(fragments, mask, mesh.topology).inner)
    assert len(intersections(fragments, parts(fragments, 12, 12), mesh.topology).inner)


def test_surfaces_that_coincide_meet_nowhere() -> None:
    """Breaks if the noise between two equal planes is taken for a line."""
    mesh = join([plane(), turned(plane(), 0, (0.31, 0.0, 0.17))])
    fragments = frame(mesh, Camera.orbit(3.0, 0.6, 0.3))
    ids = torch.arange(fragments.face_id.numel()).view_as(fragments.face_id) % 2 * 2
    mixed = with_face_id(fragments, torch.where(fragments.face_id >= 0, ids, -1).int())
    assert not len(intersections(mixed, parts(mixed, 2, 2), mesh.topology).inner)


# ---- the kernel against the reference --------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(scenes(max_faces=7), st.integers(1, 3))
def test_native_equals_reference(scene: Scene, channels: int) -> None:
    """Breaks if a pair is judged, followed or ordered differently, on any instruction set or number of threads."""
    fragments, edges = rasterize(*scene), topology(scene.faces)
    image = torch.rand(*fragments.face_id.shape, channels, generator=torch.Generator().manual_seed(1)).round(decimals=1)
    found = everywhere(lambda: tuple(intersections(fragments, image, edges)))
    assert_same(found, intersections(fragments, image, edges, backend="reference"))


@pytest.mark.parametrize("level", [1, 3])
def test_native_equals_reference_on_solids(level: int) -> None:
    """Breaks if the surface is followed over other faces than those of the reference."""
    mesh = join([icosphere(level), turned(icosphere(level), 20, (0.7, 0.3, 0.1)), two_cubes()])
    fragments = frame(mesh, Camera.orbit(4.0, torch.tensor([0.5, -0.2]), 0.4))
    image = torch.rand(*fragments.face_id.shape, 2, generator=torch.Generator().manual_seed(0))
    found = everywhere(lambda: tuple(intersections(fragments, image, mesh.topology)))
    assert len(found[0]) > 20
    assert_same(found, intersections(fragments, image, mesh.topology, backend="reference"))


def test_packed_meshes_are_searched_as_if_separate() -> None:
    """Breaks if vertices or pixels of packed meshes are looked up in another image."""
    apart = [build(["large", "tilted", "near", "large", "tilted"], seed, SIZE) for seed in range(3)]
    positions, faces, ranges = pack(apart)
    fragments = rasterize(positions, faces, SIZE, ranges=ranges)
    image = torch.rand(*fragments.face_id.shape, 2, generator=torch.Generator().manual_seed(0))
    found = everywhere(lambda: tuple(intersections(fragments, image, topology(faces))))
    assert_same(found, intersections(fragments, image, topology(faces), backend="reference"))
    alone = []
    for index, part in enumerate(apart):
        one = intersections(rasterize(*part), image[index : index + 1], topology(part.faces))
        alone.append(one.inner + index * SIZE[0] * SIZE[1])
    assert len(found[0]) > 0 and torch.equal(found[0], torch.cat(alone))


# ---- input -----------------------------------------------------------------------------------------------------------


def test_nothing_to_find() -> None:
    """Breaks if empty pictures, single pixels or no channels are not handled."""
    mesh = two_cubes()
    for size in ((1, 1), (1, 9), (9, 1)):
        fragments = frame(mesh, Camera.orbit(4.0), size)
        for channels in (0, 1, 3):
            image = torch.zeros(1, *size, channels)
            assert [len(column) for column in intersections(fragments, image, mesh.topology)] == [0] * 5
    behind = frame(mesh.with_positions(mesh.positions + torch.tensor([0.0, 0.0, 50.0])), Camera.orbit(4.0))
    assert not len(intersections(behind, torch.rand(1, *SIZE, 1), mesh.topology).inner)


def test_what_does_not_fit_is_refused() -> None:
    """Breaks if memory of another image or mesh would be read."""
    mesh = two_cubes()
    fragments = frame(mesh, Camera.orbit(4.0))
    image = torch.zeros(1, *SIZE, 3)
    with pytest.raises(
        ValueError, match=r"intersections: `image` must be \(B, H, W, C\) with \(B, H, W\) = \(1, 40, 48\)"
    ):
        intersections(fragments, image[:, 1:], mesh.topology)
    with pytest.raises(ValueError, match="intersections: `topology` describes 12 faces, but 24 were"):
        intersections(fragments, image, cube().topology)
    with pytest.raises(ValueError, match="intersections: `topology` was built from other faces"):
        intersections(fragments, image, topology(mesh.faces.flip(0)))
    with pytest.raises(ValueError, match='`backend` must be "native" or "reference", got \'gpu\''):
        intersections(fragments, image, mesh.topology, backend="gpu")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="intersections: `image`"):
        intersections(fragments, image.int(), mesh.topology)


@pytest.mark.parametrize("requires_grad", [False, True])
def test_opcheck_of_intersections(requires_grad: bool) -> None:
    """Breaks if the schema or the fake kernel of `intersections` is wrong, or it pretends to be differentiable."""
    mesh = two_cubes()
    f, t = frame(mesh, Camera.orbit(4.0, 0.5, 0.4)), mesh.topology
    image = torch.rand(*f.face_id.shape, 2, requires_grad=requires_grad)
    positions = f.positions.clone().requires_grad_(requires_grad)
    given = positions, t.faces, t.edge_faces, t.face_edges, t.consistent, f.faces, f.face_id, image
    torch.library.opcheck(torch.ops.repousse.intersections.default, given)
    assert not any(column.requires_grad for column in torch.ops.repousse.intersections(*given))
