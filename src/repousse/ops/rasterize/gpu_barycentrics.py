"""Barycentrics and depth of the faces that pixels see (step 7 of visibility), and their derivative.

A lane is a pixel; programs are tiles of ROWS x COLUMNS pixels, so that most lanes of a program read the same few faces.
"""

import triton
import triton.language as tl

from repousse.ops.gpu.corners import load_points, project_with_depth, to_float64
from repousse.ops.gpu.scatter import add_rows, runs, sum_runs
from repousse.ops.gpu.vertices import load_face
from repousse.ops.gpu.weights import (
    barycentric_gradient,
    clip_gradient,
    depth_gradient,
    edge_gradient,
    homogeneous,
    homogeneous_gradient,
    weighted_sum,
    weights,
)
from repousse.ops.rasterize.gpu_triangles import SIZES

ROWS = tl.constexpr(8)
COLUMNS = tl.constexpr(32)
PIXELS = tl.constexpr(256)


@triton.jit(do_not_specialize=SIZES)
def draw_barycentrics(
    positions,
    faces,
    face_id,
    bary,
    depth,
    vertices,
    stride,
    face_count,
    tiles_down,
    tiles_across,
    height,
    width,
    half_height,
    half_width,
):
    """A program writes the barycentrics and depth of a tile; 0 for pixels without a face that exists.

    positions  float32 (B, V, 4), or (V, 4); `stride` rows, or 0, from image to image
    faces      int32 (F, 3)
    face_id    int32 (B, H, W)
    bary       float32 (B, H, W, 2)
    depth      float32 (B, H, W)
    """
    image, row, column, pixel, inside = _tile(tiles_down, tiles_across, height, width)
    face = tl.load(face_id + pixel, mask=inside, other=-1)
    seen = (face >= 0) & (face < face_count)
    b0, b1 = tl.zeros([PIXELS], tl.float32), tl.zeros([PIXELS], tl.float32)
    z = b0
    if tl.max(seen.to(tl.int32)) > 0:
        _, seen, xs, ys, zs, ws = _load(positions, faces, face, image * stride, vertices, seen)
        px, py, zeta, r, safe = project_with_depth(xs, ys, zs, ws, half_width, half_height)
        _, _, e, _, sum_e, sum_q = weights(px, py, r, column + 0.5, row + 0.5)
        whole = seen & safe
        b0 = tl.where(whole, (e[0] * r[0]) / sum_q, 0.0)
        b1 = tl.where(whole, (e[1] * r[1]) / sum_q, 0.0)
        z = tl.where(whole, weighted_sum(e, zeta) / sum_e, 0.0)
        clipped = seen & ~safe
        if tl.max(clipped.to(tl.int32)) > 0:
            z64, w64 = to_float64(zs), to_float64(ws)
            _a, _b, f, _sign, total, _x, _y = homogeneous(
                to_float64(xs), to_float64(ys), w64, column, row, half_width, half_height
            )
            depth_w = weighted_sum(f, w64)
            found = weighted_sum(f, z64) / tl.where(depth_w == 0, 1.0, depth_w)
            b0 = tl.where(clipped, (f[0] / total).to(tl.float32), b0)
            b1 = tl.where(clipped, (f[1] / total).to(tl.float32), b1)
            z = tl.where(clipped, tl.minimum(tl.maximum(found, 0.0), 1.0).to(tl.float32), z)
    tl.store(depth + pixel, z, mask=inside)
    tl.store(bary + 2 * pixel[:, None] + tl.arange(0, 2)[None, :], tl.join(b0, b1), mask=inside[:, None])


