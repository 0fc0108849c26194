"""Surfaces along the line between the centres of two pixels: the steps of native.cpp, in the same order in float64.

Blocks are (N, 1), with a row for each pair of pixels, or (N, 2): of the surfaces that its inner and outer pixel show.
"""

import triton
import triton.language as tl

_FLATTEST = tl.constexpr(1e-6)  # change of the difference of two depths per pixel below which two surfaces count as one
_SLACK = tl.constexpr(1.0)  # how far outside of the pair the planes of the two faces may meet, in pixels
_MAX_STEPS = tl.constexpr(64)  # faces between two pixel centres


@triton.jit
def common_vertex(faces, one, two, asked):
    """Which of the `asked` pairs of faces have a vertex in common."""
    a = tl.load(faces + 3 * one, mask=asked, other=-1)
    b = tl.load(faces + 3 * one + 1, mask=asked, other=-1)
    c = tl.load(faces + 3 * one + 2, mask=asked, other=-1)
    found = asked & ~asked
    for k in tl.static_range(3):
        vertex = tl.load(faces + 3 * two + k, mask=asked, other=-2)
        found = found | (vertex == a) | (vertex == b) | (vertex == c)
    return found


@triton.jit
def see(scene, line, face, asked):
    """The planes of faces (N, 2), seen from the centres of inner pixels.

    scene  (positions (B, V, 4) or (V, 4), faces, edge_faces, face_edges, consistent, height, width)
    line   (first vertex of the image int64, column and row float64, axis) (N, 1)

    Returns (front, whole, along, across, at): do they face the eye; are they seen other than edge-on; then the changes
    along the pair, those across and the values at the inner centre, of the corners' weights and, last, of the depth.
    """
    u0, v0, w0, z0 = _corner(scene, line, face, asked, 0)
    u1, v1, w1, z1 = _corner(scene, line, face, asked, 1)
    u2, v2, w2, z2 = _corner(scene, line, face, asked, 2)
    x0, y0, one0 = v1 * w2 - w1 * v2, w1 * u2 - u1 * w2, u1 * v2 - v1 * u2
    x1, y1, one1 = v2 * w0 - w2 * v0, w2 * u0 - u2 * w0, u2 * v0 - v2 * u0
    x2, y2, one2 = v0 * w1 - w0 * v1, w0 * u1 - u0 * w1, u0 * v1 - v0 * u1
    volume = x0 * u0 + y0 * v0 + one0 * w0
    whole = asked & (volume != 0)
    divisor = tl.where(whole, volume, 1.0)
    by_x = _linear(x0, x1, x2, divisor, z0, z1, z2)
    by_y = _linear(y0, y1, y2, divisor, z0, z1, z2)
    in_row = line[3] == 0
    at = _linear(one0, one1, one2, divisor, z0, z1, z2)
    return volume < 0, whole, _choose(in_row, by_x, by_y), _choose(in_row, by_y, by_x), at


@triton.jit
def _corner(scene, line, face, asked, K: tl.constexpr):
    """A corner of faces as (w times its pixels from the inner centre, w), and its z."""
    positions, faces, height, width = scene[0], scene[1], scene[5], scene[6]
    first_vertex, column, row, _axis = line
    half = tl.full([], 0.5, tl.float64)
    at = positions + 4 * (first_vertex + tl.load(faces + 3 * face + K, mask=asked, other=0))
    x = tl.load(at, mask=asked, other=0.0).to(tl.float64)
    y = tl.load(at + 1, mask=asked, other=0.0).to(tl.float64)
    z = tl.load(at + 2, mask=asked, other=0.0).to(tl.float64)
    w = tl.load(at + 3, mask=asked, other=0.0).to(tl.float64)
    return (x + w) * (width * half) - (column + 0.5) * w, (y + w) * (height * half) - (row + 0.5) * w, w, z


@triton.jit
def _linear(a, b, c, divisor, z0, z1, z2):
    """One coefficient of the three weights and of the depth, given those of the normals."""
    a, b, c = a / divisor, b / divisor, c / divisor
    return a, b, c, a * z0 + b * z1 + c * z2


@triton.jit
def _choose(condition, one, two):
    a, b = tl.where(condition, one[0], two[0]), tl.where(condition, one[1], two[1])
    return a, b, tl.where(condition, one[2], two[2]), tl.where(condition, one[3], two[3])


