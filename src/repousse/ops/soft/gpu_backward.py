"""The kernel of the backward pass: each face near a tile is found anew and passes on its share of its gradient."""

import triton
import triton.language as tl

from repousse.ops.gpu.sums import add
from repousse.ops.soft.gpu_boxes import (
    CHUNKS,
    FACES,
    NONE,
    PIXELS,
    SIZES,
    TILE_HEIGHT,
    TILE_WIDTH,
    following,
    reaching,
    span,
)
from repousse.ops.soft.gpu_near import (
    BARYCENTRIC,
    EUCLIDEAN,
    HARD_COLOR,
    PROD_ALPHA,
    SOFTMAX_COLOR,
    SUM_ALPHA,
    decay,
    find,
    load_face,
    pixels_of,
    place_of,
)


@triton.jit(do_not_specialize=SIZES)
def pull(
    corners,
    faces,
    colors,
    spans,
    boxes,
    bounds,
    image,
    memory,
    shown,
    g_image,
    corner_total,
    corner_fixed,
    corner_scale,
    color_total,
    color_fixed,
    color_scale,
    vertices,
    face_count,
    chunk_count,
    all_chunks,
    color_rows,
    height,
    width,
    rows_of_tiles,
    columns_of_tiles,
    step,
    inverse_sigma,
    reach,
    sharpness,
    near,
    far,
    DISTANCE: tl.constexpr,
    ALPHA: tl.constexpr,
    COLOR: tl.constexpr,
    CHANNELS: tl.constexpr,
    PACKED: tl.constexpr,
    BATCHED: tl.constexpr,
    CORNERS_WANTED: tl.constexpr,
    COLORS_WANTED: tl.constexpr,
    MODE: tl.constexpr,
):
    """One tile of one image per program; arguments as of `rp_soft_backward` and `find_boxes`, and two `Sum`s."""
    tile = tl.program_id(0) % (rows_of_tiles * columns_of_tiles)
    b = (tl.program_id(0) // (rows_of_tiles * columns_of_tiles)).to(tl.int64)
    row, column = tile // columns_of_tiles * TILE_HEIGHT, tile % columns_of_tiles * TILE_WIDTH
    first, count, first_chunk = span(spans, b, face_count, chunk_count, PACKED)
    faces += 3 * first
    first_color = 3 * CHANNELS * (b * color_rows if BATCHED else first)
    colors += first_color
    first_corner = b * 0
    if not PACKED:
        first_corner = 4 * b * vertices
    corners += first_corner
    rows, columns = pixels_of(row, column)
    x, y = place_of(columns, width, step), place_of(rows, height, step)

    # What the pixels pull with; nothing outside the image.
    exists = (rows < height) & (columns < width)
    at = (b * height + rows) * width + columns
    plane = at
    if CHANNELS > 0:
        plane = (3 * b * height + rows) * width + columns
    g_alpha = tl.load(g_image + at * (CHANNELS + 1) + CHANNELS, mask=exists, other=0.0)
    if ALPHA == PROD_ALPHA:
        g_alpha *= tl.load(memory + plane, mask=exists, other=0.0)
    elif ALPHA == SUM_ALPHA:
        g_alpha /= tl.maximum(count, 1).to(tl.float32)
    else:
        g_alpha *= 0.0
    g, mean = (), tl.zeros([PIXELS], tl.float32)
    for c in tl.static_range(CHANNELS):
        g += (tl.load(g_image + at * (CHANNELS + 1) + c, mask=exists, other=0.0),)
        mean += g[c] * tl.load(image + at * (CHANNELS + 1) + c, mask=exists, other=0.0)
    nearest, scale, number = mean, mean, tl.full([PIXELS], -1, tl.int32)
    if CHANNELS > 0:
        nearest = tl.load(memory + plane + height * width, mask=exists, other=0.0)
        scale = tl.load(memory + plane + 2 * height * width, mask=exists, other=0.0)
        if COLOR == HARD_COLOR:
            number = tl.load(shown + at, mask=exists, other=-1)

    begin = tl.zeros([], tl.int32)
    while begin * FACES < count:
        chunks = begin + tl.arange(0, CHUNKS)
        chunks = reaching(bounds, all_chunks, first_chunk + chunks, chunks * FACES < count, chunks, row, column)
        chunk = tl.min(chunks, 0)
        while chunk < NONE:
            those = chunk * FACES + tl.arange(0, FACES)
            at = first_chunk * FACES + those
            those = reaching(boxes, all_chunks * FACES, at, those < count, those, row, column)
            face = tl.min(those, 0)
            while face < NONE:
                f = load_face(corners, faces, face.to(tl.int64), near, far)
                n = find(f, x, y, inverse_sigma, reach, DISTANCE)
                if tl.max(n.seen.to(tl.int32), 0) > 0:
                    # With respect to x of D = 1 / (1 + exp(-x)). For prod, dA/dx = (1 - A) D.
                    g_x = g_alpha * n.covers
                    if ALPHA != PROD_ALPHA:
                        g_x *= n.misses
                    g_x = tl.where(n.seen, g_x, 0.0)
                    zero = tl.zeros([PIXELS], tl.float32)
                    g_w, g_z, g_r = (zero, zero, zero), (zero, zero, zero), (zero, zero, zero)
                    color_at = 3 * CHANNELS * face.to(tl.int64)
                    if CHANNELS > 0:
                        s = _pulls_of_corners(colors + color_at, g, CHANNELS)
                        color = ((n.q[0] * s[0] + n.q[1] * s[1]) + n.q[2] * s[2]) * n.inverse_q
                        g_depth = zero
                        if COLOR == SOFTMAX_COLOR:
                            e = decay(tl.abs(nearest - n.depth) * -sharpness)
                            share = tl.where(n.seen, (n.covers * e) * scale, 0.0)
                            gain = tl.where(n.seen, (color - mean) * share, 0.0)
                            g_x += gain * n.misses
                            g_depth = gain * -sharpness
                        else:
                            share = tl.where(n.seen & (number == face), 1.0, 0.0)
                        g_w, g_z, g_r, parts = _of_colors(f, n, s, color, share, g_depth)
                        if COLORS_WANTED:
                            sums = _sums_of_colors(parts, g, CHANNELS)
                            to = first_color + color_at + tl.arange(0, 16)
                            is_sum = tl.arange(0, 16) < 3 * CHANNELS
                            add(color_total, color_fixed, color_scale, to, sums, is_sum, MODE)
                    if CORNERS_WANTED:
                        of_x, of_y = _of_places(f, n, g_x, g_w, inverse_sigma, DISTANCE, CHANNELS)
                        sums = _sums_of_corners(of_x, of_y, g_z, g_r, CHANNELS)
                        lane = tl.arange(0, 16)
                        vertex = tl.load(faces + (3 * face.to(tl.int64) + lane // 4), mask=lane < 12, other=0)
                        to = first_corner + 4 * vertex.to(tl.int64) + lane % 4
                        add(corner_total, corner_fixed, corner_scale, to, sums, lane < 12, MODE)
                face = following(those, face)
            chunk = following(chunks, chunk)
        begin += CHUNKS


@triton.jit
def _pulls_of_corners(colors, g, CHANNELS: tl.constexpr):
    """The derivative of the loss along the colour of each of a face's corners."""
    a, b, c = g[0] * 0.0, g[0] * 0.0, g[0] * 0.0
    for k in tl.static_range(CHANNELS):
        a += g[k] * tl.load(colors + k)
        b += g[k] * tl.load(colors + CHANNELS + k)
        c += g[k] * tl.load(colors + 2 * CHANNELS + k)
    return a, b, c


@triton.jit
def _of_colors(f, n, s, color, share, g_depth):
    """With respect to weights on the screen, depth and 1 / w of the corners; and the shares that corners have."""
    # Where the face is not seen these may be infinite.
    inverse_q, depth = tl.where(n.seen, n.inverse_q, 0.0), tl.where(n.seen, n.depth, 0.0)
    mean = share * tl.where(n.seen, color, 0.0) + g_depth * depth
    along = (
        ((share * s[0] + g_depth * f.z[0]) - mean) * inverse_q,
        ((share * s[1] + g_depth * f.z[1]) - mean) * inverse_q,
        ((share * s[2] + g_depth * f.z[2]) - mean) * inverse_q,
    )
    g_w = (_if_free(along[0], f.r[0], n.w[0]), _if_free(along[1], f.r[1], n.w[1]), _if_free(along[2], f.r[2], n.w[2]))
    g_r = (along[0] * n.u[0], along[1] * n.u[1], along[2] * n.u[2])
    scaled = (n.q[0] * inverse_q, n.q[1] * inverse_q, n.q[2] * inverse_q)
    g_z = (g_depth * scaled[0], g_depth * scaled[1], g_depth * scaled[2])
    return g_w, g_z, g_r, (share * scaled[0], share * scaled[1], share * scaled[2])


@triton.jit
def _if_free(along, r, w):
    """The derivative of a weight, 0 where it is clamped."""
    return tl.where((w > 0.0) & (w < 1.0), along * r, 0.0)


@triton.jit
def _of_places(f, n, g_x, g_w, inverse_sigma, DISTANCE: tl.constexpr, CHANNELS: tl.constexpr):
    """With respect to the places of the corners, from g_x of the coverage and g_w of the weights."""
    h = g_w
    if DISTANCE == BARYCENTRIC:
        along = (g_x * (2.0 * inverse_sigma)) * tl.abs(n.least)
        which = tl.where(n.w[0] <= n.least, 0, tl.where(n.w[1] <= n.least, 1, 2))
        h = (
            h[0] + tl.where(which == 0, along, 0.0),
            h[1] + tl.where(which == 1, along, 0.0),
            h[2] + tl.where(which == 2, along, 0.0),
        )
    of_x, of_y = g_w, g_w
    if CHANNELS > 0 or DISTANCE == BARYCENTRIC:
        # w_i = e_i / sum of e
        mean = (h[0] * n.w[0] + h[1] * n.w[1]) + h[2] * n.w[2]
        a, b, c = (h[0] - mean) * f.inverse_area, (h[1] - mean) * f.inverse_area, (h[2] - mean) * f.inverse_area
        of_x = (n.dy[1] * c - n.dy[2] * b, n.dy[2] * a - n.dy[0] * c, n.dy[0] * b - n.dy[1] * a)
        of_y = (n.dx[2] * b - n.dx[1] * c, n.dx[0] * c - n.dx[2] * a, n.dx[1] * a - n.dx[0] * b)
    if DISTANCE == EUCLIDEAN:
        along = g_x * tl.where(n.inside, 2.0 * inverse_sigma, -2.0 * inverse_sigma)
        x, y = along * n.to_x, along * n.to_y
        of_x = (of_x[0] + n.part[0] * x, of_x[1] + n.part[1] * x, of_x[2] + n.part[2] * x)
        of_y = (of_y[0] + n.part[0] * y, of_y[1] + n.part[1] * y, of_y[2] + n.part[2] * y)
    return of_x, of_y


@triton.jit
def _sums_of_corners(g_x, g_y, g_z, g_r, CHANNELS: tl.constexpr):
    """Sums over the tile, (16): x, y, depth and 1 / w of each corner."""
    lane = tl.arange(0, 16)
    sums = tl.zeros([16], tl.float32)
    for k in tl.static_range(3):
        sums = tl.where(lane == 4 * k, tl.sum(g_x[k], 0), sums)
        sums = tl.where(lane == 4 * k + 1, tl.sum(g_y[k], 0), sums)
        if CHANNELS > 0:
            sums = tl.where(lane == 4 * k + 2, tl.sum(g_z[k], 0), sums)
            sums = tl.where(lane == 4 * k + 3, tl.sum(g_r[k], 0), sums)
    return sums


@triton.jit
def _sums_of_colors(parts, g, CHANNELS: tl.constexpr):
    """Sums over the tile, (16): the channels of each corner."""
    lane = tl.arange(0, 16)
    sums = tl.zeros([16], tl.float32)
    for k in tl.static_range(3):
        for c in tl.static_range(CHANNELS):
            sums = tl.where(lane == k * CHANNELS + c, tl.sum(parts[k] * g[c], 0), sums)
    return sums
