"""Edges between two faces that are both seen, in different colours: creases.h for a GPU.

Neighbouring pixels mark the edges between the faces that they show: any number of pairs may mark the same one. Whether
shading is flat is decided by sums of blocks of pixels, added in order, so they do not change from run to run.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from repousse.ops.boundary.gpu_outline import Scene
from repousse.ops.boundary.gpu_samples import change
from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.pairs import differ, pairs_of_block, show_two_faces
from repousse.ops.gpu.queues import places
from repousse.ops.gpu.ranges import ranges_on
from repousse.ops.gpu.silhouettes import Silhouettes

_PIXELS = 512
_EDGES = 1024
_PROBE = tl.constexpr(4)  # changes within faces are looked at in every fourth row
_LESS = tl.constexpr(0.1)  # colours that change less than this within faces, compared with across edges, are flat
_CURVED = tl.constexpr(0.1)  # share of a change that smooth shading may leave over
_MAYBE = tl.constexpr(1)  # a crease if shading is flat
_KNOWN = tl.constexpr(2)


def find_creases(scene: Scene, face_edges: Tensor, ranges: Tensor | None) -> tuple[Silhouettes, Tensor]:
    """The creases of all images, in any order, as a list like that of silhouettes; and where shading is flat.

    ranges  int (B, 2) on the CPU: the faces of each image; None: all images have all faces

    Flat, int8 (B): each face has one colour, so what changes between pixels is a jump, also on faces too small to show
    two.
    """
    batch, height, width, channels = scene.image.shape
    device, edges = scene.face_id.device, scene.edges.shape[0]
    most, room, bounds = _edges_of_images(scene, ranges)
    flat = torch.zeros(batch, dtype=torch.int8, device=device)
    least = min(room, 2 * scene.face_id.numel()) if channels else 0
    creases = Silhouettes(
        torch.empty(least, dtype=torch.int32, device=device),
        torch.empty(least, dtype=torch.int32, device=device),
        torch.zeros(1, dtype=torch.int64, device=device),
    )
    if least == 0:
        return creases, flat
    marks, found = torch.zeros(room + batch, dtype=torch.int32, device=device).split([room, batch])
    sizes = (height, width, channels)
    packed = ranges is not None
    per_image, rows = blocks(height * width, _PIXELS), -(-height // _PROBE.value)
    across, pairs = _sums(batch * per_image, device)
    launch(
        _mark,
        (batch * per_image,),
        scene.edge_faces,
        face_edges,
        scene.face_id,
        scene.image,
        edges,
        bounds,
        *sizes,
        marks,
        found,
        across,
        pairs,
        PACKED=packed,
        MASKS=channels == 1,
        PIXELS=_PIXELS,
    )
    probed = blocks(rows * width, 2 * _PIXELS)
    within, probes = _sums(batch * probed, device)
    launch(
        _probe, (batch * probed,), scene.face_id, scene.image, *sizes, probed, found, within, probes, PIXELS=2 * _PIXELS
    )
    launch(_decide, (batch,), found, per_image, across, pairs, probed, within, probes, flat, BLOCK=_EDGES)
    per_image = blocks(most, _EDGES)
    launch(
        _choose,
        (batch * per_image,),
        edges,
        bounds,
        per_image,
        marks,
        found,
        flat,
        creases.images,
        creases.edges,
        creases.count,
        PACKED=packed,
        BLOCK=_EDGES,
    )
    return creases, flat


def _edges_of_images(scene: Scene, ranges: Tensor | None) -> tuple[int, int, Tensor]:
    """The most edges of an image, room for those of all of them, and int64 (B, 3), if `ranges`: the first edge of each
    image, one past its last, and where its edges begin in that room."""
    edges = scene.edges.shape[0]
    if ranges is None:
        return edges, len(scene.face_id) * edges, scene.edges
    # An edge belongs to its lowest face, and a face has three.
    owned = [min(3 * count, edges) for _, count in ranges.tolist()]
    faces = ranges_on(scene.edges.device, ranges)
    found = torch.searchsorted(scene.edge_faces[:, 0].contiguous(), faces.cumsum(1).int())
    most = (3 * faces[:, 1]).clamp(max=edges)
    return max(owned, default=0), sum(owned), torch.cat([found, (most.cumsum(0) - most)[:, None]], 1)


def _sums(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Room for the changes of blocks of pixels, and how many there are in each."""
    return torch.empty(count, dtype=torch.float64, device=device), torch.empty(count, dtype=torch.int32, device=device)


