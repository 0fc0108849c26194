"""Step 7 of visibility: where in its face a pixel centre lies, and the derivative of that (native: barycentrics.h).

Three corners' numbers are tuples of three blocks. Faces whose corners can all be projected take the first half, in
float32; the others the second half, which is homogeneous and in float64.
"""

import triton
import triton.language as tl


@triton.jit
def weights(px, py, r, centre_x, centre_y):
    """What barycentrics and their derivative are made of.

    px, py              corners in pixels, not snapped
    r                   1 / w of the corners
    centre_x, centre_y  pixel centres

    Returns (dx, dy, e, sign, sum_e, sum_q): the corners relative to the pixel, the three edge functions (not negative),
    the sign of the area on the screen, sum e_i and sum e_i r_i. Barycentric i is e_i r_i / sum_q, the depth
    sum e_i zeta_i / sum_e.
    """
    dx = (px[0] - centre_x, px[1] - centre_x, px[2] - centre_x)
    dy = (py[0] - centre_y, py[1] - centre_y, py[2] - centre_y)
    area = (px[1] - px[0]) * (py[2] - py[0]) - (px[2] - px[0]) * (py[1] - py[0])
    sign = tl.where(area < 0.0, -1.0, 1.0)
    e0 = tl.maximum(sign * (dx[1] * dy[2] - dy[1] * dx[2]), 0.0)
    e1 = tl.maximum(sign * (dx[2] * dy[0] - dy[2] * dx[0]), 0.0)
    e2 = tl.maximum(sign * (dx[0] * dy[1] - dy[0] * dx[1]), 0.0)
    sum_e = (e0 + e1) + e2
    nothing = sum_e == 0.0  # a triangle without area before snapping
    e = (tl.where(nothing, 1.0, e0), tl.where(nothing, 1.0, e1), tl.where(nothing, 1.0, e2))
    sum_e = tl.where(nothing, 3.0, sum_e)
    return dx, dy, e, sign, sum_e, weighted_sum(e, r)


@triton.jit
def weighted_sum(a, b):
    """sum a_i b_i, in the order that the CPU adds."""
    return (a[0] * b[0] + a[1] * b[1]) + a[2] * b[2]


@triton.jit
def barycentric_gradient(e, sum_q, r, g_b, mean):
    """From the derivative with respect to the barycentrics, all three taken as independent, to that of e and r.

    mean  sum b_i g_b[i]
    """
    scale = 1.0 / sum_q
    k0, k1, k2 = (g_b[0] - mean) * scale, (g_b[1] - mean) * scale, (g_b[2] - mean) * scale
    return (k0 * r[0], k1 * r[1], k2 * r[2]), (k0 * e[0], k1 * e[1], k2 * e[2])


@triton.jit
def depth_gradient(e, sum_e, zeta, g_depth):
    """From the derivative with respect to the depth to that of e and zeta."""
    scale = g_depth / sum_e
    depth = weighted_sum(e, zeta) / sum_e
    g_e = (scale * (zeta[0] - depth), scale * (zeta[1] - depth), scale * (zeta[2] - depth))
    return g_e, (scale * e[0], scale * e[1], scale * e[2])


@triton.jit
def edge_gradient(dx, dy, sign, g_e):
    """From the derivative with respect to e to that of px and py."""
    h0, h1, h2 = g_e[0] * sign, g_e[1] * sign, g_e[2] * sign
    g_px = (dy[1] * h2 - dy[2] * h1, dy[2] * h0 - dy[0] * h2, dy[0] * h1 - dy[1] * h0)
    g_py = (dx[2] * h1 - dx[1] * h2, dx[0] * h2 - dx[2] * h0, dx[1] * h0 - dx[0] * h1)
    return g_px, g_py


