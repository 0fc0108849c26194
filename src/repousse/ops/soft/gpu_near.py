"""How near faces are to the pixels of a tile: `soft.h` in Triton, operation by operation."""

from typing import NamedTuple

import triton
import triton.language as tl

from repousse.ops.soft.gpu_boxes import PIXELS, TILE_WIDTH

HARD_DISTANCE, EUCLIDEAN, BARYCENTRIC = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
HARD_ALPHA, SUM_ALPHA, PROD_ALPHA = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
HARD_COLOR, SOFTMAX_COLOR = tl.constexpr(0), tl.constexpr(1)


class Face(NamedTuple):
    """Numbers of one face; tuples hold those of its three corners, or of its edges from each corner to the next.

    near, far  the depths between which it is seen; without limits if it lies between them as a whole
    """

    x: tl.tuple
    y: tl.tuple
    z: tl.tuple
    r: tl.tuple
    edge_x: tl.tuple
    edge_y: tl.tuple
    inverse_length: tl.tuple
    inverse_area: tl.tensor
    near: tl.tensor
    far: tl.tensor


class Near(NamedTuple):
    """Where the pixels of a tile lie relative to a face. Blocks (PIXELS), or tuples of three of them."""

    dx: tl.tuple  # corners relative to the pixels
    dy: tl.tuple
    w: tl.tuple  # barycentrics on the screen, not clamped
    least: tl.tensor  # of w
    inside: tl.tensor
    seen: tl.tensor
    covers: tl.tensor  # D
    misses: tl.tensor  # 1 - D
    to_x: tl.tensor  # euclidean: from the pixel to the nearest point of the outline
    to_y: tl.tensor
    part: tl.tuple  # and that point's barycentrics
    u: tl.tuple  # clamped barycentrics
    q: tl.tuple  # times 1 / w
    inverse_q: tl.tensor  # 1 / sum of q
    depth: tl.tensor


@triton.jit
def pixels_of(row, column):
    """Rows and columns of the pixels of the tile at (row, column)."""
    number = tl.arange(0, PIXELS)
    return row + number // TILE_WIDTH, column + number % TILE_WIDTH


@triton.jit
def place_of(pixel, size, step):
    """Where the centres of pixels are, in units of half the image's shorter side."""
    return (pixel.to(tl.float32) + 0.5 - 0.5 * size) * step


@triton.jit
def decay(x):
    """exp(x) for x <= 0; 0 for NaN."""
    return tl.where(x > -88.0, tl.exp(x), 0.0)


@triton.jit
def load_face(corners, faces, face, near, far):
    a = corners + 4 * tl.load(faces + 3 * face).to(tl.int64)
    b = corners + 4 * tl.load(faces + 3 * face + 1).to(tl.int64)
    c = corners + 4 * tl.load(faces + 3 * face + 2).to(tl.int64)
    x, y = (tl.load(a), tl.load(b), tl.load(c)), (tl.load(a + 1), tl.load(b + 1), tl.load(c + 1))
    z, r = (tl.load(a + 2), tl.load(b + 2), tl.load(c + 2)), (tl.load(a + 3), tl.load(b + 3), tl.load(c + 3))
    edge_x, edge_y = (x[1] - x[0], x[2] - x[1], x[0] - x[2]), (y[1] - y[0], y[2] - y[1], y[0] - y[2])
    inverse_length = (
        tl.div_rn(1.0, edge_x[0] * edge_x[0] + edge_y[0] * edge_y[0]),
        tl.div_rn(1.0, edge_x[1] * edge_x[1] + edge_y[1] * edge_y[1]),
        tl.div_rn(1.0, edge_x[2] * edge_x[2] + edge_y[2] * edge_y[2]),
    )
    area = edge_x[2] * edge_y[0] - edge_x[0] * edge_y[2]
    least = tl.minimum(tl.minimum(z[0], z[1]), z[2])
    most = tl.maximum(tl.maximum(z[0], z[1]), z[2])
    whole = (least >= near) & (most <= far)
    near = tl.where(whole, float("-inf"), near)
    far = tl.where(whole, float("inf"), far)
    return Face(x, y, z, r, edge_x, edge_y, inverse_length, tl.div_rn(1.0, area), near, far)


