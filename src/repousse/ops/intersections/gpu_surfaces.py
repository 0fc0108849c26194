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
    found = asked & ~asked
    for i in tl.static_range(3):
        vertex = tl.load(faces + 3 * one + i, mask=asked, other=-1)
        for k in tl.static_range(3):
            found = found | (vertex == tl.load(faces + 3 * two + k, mask=asked, other=-2))
    return found


@triton.jit
def see(scene, line, face, asked):
    """The planes of faces (N, 2), seen from the centres of inner pixels.

    scene  (positions (B, V, 4) or (V, 4), faces, edge_faces, face_edges, consistent, height, width)
    line   (first vertex of the image int64, column and row float64, axis) (N, 1)

    Returns (front, whole, along, across, at): do they face the eye; are they seen other than edge-on; then the changes
    along the pair, those across and the values at the inner centre, of the corners' weights and, last, of the depth.
    """
    positions, faces, height, width = scene[0], scene[1], scene[5], scene[6]
    first_vertex, column, row, axis = line
    half = tl.full([], 0.5, tl.float64)
    u, v, w, z = (), (), (), ()
    for k in tl.static_range(3):
        corner = 4 * (first_vertex + tl.load(faces + 3 * face + k, mask=asked, other=0))
        cx = tl.load(positions + corner, mask=asked, other=0.0).to(tl.float64)
        cy = tl.load(positions + corner + 1, mask=asked, other=0.0).to(tl.float64)
        cz = tl.load(positions + corner + 2, mask=asked, other=0.0).to(tl.float64)
        cw = tl.load(positions + corner + 3, mask=asked, other=0.0).to(tl.float64)
        u = (*u, (cx + cw) * (width * half) - (column + 0.5) * cw)
        v = (*v, (cy + cw) * (height * half) - (row + 0.5) * cw)
        w, z = (*w, cw), (*z, cz)
    n0 = _cross(u[1], v[1], w[1], u[2], v[2], w[2])
    n1 = _cross(u[2], v[2], w[2], u[0], v[0], w[0])
    n2 = _cross(u[0], v[0], w[0], u[1], v[1], w[1])
    volume = n0[0] * u[0] + n0[1] * v[0] + n0[2] * w[0]
    whole = asked & (volume != 0)
    divisor = tl.where(whole, volume, 1.0)
    by_x = _linear(n0[0], n1[0], n2[0], divisor, z)
    by_y = _linear(n0[1], n1[1], n2[1], divisor, z)
    along, across = (), ()
    for k in tl.static_range(4):
        along = (*along, tl.where(axis == 0, by_x[k], by_y[k]))
        across = (*across, tl.where(axis == 0, by_y[k], by_x[k]))
    return volume < 0, whole, along, across, _linear(n0[2], n1[2], n2[2], divisor, z)


@triton.jit
def _cross(ax, ay, az, bx, by, bz):
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


@triton.jit
def _linear(a, b, c, divisor, z):
    """One coefficient of the three weights and of the depth, given those of the normals."""
    a, b, c = a / divisor, b / divisor, c / divisor
    return a, b, c, a * z[0] + b * z[1] + c * z[2]


@triton.jit
def _follow(scene, line, shown, direction, place, asked):
    """Follow surfaces from the faces that are shown to those at `place`, in the direction +1 or -1 along the line.

    Returns those faces and the place, or, if surfaces end or turn back before, the last faces and where that was; then
    the depth of these faces' planes as `see` does: its change along the pair and across, its value at the inner centre.
    """
    edge_faces, face_edges, consistent = scene[2], scene[3], scene[4]
    face, following, exit = shown, shown, tl.zeros_like(shown) - 1
    reached, slope, aside, level = place, place, place, place
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
        going = short & (exit >= 0) & (tl.zeros_like(exit) + step < _MAX_STEPS)
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
    _front, whole, along, _across, at = see(scene, line, shown, asked & every)
    offset, found = _meeting(along[3], at[3], asked & (tl.min(whole.to(tl.int32), 1, keep_dims=True) > 0))
    found = found & (offset >= -_SLACK) & (offset <= 1 + _SLACK)
    faces, slope, aside = shown, along[3], along[3]
    place = tl.where(outwards > 0, outwards, 0.0)
    first, last, before = offset, offset, offset
    stage = 0
    while (stage < 4) & (tl.max(found.to(tl.int32)) > 0):
        faces, reached, slope, aside, level = _follow(scene, line, shown, outwards, place, found & every)
        depth = level + place * slope
        behind = inner_of(depth) - outer_of(depth)  # of the inner surface
        if stage == 0:  # as far as both surfaces go
            one_surface = (inner_of(faces) == outer_of(shown)) | (outer_of(faces) == inner_of(shown))
            last, first = inner_of(reached), outer_of(reached)
            found = found & ~one_surface & (first < last)
            place = tl.where(every, first, place)
        elif stage == 1:  # where the second one begins
            before = behind
            place = tl.where(every, last, place)
        elif stage == 2:  # where the first one ends
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