@triton.jit
def _follow(scene, line, shown, direction, place, most, asked):
    """Follow surfaces from the faces that are shown to those at `place`, in the direction +1 or -1 along the line.

    most  steps from face to face that are taken; a number

    Returns those faces and the place, or, if surfaces end or turn back before, the last faces and where that was; then
    the depth of these faces' planes as `see` does: its change along the pair (NaN if a shown face is seen edge-on), its
    change across, and its value at the inner centre.
    """
    edge_faces, face_edges, consistent = scene[2], scene[3], scene[4]
    face, following, exit = shown, shown, tl.zeros_like(shown) - 1
    reached, slope, aside, level = place, tl.zeros_like(place) + float("nan"), place, place
    going, front = asked, asked
    step = 0
    while tl.max(going.to(tl.int32)) > 0:
        onto_front, whole, along, across, at = see(scene, line, following, going)
        alike = tl.load(consistent + exit, mask=going & (exit >= 0), other=0) != 0
        going = going & whole & ((exit < 0) | ((onto_front == front) == alike))
        face = tl.where(going, following, face)
        slope, aside = tl.where(going, along[3], slope), tl.where(going, across[3], aside)
        level = tl.where(going, at[3], level)
        entered, front = exit, onto_front
        first = tl.zeros_like(place) + float("inf")
        exit = tl.zeros_like(face) - 1
        for k in tl.static_range(3):
            edge = tl.load(face_edges + 3 * face + (k + 1) % 3, mask=going, other=-1)  # across from corner k
            falls = direction * along[k] < 0
            there = direction * (-at[k] / tl.where(falls, along[k], 1.0))
            leaves = falls & (edge != entered) & (there < first)
            first = tl.where(leaves, there, first)
            exit = tl.where(leaves, edge, exit)
        short = going & ~(first >= direction * place)
        reached = tl.where(going, tl.where(short, direction * first, place), reached)
        going = short & (exit >= 0) & (tl.zeros_like(exit) + step < most)
        one = tl.load(edge_faces + 2 * exit, mask=going, other=-1)
        two = tl.load(edge_faces + 2 * exit + 1, mask=going, other=-1)
        following = tl.where(one == face, two, one)
        going = going & (following >= 0)
        step += 1
    return face, reached, slope, aside, level


@triton.jit
def inner_of(both):
    """The column (N, 1) of inner pixels."""
    return tl.sum(tl.where(tl.arange(0, 2)[None, :] == 0, both, 0), 1, keep_dims=True)


@triton.jit
def outer_of(both):
    """The column (N, 1) of outer pixels."""
    return tl.sum(tl.where(tl.arange(0, 2)[None, :] == 1, both, 0), 1, keep_dims=True)


@triton.jit
def _meeting(along, at, asked):
    """Where planes meet, in pixels from the inner centre, and whether they do at all, in the right order; (N, 1)."""
    apart = inner_of(along) - outer_of(along)
    meet = asked & (apart > _FLATTEST)
    return (outer_of(at) - inner_of(at)) / tl.where(meet, apart, 1.0), meet


@triton.jit
def find_meeting(scene, line, shown, asked):
    """Where the surfaces meet that pairs of pixels show.

    scene, line  as for `see`
    shown        int32 (N, 2)  the faces that the pairs show: without a common vertex
    asked        (N, 1)

    Returns the faces that meet (N, 2), where in pixels from the inner centre (N, 1), and whether they do (N, 1).
    """
    outwards = tl.where(tl.arange(0, 2)[None, :] == 0, 1.0, -1.0).to(tl.float64) + tl.zeros(shown.shape, tl.float64)
    every = shown == shown
    found = asked
    faces, slope, aside = shown, outwards, outwards
    place = tl.where(outwards > 0, outwards, 0.0)
    offset = inner_of(outwards)
    first, last, before = offset, offset, offset
    stage = 0
    while (stage < 5) & (tl.max(found.to(tl.int32)) > 0):
        most = tl.where(stage == 0, 0, _MAX_STEPS)
        faces, reached, slope, aside, level = _follow(scene, line, shown, outwards, place, most, found & every)
        depth = level + place * slope
        behind = inner_of(depth) - outer_of(depth)  # of the inner surface
        if stage == 0:  # the planes of the faces that are shown
            offset, found = _meeting(slope, level, found)
            found = found & (offset >= -_SLACK) & (offset <= 1 + _SLACK)
        elif stage == 1:  # as far as both surfaces go
            one_surface = (inner_of(faces) == outer_of(shown)) | (outer_of(faces) == inner_of(shown))
            last, first = inner_of(reached), outer_of(reached)
            found = found & ~one_surface & (first < last)
            place = tl.where(every, first, place)
        elif stage == 2:  # where the second one begins
            before = behind
            place = tl.where(every, last, place)
        elif stage == 3:  # where the first one ends
            found = found & (before <= 0) & (behind >= 0) & (behind - before > _FLATTEST * (last - first))
            guess = first - before * (last - first) / tl.where(found, behind - before, 1.0)
            place = tl.where(every, guess, place)
        else:  # about where they meet
            offset, found = _meeting(slope, level, found)
        stage += 1
    if tl.max(found.to(tl.int32)) > 0:
        found = found & ~common_vertex(scene[1], inner_of(faces), outer_of(faces), found)
    apart, across = inner_of(slope) - outer_of(slope), tl.abs(inner_of(aside) - outer_of(aside))
    found = found & ~tl.where(line[3] == 0, across > apart, across >= apart)
    return faces, tl.minimum(1.0, tl.maximum(0.0, offset)), found
