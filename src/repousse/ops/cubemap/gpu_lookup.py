"""Values of maps in the directions that pixels have, and their derivative. A program for each block of pixels."""

import triton
import triton.language as tl

from repousse.ops.cubemap.gpu_maps import place_of, pulled_direction, taps
from repousse.ops.gpu.texels import mixed, read, scatter

_MOST = tl.constexpr(3.4028234663852886e38)
_LEVEL = tl.constexpr(2**40)  # more than the places of a level


@triton.jit
def _directions(direction, pixel, inside):
    """x, y, z in float64, and where they point anywhere: not where they are zero or not finite."""
    x = tl.load(direction + pixel * 3, mask=inside, other=0.0)
    y = tl.load(direction + pixel * 3 + 1, mask=inside, other=0.0)
    z = tl.load(direction + pixel * 3 + 2, mask=inside, other=0.0)
    known = (tl.abs(x) <= _MOST) & (tl.abs(y) <= _MOST) & (tl.abs(z) <= _MOST)
    known = known & ((x != 0.0) | (y != 0.0) | (z != 0.0))
    x, y, z = tl.where(known, x, 1.0), tl.where(known, y, 0.0), tl.where(known, z, 0.0)
    return x.to(tl.float64), y.to(tl.float64), z.to(tl.float64), known


@triton.jit
def _levels(level, pixel, inside, count):
    """The finer of two levels, the weight of the coarser one, whether the value depends on the level, and whether that
    is known: not if it is NaN. `level` None: the first one."""
    known = inside
    slopes = inside & (pixel < 0)
    fine = slopes.to(tl.int32)
    part = fine.to(tl.float32)
    if level is not None:
        at = tl.load(level + pixel, mask=inside, other=0.0)
        known = at == at
        at = tl.where(known, at, -1.0)
        most = tl.cast(count - 1, tl.float32)
        clamped = tl.minimum(tl.maximum(at, 0.0), most)
        fine = tl.minimum(clamped.to(tl.int32), tl.maximum(count - 2, 0))
        part = clamped - fine.to(tl.float32)
        slopes = (at >= 0.0) & (at <= most) & (count > 1)
    return fine, part, slopes, known


@triton.jit
def _level(sizes, level, height, width):
    """First texel, height and width of levels; of the only one if there are no `sizes` (levels, 3)."""
    first = tl.zeros_like(level)
    height, width = height + first, width + first
    if sizes is not None:
        row = sizes + level * 3
        first = tl.load(row)
        height, width = tl.load(row + 1).to(tl.int32), tl.load(row + 2).to(tl.int32)
    return first, height, width


@triton.jit
def _surface(start, found, height, width, channel, mask, CHANNELS: tl.constexpr):
    """The value (pixels, lanes) between the four texels that `taps` found, and its change along the map's axes."""
    t0, t1, t2, t3, across, next_across, down, corner, _ = found
    v0, v1 = read(start, t0, channel, mask, CHANNELS), read(start, t1, channel, mask, CHANNELS)
    v2, v3 = read(start, t2, channel, mask, CHANNELS), read(start, t3, channel, mask, CHANNELS)
    corner = corner[:, None]
    none = tl.zeros_like(v0)
    three = tl.where(corner == 0, none, v0) + tl.where(corner == 1, none, v1)
    three = (three + tl.where(corner == 2, none, v2) + tl.where(corner == 3, none, v3)) * (1.0 / 3.0)
    v0, v1 = tl.where(corner == 0, three, v0), tl.where(corner == 1, three, v1)
    v2, v3 = tl.where(corner == 2, three, v2), tl.where(corner == 3, three, v3)
    top, bottom = mixed(v0, v1, across[:, None]), mixed(v2, v3, next_across[:, None])
    by_x = mixed(v1 - v0, v3 - v2, down[:, None]) * width.to(tl.float32)[:, None]
    by_y = (bottom - top) * height.to(tl.float32)[:, None]
    return mixed(top, bottom, down[:, None]), by_x, by_y


