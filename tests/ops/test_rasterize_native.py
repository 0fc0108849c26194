"""The native rasterizer against the reference: the same ids, the same numbers within tolerances."""

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_everywhere import everywhere, per_instruction_set, same_bits
from ops_scenes import KINDS, ORDINARY, Scene, build, pack, scenes, seeds, sizes, well_conditioned
from torch import Tensor

from repousse.ops import Fragments, rasterize
from repousse.ops.rasterize import reference

Side = Literal["back", "front"] | None
pytestmark = pytest.mark.filterwarnings("ignore")  # faces that are not finite are reported by a warning


def run_everywhere(scene: Scene, cull: Side = None, ranges: Tensor | None = None) -> Fragments:
    def compute() -> tuple[Tensor, ...]:
        f = rasterize(scene.positions, scene.faces, scene.size, ranges=ranges, cull=cull)
        return f.face_id, f.bary, f.depth, f.facing

    face_id, bary, depth, facing = everywhere(compute)
    return Fragments(face_id, bary, depth, facing, scene.positions, scene.faces, ranges)


def assert_ids_equal(found: Tensor, expected: Tensor) -> None:
    wrong = torch.nonzero(found != expected)
    assert not len(wrong), f"{len(wrong)} pixels differ; (image, row, column) {wrong[0].tolist()}: " + (
        f"native {found[tuple(wrong[0])]}, reference {expected[tuple(wrong[0])]}"
    )


@settings(deadline=None, max_examples=150)
@given(scenes(), st.sampled_from([None, "back", "front"]))
def test_ids_and_facing_are_those_of_the_reference(scene: Scene, cull: Side) -> None:
    """Breaks if any step of visibility rounds, orders or overflows differently, on any instruction set."""
    found = run_everywhere(scene, cull)
    face_id, facing = reference.visibility(*scene, None, cull)
    assert torch.equal(found.facing, facing)
    assert_ids_equal(found.face_id, face_id)


@settings(deadline=None, max_examples=15)
@given(seeds, st.integers(20, 60), sizes, sizes)
def test_many_small_faces_have_the_ids_of_the_reference(seed: int, count: int, height: int, width: int) -> None:
    """Breaks if groups of faces that fill all lanes, or the last incomplete one, are treated differently."""
    kinds = [("tiny", "small", "lattice", "copy", "sliver")[(seed + 7 * k * k) % 5] for k in range(count)]
    scene = build(kinds, seed, (height, width))
    found = run_everywhere(scene)
    face_id, facing = reference.visibility(*scene)
    assert torch.equal(found.facing, facing)
    assert_ids_equal(found.face_id, face_id)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_triangle_alone(kind: str) -> None:
    """Breaks if one kind is wrong; names it."""
    for seed in range(6):
        scene = build([kind] * 4, seed, (37, 70), batch=2)
        found = run_everywhere(scene)
        face_id, facing = reference.visibility(*scene)
        assert torch.equal(found.facing, facing)
        assert_ids_equal(found.face_id, face_id)


@settings(deadline=None, max_examples=40)
@given(scenes(kinds=(*ORDINARY, "wide", "far")))
def test_barycentrics_and_depth_are_close_to_float64(scene: Scene) -> None:
    """Breaks if step 7 is computed another way, or loses accuracy on ordinary or clipped triangles."""
    found = run_everywhere(scene)
    bary, depth = reference.barycentrics(scene.positions.double(), scene.faces, found.face_id, None, scene.size)
    good = comparable(scene, found)
    torch.testing.assert_close(found.bary[good].double(), bary[good], rtol=0, atol=1e-4)
    torch.testing.assert_close(found.depth[good].double(), depth[good], rtol=0, atol=1e-4)
    empty = found.face_id < 0
    assert (found.bary[empty] == 0).all() and (found.depth[empty] == 0).all()


def comparable(scene: Scene, found: Fragments) -> Tensor:
    """bool (B, H, W): pixels of faces whose barycentrics float32 can know, among them all clipped ones."""
    clipped = reference.project(scene.positions, scene.size).unsafe[:, scene.faces.long()].any(-1)
    usable = well_conditioned(scene) | clipped
    batch = torch.arange(len(usable))[:, None, None]
    return usable[batch, found.face_id.long().clamp(min=0)] & (found.face_id >= 0)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(ORDINARY), min_size=1, max_size=5), seeds, st.integers(1, 2))
def test_gradients_of_weights_and_depth_are_those_of_the_reference(kinds: list[str], seed: int, batch: int) -> None:
    """Breaks if the derivative of step 7 is wrong, for whole or for clipped faces, or depends on threads."""
    scene = build(kinds, seed, (21, 30), batch)
    fragments = rasterize(*scene)
    good = comparable(scene, fragments)
    generator = torch.Generator().manual_seed(seed)
    pull_bary = torch.randn(fragments.bary.shape, generator=generator) * good[..., None]
    pull_depth = torch.randn(fragments.depth.shape, generator=generator) * good

    def native() -> tuple[Tensor, ...]:
        positions = scene.positions.clone().requires_grad_()
        found = rasterize(positions, scene.faces, scene.size)
        return torch.autograd.grad((found.bary * pull_bary).sum() + (found.depth * pull_depth).sum(), positions)

    positions = scene.positions.double().requires_grad_()
    bary, depth = reference.barycentrics(positions, scene.faces, fragments.face_id, None, scene.size)
    (expected,) = torch.autograd.grad((bary * pull_bary).sum() + (depth * pull_depth).sum(), positions)
    # Sums over pixels run in the order of the kernel's blocks, which depends on the lanes: close, not equal.
    for isa, (found,) in per_instruction_set(native).items():
        assert (found - expected).norm() <= 1e-3 * expected.norm() + 1e-6, isa


