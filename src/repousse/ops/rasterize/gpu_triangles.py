"""Triangles on the screen: steps 3 to 5 of visibility, and the pixels that keep what is nearest.

Corners' coordinates are tuples of three blocks (or scalars) in 1/256 pixel: int32 for triangles up to 64 pixels, as on
the CPU, int64 for all others.
"""

import triton
import triton.language as tl

SMALL = tl.constexpr(64 << 8)  # int32 edge functions are exact up to here
FAR = tl.constexpr(2.0)  # beyond every depth
EMPTY = tl.constexpr(2**63 - 1)  # the key of a pixel without a face: its low half, as int32, is -1
# Kernels are not compiled anew when one of these happens to be 1 or divisible by 16: they change from mesh to mesh.
SIZES = ("vertices", "stride", "face_count", "blocks_per_image", "room", "shift", "step")


@triton.jit
def area_of(X, Y):
    """Twice the signed area: negative for front faces."""
    return (X[1] - X[0]) * (Y[2] - Y[0]) - (X[2] - X[0]) * (Y[1] - Y[0])


@triton.jit
def span(X, length):
    """First and last pixel of an axis of `length` pixels whose centres lie between three coordinates."""
    least, most = _bounds(X)
    return tl.maximum((least + 127) >> 8, 0), tl.minimum((most - 128) >> 8, length - 1)


@triton.jit
def extent(X):
    """How far apart three coordinates lie."""
    least, most = _bounds(X)
    return most - least


@triton.jit
def _bounds(X):
    return tl.minimum(tl.minimum(X[0], X[1]), X[2]), tl.maximum(tl.maximum(X[0], X[1]), X[2])


@triton.jit
def edges_at(X, Y, area, column, row):
    """Edge functions at a pixel, and their steps per column and per row: three tuples of three."""
    flip = area < 0  # corners 1 and 2 change places, so that the area is positive
    X1, X2 = tl.where(flip, X[2], X[1]), tl.where(flip, X[1], X[2])
    Y1, Y2 = tl.where(flip, Y[2], Y[1]), tl.where(flip, Y[1], Y[2])
    x, y = (column << 8) + 128, (row << 8) + 128
    e0, a0, b0 = _edge(X[0], Y[0], X1, Y1, x, y)
    e1, a1, b1 = _edge(X1, Y1, X2, Y2, x, y)
    e2, a2, b2 = _edge(X2, Y2, X[0], Y[0], x, y)
    return (e0, e1, e2), (a0, a1, a2), (b0, b1, b2)


@triton.jit
def _edge(Xp, Yp, Xq, Yq, x, y):
    a, b = Yp - Yq, Xq - Xp
    left_or_top = (a > 0) | ((a == 0) & (b > 0))
    return (a * (x - Xp) + b * (y - Yp) - tl.where(left_or_top, 0, 1)) >> 8, a, b


@triton.jit
def covers(e, across, down, x, y):
    """Whether pixels are covered that lie x columns and y rows from where edge functions are e: none is negative."""
    e0 = (e[0] + x * across[0]) + y * down[0]
    e1 = (e[1] + x * across[1]) + y * down[1]
    e2 = (e[2] + x * across[2]) + y * down[2]
    return (e0 | e1 | e2) >= 0


@triton.jit
def plane_of(X, Y, zeta, area, TYPE: tl.constexpr):
    """The depth plane, computed in TYPE: (zb, zx, zy, least, most depth), float32, and the column and row it is for."""
    dX1, dX2 = (X[1] - X[0]).to(TYPE), (X[2] - X[0]).to(TYPE)
    dY1, dY2 = (Y[1] - Y[0]).to(TYPE), (Y[2] - Y[0]).to(TYPE)
    dz1, dz2 = zeta[1] - zeta[0], zeta[2] - zeta[0]
    # float32 divisions are approximate unless they are asked to round; where there is no area nothing is drawn.
    divisor = tl.where(area == 0, 1, area).to(TYPE)
    scale = tl.div_rn(256.0, divisor) if tl.float32 == TYPE else 256.0 / divisor
    fx, fy = (128 - (X[0] & 255)).to(TYPE) * 0.00390625, (128 - (Y[0] & 255)).to(TYPE) * 0.00390625
    zx = (dz1 * dY2 - dz2 * dY1) * scale
    zy = (dz2 * dX1 - dz1 * dX2) * scale
    zb = ((zeta[0] + zx * fx) + zy * fy).to(tl.float32)
    least = tl.minimum(tl.minimum(zeta[0], zeta[1]), zeta[2]).to(tl.float32)
    most = tl.maximum(tl.maximum(zeta[0], zeta[1]), zeta[2]).to(tl.float32)
    return zb, zx.to(tl.float32), zy.to(tl.float32), least, most, X[0] >> 8, Y[0] >> 8


@triton.jit
def depth_at(zb, zx, zy, least, most, columns, rows):
    """The depth at pixels that lie `columns` and `rows` from the plane's own."""
    z = (zb + zx * columns.to(tl.float32)) + zy * rows.to(tl.float32)
    return tl.minimum(tl.maximum(z, least), most)


@triton.jit
def is_drawn(area, cull):
    """Whether a face of this signed area is drawn; cull: 0 none, 1 back, 2 front."""
    return ((area > 0) & (cull != 1)) | ((area < 0) & (cull != 2))


@triton.jit
def draw(keys, pixel, z, face, hit, step, count, LAYERED: tl.constexpr):
    """Show a face to the pixels that it hits. Programs may do so in any order.

    keys   int64 (count, B, H, W): (depth, face) as one number, rising from layer to layer
    pixel  offsets into a layer
    step   pixels in a layer

    The bits of depths, which are not negative, are ordered as the depths are; -0 counts as 0. Of layers the first
    keeps the lowest key it has seen and hands on the others, in any order, to the second, and so on.
    """
    key = ((z.to(tl.int32, bitcast=True) & 0x7FFFFFFF).to(tl.int64) << 32) | face
    if LAYERED:
        step = tl.cast(step, tl.int64)  # all layers together may have more than 2^31 pixels
        # Keys only fall, so one that was read too early at most asks for work that is in vain.
        last = tl.load(keys + (count - 1) * step + pixel, mask=hit, other=0)
        hit = hit & (key < last)
        layer = 0
        while tl.max(hit.to(tl.int32)) > 0:
            before = tl.atomic_min(keys + layer * step + pixel, key, mask=hit, sem="relaxed")
            key = tl.maximum(before, key)
            layer += 1
            hit = hit & (key != EMPTY) & (layer < count)
    else:
        tl.atomic_min(keys + pixel, key, mask=hit, sem="relaxed")
