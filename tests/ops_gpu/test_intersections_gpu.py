"""Intersections, and the derivative by where surfaces meet, on a GPU."""

import pytest
import torch
from calls_intersections import call, crossed, shown
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_gpu import gpu_kernels
from ops_scenes import Scene, build, pack, scenes
from torch import Tensor

from repousse.geometry import Topology, icosphere, topology
from repousse.ops import Fragments, Intersections, intersections, rasterize

pytest.importorskip("triton", reason="needs Triton: pip install triton")
pytestmark = pytest.mark.filterwarnings("ignore")  # faces that are not finite are reported by a warning
KINDS = ("large", "tilted", "near", "wide", "lattice", "copy", "nan")


def on(device: str, fragments: Fragments) -> Fragments:
    """On another device, but for the ranges."""
    moved = (value.to(device) if isinstance(value, Tensor) else None for value in fragments)
    return Fragments(*moved)._replace(ranges=fragments.ranges)


def check(fragments: Fragments, edges: Topology, channels: int) -> Intersections:
    image = call("", edges, fragments, channels).arguments[-1]
    expected = intersections(fragments, image, edges)
    with gpu_kernels() as device:
        found = intersections(on(device, fragments), image.to(device), edges.to(device))
    for name, have, want in zip(expected._fields, found, expected, strict=True):
        assert have.dtype == want.dtype and torch.equal(have.cpu(), want), name
    return expected


@settings(max_examples=8)
@given(scenes(kinds=KINDS, max_faces=7), st.integers(1, 3))
def test_intersections_are_those_of_the_cpu(scene: Scene, channels: int) -> None:
    """Fails if a pair is judged, followed or ordered differently; offsets have the same bits, too."""
    check(rasterize(*scene), topology(scene.faces), channels)


def test_packed_meshes() -> None:
    """Fails if vertices or pixels of packed meshes are looked up in another image."""
    parts = [build(["large", "tilted", "near", "large"], seed, (16, 21)) for seed in (126, 127)]
    positions, faces, ranges = pack(parts)
    found = check(rasterize(positions, faces, (16, 21), ranges=ranges), topology(faces), 2)
    assert len(found.inner) > 3


def test_surfaces_are_followed_over_many_faces() -> None:
    """Fails if a surface whose faces are much smaller than pixels is left before it reaches the other pixel."""
    mesh = crossed(icosphere(3))
    found = check(shown(mesh, (6, 6), 1), mesh.topology, 1)
    assert len(found.inner) > 0


def test_other_faces_are_refused() -> None:
    """Fails if memory of another mesh would be read."""
    mesh = crossed(icosphere(1))
    fragments, image = shown(mesh, (5, 6), 1), torch.zeros(1, 5, 6, 1)
    with gpu_kernels() as device, pytest.raises(ValueError, match="intersections: `topology` was built from other"):
        edges = topology(mesh.faces.flip(0)).to(device)
        intersections(on(device, fragments), image.to(device), edges)
