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
    with_z,
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
    attribute_faces and faces (F, 3); face_id (B, H, W); g_out (B, H, W, C), of values, or (B, H, W, C, 2), of slopes
    (AXES = 2), for which bary (B, H, W, 2) is unused. Sums: like attributes, but (..., groups, GROUP up to a power of
    two); like positions.

    groups  of channels: a program for each with ATTRIBUTES. POSITIONS need all channels: with both there is one group
    """
    program = tl.program_id(0)
    group = 0
    if ATTRIBUTES:
        group, program = program % groups, program // groups
    image = (program // tiles_x // tiles_y).to(tl.int64)
    first_row = program // tiles_x % tiles_y * ROWS
    first_column, lane = program % tiles_x * LANES, tl.arange(0, LANES)
    column = first_column + lane
    below = tl.where(column < width, height, 0)  # rows there are
    pixel = (image * height + first_row) * width + first_column
    # All rows are asked for at once, so that there is no waiting for each.
    rows = tl.arange(0, ROWS)[:, None]
    ids = tl.load(face_id + pixel + rows * width + lane[None, :], mask=first_row + rows < below[None, :], other=-1)
    if tl.max(ids) < 0:
        return
    attributes += image * attribute_rows * channels
    positions += image * position_rows * 4
    attribute_sum = (attribute_total, attribute_fixed, attribute_scale)
    position_sum = (position_total, position_fixed, position_scale)
    first_attribute, first_position = image * attribute_rows, image * position_rows

    current = tl.full([LANES], -1, tl.int32)
    of_attributes, of_positions = zeros(LANES, 3 * GROUP), zeros(LANES, 9)
    for step in range(ROWS):
        row = first_row + step
        face = tl.load(face_id + pixel + lane, mask=row < below, other=-1)
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
                    add_corners(position_sum, faces, current, first_position, 1, 0, with_z(of_positions), done, MODE)

            g, points, b0, b1 = (), (), 0.0, 0.0
            g_row = g_out + pixel * channels * AXES
            if ATTRIBUTES:
                g = load_gradients(g_row, lane, channels, group * GROUP, seen, GROUP, AXES)
            if POSITIONS or AXES == 2:
                points = load_points(positions, load_corners(faces, face, seen), seen, LANES)
            if AXES == 1:
                b0 = tl.load(bary + 2 * pixel + 2 * lane, mask=seen, other=0.0)
                b1 = tl.load(bary + 2 * pixel + 2 * lane + 1, mask=seen, other=0.0)
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
                    of_weights = _of_weights(g_row, attributes, corners, lane, channels, groups, seen, GROUP, AXES)
                if AXES == 1:
                    found = position_gradients(points, of_weights, b0, b1, seen, column, row, half_width, half_height)
                else:
                    found = slope_gradients(points, of_weights, seen, column, row, half_width, half_height)
                of_positions = restart(of_positions, change, found)
            current = tl.where(seen, face, current)
        pixel += width

    start, last = runs(current, LANES)
    last = last & (current >= 0)
    if ATTRIBUTES:
        of_attributes = sum_runs(of_attributes, start)
        add_corners(attribute_sum, attribute_faces, current, first_attribute, groups, group, of_attributes, last, MODE)
    if POSITIONS:
        of_positions = with_z(sum_runs(of_positions, start))
        add_corners(position_sum, faces, current, first_position, 1, 0, of_positions, last, MODE)


@triton.jit
def _of_weights(g_row, attributes, corners, lane, channels, groups, seen, GROUP: tl.constexpr, AXES: tl.constexpr):
    """`weight_gradients` of all channels."""
    found = zeros(seen.shape[0], 2 * AXES)
    group = 0
    while group < groups:
        g = load_gradients(g_row, lane, channels, group * GROUP, seen, GROUP, AXES)
        of_group = weight_gradients(g, load_differences(attributes, corners, channels, group * GROUP, seen, GROUP))
        found = plus(found, of_group)
        group += 1
    return found