@triton.jit(do_not_specialize=SIZES)
def add_gradients(
    positions,
    faces,
    face_id,
    g_bary,
    g_depth,
    vertices,
    stride,
    face_count,
    tiles_down,
    tiles_across,
    height,
    width,
    half_height,
    half_width,
    total,
    fixed,
    scale,
    MODE: tl.constexpr,
):
    """A program adds the derivative of a tile's barycentrics and depth to that of the positions.

    Shapes as for `draw_barycentrics`; total, fixed and scale make a `sums.Sum`. What neighbours in a row give to the
    same face is summed before it is added to memory, which is what costs time here.
    """
    image, row, column, pixel, inside = _tile(tiles_down, tiles_across, height, width)
    face = tl.load(face_id + pixel, mask=inside, other=-1)
    seen = (face >= 0) & (face < face_count)
    if tl.max(seen.to(tl.int32)) > 0:
        rows, seen, xs, ys, zs, ws = _load(positions, faces, face, image * stride, vertices, seen)
        two = tl.load(g_bary + 2 * pixel[:, None] + tl.arange(0, 2)[None, :], mask=seen[:, None], other=0.0)
        g_b0, g_b1 = tl.split(two)
        g_z = tl.load(g_depth + pixel, mask=seen, other=0.0)
        px, py, zeta, r, safe = project_with_depth(xs, ys, zs, ws, half_width, half_height)
        dx, dy, e, sign, sum_e, sum_q = weights(px, py, r, column + 0.5, row + 0.5)
        mean = (g_b0 * (e[0] * r[0]) + g_b1 * (e[1] * r[1])) / sum_q
        g_e, g_r = barycentric_gradient(e, sum_q, r, (g_b0, g_b1, tl.zeros_like(g_b0)), mean)
        g_e_too, g_zeta = depth_gradient(e, sum_e, zeta, g_z)
        g_e = (g_e[0] + g_e_too[0], g_e[1] + g_e_too[1], g_e[2] + g_e_too[2])
        g_px, g_py = edge_gradient(dx, dy, sign, g_e)
        whole = seen & safe
        g0 = _clip(px, py, zeta, r, half_width, half_height, g_px, g_py, g_zeta, g_r, whole, 0)
        g1 = _clip(px, py, zeta, r, half_width, half_height, g_px, g_py, g_zeta, g_r, whole, 1)
        g2 = _clip(px, py, zeta, r, half_width, half_height, g_px, g_py, g_zeta, g_r, whole, 2)
        clipped = seen & ~safe
        if tl.max(clipped.to(tl.int32)) > 0:
            z64, w64 = to_float64(zs), to_float64(ws)
            a, b, f, sign64, sum_f, X, Y = homogeneous(
                to_float64(xs), to_float64(ys), w64, column, row, half_width, half_height
            )
            g_b = (g_b0.to(tl.float64), g_b1.to(tl.float64), tl.zeros([PIXELS], tl.float64))
            g_space = homogeneous_gradient(a, b, f, sign64, sum_f, X, Y, z64, w64, g_b, g_z.to(tl.float64))
            g0, g1, g2 = (
                _instead(g0, g_space, clipped, 0),
                _instead(g1, g_space, clipped, 1),
                _instead(g2, g_space, clipped, 2),
            )
        start, last = runs(tl.where(seen, face, -1), COLUMNS)
        sums, last = (total, fixed, scale), last & seen
        add_rows(sums, rows[0], sum_runs(g0, start), last, MODE)
        add_rows(sums, rows[1], sum_runs(g1, start), last, MODE)
        add_rows(sums, rows[2], sum_runs(g2, start), last, MODE)


@triton.jit
def _tile(tiles_down, tiles_across, height, width):
    """The pixels of a program: image, row, column, offset into the images, and whether they are inside."""
    tile, lane = tl.program_id(0), tl.arange(0, PIXELS)
    image = (tile // (tiles_down * tiles_across)).to(tl.int64)
    row = tile // tiles_across % tiles_down * ROWS + lane // COLUMNS
    column = tile % tiles_across * COLUMNS + lane % COLUMNS
    return image, row, column, (image * height + row) * width + column, (row < height) & (column < width)


@triton.jit
def _load(positions, faces, face, first, vertices, seen):
    """The rows of positions of faces' corners, whether they exist, and their clip coordinates x, y, z, w."""
    a, b, c, seen = load_face(faces, face.to(tl.int64), vertices, seen)
    rows = (first + a, first + b, first + c)
    x, y, z, w = load_points(positions, rows, seen, PIXELS)
    return rows, seen, x, y, z, w


@triton.jit
def _clip(px, py, zeta, r, half_width, half_height, g_px, g_py, g_zeta, g_r, mask, i: tl.constexpr):
    """The derivative of corner i's clip coordinates; 0 where `mask` is false, whatever the numbers there are."""
    x, y, z, w = clip_gradient(
        px[i], py[i], zeta[i], r[i], half_width, half_height, g_px[i], g_py[i], g_zeta[i], g_r[i]
    )
    return tl.where(mask, x, 0.0), tl.where(mask, y, 0.0), tl.where(mask, z, 0.0), tl.where(mask, w, 0.0)


@triton.jit
def _instead(g, g_space, mask, i: tl.constexpr):
    x, y, z, w = g_space[0][i], g_space[1][i], g_space[2][i], g_space[3][i]
    return (
        tl.where(mask, x.to(tl.float32), g[0]),
        tl.where(mask, y.to(tl.float32), g[1]),
        tl.where(mask, z.to(tl.float32), g[2]),
        tl.where(mask, w.to(tl.float32), g[3]),
    )
