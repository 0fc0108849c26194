"""How the weights of a pixel's corners change from pixel to pixel, and the derivative of that.

The formulas are those of native_derivatives.cpp: a step along x changes the weights by b_i' = (E_i - b_i sum E) / Q,
where E_i = e_i' r_i on the screen, and E_i = f_i' in the homogeneous form of clipped faces; y alike.
"""

import triton
import triton.language as tl

from repousse.ops.gpu.corners import project_points, to_float64
from repousse.ops.gpu.weights import (
    barycentric_gradient,
    edge_gradient,
    homogeneous,
    homogeneous_edge_gradient,
    weights,
)
from repousse.ops.interpolate.gpu_values import replace, screen_to_clip


@triton.jit
def slopes(points, seen, column, row, half_width, half_height):
    """b_0' and b_1' along x, then along y; 0 where not `seen`. `points` are the corners in clip space."""
    x, y, z, w = points
    px, py, r, safe = project_points(x, y, z, w, half_width, half_height)
    _, _, e, sign, _, sum_q = weights(px, py, r, column + 0.5, row + 0.5)
    bary, edges_x, edges_y, scale = _on_screen(px, py, r, e, sign, sum_q)
    x0, x1 = _slope(bary, edges_x, scale)
    y0, y1 = _slope(bary, edges_y, scale)
    clipped = seen & ~safe
    if tl.max(clipped.to(tl.int32)) > 0:
        X, Y, W = to_float64(x), to_float64(y), to_float64(w)
        a, b, f, sign64, total, _unit_x, _unit_y = homogeneous(X, Y, W, column, row, half_width, half_height)
        bary64, along_x, along_y, scale64 = _in_clip_space(a, b, f, W, sign64, total, half_width, half_height)
        cx0, cx1 = _slope(bary64, along_x, scale64)
        cy0, cy1 = _slope(bary64, along_y, scale64)
        x0, x1 = tl.where(clipped, cx0.to(tl.float32), x0), tl.where(clipped, cx1.to(tl.float32), x1)
        y0, y1 = tl.where(clipped, cy0.to(tl.float32), y0), tl.where(clipped, cy1.to(tl.float32), y1)
    return (
        tl.where(seen, x0, 0.0),
        tl.where(seen, x1, 0.0),
        tl.where(seen, y0, 0.0),
        tl.where(seen, y1, 0.0),
    )


@triton.jit
def attribute_gradients(g, slopes):
    """Of the corners' attributes: the channels of the first corner, then those of the others.

    g  derivative by the slopes of the channels along x, then along y
    """
    x0, x1, y0, y1 = slopes
    of_first, of_second, of_third = (), (), ()
    COUNT: tl.constexpr = len(g) // 2
    for c in tl.static_range(COUNT):
        first, second = x0 * g[c] + y0 * g[COUNT + c], x1 * g[c] + y1 * g[COUNT + c]
        of_first += (first,)
        of_second += (second,)
        of_third += (-(first + second),)
    return of_first + of_second + of_third


@triton.jit
def slope_gradients(points, of_slopes, seen, column, row, half_width, half_height):
    """Of the corners' clip coordinates: x, y and w of the first corner, then those of the others.

    points     the corners in clip space
    of_slopes  derivative by b_0' and b_1' along x, then along y, less that by b_2'; 0 where not `seen`
    """
    x, y, z, w = points
    of_x, of_y = (of_slopes[0], of_slopes[1]), (of_slopes[2], of_slopes[3])
    px, py, r, safe = project_points(x, y, z, w, half_width, half_height)
    dx, dy, e, sign, _, sum_q = weights(px, py, r, column + 0.5, row + 0.5)
    bary, edges_x, edges_y, scale = _on_screen(px, py, r, e, sign, sum_q)
    g_b, mean, g_x, g_y = _slope_gradient(bary, edges_x, edges_y, scale, of_x, of_y)
    g_e, g_r = barycentric_gradient(e, sum_q, r, g_b, mean)
    g_px, g_py = edge_gradient(dx, dy, sign, g_e)
    g_px, g_py, g_r = _add_step_gradient(px, py, r, sign, g_x, g_y, g_px, g_py, g_r)
    found = screen_to_clip(px, py, r, g_px, g_py, g_r, half_width, half_height)
    clipped = seen & ~safe
    if tl.max(clipped.to(tl.int32)) > 0:
        g_clip = _clipped_gradient(x, y, w, of_x, of_y, column, row, half_width, half_height)
        found = replace(found, clipped, g_clip[0], g_clip[1], g_clip[2])
    return found


