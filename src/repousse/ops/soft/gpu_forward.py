"""The kernel that draws softly."""

import triton
import triton.language as tl

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
def draw(
    corners,
    faces,
    colors,
    spans,
    boxes,
    bounds,
    background,
    image,
    memory,
    shown,
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
    background_depth,
    DISTANCE: tl.constexpr,
    ALPHA: tl.constexpr,
    COLOR: tl.constexpr,
    CHANNELS: tl.constexpr,
    PACKED: tl.constexpr,
    BATCHED: tl.constexpr,
):
    """One tile of one image per program; arguments and results as of `rp_soft` (native.cpp) and `find_boxes`.

    Faces are added in their order, as on the CPU.
    """
    tile = tl.program_id(0) % (rows_of_tiles * columns_of_tiles)
    b = (tl.program_id(0) // (rows_of_tiles * columns_of_tiles)).to(tl.int64)
    row, column = tile // columns_of_tiles * TILE_HEIGHT, tile % columns_of_tiles * TILE_WIDTH
    first, count, first_chunk = span(spans, b, face_count, chunk_count, PACKED)
    faces += 3 * first
    colors += 3 * CHANNELS * (b * color_rows if BATCHED else first)
    if not PACKED:
        corners += 4 * b * vertices
    rows, columns = pixels_of(row, column)
    x, y = place_of(columns, width, step), place_of(rows, height, step)

    alpha = tl.full([PIXELS], 1.0 if ALPHA == PROD_ALPHA else 0.0, tl.float32)
    nearest = tl.full([PIXELS], float("inf"), tl.float32)
    if COLOR == SOFTMAX_COLOR:
        nearest = tl.zeros([PIXELS], tl.float32) + background_depth
    total = tl.full([PIXELS], 1.0, tl.float32)
    number = tl.full([PIXELS], -1, tl.int32)
    color = ()
    for c in tl.static_range(CHANNELS):
        color += (tl.zeros([PIXELS], tl.float32) + tl.load(background + b * CHANNELS + c),)

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
                if ALPHA == PROD_ALPHA:
                    alpha *= tl.where(n.seen, n.misses, 1.0)
                elif ALPHA == SUM_ALPHA:
                    alpha += tl.where(n.seen, n.covers, 0.0)
                else:
                    alpha = tl.where(n.seen & n.inside, 1.0, alpha)
                if CHANNELS > 0:
                    closer = n.seen & (n.depth < nearest)
                    if COLOR == SOFTMAX_COLOR:
                        e = decay(tl.abs(nearest - n.depth) * -sharpness)
                        keep = tl.where(closer, e, 1.0)
                        weight = tl.where(n.seen, n.covers * tl.where(closer, 1.0, e), 0.0)
                        nearest = tl.where(closer, n.depth, nearest)
                        total = total * keep + weight
                    else:
                        wins = closer & n.inside
                        keep = tl.where(wins, 0.0, 1.0)
                        weight = tl.where(wins, 1.0, 0.0)
                        nearest = tl.where(wins, n.depth, nearest)
                        number = tl.where(wins, face, number)
                    scale = weight * n.inverse_q
                    new = ()
                    for c in tl.static_range(CHANNELS):
                        of_face = colors + (3 * face.to(tl.int64) * CHANNELS + c)
                        value = n.q[0] * tl.load(of_face) + n.q[1] * tl.load(of_face + CHANNELS)
                        value += n.q[2] * tl.load(of_face + 2 * CHANNELS)
                        new += (color[c] * keep + tl.where(scale > 0.0, value * scale, 0.0),)
                    color = new
                face = following(those, face)
            chunk = following(chunks, chunk)
        begin += CHUNKS

    exists = (rows < height) & (columns < width)
    at = (b * height + rows) * width + columns
    result = alpha
    if ALPHA == PROD_ALPHA:
        result = 1.0 - alpha
    elif ALPHA == SUM_ALPHA:
        result = alpha / tl.maximum(count, 1).to(tl.float32)
    to = image + at * (CHANNELS + 1)
    tl.store(to + CHANNELS, result, mask=exists)
    if CHANNELS == 0:
        tl.store(memory + at, alpha, mask=exists)
    else:
        scale = 1.0 / total
        for c in tl.static_range(CHANNELS):
            tl.store(to + c, color[c] * scale, mask=exists)
        if COLOR == HARD_COLOR:
            tl.store(shown + at, number, mask=exists)
        plane = (3 * b * height + rows) * width + columns
        tl.store(memory + plane, alpha, mask=exists)
        plane += height * width
        tl.store(memory + plane, nearest, mask=exists)
        plane += height * width
        tl.store(memory + plane, scale, mask=exists)
