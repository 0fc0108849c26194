"""Step 6 of visibility: cutting at the planes of clip space, in float64, bit for bit as on the CPU."""

import triton
import triton.language as tl

from repousse.ops.gpu.rounding import rint64

CLIP_PLANES = tl.constexpr(6)
MOST_CORNERS = tl.constexpr(9)  # of a clipped triangle: each plane adds one
SLOTS = tl.constexpr(16)  # for corners, a power of two
_GUARD = tl.constexpr(64.0)
_MOST = tl.constexpr(3.4028234663852886e38)  # FLT_MAX


@triton.jit
def is_finite(x, y, z, w):
    """Whether all four float32 coordinates are."""
    finite = (tl.abs(x) <= _MOST) & (tl.abs(y) <= _MOST)
    return finite & (tl.abs(z) <= _MOST) & (tl.abs(w) <= _MOST)


@triton.jit
def plane_distance(x, y, z, w, PLANE: tl.constexpr):
    """How far inside one of the planes points lie; float64 blocks."""
    if PLANE == 0:
        distance = z
    elif PLANE == 1:
        distance = w - z
    elif PLANE == 2:
        distance = x + _GUARD * w
    elif PLANE == 3:
        distance = _GUARD * w - x
    elif PLANE == 4:
        distance = y + _GUARD * w
    else:
        distance = _GUARD * w - y
    return distance


@triton.jit
def cut(ix, iy, iz, iw, ox, oy, oz, ow, inside, outside):
    """Where the way from inner to outer points meets a plane, from which they lie `inside` >= 0 and `outside` < 0."""
    apart = inside - outside
    t = inside / tl.where(apart > 0, apart, 1.0)
    return ix + (ox - ix) * t, iy + (oy - iy) * t, iz + (oz - iz) * t, iw + (ow - iw) * t


@triton.jit
def place(x, y, z, w, half_width, half_height):
    """Corners on the screen, in float64: int64 X and Y in 1/256 pixel, z / w, and whether the division means anything.

    The numbers are 0 where it means nothing.
    """
    placed = (w > 0) & (tl.abs(x) <= 128.0 * w) & (tl.abs(y) <= 128.0 * w)
    divisor = tl.where(placed, w, 1.0)
    px = ((tl.where(placed, x, 0.0) / divisor) * half_width + half_width) * 256.0
    py = ((tl.where(placed, y, 0.0) / divisor) * half_height + half_height) * 256.0
    X = tl.where(placed, rint64(px).to(tl.int64), 0)
    Y = tl.where(placed, rint64(py).to(tl.int64), 0)
    return X, Y, tl.where(placed, z, 0.0) / divisor, placed


@triton.jit
def clip_polygons(x, y, z, w, corner, count):
    """The parts of polygons inside all planes (Sutherland-Hodgman), in the order of corners that the CPU gives.

    x, y, z, w  float64 (N, SLOTS): the corners of polygon n are in slots 0 to count[n] - 1
    corner      int32 (N, SLOTS), kept by corners that survive; -1 for new ones
    count       int32 (N)

    Returns the same for what is left.
    """
    for PLANE in tl.static_range(CLIP_PLANES):
        used = tl.arange(0, SLOTS)[None, :] < count[:, None]
        outside = used & (plane_distance(x, y, z, w, PLANE) < 0)
        if tl.max(outside.to(tl.int32)) > 0:
            x, y, z, w, corner, count = _clip_at(x, y, z, w, corner, count, PLANE)
    return x, y, z, w, corner, count


@triton.jit
def _clip_at(x, y, z, w, corner, count, PLANE: tl.constexpr):
    """A slot gives its corner if that is inside, then a new one if the next corner is on the other side."""
    slot = tl.arange(0, SLOTS)
    used = slot[None, :] < count[:, None]
    inside = (used & (plane_distance(x, y, z, w, PLANE) >= 0)).to(tl.int32)
    next_inside = tl.gather(inside, _following(slot[None, :], count), 1)
    given = tl.where(used, inside + (inside ^ next_inside), 0)
    ends = tl.cumsum(given, 1)
    # Where what goes into each slot comes from: past all the slots whose corners have gone into lower ones.
    source = tl.sum((ends[:, None, :] <= slot[None, :, None]).to(tl.int32), 2)
    source = tl.minimum(source, SLOTS - 1)
    first = tl.gather(2 * (ends - given) + inside, source, 1)
    from_inside = (first & 1) == 1
    kept = from_inside & (slot[None, :] == (first >> 1))
    ax, ay, az, aw = _pick(x, y, z, w, source)
    bx, by, bz, bw = _pick(x, y, z, w, _following(source, count))
    ix, ox = tl.where(from_inside, ax, bx), tl.where(from_inside, bx, ax)
    iy, oy = tl.where(from_inside, ay, by), tl.where(from_inside, by, ay)
    iz, oz = tl.where(from_inside, az, bz), tl.where(from_inside, bz, az)
    iw, ow = tl.where(from_inside, aw, bw), tl.where(from_inside, bw, aw)
    di, do = plane_distance(ix, iy, iz, iw, PLANE), plane_distance(ox, oy, oz, ow, PLANE)
    cx, cy, cz, cw = cut(ix, iy, iz, iw, ox, oy, oz, ow, di, do)
    corner = tl.where(kept, tl.gather(corner, source, 1), -1)
    x, y, z, w = tl.where(kept, ax, cx), tl.where(kept, ay, cy), tl.where(kept, az, cz), tl.where(kept, aw, cw)
    return x, y, z, w, corner, tl.minimum(tl.max(ends, 1), MOST_CORNERS)


@triton.jit
def _following(slot, count):
    return tl.where(slot + 1 < count[:, None], slot + 1, 0)


@triton.jit
def _pick(x, y, z, w, slot):
    return tl.gather(x, slot, 1), tl.gather(y, slot, 1), tl.gather(z, slot, 1), tl.gather(w, slot, 1)
