"""Values of images at the places that pixels show, and their change from place to place."""

import triton
import triton.language as tl

from repousse.ops.gpu.texels import mixed, read
from repousse.ops.texture.gpu_footprint import mip_level, taps, tile, wrapped
from repousse.ops.texture.gpu_images import image_row, level_start


@triton.jit
def shown_images(which, picture, pixel, inside, images, FILTER: tl.constexpr):
    """The image of each pixel (int64), and whether it shows one: one for all pictures, one for each, or `which`."""
    if which is None:
        seen = inside
        image = picture * tl.minimum(images - 1, 1)
        if FILTER == 2:  # a block of addresses, for their rows
            image += tl.zeros_like(pixel)
    else:
        image = tl.load(which + pixel, mask=inside, other=-1).to(tl.int64)
        seen = (image >= 0) & (image < images)
        image = tl.where(seen, image, 0)
    return image, seen


@triton.jit
def places(uv, pixel, seen, wrap_u, wrap_v):
    """For u, then for v, what `wrapped` gives; and whether there is such a place."""
    u, u_rest, u_slope = wrapped(tl.load(uv + pixel * 2, mask=seen, other=0.0), wrap_u)
    v, v_rest, v_slope = wrapped(tl.load(uv + pixel * 2 + 1, mask=seen, other=0.0), wrap_v)
    found = (u == u) & (v == v)
    u, u_rest = tl.where(found, u, 0.0), tl.where(found, u_rest, 0.0)
    v, v_rest = tl.where(found, v, 0.0), tl.where(found, v_rest, 0.0)
    return u, u_rest, u_slope, v, v_rest, v_slope, found


@triton.jit
def bilinear(start, found, channel, mask, CHANNELS: tl.constexpr):
    """The value (pixels, lanes) between the four texels that `taps` found."""
    t0, t1, t2, t3, across, up, _, _ = found
    across = across[:, None]
    bottom = mixed(read(start, t0, channel, mask, CHANNELS), read(start, t1, channel, mask, CHANNELS), across)
    top = mixed(read(start, t2, channel, mask, CHANNELS), read(start, t3, channel, mask, CHANNELS), across)
    return mixed(bottom, top, up[:, None])


@triton.jit
def look_up(
    texels, pyramid, uv, which, derivatives, level, out, images, height, width, table, high, wide, last, behind_each,
    FILTER: tl.constexpr, U: tl.constexpr, V: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, CHANNELS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Values of a tile of pixels; one program for each.

    texels (T, CHANNELS), pyramid: their levels from 1 on, or None if level 0 is all that is read; uv (B, H, W, 2);
    which, derivatives, level like the op's, or None; out (B, H, W, CHANNELS). From `table` on: see image_row.
    """
    picture, pixel, inside = tile(height, width, ROWS, COLUMNS)
    image, seen = shown_images(which, picture, pixel, inside, images, FILTER)
    first, high, wide, wrap_u, wrap_v, nearest, last, behind = image_row(
        image, table, high, wide, last, behind_each, FILTER, U, V
    )
    u, u_rest, _, v, v_rest, _, found = places(uv, pixel, seen, wrap_u, wrap_v)
    fine, mix, _, _, _, _, _, _, _ = mip_level(derivatives, level, pixel, seen, high, wide, last)
    finer = taps(fine, high, wide, wrap_u, wrap_v, nearest, u, u_rest, v, v_rest)
    start = texels + first * CHANNELS
    coarser_start, coarser = start, finer
    shown = seen & found
    if pyramid is not None:
        levels = pyramid + behind * CHANNELS
        start = tl.where(fine > 0, levels + level_start(tl.maximum(fine, 1), high, wide) * CHANNELS, start)
        coarse = tl.minimum(fine + 1, tl.maximum(last, 1))
        coarser = taps(coarse, high, wide, wrap_u, wrap_v, nearest, u, u_rest, v, v_rest)
        coarser_start = levels + level_start(coarse, high, wide) * CHANNELS
    for begin in tl.static_range(0, CHANNELS, LANES):
        channel = begin + tl.arange(0, LANES)[None, :]
        mask = shown[:, None] & (channel < CHANNELS)
        if FILTER == 1:
            value = read(start, finer[0], channel, mask, CHANNELS)
        else:
            value = bilinear(start, finer, channel, mask, CHANNELS)
            if FILTER == 2:  # the same texel four times, which need not be finite
                alone = mask & (nearest == 1)[:, None]
                value = tl.where(alone, read(start, finer[0], channel, alone, CHANNELS), value)
            if pyramid is not None:
                deep = mask & (mix > 0.0)[:, None]
                other = bilinear(coarser_start, coarser, channel, deep, CHANNELS)
                value = tl.where(deep, mixed(value, other, mix[:, None]), value)
        lost = tl.where(seen, float("nan"), 0.0)
        value = tl.where(shown[:, None], value, lost[:, None])
        at = out + (pixel * CHANNELS)[:, None] + channel
        tl.store(at, value, mask=inside[:, None] & (channel < CHANNELS))
