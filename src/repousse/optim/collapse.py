"""Collapsing edges that are too short."""

import numpy as np

from repousse.optim.surface import (
    Array,
    Connectivity,
    Surface,
    connect,
    cross,
    dot,
    doubled_areas,
    independent,
    lengths,
    qualities,
    shuffled_rank,
    turned,
)

_MOST_ROUNDS = 100
_FEW = 0.005  # of the edges: a round costs the same for few as for many, so few are left to the next pass
_TURN = 0.3  # cosine of the largest angle by which a face may turn
_APART = 0.2  # cosine of the largest angle between a face and the mean of those around the merged vertex
_POOR = 0.2  # quality below which a face must not fall
_CORNER = 0.77  # |sum of the directions to both neighbours on the border|: a turn of 45 degrees


def collapse(surface: Surface, shortest: float, longest: float) -> None:
    """Merge the ends of edges shorter than `shortest` times their target, until hardly any is left that may be merged.

    The merged vertex lies above the middle, so that the volume stays what it was (Lindstrom and Turk 1998); or on the
    end that is locked or a corner of the border; or on the border. An edge is left alone if merging its ends would
    change the topology (the link condition, Dey et al. 1999), move a locked vertex or a corner of the border, turn or
    spoil a face, or make an edge longer than `longest` times its target.
    """
    refused = np.zeros(0, dtype=np.int64)
    for _ in range(_MOST_ROUNDS):
        links = connect(surface.faces, len(surface.rows))
        fixed = surface.locked | _corners(surface, links)
        relative = surface.relative_lengths(links.edges)
        index = ((relative < shortest) & ~links.irregular).nonzero()[0]
        tail, head = links.edges[index].T
        allowed = links.border[index] | ~(links.on_border[tail] & links.on_border[head])
        names = np.minimum(tail, head) * len(surface.rows) + np.maximum(tail, head)
        allowed &= ~(fixed[tail] & fixed[head])
        if len(refused):
            allowed &= ~np.isin(names, refused, assume_unique=True)
        index, names = index[allowed], names[allowed]
        if len(index) <= _FEW * len(links.edges):
            break
        rank = shuffled_rank(np.floor(8 * relative[index] / shortest))
        chosen = independent(links.edges[index], rank, len(surface.rows), links.edges)
        index, names = index[chosen], names[chosen]
        # Of two ends the one of the higher grade stays in its place.
        grade = links.on_border.astype(np.int64) + 2 * fixed
        good = _merge(surface, links, index, grade, longest)
        refused = np.concatenate([refused, names[~good]])
    surface.compact()


def _merge(surface: Surface, links: Connectivity, index: Array, grade: Array, longest: float) -> Array:
    """Merge the ends of the edges `index` (N), no two of which are neighbours, where that does no harm: bool (N)."""
    tail, head = links.edges[index].T
    # Which of the edges a vertex ends, and so which edge's surroundings a face belongs to: no face to those of two.
    owner = np.full(len(surface.rows), -1)
    owner[tail] = owner[head] = np.arange(len(index))
    of_face = np.maximum.reduce([owner[corner] for corner in surface.faces.T])
    near = (of_face >= 0).nonzero()[0]
    of_face = of_face[near]
    share = 0.5 + 0.5 * np.sign(grade[head] - grade[tail])[:, None]
    place = (1 - share) * surface.rows[tail] + share * surface.rows[head]
    inner = (grade[tail] == 0) & (grade[head] == 0)
    corners = surface.faces[near]
    place[inner, :3] += _lift(surface, corners, owner[corners] >= 0, of_face, place[:, :3])[inner]
    good = _keeps_topology(links, index, owner)
    good &= _keeps_shape(surface, corners, owner[corners] >= 0, of_face, place, longest)
    tail, head = tail[good], head[good]
    surface.rows[tail] = place[good]
    surface.locked[tail] |= surface.locked[head]
    goal = np.arange(len(surface.rows))
    goal[head] = tail
    faces = goal[surface.faces]
    a, b, c = faces.T
    surface.faces = faces[(a != b) & (b != c) & (c != a)]
    return good


