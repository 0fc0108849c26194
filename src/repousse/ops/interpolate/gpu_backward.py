"""The derivative of interpolated values, and that of their slopes: one pass over the picture for all gradients."""

import triton
import triton.language as tl

from repousse.ops.gpu.corners import load_corners, load_points
from repousse.ops.gpu.scatter import add_corners, plus, restart, runs, sum_runs, zeros
from repousse.ops.interpolate.gpu_slopes import attribute_gradients, slope_gradients, slopes
from repousse.ops.interpolate.gpu_values import (
    load_differences,
    load_gradients,
    position_gradients,
    value_gradients,
    weight_gradients,
)


@triton.jit
def backward(
    attributes,
    attribute_faces,
    positions,
    faces,
    face_id,
    bary,
    g_out,
    channels,
    groups,
    attribute_rows,
    position_rows,
    height,
    width,
    half_width,
    half_height,
    tiles_x,
    tiles_y,
    attribute_total,
    attribute_fixed,
    attribute_scale,
    position_total,
    position_fixed,
    position_scale,
    AXES: tl.constexpr,
    ATTRIBUTES: tl.constexpr,
    POSITIONS: tl.constexpr,
    GROUP: tl.constexpr,
    ROWS: tl.constexpr,
    LANES: tl.constexpr,
    MODE: tl.constexpr,
):
    """A program handles LANES columns by ROWS rows of one image (see gpu/scatter.py) and GROUP channels.

    attributes (Va, C), or (B, Va, C) with attribute_rows = Va, else 0; positions (V, 4) or (B, V, 4) alike;
    attribute_faces and faces (F, 3); face_id (B, H, W); bary (B, H, W, 2), unused with SLOPES; g_out (B, H, W, C), with
    SLOPES (B, H, W, C, 2). Sums: like attributes, but (..., groups, GROUP); like positions.

    groups  of channels: a program for each with ATTRIBUTES. POSITIONS need all channels: with both there is one group
    """
    program = tl.program_id(0).to(tl.int64)
    group = program * 0
    if ATTRIBUTES:
        group, program = program % groups, program // groups
    image = program // tiles_x // tiles_y
    first_row = (program // tiles_x % tiles_y * ROWS).to(tl.int32)
    column = (program % tiles_x * LANES).to(tl.int32) + tl.arange(0, LANES)
    height_here = tl.where(column < width, height, 0)
    pixel = (image * height + first_row) * width + column
    attributes += image * attribute_rows * channels
    positions += image * position_rows * 4
    attribute_sum = (attribute_total, attribute_fixed, attribute_scale)
    position_sum = (position_total, position_fixed, position_scale)
    first_attribute, first_position = image * attribute_rows, image * position_rows

    following = tl.load(face_id + pixel, mask=first_row < height_here, other=-1)
    current = tl.full([LANES], -1, tl.int32)
    of_attributes, of_positions = zeros(LANES, 3 * GROUP), zeros(LANES, 12)
    for step in range(ROWS):
        row = first_row + step
        face = following
        following = tl.load(face_id + pixel + width, mask=row + 1 < height_here, other=-1)
        if tl.max(face) >= 0:
            seen = face >= 0
            change = seen & (face != current)
            done = change & (current >= 0)
            if tl.max(done.to(tl.int32)) > 0:
                if ATTRIBUTES:
                    add_corners(
                        attribute_sum,
                        attribute_faces,
                        current,
                        first_attribute,
                        groups,
                        group,
                        of_attributes,
                        done,
                        MODE,
                    )
                if POSITIONS:
                    add_corners(position_sum, faces, current, first_position, 1, 0, of_positions, done, MODE)

            if ATTRIBUTES:
                g = load_gradients(g_out, pixel, channels, group * GROUP, seen, GROUP, AXES)
            if POSITIONS or AXES == 2:
                points = load_points(positions, load_corners(faces, face, seen), seen, LANES)
            if AXES == 1:
                b0 = tl.load(bary + 2 * pixel, mask=seen, other=0.0)
                b1 = tl.load(bary + 2 * pixel + 1, mask=seen, other=0.0)
            if ATTRIBUTES:
                if AXES == 1:
                    found = value_gradients(g, b0, b1)
                else:
                    found = attribute_gradients(g, slopes(points, seen, column, row, half_width, half_height))
                of_attributes = restart(of_attributes, change, found)
            if POSITIONS:
                corners = load_corners(attribute_faces, face, seen)
                if ATTRIBUTES:
                    of_weights = weight_gradients(g, load_differences(attributes, corners, channels, 0, seen, GROUP))
                else:
                    of_weights = _of_weights(g_out, attributes, corners, pixel, channels, groups, seen, GROUP, AXES)
                if AXES == 1:
                    found = position_gradients(points, of_weights, b0, b1, seen, column, row, half_width, half_height)
                else:
                    found = slope_gradients(points, of_weights, seen, column, row, half_width, half_height)
                of_positions = restart(of_positions, change, found)
            current = tl.where(seen, face, current)
        pixel += width

    start, last = runs(current)
    last = last & (current >= 0)
    if ATTRIBUTES:
        of_attributes = sum_runs(of_attributes, start)
        add_corners(attribute_sum, attribute_faces, current, first_attribute, groups, group, of_attributes, last, MODE)
    if POSITIONS:
        add_corners(position_sum, faces, current, first_position, 1, 0, sum_runs(of_positions, start), last, MODE)


@triton.jit
def _of_weights(g_out, attributes, corners, pixel, channels, groups, seen, GROUP: tl.constexpr, AXES: tl.constexpr):
    """`weight_gradients` of all channels."""
    found = zeros(seen.shape[0], 2 * AXES)
    group = 0
    while group < groups:
        g = load_gradients(g_out, pixel, channels, group * GROUP, seen, GROUP, AXES)
        of_group = weight_gradients(g, load_differences(attributes, corners, channels, group * GROUP, seen, GROUP))
        found = plus(found, of_group)
        group += 1
    return found
