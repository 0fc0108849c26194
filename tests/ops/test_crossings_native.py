"""The native crossings against the reference: the same rows in the same order."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_everywhere import everywhere, same_bits
from ops_scenes import KINDS, Scene, build, pack, scenes, seeds
from torch import Tensor

from repousse.geometry import topology
from repousse.ops import crossings, rasterize
from repousse.ops.crossings import reference

pytestmark = pytest.mark.filterwarnings("ignore")  # faces that are not finite are reported by a warning


def assert_same(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    for name, have, want in zip(("inner", "outer", "vertices", "offset", "axis"), found, expected, strict=True):
        assert have.shape == want.shape, f"{name}: {len(have)} crossings, {len(want)} in the reference"
        if name == "offset":
            torch.testing.assert_close(have, want, rtol=0, atol=1e-4, check_dtype=False)
        else:
            assert torch.equal(have, want), name


@settings(deadline=None, max_examples=80)
@given(scenes())
def test_crossings_are_those_of_the_reference(scene: Scene) -> None:
    """Breaks if an edge is judged, clipped, walked or ordered differently, on any instruction set."""
    fragments, edges = rasterize(*scene), topology(scene.faces)
    found = everywhere(lambda: tuple(crossings(scene.positions, edges, fragments)))
    assert_same(found, reference.crossings(scene.positions, edges, fragments))


@settings(deadline=None, max_examples=10)
@given(st.lists(st.sampled_from(KINDS), min_size=2, max_size=9), seeds, st.integers(2, 5))
def test_a_batch_is_its_images_one_by_one(kinds: list[str], seed: int, batch: int) -> None:
    """Breaks if images share state or pixel indices are not offset."""
    scene = build(kinds, seed, (21, 34), batch, shared=True)
    edges = topology(scene.faces)
    together = tuple(crossings(scene.positions, edges, rasterize(*scene)))
    parts = []
    for image in range(batch):
        positions = scene.positions[image : image + 1]
        inner, outer, *rest = crossings(positions, edges, rasterize(positions, scene.faces, scene.size))
        parts.append((inner + image * 21 * 34, outer + image * 21 * 34, *rest))
    for have, *want in zip(together, *parts, strict=True):
        assert same_bits(have, torch.cat(want))


@settings(deadline=None, max_examples=10)
@given(st.lists(scenes(max_batch=1, max_faces=5), min_size=1, max_size=3))
def test_packed_meshes_are_walked_as_if_separate(parts: list[Scene]) -> None:
    """Breaks if an edge is walked in another image than that of its first face."""
    size = parts[0].size
    positions, faces, ranges = pack(parts)
    edges = topology(faces)
    fragments = rasterize(positions, faces, size, ranges=ranges)
    found = everywhere(lambda: tuple(crossings(positions, edges, fragments)))
    assert_same(found, reference.crossings(positions, edges, fragments))
    alone = [
        len(crossings(part.positions, topology(part.faces), rasterize(part.positions, part.faces, size)).inner)
        for part in parts
    ]
    assert len(found[0]) == sum(alone)


def test_the_reference_backend_is_the_reference() -> None:
    """Breaks if `backend` is ignored."""
    scene = build(["large", "tilted", "near", "small"], 5, (30, 40), shared=True)
    fragments, edges = rasterize(*scene), topology(scene.faces)
    native, slow = (tuple(crossings(scene.positions, edges, fragments, backend=b)) for b in ("native", "reference"))
    assert len(native[0]) > 0
    assert_same(native, slow)
