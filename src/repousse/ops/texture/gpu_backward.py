"""The derivative of texture lookups: of a pixel's value by its place and level, and of all values by the texels."""

import triton
import triton.language as tl

from repousse.ops.gpu.sums import add
from repousse.ops.texture.gpu_footprint import footprint, given_level, level_of, taps, tile
from repousse.ops.texture.gpu_images import image_row, level_start
from repousse.ops.texture.gpu_lookup import mixed, places, read, shown_images

_NONE = tl.constexpr(2**62)
_CROWD = tl.constexpr(16)  # a sixteenth of a tile's pixels at one place


@triton.jit
def surface(start, t0, t1, t2, t3, across, up, wide, tall, channels, channel, mask):
    """The value (pixels, lanes) between four texels of a level, and its change along the image's axes."""
    across, up = across[:, None], up[:, None]
    left = read(start, t0, channels, channel, mask)
    bottom_step = read(start, t1, channels, channel, mask) - left
    top_left = read(start, t2, channels, channel, mask)
    top_step = read(start, t3, channels, channel, mask) - top_left
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
def add_texel(total, fixed, scale, texel, channels, channel, values, mask, MODE: tl.constexpr):
    """Add `values` (pixels, lanes) to a texel per pixel. Zeros are spared: most pixels of the background have them, all
    for the same texel."""
    mask = mask & (channel < channels) & (values != 0.0)
    add(total, fixed, scale, (texel * channels)[:, None] + channel, values, mask, MODE)


@triton.jit
def add_crowd(total, fixed, scale, texel, channels, channel, values, crowd, first, MODE: tl.constexpr):
    """Add the sum of `values` over the pixels of a crowd to their texel; `first` is one of them."""
    sums = tl.sum(tl.where(crowd[:, None], values, 0.0), 0)[None, :] + tl.zeros_like(values)
    add_texel(total, fixed, scale, texel, channels, channel, sums, first[:, None], MODE)


@triton.jit
def scatter(
    total, fixed, scale, start, t0, t1, t2, t3, w0, w1, w2, w3, g, wanted, channels, channel,
    FILTER: tl.constexpr, MODE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add gradients `g` (pixels, lanes) of the `wanted` pixels to four texels each, of which t0 decides the others.

    Where an image is magnified, many pixels of a tile have the same texels, and atomics at one place wait for each
    other. So while at least a sixteenth of the tile's pixels are at the lowest place that is left, they are summed first,
    in up to sixteen rounds; the rest is added one by one.
    """
    t0, t1, t2, t3 = start + t0, start + t1, start + t2, start + t3
    v0, v1, v2, v3 = g * w0[:, None], g * w1[:, None], g * w2[:, None], g * w3[:, None]
    lane = tl.arange(0, BLOCK)
    left = tl.where(wanted, t0, _NONE)
    lowest = tl.min(left)
    crowd = (left == lowest) & wanted
    count = tl.sum(crowd.to(tl.int32))
    while count * _CROWD >= BLOCK:
        first = lane == tl.min(tl.where(crowd, lane, BLOCK))
        add_crowd(total, fixed, scale, t0, channels, channel, v0, crowd, first, MODE)
        if FILTER != 1:
            add_crowd(total, fixed, scale, t1, channels, channel, v1, crowd, first, MODE)
            add_crowd(total, fixed, scale, t2, channels, channel, v2, crowd, first, MODE)
            add_crowd(total, fixed, scale, t3, channels, channel, v3, crowd, first, MODE)
        left = tl.where(crowd, _NONE, left)
        lowest = tl.min(left)
        crowd = (left == lowest) & (left != _NONE)
        count = tl.sum(crowd.to(tl.int32))
    mask = (left != _NONE)[:, None]
    add_texel(total, fixed, scale, t0, channels, channel, v0, mask, MODE)
    if FILTER != 1:
        add_texel(total, fixed, scale, t1, channels, channel, v1, mask, MODE)
        add_texel(total, fixed, scale, t2, channels, channel, v2, mask, MODE)
        add_texel(total, fixed, scale, t3, channels, channel, v3, mask, MODE)


@triton.jit
def look_up_backward(
    texels, pyramid, uv, which, derivatives, level, g_out, g_uv, g_derivatives, g_level, total, fixed, scale,
    texel_count, images, height, width, channels, table, high, wide, wrap_u, wrap_v, last, coarser,
    FILTER: tl.constexpr, MODE: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Gradients of a tile of pixels; one program for each.

    Inputs as for look_up, and g_out (B, H, W, channels). g_uv, g_derivatives, g_level: like what they are the
    derivatives by, or None; total, fixed, scale: a Sum over all texels (texel_count) and behind them those of the
    coarser levels, or None.
    """
    picture, pixel, inside = tile(height, width, ROWS, COLUMNS)
    image, seen = shown_images(which, picture, pixel, inside, images, FILTER)
    first, high, wide, wrap_u, wrap_v, nearest, last, behind = image_row(
        image, table, high, wide, wrap_u, wrap_v, last, coarser, FILTER
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
    t0, t1, t2, t3, across, up, columns, rows = taps(
        fine, high, wide, wrap_u, wrap_v, nearest, u, u_rest, v, v_rest
    )
    start = texels + first * channels
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
            start = tl.where(fine > 0, pyramid + (behind + later) * channels, start)
            c_start = pyramid + (behind + c_later) * channels
    by_u = tl.zeros((ROWS * COLUMNS, LANES), tl.float32)
    by_v, by_level = by_u, by_u
    begin = 0
    while begin < channels:
        channel = begin + tl.arange(0, LANES)[None, :]
        mask = shown[:, None] & (channel < channels)
        g = tl.load(g_out + (pixel * channels)[:, None] + channel, mask=mask, other=0.0)
        if g_uv is not None or g_derivatives is not None or g_level is not None:
            value, u_step, v_step = surface(
                start, t0, t1, t2, t3, across, up, columns, rows, channels, channel, mask
            )
            if pyramid is not None:
                c_value, c_u_step, c_v_step = surface(
                    c_start, c0, c1, c2, c3, c_across, c_up, c_columns, c_rows, channels, channel,
                    mask & deep[:, None],
                )  # fmt: skip
                by_level += g * tl.where(deep[:, None], c_value - value, 0.0)
                u_step = tl.where(mixes[:, None], mixed(u_step, c_u_step, mix[:, None]), u_step)
                v_step = tl.where(mixes[:, None], mixed(v_step, c_v_step, mix[:, None]), v_step)
            by_u += g * u_step
            by_v += g * v_step
        if total is not None:
            pulls = tl.max((g != 0.0).to(tl.int32), 1) > 0
            w0, w1, w2, w3 = weights(1.0 - mix, across, up)
            scatter(
                total, fixed, scale, sum_start, t0, t1, t2, t3, w0, w1, w2, w3, g, pulls, channels, channel,
                FILTER, MODE, ROWS * COLUMNS,
            )  # fmt: skip
            if derivatives is not None or level is not None:
                w0, w1, w2, w3 = weights(mix, c_across, c_up)
                scatter(
                    total, fixed, scale, c_sum_start, c0, c1, c2, c3, w0, w1, w2, w3, g, pulls & mixes, channels,
                    channel, FILTER, MODE, ROWS * COLUMNS,
                )  # fmt: skip
        begin += LANES
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
