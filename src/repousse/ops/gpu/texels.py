"""Reading the texels that pixels show, and adding to them. Blocks are (pixels, lanes), a lane for a channel."""

import triton
import triton.language as tl

from repousse.ops.gpu.sums import add

_NONE = tl.constexpr(2**62)
_CROWD = tl.constexpr(16)  # a sixteenth of a block's pixels at one place


@triton.jit
def mixed(a, b, share):
    return a + share * (b - a)


@triton.jit
def read(start, texel, channel, mask, CHANNELS: tl.constexpr):
    """Numbers of a texel per pixel, counted from `start`: `channel` (1, lanes) of each; 0 where not `mask`."""
    return tl.load((start + texel * CHANNELS)[:, None] + channel, mask=mask, other=0.0)


@triton.jit
def add_texel(total, fixed, scale, texel, channel, values, mask, CHANNELS: tl.constexpr, MODE: tl.constexpr):
    """Add `values` to a texel per pixel."""
    add(total, fixed, scale, (texel * CHANNELS)[:, None] + channel, values, mask & (channel < CHANNELS), MODE)


@triton.jit
def add_crowd(total, fixed, scale, texel, channel, values, crowd, first, CHANNELS: tl.constexpr, MODE: tl.constexpr):
    """Add the sum of `values` over the pixels of a crowd to their texel; `first` is one of them."""
    sums = tl.sum(tl.where(crowd[:, None], values, 0.0), 0)[None, :] + tl.zeros_like(values)
    add_texel(total, fixed, scale, texel, channel, sums, first[:, None], CHANNELS, MODE)


@triton.jit
def scatter(
    total, fixed, scale, place, t0, t1, t2, t3, w0, w1, w2, w3, g, wanted, channel,
    CHANNELS: tl.constexpr, FOUR: tl.constexpr, MODE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add gradients `g` of the `wanted` pixels to four texels each (only to t0 if not FOUR), times their weights.
    `place` (int64, below 2^62): equal for pixels that have all four in common, and for no others.

    Where an image is magnified, many pixels of a block have the same texels, and atomics at one place wait for each
    other. So while at least a sixteenth of the block's pixels are at the lowest place that is left, they are summed
    first, in up to sixteen rounds; the rest is added one by one.
    """
    v0, v1, v2, v3 = g * w0[:, None], g * w1[:, None], g * w2[:, None], g * w3[:, None]
    lane = tl.arange(0, BLOCK)
    left = tl.where(wanted, place, _NONE)
    lowest = tl.min(left)
    crowd = (left == lowest) & wanted
    count = tl.sum(crowd.to(tl.int32))
    while count * _CROWD >= BLOCK:
        first = lane == tl.min(tl.where(crowd, lane, BLOCK))
        add_crowd(total, fixed, scale, t0, channel, v0, crowd, first, CHANNELS, MODE)
        if FOUR:
            add_crowd(total, fixed, scale, t1, channel, v1, crowd, first, CHANNELS, MODE)
            add_crowd(total, fixed, scale, t2, channel, v2, crowd, first, CHANNELS, MODE)
            add_crowd(total, fixed, scale, t3, channel, v3, crowd, first, CHANNELS, MODE)
        left = tl.where(crowd, _NONE, left)
        lowest = tl.min(left)
        crowd = (left == lowest) & (left != _NONE)
        count = tl.sum(crowd.to(tl.int32))
    # Zeros are spared: most pixels of the background have them, all for the same texel.
    alone, pulls = left != _NONE, g != 0.0
    add_texel(total, fixed, scale, t0, channel, v0, (alone & (w0 != 0.0))[:, None] & pulls, CHANNELS, MODE)
    if FOUR:
        add_texel(total, fixed, scale, t1, channel, v1, (alone & (w1 != 0.0))[:, None] & pulls, CHANNELS, MODE)
        add_texel(total, fixed, scale, t2, channel, v2, (alone & (w2 != 0.0))[:, None] & pulls, CHANNELS, MODE)
        add_texel(total, fixed, scale, t3, channel, v3, (alone & (w3 != 0.0))[:, None] & pulls, CHANNELS, MODE)