@triton.jit
def _mark(
    edge_faces,
    face_edges,
    face_id,
    image,
    edges,
    bounds,
    height,
    width,
    channels,
    marks,
    found,
    across,
    pairs,
    PACKED: tl.constexpr,
    MASKS: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """A program marks the edges between the pairs of PIXELS pixels, and adds up how colours change across them.

    marks   int32 (room)  combinations of _MAYBE and _KNOWN
    found   int32 (B)     1 if any edge is marked
    across  float64 (P), pairs  int32 (P): sums of each program
    """
    number, inner, outer, _axis, place, limit, asked = pairs_of_block(height, width, PIXELS)
    first_pixel = number * height * width
    face_id, image = face_id + first_pixel, image + first_pixel * channels
    changed, count = tl.zeros([], tl.float64), tl.zeros([], tl.int32)
    if MASKS:  # they hardly change: the faces need not be read
        asked = differ(image, inner, outer, channels, asked)
    if tl.max(asked.to(tl.int32)) > 0:
        one, two, asked = show_two_faces(face_id, inner, outer, asked)
        if tl.max(asked.to(tl.int32)) > 0:
            edge = _common_edge(edge_faces, face_edges, one, two, asked)
            asked = asked & (edge >= 0)
            moved = change(image, inner.to(tl.int64), outer.to(tl.int64), channels, asked)
            changed, count = tl.sum(moved), tl.sum(asked.to(tl.int32))
            asked = asked & (moved != 0)
            if tl.max(asked.to(tl.int32)) > 0:
                step = outer - inner
                before, after = inner - step, outer + step
                known = asked & (place >= 1) & (place + 2 < limit)
                known = known & (tl.load(face_id + before, mask=known, other=-1) == one)
                known = known & (tl.load(face_id + after, mask=known, other=-1) == two)
                asked = asked & (~known | _apart(image, before, inner, outer, after, channels, known))
                if tl.max(asked.to(tl.int32)) > 0:
                    tl.store(found + number, 1)
                    start = number * edges
                    if PACKED:
                        start = tl.load(bounds + 3 * number + 2) - tl.load(bounds + 3 * number)
                    tl.atomic_or(marks + start + edge, tl.where(known, _KNOWN, _MAYBE), mask=asked, sem="relaxed")
    tl.store(across + tl.program_id(0), changed)
    tl.store(pairs + tl.program_id(0), count)


@triton.jit
def _common_edge(edge_faces, face_edges, one, two, asked):
    """The edges along which faces are neighbours, or -1."""
    found = tl.zeros_like(one) - 1
    for k in tl.static_range(3):
        edge = tl.load(face_edges + 3 * one + k, mask=asked, other=-1)
        first = tl.load(edge_faces + 2 * edge, mask=asked & (edge >= 0), other=-1)
        second = tl.load(edge_faces + 2 * edge + 1, mask=asked & (edge >= 0), other=-1)
        other = tl.where(first == one, second, first)
        found = tl.where((found < 0) & (edge >= 0) & (other == two), edge, found)
    return found


@triton.jit
def _apart(image, before, one, two, after, channels, asked):
    """Is there a jump between pairs of pixels? Not if the lines on which the colours of both sides go on could meet."""
    found = asked & ~asked
    channel = 0
    while channel < channels:
        a = tl.load(image + one.to(tl.int64) * channels + channel, mask=asked, other=0.0).to(tl.float64)
        b = tl.load(image + two.to(tl.int64) * channels + channel, mask=asked, other=0.0).to(tl.float64)
        c = tl.load(image + before.to(tl.int64) * channels + channel, mask=asked, other=0.0).to(tl.float64)
        d = tl.load(image + after.to(tl.int64) * channels + channel, mask=asked, other=0.0).to(tl.float64)
        near, far = a + 0.5 * (a - c), b + 0.5 * (b - d)
        slopes = 2.0 * (near - a + far - b)
        found = found | (tl.abs(near - far) > tl.abs(slopes) / 2.0 + _CURVED * tl.abs(a - b))
        channel += 1
    return found & asked


@triton.jit
def _probe(face_id, image, height, width, channels, per_image, found, within, probes, PIXELS: tl.constexpr):
    """A program adds up how colours change on faces, at PIXELS pixels of every fourth row of an image with creases."""
    number = (tl.program_id(0) // per_image).to(tl.int64)
    if tl.load(found + number) > 0:
        at = tl.program_id(0) % per_image * PIXELS + tl.arange(0, PIXELS)
        row, column = at // width * _PROBE, at % width
        pixel = number * height * width + row * width + column
        same = (row < height) & (column + 1 < width)
        face = tl.load(face_id + pixel, mask=same, other=-1)
        same = same & (face >= 0) & (face == tl.load(face_id + pixel + 1, mask=same, other=-1))
        tl.store(within + tl.program_id(0), tl.sum(change(image, pixel, pixel + 1, channels, same)))
        tl.store(probes + tl.program_id(0), tl.sum(same.to(tl.int32)))


@triton.jit
def _decide(found, per_image, across, pairs, probed, within, probes, flat, BLOCK: tl.constexpr):
    """A program decides for one image, by the sums of its `per_image` and `probed` programs, whether it is flat."""
    number = tl.program_id(0).to(tl.int64)
    if tl.load(found + number) > 0:
        change_across, count_across = _total(across, pairs, number * per_image, per_image, BLOCK)
        change_within, count_within = _total(within, probes, number * probed, probed, BLOCK)
        less = change_within * count_across < _LESS * change_across * count_within
        tl.store(flat + number, ((count_within > 0) & (count_across > 0) & less).to(tl.int8))


@triton.jit
def _total(sums, counts, begin, count, BLOCK: tl.constexpr):
    lane = tl.arange(0, BLOCK)
    total, number = tl.zeros([BLOCK], tl.float64), tl.zeros([BLOCK], tl.int64)
    start = 0
    while start < count:
        at = start + lane
        total += tl.load(sums + begin + at, mask=at < count, other=0.0)
        number += tl.load(counts + begin + at, mask=at < count, other=0)
        start += BLOCK
    return tl.sum(total), tl.sum(number)


@triton.jit
def _choose(
    edges,
    bounds,
    per_image,
    marks,
    found,
    flat,
    chosen_images,
    chosen_edges,
    count,
    PACKED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """A program lists which of BLOCK edges of an image are creases."""
    number = (tl.program_id(0) // per_image).to(tl.int64)
    if tl.load(found + number) > 0:
        edge = (tl.program_id(0) % per_image).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        if PACKED:
            edge += tl.load(bounds + 3 * number)
            mask = edge < tl.load(bounds + 3 * number + 1)
            start = tl.load(bounds + 3 * number + 2) - tl.load(bounds + 3 * number)
        else:
            mask = edge < edges
            start = number * edges
        mark = tl.load(marks + start + edge, mask=mask, other=0)
        chosen = mark >= _KNOWN - tl.load(flat + number)
        if tl.max(chosen.to(tl.int32)) > 0:
            at = places(count, chosen)
            tl.store(chosen_images + at, tl.zeros([BLOCK], tl.int32) + number.to(tl.int32), mask=chosen)
            tl.store(chosen_edges + at, edge.to(tl.int32), mask=chosen)
