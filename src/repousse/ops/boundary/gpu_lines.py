"""Edges on the screen, in the words of outline.h: functions for kernels.

A line is the tuple (ax, ay, dx, dy, side) of float64 blocks: it starts at (ax, ay), in pixels, leads along (dx, dy),
and its first face lies where side * E < 0. A pixel is its int32 index within its image.
"""

import triton
import triton.language as tl

_INFINITY = tl.constexpr(float("inf"))


@triton.jit
def load_line(numbers, ids, line, mask):
    """Lines of an outline. Masked ones have no length."""
    to = numbers + 8 * line.to(tl.int64)
    ax = tl.load(to, mask=mask, other=0.0)
    ay = tl.load(to + 1, mask=mask, other=0.0)
    dx = tl.load(to + 2, mask=mask, other=0.0)
    dy = tl.load(to + 3, mask=mask, other=0.0)
    side = tl.load(ids + 5 * line.to(tl.int64) + 4, mask=mask, other=1).to(tl.float64)
    return ax, ay, dx, dy, side


@triton.jit
def load_vertices(ids, line, mask):
    """The vertices at both ends of lines; masked ones have none."""
    to = ids + 5 * line.to(tl.int64)
    return tl.load(to + 2, mask=mask, other=-1), tl.load(to + 3, mask=mask, other=-1)


@triton.jit
def load_depth(numbers, line, mask):
    """Depth of lines at their start, and how much it changes along them."""
    to = numbers + 8 * line.to(tl.int64)
    return tl.load(to + 4, mask=mask, other=0.0), tl.load(to + 5, mask=mask, other=0.0)


@triton.jit
def centre(pixel, width):
    """Centres of pixels; those of -1 mean nothing."""
    return (pixel % width).to(tl.float64) + 0.5, (pixel // width).to(tl.float64) + 0.5


@triton.jit
def is_steep(line):
    return tl.abs(line[3]) >= tl.abs(line[2])


@triton.jit
def point_at(line, t):
    """Points of lines."""
    return line[0] + t * line[2], line[1] + t * line[3]


@triton.jit
def beyond(line, x, y):
    """Negative on the side of the face."""
    ax, ay, dx, dy, side = line
    return side * (dx * (y - ay) - dy * (x - ax))


@triton.jit
def is_inside(line, x, y):
    """On the side of the face? What lies on a line belongs to what is right of it, or below it, as in the fill rule."""
    dx, dy, side = line[2], line[3], line[4]
    e = beyond(line, x, y)
    return tl.where(e != 0.0, e, side * tl.where(dy != 0.0, -dy, dx)) < 0.0


@triton.jit
def beside(line, pixel, width, height):
    """The pixels beside lines next to `pixel`, along the axis across them.

    Returns the one on the side of the face and the one on the other side, -1 outside the image; then the step from the
    former to the latter.
    """
    dx, dy, side = line[2], line[3], line[4]
    x, y = centre(pixel, width)
    inside = is_inside(line, x, y)
    steep = is_steep(line)
    grows = tl.where(steep, -dy, dx) > 0.0  # E with the column, or with the row
    step = tl.where((inside == (side < 0.0)) == grows, -1, 1)
    offset = tl.where(steep, step, step * width)
    other = tl.where(steep, pixel % width, pixel // width) + step
    across = tl.where((other < 0) | (other >= tl.where(steep, width, height)), -1, pixel + offset)
    inner, outer = tl.where(inside, pixel, across), tl.where(inside, across, pixel)
    return inner, outer, tl.where(inside, offset, -offset)


@triton.jit
def meets(line, begin, end, from_x, from_y, to_x, to_y):
    """Do ways meet the parts [begin, end) of lines? And where on the line, if so."""
    ax, ay, dx, dy = line[0], line[1], line[2], line[3]
    wx, wy = to_x - from_x, to_y - from_y
    a = wx * (ay - from_y) - wy * (ax - from_x)
    b = wx * (ay + dy - from_y) - wy * (ax + dx - from_x)
    met = (is_inside(line, from_x, from_y) != is_inside(line, to_x, to_y)) & ((a < 0.0) != (b < 0.0))
    t = a / tl.where(met, a - b, 1.0)
    return met & (t >= begin) & (t < end), t


@triton.jit
def is_along_border(line):
    """Whether lines follow a border between columns, and one between rows: then they belong half to both sides."""
    ax, ay, dx, dy = line[0], line[1], line[2], line[3]
    rows = (dy == 0.0) & (ay == tl.floor(ay))
    return (dx == 0.0) & (ax == tl.floor(ax)) & ~rows, rows


@triton.jit
def walk(line, width, height):
    """The way of lines through the image.

    Returns where it begins and ends, the column and row of its first pixel, and how many borders of columns and of rows
    it meets before its end. Outside the image it ends before it begins.
    """
    ax, ay, dx, dy = line[0], line[1], line[2], line[3]
    begin, end = _clip(ax, dx, width, tl.zeros_like(ax), tl.zeros_like(ax) + 1.0)
    begin, end = _clip(ay, dy, height, begin, end)
    column, columns = _start(ax, dx, begin, end)
    row, rows = _start(ay, dy, begin, end)
    return begin, end, column, row, columns, rows


@triton.jit
def _clip(start, way, limit, begin, end):
    still = way == 0.0
    divisor = tl.where(still, 1.0, way)
    to_zero, to_limit = -start / divisor, (limit - start) / divisor
    outside = still & ((start < 0.0) | (start > limit))
    begin = tl.where(still, begin, tl.maximum(begin, tl.minimum(to_zero, to_limit)))
    end = tl.where(still, end, tl.minimum(end, tl.maximum(to_zero, to_limit)))
    return begin, tl.where(outside, -1.0, end)


@triton.jit
def _start(start, way, begin, end):
    """The first column (or row), and how many borders come before the end."""
    place = start + way * begin
    cell = tl.where(way < 0.0, tl.ceil(place) - 1.0, tl.floor(place)).to(tl.int32)
    last = start + way * end
    count = tl.where(way > 0.0, tl.ceil(last).to(tl.int32) - cell - 1, cell - tl.floor(last).to(tl.int32))
    # It is counted by what `border` says, from a little less than what is expected: a border at the end may round
    # either way.
    count = tl.maximum(tl.where(way == 0.0, 0, count) - 2, 0)
    for _ in tl.static_range(4):
        count += (border(start, way, cell, count) < end).to(tl.int32)
    return cell, count


@triton.jit
def border(start, way, cell, count):
    """Where on a line the next border of columns (or rows) is, when `count` of them lie behind; never, if still."""
    place = tl.where(way > 0.0, cell + count + 1, cell - count)
    divisor = tl.where(way == 0.0, 1.0, way)
    return tl.where(way == 0.0, _INFINITY, (place.to(tl.float64) - start) / divisor)
