"""Which faces reach which tiles of pixels.

Lists of faces per tile would have a length that only the device knows. Instead each tile looks for its faces anew: at
the bounds of chunks of faces first, at the boxes of the faces of those chunks that reach it next.
"""

import triton
import triton.language as tl

# A program works on one tile. 128 pixels are as many as one warp holds in registers, derivatives included, and with
# one warp, sums over a tile need no memory.
TILE_WIDTH, TILE_HEIGHT = tl.constexpr(16), tl.constexpr(8)
PIXELS = tl.constexpr(128)
FACES = tl.constexpr(128)  # of a chunk
CHUNKS = tl.constexpr(128)  # whose bounds are looked at in one go
CHUNKS_EACH = tl.constexpr(8)  # that a program of `find_boxes` takes
NONE = tl.constexpr(2147483647)
# Kernels are not compiled anew when one of these happens to be 1 or divisible by 16.
SIZES = ("vertices", "face_count", "chunk_count", "all_chunks", "color_rows", "groups", "height", "width")
SIZES += ("rows_of_tiles", "columns_of_tiles")
_LEAST_AREA = tl.constexpr(1e-10)
_MOST_PLACE, _MOST_DEPTH = tl.constexpr(1e6), tl.constexpr(1e12)


@triton.jit
def span(spans, b, face_count, chunk_count, PACKED: tl.constexpr):
    """First face, number of faces and first chunk of image b, int64.

    spans  (B, 3) of these, if PACKED; else all images have all faces, `chunk_count` chunks each
    """
    if PACKED:
        return tl.load(spans + 3 * b), tl.load(spans + 3 * b + 1), tl.load(spans + 3 * b + 2)
    else:
        return b * 0, b * 0 + face_count, b * chunk_count


@triton.jit
def reaching(boxes, stride, at, mask, numbers, row, column):
    """`numbers` where the boxes (4, stride) `at` reach the tile at (row, column), else NONE."""
    left = tl.load(boxes + at, mask=mask, other=0)
    at += stride
    right = tl.load(boxes + at, mask=mask, other=0)
    at += stride
    top = tl.load(boxes + at, mask=mask, other=0)
    at += stride
    bottom = tl.load(boxes + at, mask=mask, other=0)
    hit = (left < column + TILE_WIDTH) & (right > column) & (top < row + TILE_HEIGHT) & (bottom > row)
    return tl.where(hit, numbers, NONE)


@triton.jit
def following(numbers, previous):
    """The least of `numbers` that is greater than `previous`."""
    return tl.min(tl.where(numbers > previous, numbers, NONE), 0)


