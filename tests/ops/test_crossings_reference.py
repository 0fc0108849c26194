"""The reference of crossings against exact geometry, brute force and symmetries."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_scenes import Scene, build, from_pixels, pack, plain_topology, reference_fragments, scenes, seeds

from repousse.ops.crossings.reference import Crossings, crossings
from repousse.ops.rasterize import reference

FAN = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4]]
OCTAHEDRON = torch.tensor([*FAN, *([b, a, 5] for a, b, _ in FAN)], dtype=torch.int32)


def walk(scene: Scene) -> Crossings:
    return crossings(scene.positions, plain_topology(scene.faces), reference_fragments(scene))


def as_set(found: Crossings) -> set[tuple]:
    return set(zip(*(column.tolist() for column in (found.inner, found.outer, found.axis)), strict=True))


def octahedron(seed: int, size: tuple[int, int]) -> Scene:
    """A randomly turned octahedron in front of a perspective camera."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]) @ rotation.T
    x, y, z = (corners + rng.uniform((-0.2, -0.2, 2.5), (0.2, 0.2, 4))).T
    positions = np.stack([2 * x, 2 * y, (z - 0.1) * 10 / 9.9, z], 1)
    return Scene(torch.tensor(positions, dtype=torch.float32)[None], OCTAHEDRON, size)


@pytest.mark.parametrize("winding", [1, -1])
@pytest.mark.parametrize("faces", [[[0, 1, 2], [0, 2, 3]], [[0, 1, 2], [2, 0, 3]]])
def test_a_rectangle_is_crossed_once_per_row_and_column_on_each_side(winding: int, faces: list) -> None:
    """Breaks if inner and outer are swapped, the diagonal counts, or the half-open rule is off by one."""
    size = (12, 16)
    xy = [(3.25, 2.5), (10.0, 2.5), (10.0, 8.75), (3.25, 8.75)]
    corners = torch.tensor(faces, dtype=torch.int32)
    found = walk(Scene(from_pixels(xy, size), corners if winding > 0 else corners.flip(1), size))
    expected = {}
    for row in range(2, 9):  # centres 2.5 ... 8.5: the upper end counts, a lower end would not
        expected[row * 16 + 3, row * 16 + 2, 0] = 0.25
        expected[row * 16 + 9, row * 16 + 10, 0] = 0.5
    for column in range(3, 10):
        expected[8 * 16 + column, 9 * 16 + column, 1] = 0.25
    keys = zip(found.inner.tolist(), found.outer.tolist(), found.axis.tolist(), strict=True)
    offsets = dict(zip(keys, found.offset.tolist(), strict=True))
    # The upper edge runs through pixel centres; which pair it separates is not the matter here.
    assert expected == {key: value for key, value in offsets.items() if key[2] == 0 or key[0] >= 8 * 16}
    assert [0, 2] not in found.vertices.tolist()


@pytest.mark.parametrize("turned", [False, True])
def test_a_vertex_on_a_row_of_centres_counts_once(turned: bool) -> None:
    """Breaks if both ends of an edge count, or neither: chains then count lines twice or never."""
    size = (14, 14)
    xy = [(3.25, 2.0), (3.25, 5.5), (3.25, 9.0), (10.0, 9.0), (10.0, 2.0)]
    faces = torch.tensor([[0, 1, 4], [1, 3, 4], [1, 2, 3]], dtype=torch.int32)
    if turned:
        xy, faces = [(y, x) for x, y in xy], faces.flip(1)
    inner, _, vertices, _, axis = walk(Scene(from_pixels(xy, size), faces, size))
    line = inner % 14 if turned else inner // 14
    chain = (axis == int(turned)) & (vertices[:, 1] <= 2)
    rows = [[int(n), *pair] for n, pair in zip(line[chain], vertices[chain].tolist(), strict=True)]
    assert sorted(rows) == [[n, 0, 1] for n in (2, 3, 4)] + [[n, 1, 2] for n in (5, 6, 7, 8)]


def test_an_inner_pixel_that_shows_nothing_is_no_crossing() -> None:
    """Breaks if a needle between pixel centres reports its gap: there is nothing to move there."""
    size = (8, 16)
    needle, wall = [(7.9, 1), (7.6, 1), (7.6, 7), (7.9, 7)], [(16, 0), (7.6, 0), (7.6, 8), (16, 8)]
    positions = torch.cat([from_pixels(needle, size, 0.25), from_pixels(wall, size, 0.75)], 1)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], dtype=torch.int32)
    found = walk(Scene(positions, faces, size)).vertices.tolist()
    assert [1, 2] in found  # its left side: inside shows the wall, outside nothing
    assert [0, 3] not in found  # its right side: inside shows nothing