@triton.jit
def clip_gradient(px, py, zeta, r, half_width, half_height, g_px, g_py, g_zeta, g_r):
    """From the derivative with respect to one projected vertex to that of its clip coordinates x, y, z, w."""
    g_w = ((g_px * (px - half_width) + g_py * (py - half_height)) + g_zeta * zeta) + g_r * r
    return g_px * half_width * r, g_py * half_height * r, g_zeta * r, -r * g_w


# ---- faces with a vertex that cannot be projected: homogeneous, float64 ---------------------------------------------


@triton.jit
def homogeneous(x, y, w, column, row, half_width, half_height):
    """Weights of corners given in clip space, float64, for the pixels at `column` and `row`.

    Returns (a, b, f, sign, total, X, Y): the corners relative to the pixel, their weights f, which are not negative,
    and the sum of these; the pixel in [-1, 1]. Barycentric i is f_i / total.
    """
    X = (column.to(tl.float64) + 0.5) / half_width - 1.0
    Y = (row.to(tl.float64) + 0.5) / half_height - 1.0
    a = (x[0] - X * w[0], x[1] - X * w[1], x[2] - X * w[2])
    b = (y[0] - Y * w[0], y[1] - Y * w[1], y[2] - Y * w[2])
    f0, f1, f2 = a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
    sign = tl.where((f0 + f1) + f2 < 0.0, -1.0, 1.0).to(tl.float64)
    f0, f1, f2 = tl.maximum(f0 * sign, 0.0), tl.maximum(f1 * sign, 0.0), tl.maximum(f2 * sign, 0.0)
    total = (f0 + f1) + f2
    nothing = total == 0.0
    f = (tl.where(nothing, 1.0, f0), tl.where(nothing, 1.0, f1), tl.where(nothing, 1.0, f2))
    return a, b, f, sign, tl.where(nothing, 3.0, total), X, Y


@triton.jit
def homogeneous_gradient(a, b, f, sign, total, X, Y, z, w, g_b, g_depth):
    """From the derivative with respect to barycentrics and depth to that of the clip coordinates, all float64.

    g_b  three blocks, taken as independent

    Returns the derivatives of x, y, z and w, each a tuple of three blocks.
    """
    b0, b1, b2 = f[0] / total, f[1] / total, f[2] / total
    depth_z, depth_w = weighted_sum((b0, b1, b2), z), weighted_sum((b0, b1, b2), w)
    depth, scale = depth_z / depth_w, g_depth / depth_w
    g0 = g_b[0] + scale * (z[0] - depth * w[0])
    g1 = g_b[1] + scale * (z[1] - depth * w[1])
    g2 = g_b[2] + scale * (z[2] - depth * w[2])
    mean = weighted_sum((g0, g1, g2), (b0, b1, b2))
    g_f = ((g0 - mean) / total, (g1 - mean) / total, (g2 - mean) / total)
    g_x, g_y, g_w = homogeneous_edge_gradient(a, b, sign, X, Y, g_f)
    g_z = (scale * b0, scale * b1, scale * b2)
    g_w = (g_w[0] - depth * g_z[0], g_w[1] - depth * g_z[1], g_w[2] - depth * g_z[2])
    return g_x, g_y, g_z, g_w


@triton.jit
def homogeneous_edge_gradient(a, b, sign, X, Y, g_f):
    """From the derivative with respect to the weights f to that of the clip coordinates x, y and w."""
    h0, h1, h2 = sign * g_f[0], sign * g_f[1], sign * g_f[2]
    g_x = (b[1] * h2 - b[2] * h1, b[2] * h0 - b[0] * h2, b[0] * h1 - b[1] * h0)
    g_y = (a[2] * h1 - a[1] * h2, a[0] * h2 - a[2] * h0, a[1] * h0 - a[0] * h1)
    g_w = (-(X * g_x[0] + Y * g_y[0]), -(X * g_x[1] + Y * g_y[1]), -(X * g_x[2] + Y * g_y[2]))
    return g_x, g_y, g_w
