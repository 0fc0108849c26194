"""Interpolated values, and how they change from pixel to pixel."""

import triton
import triton.language as tl

from repousse.ops.gpu.corners import load_corners, load_points
from repousse.ops.interpolate.gpu_slopes import slopes


@triton.jit
def values(
    attributes,
    attribute_faces,
    face_id,
    bary,
    out,
    channels,
    groups,
    attribute_rows,
    pixels,
    programs,
    PIXELS: tl.constexpr,
    GROUP: tl.constexpr,
):
    """A program handles PIXELS pixels of one image and GROUP channels.

    attributes (Va, C), or (B, Va, C) with attribute_rows = Va, else 0; attribute_faces (F, 3); face_id (B, pixels);
    bary (B, pixels, 2); out (B, pixels, C); programs that share an image and a group
    """
    program = tl.program_id(0).to(tl.int64)
    channel = (program % groups * GROUP + tl.arange(0, GROUP))[None, :]
    image = program // groups // programs
    pixel = program // groups % programs * PIXELS + tl.arange(0, PIXELS)
    inside = pixel < pixels
    pixel += image * pixels
    face = tl.load(face_id + pixel, mask=inside, other=-1)
    found = tl.zeros([PIXELS, GROUP], tl.float32)
    if tl.max(face) >= 0:
        seen = face >= 0
        corners = load_corners(attribute_faces, face, seen)
        b0 = tl.load(bary + 2 * pixel, mask=seen, other=0.0)
        b1 = tl.load(bary + 2 * pixel + 1, mask=seen, other=0.0)
        b2 = (1.0 - b0) - b1
        mask = seen[:, None] & (channel < channels)
        at = attributes + image * attribute_rows * channels + channel
        first = tl.load(at + (corners[0] * channels)[:, None], mask=mask, other=0.0)
        second = tl.load(at + (corners[1] * channels)[:, None], mask=mask, other=0.0)
        third = tl.load(at + (corners[2] * channels)[:, None], mask=mask, other=0.0)
        found = (b0[:, None] * first + b1[:, None] * second) + b2[:, None] * third
    tl.store(out + (pixel * channels)[:, None] + channel, found, mask=inside[:, None] & (channel < channels))


@triton.jit
def derivatives(
    attributes,
    attribute_faces,
    positions,
    faces,
    face_id,
    out,
    channels,
    groups,
    attribute_rows,
    position_rows,
    height,
    width,
    half_width,
    half_height,
    programs,
    PIXELS: tl.constexpr,
    GROUP: tl.constexpr,
):
    """A program handles PIXELS pixels of one image and GROUP numbers of each: even ones are slopes along x, odd ones
    along y.

    As in `values`, and positions (V, 4), or (B, V, 4) with position_rows = V, else 0; faces (F, 3); out (B, H, W, C, 2)
    """
    program = tl.program_id(0).to(tl.int64)
    number = (program % groups * GROUP + tl.arange(0, GROUP))[None, :]
    image = program // groups // programs
    pixel = program // groups % programs * PIXELS + tl.arange(0, PIXELS)
    inside = pixel < height * width
    column, row = (pixel % width).to(tl.int32), (pixel // width).to(tl.int32)
    pixel += image * height * width
    face = tl.load(face_id + pixel, mask=inside, other=-1)
    found = tl.zeros([PIXELS, GROUP], tl.float32)
    if tl.max(face) >= 0:
        seen = face >= 0
        points = load_points(positions + image * position_rows * 4, load_corners(faces, face, seen), seen, PIXELS)
        x0, x1, y0, y1 = slopes(points, seen, column, row, half_width, half_height)
        along_y = number % 2 == 1
        of_first = tl.where(along_y, y0[:, None], x0[:, None])
        of_second = tl.where(along_y, y1[:, None], x1[:, None])
        corners = load_corners(attribute_faces, face, seen)
        mask = seen[:, None] & (number < 2 * channels)
        at = attributes + image * attribute_rows * channels + number // 2
        first = tl.load(at + (corners[0] * channels)[:, None], mask=mask, other=0.0)
        second = tl.load(at + (corners[1] * channels)[:, None], mask=mask, other=0.0)
        third = tl.load(at + (corners[2] * channels)[:, None], mask=mask, other=0.0)
        found = of_first * (first - third) + of_second * (second - third)
    mask = inside[:, None] & (number < 2 * channels)
    tl.store(out + (2 * pixel * channels)[:, None] + number, found, mask=mask)
