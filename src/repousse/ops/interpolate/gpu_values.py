"""What a pixel of `interpolate` gives to the gradients of its face's corners."""

import triton
import triton.language as tl

from repousse.ops.gpu.corners import project_points, to_float64
from repousse.ops.gpu.weights import (
    barycentric_gradient,
    clip_gradient,
    edge_gradient,
    homogeneous,
    homogeneous_edge_gradient,
    weights,
)


@triton.jit
def load_gradients(g_out, lane, channels, first, seen, GROUP: tl.constexpr, AXES: tl.constexpr):
    """GROUP channels, beginning at `first`, of the gradients of pixels, for each of AXES: a tuple of blocks, the
    channels of the first axis, then those of the second; 0 for channels that do not exist and where not `seen`.

    g_out  of the pixel of lane 0
    """
    found = ()
    for axis in tl.static_range(AXES):
        for c in tl.static_range(GROUP):
            at = g_out + first * AXES + lane * (channels * AXES) + (c * AXES + axis)
            found += (tl.load(at, mask=seen & (first + c < channels), other=0.0),)
    return found


@triton.jit
def load_differences(attributes, corners, channels, first, seen, GROUP: tl.constexpr):
    """Attributes of corner 0, then those of corner 1, less those of corner 2: 0 where all are the same."""
    of_first, of_second = (), ()
    for c in tl.static_range(GROUP):
        mask = seen & (first + c < channels)
        third = tl.load(attributes + corners[2] * channels + first + c, mask=mask, other=0.0)
        value = tl.load(attributes + corners[0] * channels + first + c, mask=mask, other=0.0)
        of_first += (value - third,)
        value = tl.load(attributes + corners[1] * channels + first + c, mask=mask, other=0.0)
        of_second += (value - third,)
    return of_first + of_second


@triton.jit
def weight_gradients(g, differences):
    """The derivative by the first two weights less that by the third: for each axis of `load_gradients` two blocks."""
    GROUP: tl.constexpr = len(differences) // 2
    found = ()
    for axis in tl.static_range(len(g) // GROUP):
        for corner in tl.static_range(2):
            total = g[axis * GROUP] * differences[corner * GROUP]
            for c in tl.static_range(1, GROUP):
                total += g[axis * GROUP + c] * differences[corner * GROUP + c]
            found += (total,)
    return found


@triton.jit
def value_gradients(g, b0, b1):
    """Of the corners' attributes: the channels of the first corner, then those of the others; `g` of the values."""
    b2 = (1.0 - b0) - b1
    of_first, of_second, of_third = (), (), ()
    for c in tl.static_range(len(g)):
        of_first += (b0 * g[c],)
        of_second += (b1 * g[c],)
        of_third += (b2 * g[c],)
    return of_first + of_second + of_third


@triton.jit
def position_gradients(points, of_weights, b0, b1, seen, column, row, half_width, half_height):
    """Of the corners' clip coordinates: x, y and w of the first corner, then those of the others.

    points      the corners in clip space
    of_weights  derivative by the first two weights, less that by the third; 0 where a pixel is not `seen`
    """
    x, y, z, w = points
    g0, g1 = of_weights
    px, py, r, safe = project_points(x, y, z, w, half_width, half_height)
    dx, dy, e, sign, _, sum_q = weights(px, py, r, column + 0.5, row + 0.5)
    g_e, g_r = barycentric_gradient(e, sum_q, r, (g0, g1, tl.zeros_like(g0)), g0 * b0 + g1 * b1)
    g_px, g_py = edge_gradient(dx, dy, sign, g_e)
    found = screen_to_clip(px, py, r, g_px, g_py, g_r, half_width, half_height)
    clipped = seen & ~safe
    if tl.max(clipped.to(tl.int32)) > 0:
        X, Y, W = to_float64(x), to_float64(y), to_float64(w)
        a, b, f, sign64, total, ux, uy = homogeneous(X, Y, W, column, row, half_width, half_height)
        of_0, of_1 = g0.to(tl.float64), g1.to(tl.float64)
        mean = (of_0 * f[0] + of_1 * f[1]) / total
        g_f = ((of_0 - mean) / total, (of_1 - mean) / total, -mean / total)
        g_x, g_y, g_w = homogeneous_edge_gradient(a, b, sign64, ux, uy, g_f)
        found = replace(found, clipped, g_x, g_y, g_w)
    return found


@triton.jit
def screen_to_clip(px, py, r, g_px, g_py, g_r, half_width, half_height):
    """From the derivative by px, py and r of the corners, tuples of three, to that by their x, y and w: nine blocks.

    Each pixel's is brought to clip space, where those of clipped faces are: on the CPU that happens once per vertex.
    """
    found = ()
    for i in tl.static_range(3):
        x, y, _, w = clip_gradient(px[i], py[i], 0.0, r[i], half_width, half_height, g_px[i], g_py[i], 0.0, g_r[i])
        found += (x, y, w)
    return found


@triton.jit
def replace(found, clipped, g_x, g_y, g_w):
    """`found`, nine blocks, but where `clipped` these tuples of three."""
    replaced = ()
    for i in tl.static_range(3):
        replaced += (tl.where(clipped, g_x[i].to(tl.float32), found[3 * i]),)
        replaced += (tl.where(clipped, g_y[i].to(tl.float32), found[3 * i + 1]),)
        replaced += (tl.where(clipped, g_w[i].to(tl.float32), found[3 * i + 2]),)
    return replaced


@triton.jit
def with_z(gradients):
    """Nine blocks, by x, y and w of the corners, and that by z, on which weights do not depend."""
    found = ()
    for i in tl.static_range(3):
        x, y, w = gradients[3 * i], gradients[3 * i + 1], gradients[3 * i + 2]
        found += (x, y, tl.zeros_like(x), w)
    return found