@settings(deadline=None, max_examples=10)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=8), seeds, st.integers(2, 6), sizes)
def test_a_batch_is_its_images_one_by_one(kinds: list[str], seed: int, batch: int, width: int) -> None:
    """Breaks if images share state, or the way work is split reaches the result."""
    scene = build(kinds, seed, (33, width), batch)
    together = run_everywhere(scene)
    for image in range(batch):
        alone = rasterize(scene.positions[image : image + 1], scene.faces, scene.size)
        for name in ("face_id", "bary", "depth", "facing"):
            assert same_bits(getattr(together, name)[image], getattr(alone, name)[0]), name


@settings(deadline=None, max_examples=10)
@given(st.lists(scenes(max_batch=1), min_size=1, max_size=4))
def test_packed_meshes_are_drawn_as_if_separate(parts: list[Scene]) -> None:
    """Breaks if ranges leak, ids are not global, or facing is lost."""
    size = parts[0].size
    positions, faces, ranges = pack(parts)
    packed = run_everywhere(Scene(positions, faces, size), ranges=ranges)
    assert packed.facing.shape == (1, len(faces))
    for image, (part, (first, count)) in enumerate(zip(parts, ranges.tolist(), strict=True)):
        alone = rasterize(part.positions, part.faces, size)
        expected = torch.where(alone.face_id >= 0, alone.face_id + first, -1)
        assert_ids_equal(packed.face_id[image : image + 1], expected)
        assert same_bits(packed.bary[image], alone.bary[0])
        assert same_bits(packed.depth[image], alone.depth[0])
        assert torch.equal(packed.facing[0, first : first + count], alone.facing[0])


def test_some_faces_of_a_packed_mesh() -> None:
    """Breaks if ranges that overlap, are empty, or leave faces out are refused or misread."""
    scene = build(["large", "small", "tilted", "near", "large"], 7, (19, 23))
    ranges = torch.tensor([[1, 3], [0, 0], [2, 3], [0, 5]])
    found = rasterize(scene.positions[0], scene.faces, scene.size, ranges=ranges)
    face_id, facing = reference.visibility(scene.positions[0], scene.faces, scene.size, ranges)
    assert_ids_equal(found.face_id, face_id)
    assert torch.equal(found.facing, facing)
    some = rasterize(scene.positions[0], scene.faces, scene.size, ranges=torch.tensor([[1, 2], [4, 1]]))
    expected = facing * torch.tensor([0, 1, 1, 0, 1], dtype=torch.int8)  # of faces in no range nothing is known
    assert torch.equal(some.facing, expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (5, 257)])
def test_images_of_extreme_shape(size: tuple[int, int]) -> None:
    """Breaks if a row or column of blocks at the border is mishandled."""
    scene = build(["large", "near", "small", "lattice", "wide", "tilted"], 21, size)
    found = run_everywhere(scene)
    assert_ids_equal(found.face_id, reference.visibility(*scene)[0])


def test_no_faces_at_all() -> None:
    """Breaks if an empty face list is an error or leaves memory unset."""
    found = rasterize(torch.rand(2, 5, 4), torch.empty(0, 3, dtype=torch.int32), (7, 9))
    assert (found.face_id == -1).all() and (found.bary == 0).all() and (found.depth == 0).all()
    assert found.face_id.shape == (2, 7, 9) and found.facing.shape == (2, 0)


def test_layouts_and_types_of_the_arguments_do_not_matter() -> None:
    """Breaks if strides are ignored or int64 faces are read as int32."""
    scene = build(["large", "small", "tilted"], 9, (16, 20), batch=2)
    plain = rasterize(*scene)
    strided = scene.positions.transpose(1, 2).contiguous().transpose(1, 2)
    other = rasterize(strided, scene.faces.long().T.contiguous().T, scene.size)
    for name in ("face_id", "bary", "depth", "facing"):
        assert same_bits(getattr(plain, name), getattr(other, name)), name
    assert (plain.face_id.dtype, plain.facing.dtype) == (torch.int32, torch.int8)


def test_the_reference_backend_is_the_reference() -> None:
    """Breaks if `backend` is ignored or the two are wired differently."""
    scene = build(["large", "near", "tilted"], 10, (16, 20), batch=2)
    native, slow = rasterize(*scene), rasterize(*scene, backend="reference")
    assert_ids_equal(native.face_id, slow.face_id)
    assert torch.equal(native.facing, slow.facing)
    torch.testing.assert_close(native.bary, slow.bary, rtol=0, atol=1e-4)
    torch.testing.assert_close(native.depth, slow.depth, rtol=0, atol=1e-4)


def test_twice_the_same_call_gives_the_same_bits() -> None:
    """Breaks if reused scratch memory of an earlier, larger call shows."""
    small = build(["large", "near"], 1, (9, 13))
    before = rasterize(*small)
    rasterize(*build(["large"] * 30, 2, (150, 140), batch=2))
    after = rasterize(*small)
    for name in ("face_id", "bary", "depth", "facing"):
        assert same_bits(getattr(before, name), getattr(after, name)), name
