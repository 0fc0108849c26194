"""The faces behind each pixel: the same ids in the same order as the reference, and as taking faces away."""

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_everywhere import everywhere, same_bits
from ops_scenes import KINDS, Scene, build, from_pixels, pack, scenes, seeds, sizes
from torch import Tensor

from repousse.ops import Fragments, layers, rasterize
from repousse.ops.layers import reference
from repousse.ops.rasterize import reference as visibility_reference

Side = Literal["back", "front"] | None
SIDES = st.sampled_from([None, "back", "front"])
COUNTS = st.integers(1, 9)
pytestmark = pytest.mark.filterwarnings("ignore")  # faces that are not finite are reported by a warning


def layers_everywhere(scene: Scene, count: int, cull: Side = None, ranges: Tensor | None = None) -> list[Fragments]:
    def compute() -> tuple[Tensor, ...]:
        found = layers(scene.positions, scene.faces, scene.size, count, ranges=ranges, cull=cull)
        return tuple(output for layer in found for output in layer[:4])

    outputs = everywhere(compute)
    arguments = scene.positions, scene.faces, ranges
    return [Fragments(*outputs[at : at + 4], *arguments) for at in range(0, len(outputs), 4)]


def assert_ids_are_those_of_the_reference(
    found: list[Fragments], scene: Scene, cull: Side = None, ranges: Tensor | None = None
) -> None:
    face_id, facing = reference.layers(*scene, len(found), ranges, cull)
    for number, (layer, expected) in enumerate(zip(found, face_id, strict=True)):
        assert torch.equal(layer.facing, facing)
        wrong = torch.nonzero(layer.face_id != expected)
        assert not len(wrong), f"{len(wrong)} pixels differ in layer {number}; first (image, row, column) {wrong[0]}"


@settings(deadline=None, max_examples=50)
@given(scenes(max_faces=12), COUNTS, SIDES)
def test_ids_are_those_of_the_reference(scene: Scene, count: int, cull: Side) -> None:
    """Breaks if a face is lost, doubled or out of order, on any instruction set or number of threads."""
    assert_ids_are_those_of_the_reference(layers_everywhere(scene, count, cull), scene, cull)


@settings(deadline=None, max_examples=15)
@given(seeds, st.integers(20, 60), sizes, sizes, COUNTS)
def test_many_small_faces_on_top_of_each_other(seed: int, faces: int, height: int, width: int, count: int) -> None:
    """Breaks if groups of faces are not drawn in rising order, or ties with tiny ones are decided wrong."""
    kinds = [("tiny", "lattice", "copy", "small", "copy")[(seed + 7 * k * k) % 5] for k in range(faces)]
    scene = build(kinds, seed, (1 + height % 20, 1 + width % 20))
    assert_ids_are_those_of_the_reference(layers_everywhere(scene, count), scene)


@settings(deadline=None, max_examples=40)
@given(scenes(), COUNTS, SIDES)
def test_the_first_layer_is_what_rasterize_returns(scene: Scene, count: int, cull: Side) -> None:
    """Breaks if the two ops differ in a single bit: a renderer mixes their results."""
    first, alone = layers(*scene, count, cull=cull)[0], rasterize(*scene, cull=cull)
    for name in ("face_id", "bary", "depth", "facing"):
        assert same_bits(getattr(first, name), getattr(alone, name)), name


@settings(deadline=None, max_examples=15)
@given(st.lists(st.sampled_from(KINDS), min_size=2, max_size=6), seeds)
def test_each_layer_is_what_rasterize_sees_without_the_faces_before_it(kinds: list[str], seed: int) -> None:
    """Breaks if the order is not that of `rasterize`. Knows nothing of the reference: pixels are peeled one by one."""
    scene = build([*kinds, "large", "copy"], seed, (5, 6))
    found = torch.stack([layer.face_id[0] for layer in layers(*scene, 6)])
    for row, column in np.ndindex(scene.size):
        left, peeled = torch.arange(len(scene.faces)), []
        for _ in range(6):
            seen = int(rasterize(scene.positions, scene.faces[left], scene.size).face_id[0, row, column])
            peeled.append(int(left[seen]) if seen >= 0 else -1)
            left = left[left != peeled[-1]]
        assert found[:, row, column].tolist() == peeled