def brute_force(scene: Scene, fragments: SimpleNamespace) -> set[tuple]:
    """Pairs of a covered and an empty pixel that one silhouette edge separates, on its dominant axis."""
    height, width = scene.size
    screen = reference.project(scene.positions[0], scene.size)
    xy = torch.stack([screen.x, screen.y], 1).double() / 256
    topology, front = plain_topology(scene.faces), fragments.facing[0] > 0
    edges = [
        xy[edge.long()]
        for edge, (one, two) in zip(topology.edges, topology.edge_faces.tolist(), strict=True)
        if two < 0 or front[one] != front[two]
    ]
    covered, pairs = fragments.face_id[0] >= 0, set()
    for axis, (dr, dc) in enumerate([(0, 1), (1, 0)]):
        for row in range(height - dr):
            for column in range(width - dc):
                if covered[row, column] == covered[row + dr, column + dc]:
                    continue
                dominant = []
                for a, b in edges:
                    (ax, ay), (bx, by) = (a - 0.5).tolist(), (b - 0.5).tolist()
                    if axis == 1:
                        ax, ay, bx, by = ay, ax, by, bx
                    line, place = (row, column) if axis == 0 else (column, row)
                    if (ay <= line) != (by <= line):
                        t = ax + (bx - ax) * (line - ay) / (by - ay)
                        if place <= t < place + 1:
                            steep = abs(by - ay) >= abs(bx - ax) if axis == 0 else abs(by - ay) > abs(bx - ax)
                            dominant.append(steep)
                if dominant == [True]:
                    first, second = row * width + column, (row + dr) * width + column + dc
                    pairs.add((first, second, axis) if covered[row, column] else (second, first, axis))
    return pairs


@settings(deadline=None, max_examples=8)
@given(seeds, st.sampled_from([(15, 22), (24, 13)]))
def test_all_borders_of_a_convex_body_are_found(seed: int, size: tuple[int, int]) -> None:
    """Breaks if a silhouette edge is missed, turned round, or reported beside the border."""
    scene = octahedron(seed, size)
    fragments = reference_fragments(scene)
    found = walk(scene)
    expected = brute_force(scene, fragments)
    assert len(expected) > 10
    assert expected <= as_set(found)
    assert (fragments.face_id.flatten()[found.inner] >= 0).all()
    assert (fragments.face_id.flatten()[found.outer] < 0).all()
    assert len(as_set(found)) == len(found.inner)


