"""Setting faces up and drawing those up to 64 pixels.

Lanes are faces while these are looked at: most are culled, outside the image, between pixel centres or cover a few
pixels, which the lane draws. The others are put into a queue, in whatever order programs come: those up to 64 pixels
from its front (`draw_boxes` gives each of them a row of lanes), those to be clipped and wide ones from its back
(gpu_tiles.py).
"""

import triton
import triton.language as tl

from repousse.ops.gpu.clipping import is_finite
from repousse.ops.gpu.corners import load_points, project_with_depth
from repousse.ops.gpu.projection import snap
from repousse.ops.gpu.queues import places
from repousse.ops.gpu.vertices import load_face
from repousse.ops.rasterize.gpu_triangles import (
    SIZES,
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


@triton.jit(do_not_specialize=SIZES)
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
    x, y, z, w = load_points(positions, (a.to(tl.int64), b.to(tl.int64), c.to(tl.int64)), good, BLOCK)
    px, py, zeta, _, safe = project_with_depth(x, y, z, w, half_width, half_height)
    X, Y = _snap(px, safe), _snap(py, safe)
    area = area_of(_wide(X), _wide(Y))
    safe = good & safe
    side = tl.where(safe, (area < 0).to(tl.int32) - (area > 0).to(tl.int32), 0)
    clipped = good & ~safe
    if tl.max(clipped.to(tl.int32)) > 0:
        clipped = clipped & is_finite(x[0], y[0], z[0], w[0])
        clipped = clipped & is_finite(x[1], y[1], z[1], w[1]) & is_finite(x[2], y[2], z[2], w[2])
        side = tl.where(clipped, _side_in_space(x, y, w), side)
        clipped = clipped & ~_is_beyond_a_plane(x, y, z, w) & is_drawn(-side, cull)
    tl.store(facing + face, side.to(tl.int8), mask=inside)

    column, last_column = span(X, width)
    row, last_row = span(Y, height)
    columns = last_column - column + 1
    pixels = columns * (last_row - row + 1)
    live = safe & is_drawn(area, cull) & (column <= last_column) & (row <= last_row)
    small = live & (extent(X) <= SMALL) & (extent(Y) <= SMALL)
    tiny = small & (pixels <= _TINY)
    item = image * face_count + face
    _append(queue, 1, counters, item, small & ~tiny)
    _append(queue + (room - 1), -1, counters + 1, item, (live & ~small) | clipped)

    most = tl.max(tl.where(tiny, pixels, 0))
    if most > 0:
        small_area = tl.where(tiny, area, 0).to(tl.int32)
        e, across, down = edges_at(X, Y, small_area, column, row)
        zb, zx, zy, least, greatest, own_column, own_row = plane_of(X, Y, zeta, small_area, tl.float32)
        first = (image * height + row) * width + column
        i, right, below = 0, column * 0, column * 0
        while i < most:
            depth = depth_at(zb, zx, zy, least, greatest, column + right - own_column, row + below - own_row)
            hit = tiny & (pixels > i) & covers(e, across, down, right, below)
            draw(keys, first + below.to(tl.int64) * width + right, depth, face, hit, step, count, LAYERED)
            i += 1
            right += 1
            below += (right == columns).to(tl.int32)
            right = tl.where(right == columns, 0, right)


@triton.jit(do_not_specialize=SIZES)
def draw_boxes(
    positions,
    faces,
    keys,
    queue,
    counters,
    vertices,
    stride,
    face_count,
    height,
    width,
    half_height,
    half_width,
    step,
    count,
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
        base = image * stride
        x, y, z, w = load_points(positions, (base + a, base + b, base + c), live, FACES)
        px, py, zeta, _, safe = project_with_depth(x, y, z, w, half_width, half_height)
        X, Y = _snap(px, safe), _snap(py, safe)
        area = area_of(X, Y)
        column, last_column = span(X, width)
        row, last_row = span(Y, height)
        columns = last_column - column + 1
        pixels = tl.where(live, columns * (last_row - row + 1), 0)
        e, across, down = edges_at(X, Y, area, column, row)
        zb, zx, zy, least, greatest, own_column, own_row = plane_of(X, Y, zeta, area, tl.float32)
        from_column, from_row = column - own_column, row - own_row
        first = (image * height + row) * width + column
        per_column = 1.0 / tl.maximum(columns, 1).to(tl.float32)
        most, begin = tl.max(pixels), 0
        while begin < most:
            # Pixel p of the box is (p % columns, p // columns). p + 0.5 is far enough from the next row's first pixel
            # for the error of the product.
            p = begin + tl.arange(0, LANES)[None, :]
            below = ((p.to(tl.float32) + 0.5) * per_column[:, None]).to(tl.int32)
            right = p - below * columns[:, None]
            depth = depth_at(
                zb[:, None],
                zx[:, None],
                zy[:, None],
                least[:, None],
                greatest[:, None],
                from_column[:, None] + right,
                from_row[:, None] + below,
            )
            hit = (p < pixels[:, None]) & covers(_rows(e), _rows(across), _rows(down), right, below)
            pixel = first[:, None] + below.to(tl.int64) * width + right
            draw(keys, pixel, depth, face[:, None], hit, step, count, LAYERED)
            begin += LANES
        start += tl.num_programs(0) * FACES


@triton.jit
def _wide(three):
    return three[0].to(tl.int64), three[1].to(tl.int64), three[2].to(tl.int64)


@triton.jit
def _rows(three):
    return three[0][:, None], three[1][:, None], three[2][:, None]


@triton.jit
def _snap(pixels, safe):
    return snap(pixels[0], safe), snap(pixels[1], safe), snap(pixels[2], safe)


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
    """Whether clipping would find all corners outside of a plane, before it has cut anything: nothing would be left.

    Cutting rounds, so what happens after it is left to it. Comparing products with 64, which are exact, decides as the
    sums in float64 do.
    """
    limit = (64.0 * w[0], 64.0 * w[1], 64.0 * w[2])
    minus_limit = (-limit[0], -limit[1], -limit[2])
    zero = (tl.zeros_like(w[0]), tl.zeros_like(w[1]), tl.zeros_like(w[2]))
    beyond, uncut = _beyond(zero, z, x[0] != x[0], x[0] == x[0])
    beyond, uncut = _beyond(z, w, beyond, uncut)
    beyond, uncut = _beyond(minus_limit, x, beyond, uncut)
    beyond, uncut = _beyond(x, limit, beyond, uncut)
    beyond, uncut = _beyond(minus_limit, y, beyond, uncut)
    beyond, uncut = _beyond(y, limit, beyond, uncut)
    return beyond


@triton.jit
def _beyond(least, value, beyond, uncut):
    """One more plane, inside of which value >= least."""
    outside = (value[0] < least[0]) & (value[1] < least[1]) & (value[2] < least[2])
    inside = (value[0] >= least[0]) & (value[1] >= least[1]) & (value[2] >= least[2])
    return beyond | (uncut & outside), uncut & inside


@triton.jit
def _append(queue, direction: tl.constexpr, counter, item, mask):
    """Put items into a queue that grows in a direction."""
    if tl.max(mask.to(tl.int32)) > 0:
        tl.store(queue + direction * places(counter, mask), item, mask=mask)
