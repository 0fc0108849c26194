"""The derivative of texture lookups: of a pixel's value by its place and level, and of all values by the texels."""

import triton
import triton.language as tl

from repousse.ops.gpu.texels import mixed, read, scatter
from repousse.ops.texture.gpu_footprint import footprint, given_level, level_of, taps, tile
from repousse.ops.texture.gpu_images import image_row, level_start
from repousse.ops.texture.gpu_lookup import places, shown_images


@triton.jit
def surface(start, t0, t1, t2, t3, across, up, wide, tall, channel, mask, CHANNELS: tl.constexpr):
    """The value (pixels, lanes) between four texels of a level, and its change along the image's axes."""
    across, up = across[:, None], up[:, None]
    left = read(start, t0, channel, mask, CHANNELS)
    bottom_step = read(start, t1, channel, mask, CHANNELS) - left
    top_left = read(start, t2, channel, mask, CHANNELS)
    top_step = read(start, t3, channel, mask, CHANNELS) - top_left
    bottom = left + across * bottom_step
    step = top_left + across * top_step - bottom
    return bottom + up * step, mixed(bottom_step, top_step, up) * wide[:, None], step * tall[:, None]


@triton.jit
def weights(share, across, up):
    """Of the four texels, of which the level has `share`."""
    top = share * up
    bottom = share - top
    right, right_top = bottom * across, top * across
    return bottom - right, right, top - right_top, right_top


