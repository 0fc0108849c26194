"""Interpolated values, and how they change from pixel to pixel."""

import triton
import triton.language as tl

from repousse.ops.gpu.columns import as_columns
from repousse.ops.gpu.corners import load_corners, load_points
from repousse.ops.interpolate.gpu_slopes import slopes
from repousse.ops.interpolate.gpu_values import load_differences


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
    """A program handles PIXELS pixels of one image and GROUP channels: up to 4, or 8, 16 or 32.

    attributes (Va, C), or (B, Va, C) with attribute_rows = Va, else 0; attribute_faces (F, 3); face_id (B, pixels);
    bary (B, pixels, 2); out (B, pixels, C); programs that share an image and a group
    """
    program = tl.program_id(0)
    first = program % groups * GROUP
    image = (program // groups // programs).to(tl.int64)
    start = program // groups % programs * PIXELS
    lane = tl.arange(0, PIXELS)
    inside = lane < pixels - start
    first_pixel = image * pixels + start
    face = tl.load(face_id + first_pixel + lane, mask=inside, other=-1)
    COLUMNS: tl.constexpr = 4 if GROUP == 3 else GROUP
    found = tl.zeros([PIXELS, COLUMNS], tl.float32)
    if tl.max(face) >= 0:
        seen = face >= 0
        corners = load_corners(attribute_faces, face, seen)
        b0 = tl.load(bary + 2 * first_pixel + 2 * lane, mask=seen, other=0.0)
        b1 = tl.load(bary + 2 * first_pixel + 2 * lane + 1, mask=seen, other=0.0)
        weights = (b0, b1, (1.0 - b0) - b1)
        attributes += image * attribute_rows * channels + first
        if GROUP > 4:
            found = _many_values(attributes, corners, weights, seen, channels, first, GROUP)
        else:
            found = as_columns(_values(attributes, corners, weights, seen, channels, first, GROUP))
    column = tl.arange(0, COLUMNS)[None, :]
    mask = inside[:, None] & (column < GROUP) & (column < channels - first)
    tl.store(out + first_pixel * channels + first + lane[:, None] * channels + column, found, mask=mask)


@triton.jit
def _values(attributes, corners, weights, seen, channels, first, GROUP: tl.constexpr):
    """Few channels, `attributes` from the `first` one on: a tuple of blocks. A lane is a pixel."""
    found = ()
    for c in tl.static_range(GROUP):
        at = attributes + c
        mask = seen & (first + c < channels)
        value = weights[0] * tl.load(at + corners[0] * channels, mask=mask, other=0.0)
        value += weights[1] * tl.load(at + corners[1] * channels, mask=mask, other=0.0)
        value += weights[2] * tl.load(at + corners[2] * channels, mask=mask, other=0.0)
        found += (value,)
    return found


@triton.jit
def _many_values(attributes, corners, weights, seen, channels, first, GROUP: tl.constexpr):
    """Many channels: one block. Lanes read channels side by side."""
    column = tl.arange(0, GROUP)[None, :]
    mask = seen[:, None] & (first + column < channels)
    at = attributes + column
    found = weights[0][:, None] * tl.load(at + (corners[0] * channels)[:, None], mask=mask, other=0.0)
    found += weights[1][:, None] * tl.load(at + (corners[1] * channels)[:, None], mask=mask, other=0.0)
    return found + weights[2][:, None] * tl.load(at + (corners[2] * channels)[:, None], mask=mask, other=0.0)


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
    """A program handles PIXELS pixels of one image and GROUP <= 4 channels.

    As in `values`, and positions (V, 4), or (B, V, 4) with position_rows = V, else 0; faces (F, 3); out (B, H, W, C, 2)
    """
    program = tl.program_id(0)
    first = program % groups * GROUP
    image = (program // groups // programs).to(tl.int64)
    start = program // groups % programs * PIXELS
    lane = tl.arange(0, PIXELS)
    inside = lane < height * width - start
    first_pixel = image * height * width + start
    face = tl.load(face_id + first_pixel + lane, mask=inside, other=-1)
    COLUMNS: tl.constexpr = 8 if GROUP == 3 else 2 * GROUP
    found = tl.zeros([PIXELS, COLUMNS], tl.float32)
    if tl.max(face) >= 0:
        seen = face >= 0
        points = load_points(positions + image * position_rows * 4, load_corners(faces, face, seen), seen, PIXELS)
        column, row = (start + lane) % width, (start + lane) // width
        x0, x1, y0, y1 = slopes(points, seen, column, row, half_width, half_height)
        corners = load_corners(attribute_faces, face, seen)
        attributes += image * attribute_rows * channels
        differences = load_differences(attributes, corners, channels, first, seen, GROUP)
        changes = ()
        for c in tl.static_range(GROUP):
            of_first, of_second = differences[c], differences[GROUP + c]
            changes += (x0 * of_first + x1 * of_second, y0 * of_first + y1 * of_second)
        found = as_columns(changes)
    number = tl.arange(0, COLUMNS)[None, :]
    mask = inside[:, None] & (number < 2 * GROUP) & (number < 2 * (channels - first))
    at = out + 2 * (first_pixel * channels + first) + lane[:, None] * (2 * channels) + number
    tl.store(at, found, mask=mask)