@triton.jit(do_not_specialize=SIZES)
def find_boxes(
    corners,
    faces,
    spans,
    boxes,
    bounds,
    vertices,
    face_count,
    chunk_count,
    all_chunks,
    groups,
    height,
    width,
    step,
    margin,
    grown,
    near,
    far,
    CULL: tl.constexpr,
    PACKED: tl.constexpr,
):
    """The pixels that each face, and each chunk of faces, can reach. A program takes CHUNKS_EACH chunks of an image.

    boxes   int16 (4, all_chunks * FACES)  columns [first, second) and rows [third, fourth); nothing for faces left out
    bounds  int16 (4, all_chunks)          of the boxes of a chunk
    step    from pixel to pixel; lengths are in units of half the image's shorter side
    margin  by which faces reach beyond their corners
    grown   by how many times the distance between corners and centroid they do
    """
    b = (tl.program_id(0) // groups).to(tl.int64)
    group = tl.program_id(0) % groups
    first, count, first_chunk = span(spans, b, face_count, chunk_count, PACKED)
    number = group * (CHUNKS_EACH * FACES) + tl.arange(0, CHUNKS_EACH * FACES)
    mine = number < count
    mesh = corners
    if not PACKED:
        mesh += 4 * b * vertices
    at = faces + 3 * (first + number)
    x0, y0, z0, good0 = _load_corner(at, mesh, mine)
    x1, y1, z1, good1 = _load_corner(at + 1, mesh, mine)
    x2, y2, z2, good2 = _load_corner(at + 2, mesh, mine)
    good = good0 & good1 & good2
    area = (x0 - x2) * (y1 - y0) - (x1 - x0) * (y0 - y2)
    good = good & (tl.abs(area) >= _LEAST_AREA)
    if CULL == 1:
        good = good & (area < 0.0)  # y is down: front faces have a negative area
    if CULL == 2:
        good = good & (area > 0.0)
    good = good & (tl.minimum(tl.minimum(z0, z1), z2) <= far)
    good = good & (tl.maximum(tl.maximum(z0, z1), z2) >= near)

    left, right = _pixels_between(x0, x1, x2, good, step, width, margin, grown)
    top, bottom = _pixels_between(y0, y1, y2, good, step, height, margin, grown)
    drawn = (left < right) & (top < bottom)
    left, right = tl.where(drawn, left, 0), tl.where(drawn, right, 0)
    top, bottom = tl.where(drawn, top, 0), tl.where(drawn, bottom, 0)
    stride = all_chunks * FACES
    at = boxes + (first_chunk * FACES + number)
    tl.store(at, left, mask=mine)
    at += stride
    tl.store(at, right, mask=mine)
    at += stride
    tl.store(at, top, mask=mine)
    at += stride
    tl.store(at, bottom, mask=mine)

    chunk = group * CHUNKS_EACH + tl.arange(0, CHUNKS_EACH)
    at = bounds + first_chunk + chunk
    exists = chunk * FACES < count
    least = tl.where(drawn, left, 32767).reshape(CHUNKS_EACH, FACES)
    tl.store(at, tl.min(least, 1), mask=exists)
    most = tl.where(drawn, right, 0).reshape(CHUNKS_EACH, FACES)
    tl.store(at + all_chunks, tl.max(most, 1), mask=exists)
    least = tl.where(drawn, top, 32767).reshape(CHUNKS_EACH, FACES)
    tl.store(at + 2 * all_chunks, tl.min(least, 1), mask=exists)
    most = tl.where(drawn, bottom, 0).reshape(CHUNKS_EACH, FACES)
    tl.store(at + 3 * all_chunks, tl.max(most, 1), mask=exists)


@triton.jit
def _load_corner(at, mesh, mine):
    """Place and depth of the vertices whose indices lie `at`, and whether they can be drawn; no for NaN."""
    corner = mesh + 4 * tl.load(at, mask=mine, other=0).to(tl.int64)
    x, y = tl.load(corner, mask=mine, other=0.0), tl.load(corner + 1, mask=mine, other=0.0)
    z, r = tl.load(corner + 2, mask=mine, other=0.0), tl.load(corner + 3, mask=mine, other=0.0)
    good = mine & (tl.abs(x) <= _MOST_PLACE) & (tl.abs(y) <= _MOST_PLACE) & (tl.abs(z) <= _MOST_DEPTH)
    return x, y, z, good & (r > 0.0) & (r <= _MOST_DEPTH)


@triton.jit
def _pixels_between(a, b, c, good, step, size, margin, grown):
    """The first pixel on one axis that faces reach, and the first beyond, int32; [0, 0) where not `good`.

    In float64, so that faces far outside the image keep their places.
    """
    a, b, c = a.to(tl.float64), b.to(tl.float64), c.to(tl.float64)
    low = tl.minimum(tl.minimum(a, b), c)
    high = tl.maximum(tl.maximum(a, b), c)
    total = a + b + c
    low = low + grown * (3.0 * low - total) - margin
    high = high + grown * (3.0 * high - total) + margin
    begin = tl.ceil(low / step + (0.5 * size - 0.5 - 0.01))
    end = tl.floor(high / step + (0.5 * size - 0.5 + 0.01)) + 1.0
    begin = tl.where(good, tl.minimum(tl.maximum(begin, 0.0), size), 0.0)
    end = tl.where(good, tl.minimum(tl.maximum(end, 0.0), size), 0.0)
    return begin.to(tl.int32), end.to(tl.int32)
