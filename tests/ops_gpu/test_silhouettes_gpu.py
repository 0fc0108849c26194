"""Silhouettes and the ends of edges on a GPU, against the reference in Python."""

import pytest
import torch
from ops_gpu import DEVICE
from torch import Tensor

pytest.importorskip("triton", reason="needs Triton: pip install triton")
import triton
import triton.language as tl

from repousse.geometry import Topology, topology
from repousse.ops.crossings.reference import Sides, edge_ends
from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.silhouettes import find_ends, find_silhouettes, list_programs, share_of_list, side_of
from repousse.ops.rasterize.reference import project


def mesh() -> Topology:
    """Random faces on few vertices: boundary edges, edges of many faces, pairs that run either way."""
    faces = torch.randint(30, (400, 3), generator=torch.Generator().manual_seed(2), dtype=torch.int32)
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return topology(faces[distinct], 50)


def any_facing(images: int, faces: int) -> Tensor:
    return torch.randint(-1, 2, (images, faces), generator=torch.Generator().manual_seed(3), dtype=torch.int8)


def listed(edges: Topology, facing: Tensor, batch: int, ranges: Tensor | None) -> list[tuple[int, int]]:
    there = edges.to(DEVICE)
    found = find_silhouettes(there.edge_faces, there.consistent, there.extra, facing.to(DEVICE), batch, ranges)
    count = int(found.count)
    return list(zip(found.images[:count].tolist(), found.edges[:count].tolist(), strict=True))


@pytest.mark.parametrize("non_manifold", [True, False])
def test_the_list_is_that_of_the_reference(non_manifold: bool) -> None:
    """Fails if an edge is missed, listed twice or out of order, or its further faces are not asked."""
    edges = mesh()
    if not non_manifold:
        edges = topology(edges.faces[:12], 50)
    assert (len(edges.extra) > 0) == non_manifold
    facing, sides = any_facing(3, len(edges.faces)), Sides(edges)
    expected = [(b, e) for b in range(3) for e in range(len(edges.edges)) if sides.silhouette(e, facing[b].tolist())]
    assert expected
    assert listed(edges, facing, 3, None) == expected


def test_packed_images_have_the_edges_of_their_faces() -> None:
    """Fails if the range of an image's edges is found wrongly; images may share faces, or have none."""
    edges = mesh()
    facing, sides = any_facing(1, len(edges.faces)), Sides(edges)
    ranges = torch.tensor([[20, 100], [0, 20], [50, 0], [100, len(edges.faces) - 100]], dtype=torch.int32)
    expected = [
        (image, edge)
        for image, (first, count) in enumerate(ranges.tolist())
        for edge in range(len(edges.edges))
        if first <= sides.owner(edge) < first + count and sides.silhouette(edge, facing[0].tolist())
    ]
    assert listed(edges, facing, 4, ranges) == expected
    assert listed(edges, facing, 0, ranges[:0]) == []


@triton.jit
def _ends(positions, edges, count, half_width, half_height, places, depths, left, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < count
    a = tl.load(edges + 2 * at, mask=mask, other=0).to(tl.int64)
    b = tl.load(edges + 2 * at + 1, mask=mask, other=0).to(tl.int64)
    one, two, found = find_ends(positions, a, b, mask, half_width, half_height)
    tl.store(places + 4 * at, one[0], mask=mask)
    tl.store(places + 4 * at + 1, one[1], mask=mask)
    tl.store(places + 4 * at + 2, two[0], mask=mask)
    tl.store(places + 4 * at + 3, two[1], mask=mask)
    tl.store(depths + 4 * at, one[2], mask=mask)
    tl.store(depths + 4 * at + 1, one[3], mask=mask)
    tl.store(depths + 4 * at + 2, two[2], mask=mask)
    tl.store(depths + 4 * at + 3, two[3], mask=mask)
    tl.store(left + at, found.to(tl.int8), mask=mask)


def test_ends_are_those_of_the_reference() -> None:
    """Fails if an edge is clipped otherwise than on the CPU, or its share of the way is wrong."""
    generator, size = torch.Generator().manual_seed(4), (33, 47)
    clip = torch.randn(50, 4, generator=generator) * torch.tensor([1, 1, 0.5, 1])
    clip[4:10, 0] *= 200
    clip[10], clip[11, 3], clip[12, 1] = 0, 1e-40, torch.nan
    edges = mesh().edges
    count = len(edges)
    places = torch.zeros(count, 4, dtype=torch.int64, device=DEVICE)
    depths, left = places.double(), torch.zeros(count, dtype=torch.int8, device=DEVICE)
    arguments = (clip.to(DEVICE), edges.to(DEVICE), count, size[1] / 2, size[0] / 2, places, depths, left)
    launch(_ends, (blocks(count, 256),), *arguments, BLOCK=256)
    screen, clipped = project(clip, size), 0
    for edge, (a, b) in enumerate(edges.tolist()):
        ends = edge_ends(clip, screen, a, b, size)
        assert bool(left[edge]) == (ends is not None)
        if ends is None:
            continue
        clipped += any(end.share not in (0, 1) for end in ends)
        assert places[edge].tolist() == [value for end in ends for value in (end.x, end.y)]
        expected = torch.tensor([value for end in ends for value in (end.zeta, end.share)], dtype=torch.float64)
        torch.testing.assert_close(depths[edge].cpu(), expected, rtol=0, atol=1e-12)
    assert 0 < clipped < int(left.sum()) < count


@triton.jit
def _sides(faces, edges, edge_faces, facing, count, sides, BLOCK: tl.constexpr):
    edge = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(sides + edge, side_of(faces, edges, edge_faces, facing, edge, edge < count), mask=edge < count)


def test_sides_are_those_of_the_reference() -> None:
    """Fails if an edge's face is taken to lie on its other side."""
    edges = mesh()
    facing, count = any_facing(1, len(edges.faces)), len(edges.edges)
    sides = torch.zeros(count, dtype=torch.int32, device=DEVICE)
    there = edges.to(DEVICE)
    arguments = (there.faces, there.edges, there.edge_faces, facing.to(DEVICE), count, sides)
    launch(_sides, (blocks(count, 256),), *arguments, BLOCK=256)
    front = (facing[0] > 0).tolist()
    firsts = (around[0] for around in Sides(edges).around)
    assert sides.tolist() == [direction if front[face] else -direction for face, direction in firsts]


@triton.jit
def _shares(count, parts, BLOCK: tl.constexpr):
    begin, end = share_of_list(tl.load(count), BLOCK)
    tl.store(parts + 2 * tl.program_id(0), begin)
    tl.store(parts + 2 * tl.program_id(0) + 1, end)


@pytest.mark.parametrize("count", [0, 1, 8, 9, 40, 41, 100])
def test_programs_share_a_list(count: int) -> None:
    """Fails if the shares of programs leave entries out, overlap or are not in order."""
    parts = torch.zeros(5, 2, dtype=torch.int64, device=DEVICE)
    launch(_shares, (5,), torch.tensor([count], device=DEVICE), parts, BLOCK=8)
    assert [i for begin, end in parts.tolist() for i in range(begin, end)] == list(range(count))
    assert list_programs(0, 8) == 0 and list_programs(9, 8) == 2 and list_programs(2**31, 8) < 10_000
