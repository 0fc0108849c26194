"""The derivative of texture lookups: of a pixel's value by its place and level, and of all values by the texels."""

import triton
import triton.language as tl

from repousse.ops.gpu.texels import mixed, read, scatter
from repousse.ops.texture.gpu_footprint import mip_level, taps, tile
from repousse.ops.texture.gpu_images import image_row, level_start
from repousse.ops.texture.gpu_lookup import places, shown_images


@triton.jit
def surface(start, found, channel, mask, CHANNELS: tl.constexpr):
    """The value (pixels, lanes) between the four texels that `taps` found, and its change along the image's axes."""
    t0, t1, t2, t3, across, up, wide, tall = found
    across, up = across[:, None], up[:, None]
    left = read(start, t0, channel, mask, CHANNELS)
    bottom_step = read(start, t1, channel, mask, CHANNELS) - left
    top_left = read(start, t2, channel, mask, CHANNELS)
    top_step = read(start, t3, channel, mask, CHANNELS) - top_left
    bottom = left + across * bottom_step
    step = top_left + across * top_step - bottom
    return bottom + up * step, mixed(bottom_step, top_step, up) * wide[:, None], step * tall[:, None]


@triton.jit
def pull_texels(
    total, fixed, scale, start, found, share, g, wanted, channel,
    CHANNELS: tl.constexpr, FILTER: tl.constexpr, MODE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add gradients `g` to the texels that `taps` found, counted from `start`, of which the level has `share`."""
    t0, t1, t2, t3, across, up, _, _ = found
    top = share * up
    bottom = share - top
    right, right_top = bottom * across, top * across
    # At a border that does not repeat, the neighbour may be the texel itself.
    place = 4 * (start + t0) + 2 * (t1 == t0).to(tl.int32) + (t2 == t0).to(tl.int32)
    scatter(
        total, fixed, scale, place, start + t0, start + t1, start + t2, start + t3,
        bottom - right, right, top - right_top, right_top, g, wanted, channel, CHANNELS, FILTER != 1, MODE, BLOCK,
    )  # fmt: skip


@triton.jit
def look_up_backward(
    texels, pyramid, uv, which, derivatives, level, g_out, g_uv, g_derivatives, g_level, total, fixed, scale,
    texel_count, images, height, width, table, high, wide, last, behind_each,
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
        image, table, high, wide, last, behind_each, FILTER, U, V
    )
    u, u_rest, u_slope, v, v_rest, v_slope, found = places(uv, pixel, seen, wrap_u, wrap_v)
    shown = seen & found
    fine, mix, slope, u_column, u_row, v_column, v_row, by_column, by_row = mip_level(
        derivatives, level, pixel, seen, high, wide, last
    )
    finer = taps(fine, high, wide, wrap_u, wrap_v, nearest, u, u_rest, v, v_rest)
    coarser = finer
    start, sum_start = texels + first * CHANNELS, first + fine.to(tl.int64) * 0
    coarser_start, coarser_sum_start = start, sum_start
    mixes = shown & (mix > 0.0)
    deep = mixes
    if g_derivatives is not None or g_level is not None:
        deep = deep | (shown & (slope > 0.0))
    if derivatives is not None or level is not None:
        coarse = tl.minimum(fine + 1, tl.maximum(last, 1))
        coarser = taps(coarse, high, wide, wrap_u, wrap_v, nearest, u, u_rest, v, v_rest)
        at_fine = behind + level_start(tl.maximum(fine, 1), high, wide)
        at_coarse = behind + level_start(coarse, high, wide)
        sum_start, coarser_sum_start = tl.where(fine > 0, texel_count + at_fine, first), texel_count + at_coarse
        if pyramid is not None:
            start = tl.where(fine > 0, pyramid + at_fine * CHANNELS, start)
            coarser_start = pyramid + at_coarse * CHANNELS
    by_u = tl.zeros((ROWS * COLUMNS, LANES), tl.float32)
    by_v, by_level = by_u, by_u
    if g_uv is not None or g_derivatives is not None or g_level is not None:
        for begin in tl.static_range(0, CHANNELS, LANES):
            channel = begin + tl.arange(0, LANES)[None, :]
            mask = shown[:, None] & (channel < CHANNELS)
            g = tl.load(g_out + (pixel * CHANNELS)[:, None] + channel, mask=mask, other=0.0)
            value, u_step, v_step = surface(start, finer, channel, mask, CHANNELS)
            if pyramid is not None:
                other, other_u_step, other_v_step = surface(
                    coarser_start, coarser, channel, mask & deep[:, None], CHANNELS
                )
                by_level += g * tl.where(deep[:, None], other - value, 0.0)
                u_step = tl.where(mixes[:, None], mixed(u_step, other_u_step, mix[:, None]), u_step)
                v_step = tl.where(mixes[:, None], mixed(v_step, other_v_step, mix[:, None]), v_step)
            by_u += g * u_step
            by_v += g * v_step
    if total is not None:
        for begin in tl.static_range(0, CHANNELS, SUM_LANES):
            channel = begin + tl.arange(0, SUM_LANES)[None, :]
            mask = shown[:, None] & (channel < CHANNELS)
            g = tl.load(g_out + (pixel * CHANNELS)[:, None] + channel, mask=mask, other=0.0)
            pulls = tl.max((g != 0.0).to(tl.int32), 1) > 0
            pull_texels(
                total, fixed, scale, sum_start, finer, 1.0 - mix, g, pulls, channel,
                CHANNELS, FILTER, MODE, ROWS * COLUMNS,
            )  # fmt: skip
            if derivatives is not None or level is not None:
                pull_texels(
                    total, fixed, scale, coarser_sum_start, coarser, mix, g, pulls & mixes, channel,
                    CHANNELS, FILTER, MODE, ROWS * COLUMNS,
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