@triton.jit
def look_up_backward(
    texels, pyramid, uv, which, derivatives, level, g_out, g_uv, g_derivatives, g_level, total, fixed, scale,
    texel_count, images, height, width, table, high, wide, last, coarser,
    FILTER: tl.constexpr, U: tl.constexpr, V: tl.constexpr, MODE: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, CHANNELS: tl.constexpr, LANES: tl.constexpr, SUM_LANES: tl.constexpr,
):  # fmt: skip
    """Gradients of a tile of pixels; one program for each.

    Inputs as for look_up, and g_out (B, H, W, CHANNELS). g_uv, g_derivatives, g_level: like what they are the
    derivatives by, or None; total, fixed, scale: a Sum over all texels (texel_count) and behind them those of the
    coarser levels, or None.
    """
    picture, pixel, inside = tile(height, width, ROWS, COLUMNS)
    image, seen = shown_images(which, picture, pixel, inside, images, FILTER)
    first, high, wide, wrap_u, wrap_v, nearest, last, behind = image_row(
        image, table, high, wide, last, coarser, FILTER, U, V
    )
    u, u_rest, u_slope, v, v_rest, v_slope, found = places(uv, pixel, seen, wrap_u, wrap_v)
    shown = seen & found
    fine = tl.zeros_like(inside.to(tl.int32))
    mix = fine.to(tl.float32)
    slope = mix
    if derivatives is not None:
        u_column, u_row, v_column, v_row, by_column, by_row = footprint(derivatives, pixel, seen, high, wide)
        fine, mix, slope = level_of(by_column, by_row, last)
    if level is not None:
        fine, mix, slope = given_level(tl.load(level + pixel, mask=seen, other=0.0), last)
    t0, t1, t2, t3, across, up, columns, rows = taps(fine, high, wide, wrap_u, wrap_v, nearest, u, u_rest, v, v_rest)
    start = texels + first * CHANNELS
    sum_start = first + fine.to(tl.int64) * 0
    mixes = shown & (mix > 0.0)
    if derivatives is not None or level is not None:
        later = level_start(tl.maximum(fine, 1), high, wide)
        sum_start = tl.where(fine > 0, texel_count + behind + later, first)
        coarse = tl.minimum(fine + 1, tl.maximum(last, 1))
        c0, c1, c2, c3, c_across, c_up, c_columns, c_rows = taps(
            coarse, high, wide, wrap_u, wrap_v, nearest, u, u_rest, v, v_rest
        )
        c_later = level_start(coarse, high, wide)
        c_sum_start = texel_count + behind + c_later
        deep = mixes
        if g_derivatives is not None or g_level is not None:
            deep = deep | (shown & (slope > 0.0))
        if pyramid is not None:
            start = tl.where(fine > 0, pyramid + (behind + later) * CHANNELS, start)
            c_start = pyramid + (behind + c_later) * CHANNELS
    by_u = tl.zeros((ROWS * COLUMNS, LANES), tl.float32)
    by_v, by_level = by_u, by_u
    if g_uv is not None or g_derivatives is not None or g_level is not None:
        for begin in tl.static_range(0, CHANNELS, LANES):
            channel = begin + tl.arange(0, LANES)[None, :]
            mask = shown[:, None] & (channel < CHANNELS)
            g = tl.load(g_out + (pixel * CHANNELS)[:, None] + channel, mask=mask, other=0.0)
            value, u_step, v_step = surface(start, t0, t1, t2, t3, across, up, columns, rows, channel, mask, CHANNELS)
            if pyramid is not None:
                c_value, c_u_step, c_v_step = surface(
                    c_start, c0, c1, c2, c3, c_across, c_up, c_columns, c_rows, channel, mask & deep[:, None], CHANNELS
                )
                by_level += g * tl.where(deep[:, None], c_value - value, 0.0)
                u_step = tl.where(mixes[:, None], mixed(u_step, c_u_step, mix[:, None]), u_step)
                v_step = tl.where(mixes[:, None], mixed(v_step, c_v_step, mix[:, None]), v_step)
            by_u += g * u_step
            by_v += g * v_step
    if total is not None:
        for begin in tl.static_range(0, CHANNELS, SUM_LANES):
            channel = begin + tl.arange(0, SUM_LANES)[None, :]
            mask = shown[:, None] & (channel < CHANNELS)
            g = tl.load(g_out + (pixel * CHANNELS)[:, None] + channel, mask=mask, other=0.0)
            pulls = tl.max((g != 0.0).to(tl.int32), 1) > 0
            w0, w1, w2, w3 = weights(1.0 - mix, across, up)
            scatter(
                total, fixed, scale, sum_start + t0, sum_start + t0, sum_start + t1, sum_start + t2, sum_start + t3,
                w0, w1, w2, w3, g, pulls, channel, CHANNELS, FILTER != 1, MODE, ROWS * COLUMNS,
            )  # fmt: skip
            if derivatives is not None or level is not None:
                w0, w1, w2, w3 = weights(mix, c_across, c_up)
                scatter(
                    total, fixed, scale, c_sum_start + c0, c_sum_start + c0, c_sum_start + c1, c_sum_start + c2,
                    c_sum_start + c3, w0, w1, w2, w3, g, pulls & mixes, channel, CHANNELS, FILTER != 1, MODE,
                    ROWS * COLUMNS,
                )  # fmt: skip
    filtered = shown & (nearest == 0)
    if g_uv is not None:
        tl.store(g_uv + pixel * 2, tl.where(filtered, tl.sum(by_u, 1) * u_slope, 0.0), mask=inside)
        tl.store(g_uv + pixel * 2 + 1, tl.where(filtered, tl.sum(by_v, 1) * v_slope, 0.0), mask=inside)
    sloping = filtered & (slope > 0.0)
    pull = tl.where(sloping, tl.sum(by_level, 1), 0.0)
    if g_level is not None:
        tl.store(g_level + pixel, pull, mask=inside)
    if g_derivatives is not None:
        # level = log2(max(by_column, by_row)) / 2; where both are equal, each has half of the derivative.
        pull = pull * (1.44269504 / tl.where(sloping, tl.maximum(by_column, by_row), 1.0))
        by_row_too = tl.where(by_row == by_column, 0.5, 1.0)
        column = tl.where(sloping & (by_column >= by_row), pull * by_row_too, 0.0)
        row = tl.where(sloping & (by_row >= by_column), pull * by_row_too, 0.0)
        at = g_derivatives + pixel * 4
        tl.store(at, tl.where(sloping, u_column * column * wide, 0.0), mask=inside)
        tl.store(at + 1, tl.where(sloping, u_row * row * wide, 0.0), mask=inside)
        tl.store(at + 2, tl.where(sloping, v_column * column * high, 0.0), mask=inside)
        tl.store(at + 3, tl.where(sloping, v_row * row * high, 0.0), mask=inside)
