"""Crossings on a GPU are those of the CPU, row by row."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_gpu import gpu_kernels
from ops_scenes import Scene, pack, scenes
from torch import Tensor

from repousse.geometry import Topology, topology
from repousse.ops import Crossings, Fragments, crossings, rasterize

pytest.importorskip("triton", reason="needs Triton: pip install triton")

pytestmark = pytest.mark.filterwarnings("ignore")  # faces that are not finite are reported by a warning


def on(device: str, fragments: Fragments) -> Fragments:
    """On another device, but for the ranges."""
    moved = (value.to(device) if isinstance(value, Tensor) else None for value in fragments)
    return Fragments(*moved)._replace(ranges=fragments.ranges)


def check(fragments: Fragments, edges: Topology) -> Crossings:
    expected = crossings(fragments.positions, edges, fragments)
    with gpu_kernels() as device:
        there = on(device, fragments)
        found = crossings(there.positions, edges.to(device), there)
    for name, have, want in zip(expected._fields, found, expected, strict=True):
        assert torch.equal(have.cpu(), want), name
    return expected


@settings(max_examples=15)
@given(scenes(max_batch=3))
def test_crossings_are_those_of_the_cpu(scene: Scene) -> None:
    """Fails if an edge is judged, clipped, walked or ordered differently; offsets have the same bits, too."""
    check(rasterize(*scene), topology(scene.faces))


@settings(max_examples=6)
@given(st.lists(scenes(max_batch=1, max_faces=5), min_size=1, max_size=3))
def test_packed_meshes(parts: list[Scene]) -> None:
    """Fails if an edge is walked in another image than that of its first face."""
    positions, faces, ranges = pack(parts)
    check(rasterize(positions, faces, parts[0].size, ranges=ranges), topology(faces))


def test_a_long_edge_takes_several_steps() -> None:
    """Fails if crossings of later steps of an edge are lost or written among those of others."""
    corners = torch.tensor([[-0.9, -0.95], [0.8, -0.9], [-0.7, 0.9], [0.9, 0.93]])
    positions = torch.cat([corners, torch.full((4, 1), 0.5), torch.ones(4, 1)], 1)[None]
    faces = torch.tensor([[0, 1, 2], [1, 3, 2]], dtype=torch.int32)
    found = check(rasterize(positions, faces, (120, 150)), topology(faces))
    assert found.inner.numel() > 400
