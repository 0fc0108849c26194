"""Colours beside edges, and what their difference changes in the loss: samples.h for kernels.

A sample is a pixel, the one `further` away from the edge, and `way`: the colour of the former, and that much of its
change since the latter. Pixels are int64 indices within the batch here; `image` and `grad` are float32 (B * H * W, C).
"""

import triton
import triton.language as tl


@triton.jit
def change(image, one, two, channels, mask):
    """Sum of the absolute changes from pixels to others, float64."""
    total = tl.zeros(one.shape, tl.float64)
    channel = 0
    while channel < channels:
        a = tl.load(image + one * channels + channel, mask=mask, other=0.0)
        b = tl.load(image + two * channels + channel, mask=mask, other=0.0)
        total += tl.abs(a - b).to(tl.float64)
        channel += 1
    return total


@triton.jit
def value(image, pixel, further, way, channels, channel, mask):
    """One channel of samples, float64."""
    at = tl.load(image + pixel * channels + channel, mask=mask, other=0.0).to(tl.float64)
    carried = mask & (way != 0.0)
    since = tl.load(image + further * channels + channel, mask=carried, other=0.0).to(tl.float64)
    return tl.where(carried, at + way.to(tl.float64) * (at - since), at)


@triton.jit
def jump(image, grad, pixel, surface, behind, channels, mask):
    """What moving edges out of pixels by their area changes in the loss. Samples are tuples (pixel, further, way)."""
    total = tl.zeros(pixel.shape, tl.float64)
    channel = 0
    while channel < channels:
        slope = tl.load(grad + pixel * channels + channel, mask=mask, other=0.0).to(tl.float64)
        counts = mask & (slope != 0.0)
        inner = value(image, surface[0], surface[1], surface[2], channels, channel, counts)
        outer = value(image, behind[0], behind[1], behind[2], channels, channel, counts)
        total += tl.where(counts, slope * (inner - outer), 0.0)
        channel += 1
    return total
