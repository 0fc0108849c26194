"""Sweeps from the crossing list: native.cpp's, a block of crossings at a time."""

import triton
import triton.language as tl

from repousse.ops.gpu.sums import add
from repousse.ops.kato.gpu_pull import BEYOND, COVERED, arms, pull


@triton.jit
def _across(positions, vertex, along, lines):
    """The vertices' coordinate across the line of their crossing, float64: integers at centres, y down."""
    # Crossings along a row (axis 0) have their lines stacked along y.
    at = tl.load(positions + 2 * vertex + tl.where(along == 0, 1, 0)).to(tl.float64)
    n = lines.to(tl.float64)
    return (tl.where(along == 0, -at, at) * n + n - 1) / 2


@triton.jit
def sweep_crossings(
    inner,
    outer,
    ends,
    offset,
    axis,
    count,
    positions,
    vertices,
    pose_stride,
    pixels,
    height,
    width,
    surface,
    image,
    gradient,
    channels,
    eps,
    total,
    fixed,
    scale,
    MODE: tl.constexpr,
    EDGES: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """Both sweeps of crossings, added to the coordinates of the edges' vertices along the lines.

    inner, outer int64, ends int32 (N, 2), offset float32, axis int8 (N): the crossing list; count = N
    positions float32 (B, V, 2), pose_stride = V, or (V, 2) for packed meshes, pose_stride = 0
    surface   float32 (B, H, W)  depth, EMPTY where nothing is seen; pixels = B H W

    A program takes EDGES crossings.
    """
    index = tl.program_id(0).to(tl.int64) * EDGES + tl.arange(0, EDGES)
    mask = index < count
    pixel = tl.load(inner + index, mask=mask, other=0)
    mask = mask & (pixel >= 0) & (pixel < pixels)
    outward = tl.where(tl.load(outer + index, mask=mask, other=0) > pixel, 1, -1)
    a = tl.load(ends + 2 * index, mask=mask, other=0)
    b = tl.load(ends + 2 * index + 1, mask=mask, other=0)
    mask = mask & (a >= 0) & (a < vertices) & (b >= 0) & (b < vertices)
    pixel = tl.where(mask, pixel, 0)
    row = pixel // width
    pose = row // height
    column = (pixel - row * width).to(tl.int32)
    row = (row - pose * height).to(tl.int32)
    a = tl.where(mask, a, 0) + pose * pose_stride
    b = tl.where(mask, b, 0) + pose * pose_stride
    along = tl.load(axis + index, mask=mask, other=0)
    line = tl.where(along == 0, row, column)
    place = tl.where(along == 0, column, row)
    lines = tl.where(along == 0, height, width)
    places = tl.where(along == 0, width, height)
    step = tl.where(along == 0, 1, width)
    au = _across(positions, a, along, lines)
    bu = _across(positions, b, along, lines)
    # Also false where one of them is not finite.
    mask = mask & (tl.abs(bu - au) > 0) & (tl.abs(bu - au) <= 1.7976931348623157e308)
    mask = mask & (place + outward >= 0) & (place + outward < places)
    arm_a, arm_b = arms(au, bu, line.to(tl.float64), 2.0 / places.to(tl.float64))
    gap = tl.load(offset + index, mask=mask, other=0.0)

    # Both sweeps start at the edge, so that distances are most accurate where they count most.
    beyond = tl.where(mask, pixel + step * outward, 0)
    length = tl.where(mask, tl.where(outward > 0, places - 1 - place, place), 0)
    depth = tl.load(surface + pixel, mask=mask, other=0.0)
    pull_a, pull_b = pull(
        image,
        gradient,
        channels,
        surface,
        depth,
        beyond,
        step * outward,
        pixel,
        length,
        outward,
        (1.0 - gap) * outward,
        arm_a,
        arm_b,
        eps,
        BEYOND,
        EDGES,
        PIXELS,
    )
    length = tl.where(mask, tl.where(outward > 0, place + 1, places - place), 0)
    more_a, more_b = pull(
        image,
        gradient,
        channels,
        surface,
        depth,
        pixel,
        -step * outward,
        beyond,
        length,
        -outward,
        -gap * outward,
        arm_a,
        arm_b,
        eps,
        COVERED,
        EDGES,
        PIXELS,
    )
    # Rows run downwards, NDC y upwards.
    sign = tl.where(along == 0, -1.0, 1.0)
    coordinate = tl.where(along == 0, 0, 1)
    add(total, fixed, scale, 2 * a + coordinate, sign * (pull_a + more_a), mask, MODE)
    add(total, fixed, scale, 2 * b + coordinate, sign * (pull_b + more_b), mask, MODE)
