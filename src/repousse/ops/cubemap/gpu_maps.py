"""From directions to texels of a cube map or of a lat-long image, as in maps.h: float64 for places."""

import triton
import triton.language as tl

from repousse.ops.gpu.angles import atan2

_PI = tl.constexpr(3.141592653589793)


@triton.jit
def on_face(x, y, z):
    """The axis (0, 1, 2) of the largest coordinate, whether that is negative, and the coordinates along the face's
    columns, along its rows and along the axis, of points in floats or in whole numbers."""
    ax, ay, az = tl.abs(x), tl.abs(y), tl.abs(z)
    by_z = az > tl.maximum(ax, ay)
    by_y = (ay > ax) & (az <= ay)
    axis = tl.where(by_z, 2, tl.where(by_y, 1, 0))
    depth = tl.where(by_z, z, tl.where(by_y, y, x))
    back = depth < 0
    s = tl.where(by_z, x, tl.where(by_y, x, -z))
    t = tl.where(by_y, z, -y)
    return axis, back, tl.where(back & (axis != 1), -s, s), tl.where(back & by_y, -t, t), depth


@triton.jit
def off_face(axis, back, s, t, depth):
    """The reverse: x, y, z. `depth` is that of a face that looks along a positive axis."""
    s = tl.where(back & (axis != 1), -s, s)
    t = tl.where(back & (axis == 1), -t, t)
    depth = tl.where(back, -depth, depth)
    x = tl.where(axis == 0, depth, s)
    y = tl.where(axis == 1, depth, -t)
    z = tl.where(axis == 2, depth, tl.where(axis == 1, t, -s))
    return x, y, z


@triton.jit
def between(at, size):
    """The texel below a coordinate in [0, 1] on an axis of `size` texels, -1 before the first, and the weight of the
    next one."""
    texels = at * tl.cast(size, tl.float64) - 0.5
    low = texels.to(tl.int32)
    low -= (low.to(tl.float64) > texels).to(tl.int32)
    return low, (texels - low.to(tl.float64)).to(tl.float32)


@triton.jit
def cube_texel(axis, back, row, column, size):
    """A cube map's texel where row or column may lie a step beyond the face's edge: the neighbour's texel there."""
    # Texel centres in three dimensions, on a cube of side 2 size: over the edge, the face's depth and the coordinate
    # that left it change their roles.
    s, t = 2 * column + 1 - size, 2 * row + 1 - size
    beyond = (tl.abs(s) > size) | (tl.abs(t) > size)
    s, t = tl.minimum(tl.maximum(s, -size), size), tl.minimum(tl.maximum(t, -size), size)
    x, y, z = off_face(axis, back, s, t, size - 1)
    other_axis, other_back, other_s, other_t, _ = on_face(x, y, z)
    face = tl.where(beyond, 2 * other_axis + other_back.to(tl.int32), 2 * axis + back.to(tl.int32))
    column = tl.where(beyond, (other_s + size - 1) >> 1, column)
    row = tl.where(beyond, (other_t + size - 1) >> 1, row)
    return (face.to(tl.int64) * size + row) * size + column


@triton.jit
def place_of(x, y, z, CUBE: tl.constexpr):
    """Where directions (float64, not zero) meet the map: axis and back of a cube's face, x and y in [0, 1]."""
    if CUBE:
        axis, back, s, t, depth = on_face(x, y, z)
        scale = 0.5 / tl.abs(depth)
        found = axis, back, s * scale + 0.5, t * scale + 0.5
    else:
        flat = x * x + z * z
        pole = flat == 0.0
        across = atan2(z, tl.where(pole, 1.0, x)) / (2.0 * _PI) + 0.5
        axis, back = tl.zeros_like(pole.to(tl.int32)), pole
        found = axis, back, across, atan2(tl.sqrt(flat), y) / _PI
    return found


@triton.jit
def pulled_direction(x, y, z, by_x, by_y, CUBE: tl.constexpr):
    """The gradient of a direction (float64), given that of its place on the map."""
    if CUBE:
        axis, back, s, t, depth = on_face(x, y, z)
        scale = 0.5 / tl.abs(depth)
        by_depth = -(by_x * s + by_y * t) * scale / depth
        found = off_face(axis, back, by_x * scale, by_y * scale, tl.where(back, -by_depth, by_depth))
    else:
        flat = x * x + z * z
        pole = flat == 0.0
        flat = tl.where(pole, 1.0, flat)
        radius = tl.sqrt(flat)
        around = by_x / (2.0 * _PI * flat)
        scale = by_y / (_PI * (flat + y * y))
        down = y / radius * scale
        around, down = tl.where(pole, 0.0, around), tl.where(pole, 0.0, down)
        found = x * down - z * around, tl.where(pole, 0.0, -radius * scale), z * down + x * around
    return found


@triton.jit
def taps(axis, back, x, y, height, width, CUBE: tl.constexpr):
    """The texels around places on a level, counted from its first: top left, top right, bottom left, bottom right;
    the weights of what is right in the upper and in the lower row, and of the lower row; which of the four (0 to 3,
    else 4) lies beyond a corner, where the mean of the other three stands (in its place is another of them); and a
    number that these four texels have alone."""
    low, down = between(y, height)
    if CUBE:
        left, across = between(x, width)
        t0, t1 = cube_texel(axis, back, low, left, width), cube_texel(axis, back, low, left + 1, width)
        t2, t3 = cube_texel(axis, back, low + 1, left, width), cube_texel(axis, back, low + 1, left + 1, width)
        over_x, over_y = (left < 0) | (left + 1 >= width), (low < 0) | (low + 1 >= height)
        corner = tl.where(left < 0, 0, 1) + tl.where(low < 0, 0, 2)
        corner = tl.where(over_x & over_y, corner, 4)
        t0, t1 = tl.where(corner == 0, t1, t0), tl.where(corner == 1, t0, t1)
        t2, t3 = tl.where(corner == 2, t3, t2), tl.where(corner == 3, t2, t3)
        face = (2 * axis + back.to(tl.int32)).to(tl.int64)
        place = (face * (width + 2) + low + 1) * (width + 2) + left + 1
        found = t0, t1, t2, t3, across, across, down, corner, place
    else:
        # Over a pole: the same row, half around.
        last = height - 1
        left, across = between(tl.where(low < 0, x + 0.5, x), width)
        next_left, next_across = between(tl.where(low >= last, x + 0.5, x), width)
        left, next_left = (left + width) % width, (next_left + width) % width
        top = tl.maximum(low, 0).to(tl.int64) * width
        bottom = tl.minimum(low + 1, last).to(tl.int64) * width
        right, next_right = (left + 1) % width, (next_left + 1) % width
        corner = tl.zeros_like(low) + 4
        # Half around is one of two columns where the width is odd.
        place = ((low.to(tl.int64) + 1) * width + left) * 2 + ((next_left - left + width) % width & 1)
        bottom_left, bottom_right = bottom + next_left, bottom + next_right
        found = top + left, top + right, bottom_left, bottom_right, across, next_across, down, corner, place
    return found