def chipped(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A triangle with a corner so little before the near plane that clipping takes a subpixel off: what is left is a
    triangle and a sliver beside it, which snapping may turn over."""
    height, width = size
    lattice = (2 * rng.integers(0, (width, height), (2, 2)) + 1) / (width, height) - 1
    corners = np.ones((3, 4))
    corners[:, :2] = [lattice[0], rng.uniform(-1, 1, 2), lattice[1]]
    corners[:, 2] = *rng.uniform(0.05, 1, 2), -(10.0 ** rng.uniform(-5, -3))
    return np.roll(corners, rng.integers(3), 0)[:: rng.choice([-1, 1])]


def test_a_clipped_face_counts_once_where_its_pieces_overlap() -> None:
    """Breaks if pieces of a face are inserted one by one, or push other faces out of the last layer."""
    rng, size = np.random.default_rng(3), (24, 40)
    corners = np.concatenate([chipped(rng, size) for _ in range(400)])
    faces = torch.arange(1200).view(400, 3)
    positions = torch.tensor(corners, dtype=torch.float32)
    overlaps = torch.zeros(400, dtype=torch.bool)
    for face in range(400):
        drawn = torch.zeros(size, dtype=torch.int32)
        pieces = visibility_reference._pieces(positions, faces, torch.tensor([face]), size)
        for _, box, covered, _ in visibility_reference.covered_boxes(pieces, size):
            drawn[box] += covered
        overlaps[face] = bool((drawn > 1).any())
    scene = Scene(positions[None], faces[overlaps].int(), size)
    assert len(scene.faces) >= 3
    for count in (1, 2, 4, 8):
        assert_ids_are_those_of_the_reference(layers_everywhere(scene, count), scene)


@pytest.mark.parametrize("count", [1, 3, 20])
def test_coplanar_copies_come_in_the_order_of_their_ids(count: int) -> None:
    """Breaks if ties are decided by anything but the id, among small, tiny, wide and clipped faces alike."""
    square = [[0, 0], [90, 0], [0, 90]], [[2, 2], [20, 2], [2, 20]], [[2.4, 2.4], [4.2, 2.4], [2.4, 4.2]]
    corners = torch.cat([from_pixels(xy, (32, 32)) for xy in square], 1)
    corners = torch.cat([corners, corners[:, :3] * torch.tensor([70.0, 70, 1, 1])], 1)  # clipped at the guard band
    faces = torch.arange(12).view(4, 3)[[1, 0, 2, 3, 2, 1, 0, 3, 2, 2, 1, 0, 3, 0, 1, 2, 3, 1]]
    scene = Scene(corners, faces.int(), (32, 32))
    found = layers_everywhere(scene, count)
    assert_ids_are_those_of_the_reference(found, scene)
    assert [int(layer.face_id[0, 2, 2]) for layer in found] == [*range(18), -1, -1][:count]


def test_behind_the_last_face_there_is_nothing() -> None:
    """Breaks if slots that no face reached are not empty in id, weights and depth."""
    scene = build(["lattice", "large", "lattice", "copy"], 4, (20, 30), batch=2)
    found = layers_everywhere(scene, 12)
    assert (found[1].face_id >= 0).any()
    for layer in found[4:]:
        assert (layer.face_id == -1).all() and (layer.bary == 0).all() and (layer.depth == 0).all()
    covered = torch.stack([layer.face_id >= 0 for layer in found])
    assert (covered[:-1] | ~covered[1:]).all()  # no gaps


@settings(deadline=None, max_examples=10)
@given(st.lists(scenes(max_batch=1), min_size=1, max_size=4), COUNTS)
def test_packed_meshes_are_drawn_as_if_separate(parts: list[Scene], count: int) -> None:
    """Breaks if ranges leak, ids are not global, or layers of different images are mixed up."""
    size = parts[0].size
    positions, faces, ranges = pack(parts)
    packed = layers_everywhere(Scene(positions, faces, size), count, ranges=ranges)
    for image, (part, (first, faces_count)) in enumerate(zip(parts, ranges.tolist(), strict=True)):
        for together, alone in zip(packed, layers(part.positions, part.faces, size, count), strict=True):
            expected = torch.where(alone.face_id >= 0, alone.face_id + first, -1)
            assert torch.equal(together.face_id[image], expected[0])
            assert same_bits(together.bary[image], alone.bary[0])
            assert same_bits(together.depth[image], alone.depth[0])
            assert torch.equal(together.facing[0, first : first + faces_count], alone.facing[0])


@settings(deadline=None, max_examples=8)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=8), seeds, st.integers(2, 6), sizes, COUNTS)
def test_a_batch_is_its_images_one_by_one(kinds: list[str], seed: int, batch: int, width: int, count: int) -> None:
    """Breaks if images share state, or the way work is split reaches the result."""
    scene = build(kinds, seed, (33, width), batch)
    together = layers_everywhere(scene, count)
    for image in range(batch):
        alone = layers(scene.positions[image : image + 1], scene.faces, scene.size, count)
        for one, many in zip(alone, together, strict=True):
            for name in ("face_id", "bary", "depth", "facing"):
                assert same_bits(getattr(many, name)[image], getattr(one, name)[0]), name


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (5, 257), (500, 400)])
def test_images_of_extreme_shape(size: tuple[int, int]) -> None:
    """Breaks if a row or column of blocks at the border, or where strips of a large image meet, is mishandled."""
    scene = build(["large", "near", "small", "lattice", "wide", "tilted", "copy", "large"], 21, size)
    assert_ids_are_those_of_the_reference(layers_everywhere(scene, 5), scene)


def test_the_reference_backend_is_the_reference() -> None:
    """Breaks if `backend` is ignored or the two are wired differently."""
    scene = build(["large", "near", "tilted", "large", "copy"], 10, (16, 20), batch=2)
    for native, slow in zip(layers(*scene, 4), layers(*scene, 4, backend="reference"), strict=True):
        assert torch.equal(native.face_id, slow.face_id) and torch.equal(native.facing, slow.facing)
        torch.testing.assert_close(native.bary, slow.bary, rtol=0, atol=1e-4)
        torch.testing.assert_close(native.depth, slow.depth, rtol=0, atol=1e-4)


def test_no_faces_and_no_images() -> None:
    """Breaks if an empty face list or batch is an error or leaves memory unset."""
    for backend in ("native", "reference"):
        found = layers(torch.rand(2, 5, 4), torch.empty(0, 3, dtype=torch.int32), (7, 9), 3, backend=backend)
        assert len(found) == 3
        assert all((layer.face_id == -1).all() and layer.face_id.shape == (2, 7, 9) for layer in found)
        nobody = layers(torch.rand(0, 5, 4), torch.tensor([[0, 1, 2]]), (7, 9), 2, backend=backend)
        assert [layer.face_id.shape for layer in nobody] == [(0, 7, 9)] * 2


def test_twice_the_same_call_gives_the_same_bits() -> None:
    """Breaks if reused scratch memory of an earlier, larger call shows."""
    small = build(["large", "near", "copy"], 1, (9, 13))
    before = layers(*small, 3)
    layers(*build(["large"] * 30, 2, (150, 140), batch=2), 9)
    for first, second in zip(before, layers(*small, 3), strict=True):
        assert all(same_bits(a, b) for a, b in zip(first[:4], second[:4], strict=True))