@triton.jit
def _on_screen(px, py, r, e, sign, sum_q):
    """The weights b, E along x and along y, and 1 / Q of faces that need no clipping."""
    scale = 1.0 / sum_q
    bary = (e[0] * r[0] * scale, e[1] * r[1] * scale, e[2] * r[2] * scale)
    edges_x = (sign * (py[1] - py[2]) * r[0], sign * (py[2] - py[0]) * r[1], sign * (py[0] - py[1]) * r[2])
    edges_y = (sign * (px[2] - px[1]) * r[0], sign * (px[0] - px[2]) * r[1], sign * (px[1] - px[0]) * r[2])
    return bary, edges_x, edges_y, scale


@triton.jit
def _in_clip_space(a, b, f, w, sign, total, half_width, half_height):
    """The same of faces that need clipping, float64."""
    unit_x, unit_y, scale = sign / half_width, sign / half_height, 1.0 / total
    bary = (f[0] * scale, f[1] * scale, f[2] * scale)
    edges_x = (
        unit_x * (w[2] * b[1] - w[1] * b[2]),
        unit_x * (w[0] * b[2] - w[2] * b[0]),
        unit_x * (w[1] * b[0] - w[0] * b[1]),
    )
    edges_y = (
        unit_y * (w[1] * a[2] - w[2] * a[1]),
        unit_y * (w[2] * a[0] - w[0] * a[2]),
        unit_y * (w[0] * a[1] - w[1] * a[0]),
    )
    return bary, edges_x, edges_y, scale


@triton.jit
def _slope(bary, edges, scale):
    """b_0' and b_1', which are all that differences against corner 2 need."""
    total = (edges[0] + edges[1]) + edges[2]
    return (edges[0] - bary[0] * total) * scale, (edges[1] - bary[1] * total) * scale


@triton.jit
def _slope_gradient(bary, edges_x, edges_y, scale, of_x, of_y):
    """The derivative of g_x . b_x' + g_y . b_y' with respect to what these are made of.

    Returns g_b, by b_i, all three taken as independent; `mean`, with which that by e_i is (g_b[i] - mean) r_i / Q (the
    change of Q is in it); g_x and g_y, by E_i along x and along y.
    """
    sum_x = (edges_x[0] + edges_x[1]) + edges_x[2]
    sum_y = (edges_y[0] + edges_y[1]) + edges_y[2]
    mean_x, mean_y = of_x[0] * bary[0] + of_x[1] * bary[1], of_y[0] * bary[0] + of_y[1] * bary[1]
    g_x = ((of_x[0] - mean_x) * scale, (of_x[1] - mean_x) * scale, -mean_x * scale)
    g_y = ((of_y[0] - mean_y) * scale, (of_y[1] - mean_y) * scale, -mean_y * scale)
    g_b0 = -(of_x[0] * sum_x + of_y[0] * sum_y) * scale
    g_b1 = -(of_x[1] * sum_x + of_y[1] * sum_y) * scale
    mean = g_b0 * bary[0] + (g_x[0] * edges_x[0] + g_y[0] * edges_y[0])
    mean += g_b1 * bary[1] + (g_x[1] * edges_x[1] + g_y[1] * edges_y[1])
    mean += g_x[2] * edges_x[2] + g_y[2] * edges_y[2]
    return (g_b0, g_b1, tl.zeros_like(g_b0)), mean, g_x, g_y


