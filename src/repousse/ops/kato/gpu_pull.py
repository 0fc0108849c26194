"""The pull of the pixels of a line on an edge that crosses it (planes.h), for a block of edges at once."""

import triton
import triton.language as tl

EMPTY = tl.constexpr(2.0)  # beyond every depth
ALL = tl.constexpr(0)
EQUAL = tl.constexpr(1)
BEYOND = tl.constexpr(2)
COVERED = tl.constexpr(3)


@triton.jit
def _gain(image, gradient, at, reference, counted, channels):
    """By how much the loss would fall if pixels `at` took the colour of `reference`; 0 if it would not."""
    gain = tl.zeros(counted.shape, tl.float32)
    channel = 0
    while channel < channels:
        colour = tl.load(image + at * channels + channel, mask=counted, other=0.0)
        change = colour - tl.load(image + reference * channels + channel)
        gain += change * tl.load(gradient + at * channels + channel, mask=counted, other=0.0)
        channel += 1
    return tl.where(counted & (gain > 0), gain, 0.0)


@triton.jit
def _share(gain, away, arm, eps):
    distance = arm * away
    return gain / (distance + tl.where(distance > 0, eps, -eps))


@triton.jit
def pull(
    image,
    gradient,
    channels,
    seen,
    limit,
    first,
    step,
    reference,
    length,
    direction,
    away,
    arm_a,
    arm_b,
    eps,
    TAKEN: tl.constexpr,
    EDGES: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """The sums of gain / distance over the pixels of a line, for both ends of an edge: two float32 (EDGES).

    image, gradient  float32 (B, H, W, C)
    seen, limit      of the same pixels, and what it is compared with. TAKEN says which pixels count: ALL; those that
                     are EQUAL to the limit or BEYOND it; or those from the first to the last that is COVERED
    first, step      the first pixel, as an index into the batch, and what leads to the next one
    reference        the pixel whose colour they would get
    length           how many pixels there are
    direction, away  a step in pixels of the line's coordinate (1 or -1), and how far the first is from the crossing
    arm_a, arm_b     the ends' lever arms times NDC per pixel; 0 if the end cannot move the edge here

    A program goes through all lines in step, PIXELS at a time, to the end of the longest.
    """
    sum_a = tl.zeros([EDGES, PIXELS], tl.float32)
    sum_b = tl.zeros([EDGES, PIXELS], tl.float32)
    reference = tl.expand_dims(reference, 1)
    limit = tl.expand_dims(limit, 1)
    longest = tl.max(length)
    start = 0
    while start < longest:
        place = start + tl.expand_dims(tl.arange(0, PIXELS), 0)
        counted = place < tl.expand_dims(length, 1)
        at = tl.expand_dims(first, 1) + place * tl.expand_dims(step, 1)
        if TAKEN == EQUAL:
            counted = counted & (tl.load(seen + at, mask=counted, other=-1) == limit)
        elif TAKEN == BEYOND:
            counted = counted & (tl.load(seen + at, mask=counted, other=0.0) > limit)
        elif TAKEN == COVERED:
            empty = (tl.load(seen + at, mask=counted, other=0.0) >= EMPTY) & (place > 0)
            length = tl.minimum(length, tl.min(tl.where(empty, place, 2147483647), 1))
            counted = counted & (place < tl.expand_dims(length, 1))
            longest = tl.max(length)
        gain = _gain(image, gradient, at, reference, counted, channels)
        distance = place.to(tl.float32) * tl.expand_dims(direction, 1) + tl.expand_dims(away, 1)
        sum_a += _share(gain, distance, tl.expand_dims(arm_a, 1), eps)
        sum_b += _share(gain, distance, tl.expand_dims(arm_b, 1), eps)
        start += PIXELS
    return tl.where(arm_a != 0, tl.sum(sum_a, 1), 0.0), tl.where(arm_b != 0, tl.sum(sum_b, 1), 0.0)


@triton.jit
def arms(au, bu, u, unit):
    """The lever arms of an edge's two ends where it crosses the line at u, float32; all in float64."""
    run = bu - au
    arm_a = tl.where(bu == u, 0.0, run / tl.where(bu == u, 1.0, bu - u) * unit)
    arm_b = tl.where(au == u, 0.0, run / tl.where(au == u, 1.0, u - au) * unit)
    return arm_a.to(tl.float32), arm_b.to(tl.float32)