@settings(deadline=None, max_examples=20)
@given(scenes(max_faces=6))
def test_every_crossing_keeps_the_promises_of_its_fields(scene: Scene) -> None:
    """Breaks if pairs are no neighbours, ids are equal, edges or rows unordered, offsets outside [0, 1]."""
    height, width = scene.size
    fragments = reference_fragments(scene)
    inner, outer, vertices, offset, axis = walk(scene)
    ids = fragments.face_id.flatten()
    assert (ids[inner] >= 0).all() and (ids[inner] != ids[outer]).all()
    assert ((offset >= 0) & (offset <= 1)).all()
    assert (vertices[:, 0] < vertices[:, 1]).all()
    assert torch.equal((inner - outer).abs(), torch.where(axis == 0, 1, width))
    same_line = torch.where(axis == 0, inner // width == outer // width, inner % width == outer % width)
    assert same_line.all()
    image = inner // (height * width)
    edges = plain_topology(scene.faces).edges.tolist()
    line = torch.where(axis == 0, inner // width % height, inner % width)
    edge = [edges.index(pair) for pair in vertices.tolist()]
    keys = list(zip(image.tolist(), edge, line.tolist(), strict=True))
    assert keys == sorted(keys)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_exchanging_rows_and_columns_exchanges_the_axes(seed: int) -> None:
    """Breaks if the two axes are treated differently, other than for edges at 45 degrees and depth ties."""
    size = (18, 27)
    scene = build(["small", "tilted", "large", "near"], seed, size)
    turned = Scene(scene.positions[..., [1, 0, 2, 3]], scene.faces[:, [0, 2, 1]], (27, 18))
    there = {((i % 18) * 27 + i // 18, (o % 18) * 27 + o // 18, 1 - axis) for i, o, axis in as_set(walk(turned))}
    # Turning a face exchanges two corners: depth may round differently, clipped polygons run backwards.
    assert len(there ^ as_set(walk(scene))) <= 2


def test_only_the_nearer_edge_counts() -> None:
    """Breaks if an edge behind the outer pixel's surface is kept, or one before it dropped."""
    size = (16, 16)
    small = [(4.2, 4.2), (4.3, 11.8), (11.7, 11.8), (11.8, 4.2)]
    big = [(0, 0), (0, 16), (16, 16), (16, 0)]
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], dtype=torch.int32)
    for zeta, count in ((0.25, 8 + 8 + 8 + 8), (0.75, 0)):
        positions = torch.cat([from_pixels(small, size, zeta), from_pixels(big, size, 0.5)], 1)
        found = walk(Scene(positions, faces, size))
        assert len(found.inner) == count
        assert (found.vertices < 4).all()


def test_an_edge_of_many_faces_is_a_silhouette_if_all_lie_on_one_side() -> None:
    """Breaks if further faces of a non-manifold edge are ignored, or their direction is misread."""
    size = (8, 16)
    spine = [(8.1, 0), (8.1, 8)]
    left, left_too, right = (0, 3), (1, 6), (16, 4)
    for pages, silhouette in (((left, left_too, left), True), ((left, left_too, right), False)):
        positions = from_pixels([*spine, *pages], size, [0.5, 0.5, 0.2, 0.4, 0.6])
        for faces in (
            [[0, 1, 2], [1, 0, 3], [0, 1, 4]],
            [[1, 0, 4], [2, 1, 0], [0, 3, 1]],
            [[0, 1, 2], [0, 1, 3], [1, 0, 4]],
        ):
            found = walk(Scene(positions, torch.tensor(faces, dtype=torch.int32), size))
            assert ([0, 1] in found.vertices.tolist()) == silhouette


def test_a_fold_of_two_faces_wound_inconsistently_is_a_silhouette() -> None:
    """Breaks if `consistent` is ignored: a fold then looks like a flat edge and the other way round."""
    size = (8, 16)
    spine = [(8.1, 0.3), (8.1, 7.6)]
    for third, silhouette in (((2.0, 5.0), True), ((15.0, 5.0), False)):
        positions = from_pixels([*spine, (1.0, 4.0), third], size, [0.5, 0.5, 0.2, 0.7])
        for second in ([0, 1, 3], [1, 0, 3]):
            found = walk(Scene(positions, torch.tensor([[0, 1, 2], second], dtype=torch.int32), size))
            assert ([0, 1] in found.vertices.tolist()) == silhouette


def test_an_edge_that_passes_the_camera_is_clipped_not_dropped() -> None:
    """Breaks if edges with a vertex behind the camera vanish or land elsewhere."""
    size = (20, 24)

    def road(near: float) -> Crossings:
        ground = torch.tensor([[-1.0, 1, near], [1, 1, near], [1, 1, 30], [-1, 1, 30]], dtype=torch.float64)
        x, y, z = ground.unbind(1)
        positions = torch.stack([x, y, (z - 0.1) * 100 / 99.9, z], 1).float()[None]
        return walk(Scene(positions, torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32), size))

    behind, before = road(-2.0), road(0.6)
    assert len(behind.inner) > 12
    assert as_set(behind) == as_set(before)
    torch.testing.assert_close(behind.offset, before.offset, rtol=0, atol=0.02)


def test_packed_images_are_those_of_the_separate_meshes() -> None:
    """Breaks if an edge is walked in another image than its faces', or ids are not offset."""
    size = (14, 17)
    parts = [octahedron(seed, size) for seed in (1, 2)]
    positions, faces, ranges = pack(parts)
    face_id, facing = reference.visibility(positions, faces, size, ranges)
    _, depth = reference.barycentrics(positions, faces, face_id, ranges, size)
    fragments = SimpleNamespace(face_id=face_id, depth=depth, facing=facing, ranges=ranges)
    packed = crossings(positions, plain_topology(faces), fragments)
    alone = [walk(part) for part in parts]
    pixels = size[0] * size[1]
    assert torch.equal(packed.inner, torch.cat([alone[0].inner, alone[1].inner + pixels]))
    assert torch.equal(packed.vertices, torch.cat([alone[0].vertices, alone[1].vertices + 6]))
    assert torch.equal(packed.offset, torch.cat([alone[0].offset, alone[1].offset]))


def test_nothing_gives_nothing() -> None:
    """Breaks if an empty list has the wrong shapes or types."""
    scene = build(["aside"], 0, (5, 5))
    found = walk(scene)
    assert [tuple(column.shape) for column in found] == [(0,), (0,), (0, 2), (0,), (0,)]
    types = [torch.int64, torch.int64, torch.int32, torch.float32, torch.int8]
    assert [column.dtype for column in found] == types