@triton.jit
def _add_step_gradient(px, py, r, sign, g_x, g_y, g_px, g_py, g_r):
    """Adds what px, py and r give to E_i = e_i' r_i, where e_i' along x is sign (py_j - py_k); along y alike."""
    h_x, h_y = (g_x[0] * r[0], g_x[1] * r[1], g_x[2] * r[2]), (g_y[0] * r[0], g_y[1] * r[1], g_y[2] * r[2])
    g_px = (
        g_px[0] + sign * (h_y[1] - h_y[2]),
        g_px[1] + sign * (h_y[2] - h_y[0]),
        g_px[2] + sign * (h_y[0] - h_y[1]),
    )
    g_py = (
        g_py[0] + sign * (h_x[2] - h_x[1]),
        g_py[1] + sign * (h_x[0] - h_x[2]),
        g_py[2] + sign * (h_x[1] - h_x[0]),
    )
    g_r = (
        g_r[0] + sign * (g_x[0] * (py[1] - py[2]) + g_y[0] * (px[2] - px[1])),
        g_r[1] + sign * (g_x[1] * (py[2] - py[0]) + g_y[1] * (px[0] - px[2])),
        g_r[2] + sign * (g_x[2] * (py[0] - py[1]) + g_y[2] * (px[1] - px[0])),
    )
    return g_px, g_py, g_r


@triton.jit
def _clipped_gradient(x, y, w, of_x, of_y, column, row, half_width, half_height):
    """By x, y and w of the corners of faces that need clipping: tuples of three, float64."""
    X, Y, W = to_float64(x), to_float64(y), to_float64(w)
    a, b, f, sign, total, unit_x, unit_y = homogeneous(X, Y, W, column, row, half_width, half_height)
    bary, edges_x, edges_y, scale = _in_clip_space(a, b, f, W, sign, total, half_width, half_height)
    of_x = (of_x[0].to(tl.float64), of_x[1].to(tl.float64))
    of_y = (of_y[0].to(tl.float64), of_y[1].to(tl.float64))
    g_b, mean, of_edges_x, of_edges_y = _slope_gradient(bary, edges_x, edges_y, scale, of_x, of_y)
    g_f = ((g_b[0] - mean) * scale, (g_b[1] - mean) * scale, (g_b[2] - mean) * scale)
    of_f = homogeneous_edge_gradient(a, b, sign, unit_x, unit_y, g_f)
    scale_x, scale_y = sign / half_width, sign / half_height
    h_x = (of_edges_x[0] * scale_x, of_edges_x[1] * scale_x, of_edges_x[2] * scale_x)
    h_y = (of_edges_y[0] * scale_y, of_edges_y[1] * scale_y, of_edges_y[2] * scale_y)
    found_x, found_y, found_w = (), (), ()
    for i in tl.static_range(3):
        g_x, g_y, g_w = _clipped_step_gradient(h_x, h_y, a, b, W, unit_x, unit_y, (i + 1) % 3, (i + 2) % 3)
        found_x += (of_f[0][i] + g_x,)
        found_y += (of_f[1][i] + g_y,)
        found_w += (of_f[2][i] + g_w,)
    return found_x, found_y, found_w


@triton.jit
def _clipped_step_gradient(h_x, h_y, a, b, w, unit_x, unit_y, J: tl.constexpr, K: tl.constexpr):
    """By x, y and w of one corner, after which come J and K, float64.

    E_i along x is unit_x (w_k b_j - w_j b_k), where b_j = y_j - Y w_j; along y unit_y (w_j a_k - w_k a_j).
    """
    g_x, g_y = h_y[J] * w[K] - h_y[K] * w[J], h_x[K] * w[J] - h_x[J] * w[K]
    g_w = (h_y[K] * a[J] - h_x[K] * b[J]) + (h_x[J] * b[K] - h_y[J] * a[K])
    return g_x, g_y, g_w - (unit_x * g_x + unit_y * g_y)
