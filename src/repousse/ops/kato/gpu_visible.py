"""What pixels show by the rules of the released code: native_visible.cpp's, a lane per pixel of a face's box.

All of it is float64, operation by operation as on the CPU; the nearest face wins by the bits of its float32 depth, of
equally near ones the lowest.
"""

import triton
import triton.language as tl

from repousse.ops.gpu.worklist import find

_NONE = tl.constexpr(2**63 - 1)


@triton.jit
def _load(corners, index):
    """x, y and z of the three corners of faces."""
    at = corners + 9 * index
    ax = tl.load(at).to(tl.float64)
    ay = tl.load(at + 1).to(tl.float64)
    az = tl.load(at + 2).to(tl.float64)
    bx = tl.load(at + 3).to(tl.float64)
    by = tl.load(at + 4).to(tl.float64)
    bz = tl.load(at + 5).to(tl.float64)
    cx = tl.load(at + 6).to(tl.float64)
    cy = tl.load(at + 7).to(tl.float64)
    cz = tl.load(at + 8).to(tl.float64)
    return ax, ay, az, bx, by, bz, cx, cy, cz


@triton.jit
def _finite(x):
    return tl.abs(x) <= 1.7976931348623157e308


@triton.jit
def _share(ax, ay, az, bx, by, bz, px, py):
    """The share of the corner opposite to a and b in the point seen at p, up to a common factor."""
    return az * bz * ((py - ay) * (bx - ax) - (px - ax) * (by - ay))


@triton.jit
def _span(a, b, c, count):
    """The first of `count` rows (from below) or columns whose centre may lie between coordinates, and the end."""
    n = tl.cast(count, tl.float64)
    low = tl.minimum(tl.minimum(a, b), c)
    high = tl.maximum(tl.maximum(a, b), c)
    first = tl.minimum(tl.maximum(tl.floor((low * n + n - 1) / 2), 0.0), n)
    end = tl.minimum(tl.maximum(tl.ceil((high * n + n - 1) / 2) + 1, 0.0), n)
    return first.to(tl.int32), end.to(tl.int32)


@triton.jit
def _box(ax, ay, az, bx, by, bz, cx, cy, cz, height, width):
    """The columns [left, right) and rows [top, bottom) that a face may reach: all, with a corner behind the camera."""
    before = (az > 0) & (bz > 0) & (cz > 0)
    left, right = _span(ax, bx, cx, width)
    low, high = _span(ay, by, cy, height)
    left = tl.where(before, left, 0)
    right = tl.where(before, right, width)
    top = tl.where(before, height - high, 0)
    bottom = tl.where(before, height - low, height)
    return left, right, top, bottom


@triton.jit
def _centre(index, count):
    return (2 * index + 1 - count).to(tl.float64) / tl.cast(count, tl.float64)


@triton.jit
def _shares(ax, ay, az, bx, by, bz, cx, cy, cz, px, py):
    return (
        _share(bx, by, bz, cx, cy, cz, px, py),
        _share(cx, cy, cz, ax, ay, az, px, py),
        _share(ax, ay, az, bx, by, bz, px, py),
    )


@triton.jit
def _not_negative(x):
    return tl.where(x < 0, 0.0, x)


@triton.jit
def count_pixels(corners, count, height, width, counts, BLOCK: tl.constexpr):
    """How many pixels each front face's box has: corners float32 (B F, 3, 3) -> counts int32. A program takes BLOCK."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < count
    ax, ay, az, bx, by, bz, cx, cy, cz = _load(corners, tl.minimum(index, count - 1))
    area = (cy - ay) * (bx - ax) - (by - ay) * (cx - ax)
    front = (area * az * bz * cz > 0) & _finite(area) & _finite(az + bz + cz)
    left, right, top, bottom = _box(ax, ay, az, bx, by, bz, cx, cy, cz, height, width)
    pixels = tl.maximum(right - left, 0) * tl.maximum(bottom - top, 0)
    tl.store(counts + index, tl.where(front, pixels, 0), mask=mask)


@triton.jit
def draw(corners, count, face_count, height, width, near, far, counts, ends, steps, keys, BLOCK: tl.constexpr):
    """Keeps the nearest face of each pixel: keys int64 (B, H, W), depth's bits above the face. A lane takes a pixel."""
    total = tl.load(ends + count - 1)
    start = tl.program_id(0).to(tl.int64) * BLOCK
    while start < total:
        piece = start + tl.arange(0, BLOCK)
        mask = piece < total
        index, pixel = find(ends, counts, count, steps, tl.minimum(piece, total - 1))
        ax, ay, az, bx, by, bz, cx, cy, cz = _load(corners, index)
        left, right, top, _ = _box(ax, ay, az, bx, by, bz, cx, cy, cz, height, width)
        row = top + pixel // (right - left)
        column = left + pixel % (right - left)
        x = _centre(column, width)
        y = _centre(height - 1 - row, height)
        rounded_x = x.to(tl.float32).to(tl.float64)
        rounded_y = y.to(tl.float32).to(tl.float64)
        first, second, third = _shares(ax, ay, az, bx, by, bz, cx, cy, cz, rounded_x, rounded_y)
        mask = mask & (first >= 0) & (second >= 0) & (third >= 0)
        first, second, third = _shares(ax, ay, az, bx, by, bz, cx, cy, cz, x, y)
        first = _not_negative(first)
        second = _not_negative(second)
        third = _not_negative(third)
        depth = ((first * az + second * bz + third * cz) / (first + second + third)).to(tl.float32)
        mask = mask & (depth > near) & (depth < far)
        pose = index // face_count
        key = (depth.to(tl.int32, bitcast=True).to(tl.int64) << 32) | (index - pose * face_count)
        tl.atomic_min(keys + (pose * height + row) * width + column, key, mask=mask, sem="relaxed")
        start += tl.num_programs(0) * BLOCK


@triton.jit
def resolve(corners, keys, count, face_count, height, width, face_id, bary, BLOCK: tl.constexpr):
    """keys -> face_id int32 (B, H, W), bary float32 (B, H, W, 2). A program takes BLOCK of the `count` pixels."""
    pixel = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < count
    key = tl.load(keys + pixel, mask=mask, other=_NONE)
    seen = key != _NONE
    row = pixel // width
    pose = row // height
    face = key & 0xFFFFFFFF
    index = tl.where(seen, pose * face_count + face, 0)
    ax, ay, az, bx, by, bz, cx, cy, cz = _load(corners, index)
    x = _centre((pixel - row * width).to(tl.int32), width)
    y = _centre((height - 1 - (row - pose * height)).to(tl.int32), height)
    first, second, third = _shares(ax, ay, az, bx, by, bz, cx, cy, cz, x, y)
    first = _not_negative(first)
    second = _not_negative(second)
    sum = first + second + _not_negative(third)
    tl.store(face_id + pixel, tl.where(seen, face, -1).to(tl.int32), mask=mask)
    tl.store(bary + 2 * pixel, tl.where(seen, first / sum, 0.0).to(tl.float32), mask=mask)
    tl.store(bary + 2 * pixel + 1, tl.where(seen, second / sum, 0.0).to(tl.float32), mask=mask)