def _corners(surface: Surface, links: Connectivity) -> Array:
    """bool (V): the border turns there by more than 45 degrees."""
    tail, head = links.edges[links.border].T
    along = surface.positions[head] - surface.positions[tail]
    along /= np.maximum(lengths(along), np.finfo(float).tiny)[:, None]
    total = np.zeros((len(surface.rows), 3))
    np.add.at(total, tail, along)
    np.add.at(total, head, -along)
    return lengths(total) > _CORNER


def _lift(surface: Surface, corners: Array, moved: Array, of_face: Array, place: Array) -> Array:
    """(N, 3): how far above `place` the merged vertex encloses the volume that the faces around it enclose now.

    With `place` as origin a face (a, b, c) encloses a.(b x c) / 6, and a face around the merged vertex p encloses
    p.(b x c) / 6; so p = sum of a.(b x c), along the sum of b x c over those that stay, over its length.
    """
    a, b, c = (surface.positions[corners[:, k]] - place[of_face] for k in range(3))
    count = len(place)
    volume = np.bincount(of_face, dot(a, cross(b, c)), minlength=count)
    # b x c for the corner that moves; 0 for faces that vanish.
    sides = np.zeros_like(a)
    for k, (first, second) in enumerate(((b, c), (c, a), (a, b))):
        alone = moved[:, k] & ~moved[:, k - 1] & ~moved[:, k - 2]
        sides[alone] = cross(first, second)[alone]
    area = np.stack([np.bincount(of_face, column, minlength=count) for column in sides.T], 1)
    square = dot(area, area)
    return area * (volume / np.where(square > 0, square, 1))[:, None]


def _keeps_topology(links: Connectivity, index: Array, owner: Array) -> Array:
    """bool (N): merging the ends of edge `index` leaves a manifold of the same topology."""
    count = len(links.valence)
    # The neighbours that both ends have must be those across from the edge, no others.
    tail, head = links.edges.T
    named = [owner[here] * count + there for here, there in ((tail, head), (head, tail))]
    pairs = np.concatenate(
        [
            pair[(owner[here] >= 0) & (owner[tail] != owner[head])]
            for pair, here in zip(named, (tail, head), strict=True)
        ]
    )
    pairs = np.sort(pairs)
    common = np.bincount(pairs[1:][pairs[1:] == pairs[:-1]] // count, minlength=len(index))
    good = common == np.where(links.border[index], 1, 2)
    # Those across lose a neighbour: three must be left around an inner vertex, two on the border.
    for across in links.opposite[index].T:
        fewest = np.where(links.on_border[across], np.where(links.border[index], 3, 2), 4)
        good &= (across < 0) | (links.valence[across] >= fewest)
    return good


def _keeps_shape(surface: Surface, corners: Array, moved: Array, of_face: Array, place: Array, longest: float) -> Array:
    """bool (N): with the ends of the edges at `place` no face around turns or becomes poor, and no edge too long.

    corners  int (K, 3)   of the faces around
    moved    bool (K, 3)  which of them are ends of the edge; faces with two vanish
    of_face  int (K)      the edge in [0, N)
    """
    stays = moved[:, 0] ^ moved[:, 1] ^ moved[:, 2]
    corners, moved, of_face = corners[stays], moved[stays], of_face[stays]
    before = surface.rows[:, :4][corners]
    there = place[of_face, :4]
    after = np.where(moved[:, :, None], there[:, None], before)
    bad = turned(before[:, :, :3], after[:, :, :3], _TURN)
    # Faces that turn a little each, one this way and one that, may still come to look away from each other.
    normals = doubled_areas(after[:, :, :3])
    mean = np.stack([np.bincount(of_face, column, minlength=len(place)) for column in normals.T], 1)[of_face]
    bad |= dot(normals, mean) <= _APART * lengths(normals) * lengths(mean)
    quality = qualities(after[:, :, :3])
    bad |= (quality < _POOR) & (quality <= qualities(before[:, :, :3]))
    for k in range(3):
        apart = lengths(after[:, k, :3] - there[:, :3])
        bad |= apart > longest * (after[:, k, 3] + there[:, 3]) / 2
    return np.bincount(of_face, bad, minlength=len(place)) == 0