@triton.jit
def find(f, x, y, inverse_sigma, reach, DISTANCE: tl.constexpr):
    """`Near` of face `f` and the pixels at x, y."""
    dx, dy = (f.x[0] - x, f.x[1] - x, f.x[2] - x), (f.y[0] - y, f.y[1] - y, f.y[2] - y)
    w = (
        (dx[1] * dy[2] - dy[1] * dx[2]) * f.inverse_area,
        (dx[2] * dy[0] - dy[2] * dx[0]) * f.inverse_area,
        (dx[0] * dy[1] - dy[0] * dx[1]) * f.inverse_area,
    )
    least = tl.minimum(tl.minimum(w[0], w[1]), w[2])
    inside = least >= 0.0

    to_x, to_y, part = least, least, (least, least, least)
    seen = inside
    if DISTANCE == HARD_DISTANCE:
        covers, misses = tl.full([PIXELS], 1.0, tl.float32), tl.full([PIXELS], 0.0, tl.float32)
    else:
        square = least * least
        if DISTANCE == EUCLIDEAN:
            square, to_x, to_y, part = _find_outline(f, dx, dy)
        seen = inside | (square < reach)
        e = decay(-(square * inverse_sigma))
        more = 1.0 / (1.0 + e)
        covers = tl.where(inside, more, e * more)
        misses = tl.where(inside, e * more, more)

    u = (_unit(w[0]), _unit(w[1]), _unit(w[2]))
    q = (u[0] * f.r[0], u[1] * f.r[1], u[2] * f.r[2])
    inverse_q = tl.div_rn(1.0, (q[0] + q[1]) + q[2])
    depth = ((q[0] * f.z[0] + q[1] * f.z[1]) + q[2] * f.z[2]) * inverse_q
    seen = seen & ~((depth < f.near) | (depth > f.far))
    return Near(dx, dy, w, least, inside, seen, covers, misses, to_x, to_y, part, u, q, inverse_q, depth)


@triton.jit
def _unit(value):
    return tl.minimum(tl.maximum(value, 0.0), 1.0)


@triton.jit
def _find_outline(f, dx, dy):
    """The squared distance to the outline, the way there, and the barycentrics of its nearest point."""
    t, square, to_x, to_y = _find_edge(f, dx, dy, 0)
    edge = tl.zeros([PIXELS], tl.int32)
    for k in tl.static_range(1, 3):
        other_t, other_square, other_x, other_y = _find_edge(f, dx, dy, k)
        closer = other_square < square
        square, t, edge = (
            tl.where(closer, other_square, square),
            tl.where(closer, other_t, t),
            tl.where(closer, k, edge),
        )
        to_x, to_y = tl.where(closer, other_x, to_x), tl.where(closer, other_y, to_y)
    part = (
        tl.where(edge == 0, 1.0 - t, tl.where(edge == 2, t, 0.0)),
        tl.where(edge == 1, 1.0 - t, tl.where(edge == 0, t, 0.0)),
        tl.where(edge == 2, 1.0 - t, tl.where(edge == 1, t, 0.0)),
    )
    return square, to_x, to_y, part


@triton.jit
def _find_edge(f, dx, dy, k: tl.constexpr):
    """Where on edge k (0 to 1) its point nearest to each pixel is, its squared distance, and the way there."""
    t = _unit((dx[k] * f.edge_x[k] + dy[k] * f.edge_y[k]) * -f.inverse_length[k])
    to_x, to_y = dx[k] + t * f.edge_x[k], dy[k] + t * f.edge_y[k]
    return t, to_x * to_x + to_y * to_y, to_x, to_y
