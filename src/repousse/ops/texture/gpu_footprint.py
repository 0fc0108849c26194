"""From uv to texels, as in footprint.h: wrapping, the mip level, and the four texels around a place on a level."""

import triton
import triton.language as tl

from repousse.ops.texture.layout import WRAPS

_REPEAT = tl.constexpr(WRAPS.index("repeat"))
_CLAMP = tl.constexpr(WRAPS.index("clamp"))
_MIRROR = tl.constexpr(WRAPS.index("mirror"))


@triton.jit
def tile(height, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """This program's part of the pictures: the picture, its pixels (counted through all pictures), and which of them
    there are. Tiles, and in them pieces of 4 x 8 for a warp, because neighbours in both directions read the same
    texels.
    """
    across = tl.cdiv(width, COLUMNS)
    picture = (tl.program_id(0) // across).to(tl.int64)
    row, column = tl.program_id(1) * ROWS, tl.program_id(0) % across * COLUMNS
    lane = tl.arange(0, ROWS * COLUMNS)
    if ROWS == 1:
        row, column = row + lane * 0, column + lane
    else:
        piece, within = lane // 32, lane % 32
        row += piece // (COLUMNS // 8) * 4 + within // 8
        column += piece % (COLUMNS // 8) * 8 + within % 8
    pixel = (picture * height + row) * width + column
    return picture, pixel, (row < height) & (column < width)


@triton.jit
def floor(x):
    """As C's: Triton's takes numbers below 2^-126 for 0 on some GPUs, where -1 is right."""
    small = tl.abs(x) < 8388608.0  # beyond, all numbers are whole (or NaN)
    near = tl.where(small, x, 0.0).to(tl.int32).to(tl.float32)
    return tl.where(small, tl.where(near > x, near - 1.0, near), x)


@triton.jit
def wrapped(x, mode):
    """A coordinate brought into [0, 1], what rounding took away from it, and the derivative: -1, 0 or 1."""
    turns = mode == _MIRROR
    whole = floor(x * tl.where(turns, 0.5, 1.0)) * tl.where(turns, 2.0, 1.0)
    part = x - whole
    rest = x - (part + whole)
    back = part > 1.0  # only mirrored
    clamps = mode == _CLAMP
    inside = (x >= 0.0) & (x <= 1.0)
    clamped = tl.where(x < 0.0, 0.0, tl.where(x > 1.0, 1.0, x))  # NaN stays
    value = tl.where(clamps, clamped, tl.where(back, 2.0 - part, part))
    rest = tl.where(clamps, 0.0, tl.where(back, -rest, rest))
    slope = tl.where(clamps, tl.where(inside, 1.0, 0.0), tl.where(back, -1.0, 1.0))
    return value, rest, slope


@triton.jit
def neighbours(value, rest, size, mode, nearest):
    """Texels below and above a place along an axis of `size` texels, and the weight of the one above."""
    count = size.to(tl.float32)
    head = (value.to(tl.int32, bitcast=True) & -16384).to(tl.float32, bitcast=True)  # ten bits: the product is exact
    alone = nearest == 1
    place = head * count - tl.where(alone, 0.0, 0.5)
    rest = ((value - head) + rest) * count
    whole = floor(place + rest)
    part = (place - whole) + rest
    rounded_up = part < 0.0
    low = tl.where(rounded_up, whole - 1.0, whole).to(tl.int32)
    part = tl.where(rounded_up, part + 1.0, part)
    last = size - 1
    inside = tl.minimum(tl.maximum(low, 0), last)
    repeats = mode == _REPEAT
    below = tl.where(repeats & (low < 0), last, inside)
    above = tl.where(repeats & (low >= last), 0, tl.minimum(low + 1, last))
    return tl.where(alone, inside, below), tl.where(alone, inside, above), tl.where(alone, 0.0, part)


@triton.jit
def taps(level, height, width, wrap_u, wrap_v, nearest, u, u_rest, v, v_rest):
    """The texels bottom left, bottom right, top left, top right on a level, counted from its first; the weights of what
    is right and of what is on top; and the level's width and height, as floats."""
    width, height = tl.maximum(width >> level, 1), tl.maximum(height >> level, 1)
    left, right, across = neighbours(u, u_rest, width, wrap_u, nearest)
    low, high, up = neighbours(v, v_rest, height, wrap_v, nearest)
    bottom, top = (height - 1 - low) * width, (height - 1 - high) * width  # v points up, rows go down
    wide, tall = width.to(tl.float32), height.to(tl.float32)
    return bottom + left, bottom + right, top + left, top + right, across, up, wide, tall


@triton.jit
def log2(value):
    """log2 of a positive normal number: the exponent, and the series of artanh for the rest in [sqrt 1/2, sqrt 2]."""
    raw = value.to(tl.int32, bitcast=True)
    rest = ((raw & 0x7FFFFF) | 0x3F800000).to(tl.float32, bitcast=True)
    high = rest > 1.41421356
    rest = tl.where(high, rest * 0.5, rest)
    exponent = ((raw >> 23) - 127 + high.to(tl.int32)).to(tl.float32)
    t = tl.div_rn(rest - 1.0, rest + 1.0)
    tt = t * t
    series = (((0.32059890 * tt + 0.41219858) * tt + 0.57707802) * tt + 0.96179669) * tt + 2.88539008
    return exponent + t * series


@triton.jit
def between_levels(level, inside, last):
    """The finer of the two levels, the weight of the coarser one, and the derivative of the level by what it was before
    it was clamped."""
    fine = tl.minimum(floor(level), tl.cast(last, tl.float32))
    return fine.to(tl.int32), level - fine, tl.where(inside & (last > 0), 1.0, 0.0)


@triton.jit
def _given_level(level, last):
    """`between_levels` of a level that was asked for; NaN is level 0."""
    most = tl.cast(last, tl.float32)
    known = tl.where(level == level, level, 0.0)
    clamped = tl.minimum(tl.maximum(known, 0.0), most)
    return between_levels(clamped, (level >= 0.0) & (level <= most), last)


@triton.jit
def _footprint(derivatives, pixel, inside, height, width):
    """The sides of pixels' footprints in texels of level 0 (u by column, u by row, v by column, v by row; NaN counts as
    0), and the squared lengths of its two axes."""
    wide, tall = tl.cast(width, tl.float32), tl.cast(height, tl.float32)
    at = derivatives + pixel * 4
    u_column = tl.load(at, mask=inside, other=0.0)
    u_row = tl.load(at + 1, mask=inside, other=0.0)
    v_column = tl.load(at + 2, mask=inside, other=0.0)
    v_row = tl.load(at + 3, mask=inside, other=0.0)
    u_column = tl.where(u_column == u_column, u_column, 0.0) * wide
    u_row = tl.where(u_row == u_row, u_row, 0.0) * wide
    v_column = tl.where(v_column == v_column, v_column, 0.0) * tall
    v_row = tl.where(v_row == v_row, v_row, 0.0) * tall
    by_column = u_column * u_column + v_column * v_column
    by_row = u_row * u_row + v_row * v_row
    return u_column, u_row, v_column, v_row, by_column, by_row


@triton.jit
def _level_of(by_column, by_row, last):
    """`between_levels` of a footprint: log2 of its longer side."""
    square = tl.maximum(by_column, by_row)
    most = ((2 * last + 127 + tl.zeros_like(square).to(tl.int32)) << 23).to(tl.float32, bitcast=True)  # 4^last
    inside = (square >= 1.0) & (square <= most)
    return between_levels(0.5 * log2(tl.minimum(tl.maximum(square, 1.0), most)), inside, last)


@triton.jit
def mip_level(derivatives, level, pixel, seen, height, width, last):
    """`between_levels` of pixels, by their derivatives, by a given level or, if both are None, level 0; and what
    `_footprint` says of the derivatives."""
    none = tl.where(seen, 0.0, 0.0)
    fine, mix, slope = none.to(tl.int32), none, none
    u_column, u_row, v_column, v_row, by_column, by_row = none, none, none, none, none, none
    if derivatives is not None:
        u_column, u_row, v_column, v_row, by_column, by_row = _footprint(derivatives, pixel, seen, height, width)
        fine, mix, slope = _level_of(by_column, by_row, last)
    if level is not None:
        fine, mix, slope = _given_level(tl.load(level + pixel, mask=seen, other=0.0), last)
    return fine, mix, slope, u_column, u_row, v_column, v_row, by_column, by_row
