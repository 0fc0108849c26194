"""Setting faces up and drawing those up to 64 pixels.

Lanes are faces while these are looked at: most are culled, outside the image, between pixel centres or cover a few
pixels, which the lane draws. The others are put into a queue, in whatever order programs come: those up to 64 pixels
from its front (`draw_boxes` gives each of them a row of lanes), those to be clipped and wide ones from its back
(gpu_tiles.py).
"""

import triton
import triton.language as tl

from repousse.ops.gpu.clipping import is_finite
from repousse.ops.gpu.projection import project, snap
from repousse.ops.gpu.vertices import load_clip, load_face
from repousse.ops.rasterize.gpu_triangles import (
    SMALL,
    area_of,
    covers,
    depth_at,
    draw,
    edges_at,
    extent,
    is_drawn,
    plane_of,
    span,
)

_TINY = tl.constexpr(16)  # pixels of a box that the face's own lane goes through, while the other lanes wait


@triton.jit
def draw_faces(
    positions,
    faces,
    ranges,
    facing,
    keys,
    queue,
    counters,
    vertices,
    face_count,
    blocks_per_image,
    room,
    height,
    width,
    half_height,
    half_width,
    cull,
    step,
    count,
    PACKED: tl.constexpr,
    LAYERED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """A program looks at BLOCK faces of one image, writes their facing, and draws or queues them.

    positions  float32 (B, V, 4), or (V, 4) if PACKED
    faces      int32 (F, 3)
    ranges     int64 (B, 2) if PACKED: first face and number of faces of each image
    facing     int8 (B, F), or (F) if PACKED
    keys       see `draw`; step, count too
    queue      int (room): image * F + face
    counters   int64: entries at the front of the queue, at its back
    """
    image = (tl.program_id(0) // blocks_per_image).to(tl.int64)
    face = (tl.program_id(0) % blocks_per_image).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    if PACKED:
        inside = face < tl.load(ranges + 2 * image + 1)
        face += tl.load(ranges + 2 * image)
    else:
        inside = face < face_count
        positions += image * vertices * 4
        facing += image * face_count
    a, b, c, good = load_face(faces, face, vertices, inside)
    ax, ay, az, aw = load_clip(positions, a.to(tl.int64), good, BLOCK)
    bx, by, bz, bw = load_clip(positions, b.to(tl.int64), good, BLOCK)
    cx, cy, cz, cw = load_clip(positions, c.to(tl.int64), good, BLOCK)
    X0, Y0, zeta0, safe0 = _screen(ax, ay, az, aw, half_width, half_height)
    X1, Y1, zeta1, safe1 = _screen(bx, by, bz, bw, half_width, half_height)
    X2, Y2, zeta2, safe2 = _screen(cx, cy, cz, cw, half_width, half_height)
    X, Y = (X0, X1, X2), (Y0, Y1, Y2)
    area = area_of(_wide(X), _wide(Y))
    safe = good & safe0 & safe1 & safe2
    side = tl.where(safe, (area < 0).to(tl.int32) - (area > 0).to(tl.int32), 0)
    clipped = good & ~safe
    if tl.max(clipped.to(tl.int32)) > 0:
        xs, ys, zs, ws = (ax, bx, cx), (ay, by, cy), (az, bz, cz), (aw, bw, cw)
        clipped = clipped & is_finite(ax, ay, az, aw) & is_finite(bx, by, bz, bw) & is_finite(cx, cy, cz, cw)
        side = tl.where(clipped, _side_in_space(xs, ys, ws), side)
        clipped = clipped & ~_is_beyond_a_plane(xs, ys, zs, ws) & is_drawn(-side, cull)
    tl.store(facing + face, side.to(tl.int8), mask=inside)

    column, last_column = span(X0, X1, X2, width)
    row, last_row = span(Y0, Y1, Y2, height)
    columns = last_column - column + 1
    pixels = columns * (last_row - row + 1)
    live = safe & is_drawn(area, cull) & (column <= last_column) & (row <= last_row)
    small = live & (extent(X0, X1, X2) <= SMALL) & (extent(Y0, Y1, Y2) <= SMALL)
    tiny = small & (pixels <= _TINY)
    item = image * face_count + face
    _append(queue, 1, counters, item, small & ~tiny)
    _append(queue + (room - 1), -1, counters + 1, item, (live & ~small) | clipped)

    most = tl.max(tl.where(tiny, pixels, 0))
    if most > 0:
        small_area = tl.where(tiny, area, 0).to(tl.int32)
        e, across, down = edges_at(X, Y, small_area, column, row)
        zb, zx, zy, least, greatest, own_column, own_row = plane_of(X, Y, (zeta0, zeta1, zeta2), small_area, tl.float32)
        first = (image * height + row) * width + column
        i, x, y = 0, column * 0, column * 0
        while i < most:
            z = depth_at(zb, zx, zy, least, greatest, column + x - own_column, row + y - own_row)
            hit = tiny & (pixels > i) & covers(e, across, down, x, y)
            draw(keys, first + y.to(tl.int64) * width + x, z, face, hit, step, count, LAYERED)
            i += 1
            x += 1
            y += (x == columns).to(tl.int32)
            x = tl.where(x == columns, 0, x)


@triton.jit
def draw_boxes(
    positions,
    faces,
    keys,
    queue,
    counters,
    vertices,
    face_count,
    height,
    width,
    half_height,
    half_width,
    step,
    count,
    PACKED: tl.constexpr,
    LAYERED: tl.constexpr,
    FACES: tl.constexpr,
    LANES: tl.constexpr,
):
    """A program draws FACES faces from the front of the queue at a time: LANES pixels of the box of each.

    It has one warp, which goes through the largest of the boxes: at most 65 x 65 pixels. Arguments as for `draw_faces`.
    """
    queued = tl.load(counters)
    start = tl.program_id(0).to(tl.int64) * FACES
    while start < queued:
        slot = start + tl.arange(0, FACES)
        live = slot < queued
        item = tl.load(queue + slot, mask=live, other=0)
        image, face = (item // face_count).to(tl.int64), (item % face_count).to(tl.int64)
        a, b, c, _ = load_face(faces, face, vertices, live)
        base = image * 0 if PACKED else image * vertices
        ax, ay, az, aw = load_clip(positions, base + a, live, FACES)
        bx, by, bz, bw = load_clip(positions, base + b, live, FACES)
        cx, cy, cz, cw = load_clip(positions, base + c, live, FACES)
        X0, Y0, zeta0, _ = _screen(ax, ay, az, aw, half_width, half_height)
        X1, Y1, zeta1, _ = _screen(bx, by, bz, bw, half_width, half_height)
        X2, Y2, zeta2, _ = _screen(cx, cy, cz, cw, half_width, half_height)
        X, Y = (X0, X1, X2), (Y0, Y1, Y2)
        area = area_of(X, Y)
        column, last_column = span(X0, X1, X2, width)
        row, last_row = span(Y0, Y1, Y2, height)
        columns = last_column - column + 1
        pixels = tl.where(live, columns * (last_row - row + 1), 0)
        e, across, down = edges_at(X, Y, area, column, row)
        zb, zx, zy, least, greatest, own_column, own_row = plane_of(X, Y, (zeta0, zeta1, zeta2), area, tl.float32)
        from_column, from_row = column - own_column, row - own_row
        first = (image * height + row) * width + column
        per_column = 1.0 / tl.maximum(columns, 1).to(tl.float32)
        most, begin = tl.max(pixels), 0
        while begin < most:
            # Pixel p of the box is (p % columns, p // columns). p + 0.5 is far enough from the next row's first pixel
            # for the error of the product.
            p = begin + tl.arange(0, LANES)[None, :]
            y = ((p.to(tl.float32) + 0.5) * per_column[:, None]).to(tl.int32)
            x = p - y * columns[:, None]
            z = depth_at(
                zb[:, None],
                zx[:, None],
                zy[:, None],
                least[:, None],
                greatest[:, None],
                from_column[:, None] + x,
                from_row[:, None] + y,
            )
            hit = (p < pixels[:, None]) & covers(_rows(e), _rows(across), _rows(down), x, y)
            pixel = first[:, None] + y.to(tl.int64) * width + x
            draw(keys, pixel, z, face[:, None], hit, step, count, LAYERED)
            begin += LANES
        start += tl.num_programs(0) * FACES


@triton.jit
def _wide(three):
    return three[0].to(tl.int64), three[1].to(tl.int64), three[2].to(tl.int64)


@triton.jit
def _rows(three):
    return three[0][:, None], three[1][:, None], three[2][:, None]


@triton.jit
def _screen(x, y, z, w, half_width, half_height):
    px, py, zeta, _, safe = project(x, y, z, w, half_width, half_height)
    return snap(px, safe), snap(py, safe), zeta, safe


@triton.jit
def _side_in_space(x, y, w):
    """Facing of faces that cannot be projected as they are: +1 front, -1 back, 0 seen edge-on; int32."""
    x0, x1, x2 = x[0].to(tl.float64), x[1].to(tl.float64), x[2].to(tl.float64)
    y0, y1, y2 = y[0].to(tl.float64), y[1].to(tl.float64), y[2].to(tl.float64)
    w0, w1, w2 = w[0].to(tl.float64), w[1].to(tl.float64), w[2].to(tl.float64)
    area = x0 * (y1 * w2 - w1 * y2) - y0 * (x1 * w2 - w1 * x2) + w0 * (x1 * y2 - y1 * x2)
    return (area < 0).to(tl.int32) - (area > 0).to(tl.int32)


@triton.jit
def _is_beyond_a_plane(x, y, z, w):
    """Whether all corners lie outside of the same plane: nothing would be left of the face.

    Comparing products with 64, which are exact, decides as the sums in float64 do.
    """
    beyond = (z[0] < 0) & (z[1] < 0) & (z[2] < 0)
    beyond = beyond | ((w[0] < z[0]) & (w[1] < z[1]) & (w[2] < z[2]))
    limit0, limit1, limit2 = 64.0 * w[0], 64.0 * w[1], 64.0 * w[2]
    beyond = beyond | ((x[0] < -limit0) & (x[1] < -limit1) & (x[2] < -limit2))
    beyond = beyond | ((x[0] > limit0) & (x[1] > limit1) & (x[2] > limit2))
    beyond = beyond | ((y[0] < -limit0) & (y[1] < -limit1) & (y[2] < -limit2))
    return beyond | ((y[0] > limit0) & (y[1] > limit1) & (y[2] > limit2))


@triton.jit
def _append(queue, direction: tl.constexpr, counter, item, mask):
    """Put items into a queue that grows in a direction."""
    new = mask.to(tl.int64)
    total = tl.sum(new)
    if total > 0:
        slot = tl.atomic_add(counter, total, sem="relaxed") + tl.cumsum(new, 0) - 1
        tl.store(queue + direction * slot, item, mask=mask)