@triton.jit
def _pull_texels(
    total, fixed, scale, first, level, found, share, g, wanted, channel,
    CHANNELS: tl.constexpr, MODE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add gradients `g` to the texels of a level that `taps` found, of which it has `share`; a corner's go to the other
    three."""
    t0, t1, t2, t3, across, next_across, down, corner, place = found
    upper, lower = share * (1.0 - down), share * down
    w1, w3 = upper * across, lower * next_across
    w0, w2 = upper - w1, lower - w3
    left = tl.where(corner == 0, w0, tl.where(corner == 1, w1, tl.where(corner == 2, w2, w3)))
    third = tl.where(corner < 4, left * (1.0 / 3.0), 0.0)
    w0, w1 = tl.where(corner == 0, 0.0, w0 + third), tl.where(corner == 1, 0.0, w1 + third)
    w2, w3 = tl.where(corner == 2, 0.0, w2 + third), tl.where(corner == 3, 0.0, w3 + third)
    scatter(
        total, fixed, scale, place + level.to(tl.int64) * _LEVEL, first + t0, first + t1, first + t2, first + t3,
        w0, w1, w2, w3, g, wanted, channel, CHANNELS, True, MODE, BLOCK,
    )  # fmt: skip


@triton.jit
def look_up(
    texels, sizes, direction, level, out, count, height, width, pixels,
    CUBE: tl.constexpr, BLOCK: tl.constexpr, CHANNELS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """texels (N, CHANNELS) of all levels; sizes (count, 3): first texel, height and width of each, or None for one
    level of `height` and `width`; direction (pixels, 3); level (pixels) or None; out (pixels, CHANNELS)."""
    pixel = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    x, y, z, known = _directions(direction, pixel, inside)
    fine, part, _, level_known = _levels(level, pixel, inside, count)
    known = known & level_known
    axis, back, x, y = place_of(x, y, z, CUBE)
    first, high, wide = _level(sizes, fine, height, width)
    finer = taps(axis, back, x, y, high, wide, CUBE)
    next_first, next_high, next_wide = _level(sizes, tl.minimum(fine + 1, count - 1), height, width)
    coarser = taps(axis, back, x, y, next_high, next_wide, CUBE)
    for begin in tl.static_range(0, CHANNELS, LANES):
        channel = begin + tl.arange(0, LANES)[None, :]
        exists = channel < CHANNELS
        mask = known[:, None] & exists
        value, _, _ = _surface(texels + first * CHANNELS, finer, high, wide, channel, mask, CHANNELS)
        if level is not None:
            deep = mask & (part > 0.0)[:, None]
            other, _, _ = _surface(
                texels + next_first * CHANNELS, coarser, next_high, next_wide, channel, deep, CHANNELS
            )
            value = tl.where(deep, value * (1.0 - part)[:, None] + other * part[:, None], value)
        tl.store(out + (pixel * CHANNELS)[:, None] + channel, value, mask=inside[:, None] & exists)


@triton.jit
def look_up_backward(
    texels, sizes, direction, level, g_out, g_direction, g_level, total, fixed, scale, count, height, width, pixels,
    CUBE: tl.constexpr, MODE: tl.constexpr,
    BLOCK: tl.constexpr, CHANNELS: tl.constexpr, LANES: tl.constexpr, SUM_LANES: tl.constexpr,
):  # fmt: skip
    """Inputs as for look_up, and g_out (pixels, CHANNELS). g_direction, g_level: like what they are the derivatives by,
    or None; total, fixed, scale: a Sum over all texels, or None."""
    pixel = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    x, y, z, known = _directions(direction, pixel, inside)
    fine, part, slopes, level_known = _levels(level, pixel, inside, count)
    known = known & level_known & inside
    deep = known & (slopes | (part > 0.0))
    axis, back, at_x, at_y = place_of(x, y, z, CUBE)
    coarse = tl.minimum(fine + 1, count - 1)
    first, high, wide = _level(sizes, fine, height, width)
    next_first, next_high, next_wide = _level(sizes, coarse, height, width)
    finer = taps(axis, back, at_x, at_y, high, wide, CUBE)
    coarser = taps(axis, back, at_x, at_y, next_high, next_wide, CUBE)
    by_x = tl.zeros((BLOCK, LANES), tl.float32)
    by_y, by_level = by_x, by_x
    if g_direction is not None or g_level is not None:
        for begin in tl.static_range(0, CHANNELS, LANES):
            channel = begin + tl.arange(0, LANES)[None, :]
            mask = known[:, None] & (channel < CHANNELS)
            g = tl.load(g_out + (pixel * CHANNELS)[:, None] + channel, mask=mask, other=0.0)
            value, x_step, y_step = _surface(texels + first * CHANNELS, finer, high, wide, channel, mask, CHANNELS)
            if level is not None:
                mask = mask & deep[:, None]
                other, other_x_step, other_y_step = _surface(
                    texels + next_first * CHANNELS, coarser, next_high, next_wide, channel, mask, CHANNELS
                )
                by_level += g * tl.where(deep[:, None], other - value, 0.0)
                x_step = tl.where(deep[:, None], mixed(x_step, other_x_step, part[:, None]), x_step)
                y_step = tl.where(deep[:, None], mixed(y_step, other_y_step, part[:, None]), y_step)
            by_x += g * x_step
            by_y += g * y_step
    if g_direction is not None:
        pull_x, pull_y = tl.sum(by_x, 1).to(tl.float64), tl.sum(by_y, 1).to(tl.float64)
        g_x, g_y, g_z = pulled_direction(x, y, z, pull_x, pull_y, CUBE)
        to = g_direction + pixel * 3
        tl.store(to, tl.where(known, g_x.to(tl.float32), 0.0), mask=inside)
        tl.store(to + 1, tl.where(known, g_y.to(tl.float32), 0.0), mask=inside)
        tl.store(to + 2, tl.where(known, g_z.to(tl.float32), 0.0), mask=inside)
    if g_level is not None:
        tl.store(g_level + pixel, tl.where(known & slopes, tl.sum(by_level, 1), 0.0), mask=inside)
    if total is not None:
        for begin in tl.static_range(0, CHANNELS, SUM_LANES):
            channel = begin + tl.arange(0, SUM_LANES)[None, :]
            mask = known[:, None] & (channel < CHANNELS)
            g = tl.load(g_out + (pixel * CHANNELS)[:, None] + channel, mask=mask, other=0.0)
            pulls = tl.max((g != 0.0).to(tl.int32), 1) > 0
            _pull_texels(total, fixed, scale, first, fine, finer, 1.0 - part, g, pulls, channel, CHANNELS, MODE, BLOCK)
            if level is not None:
                pulls = pulls & (part > 0.0)
                _pull_texels(
                    total, fixed, scale, next_first, coarse, coarser, part, g, pulls, channel, CHANNELS, MODE, BLOCK
                )
