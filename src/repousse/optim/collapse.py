"""Collapsing edges that are too short."""

import numpy as np

from repousse.optim.surface import (
    Array,
    Connectivity,
    Surface,
    around,
    connect,
    gather,
    independent,
    qualities,
    shuffled_rank,
    turned,
)

_MOST_ROUNDS = 100
_TURN = 0.3  # cosine of the largest angle by which a face may turn
_POOR = 0.2  # quality below which a face must not fall
_CORNER = 0.77  # |sum of the directions to both neighbours on the border|: a turn of 45 degrees


def collapse(surface: Surface, shortest: float, longest: float) -> None:
    """Merge the ends of edges shorter than `shortest` times their target, until none is left that may be merged.

    The merged vertex lies in the middle, or on the end that is locked, or on the border. An edge is left alone if
    merging its ends would change the topology (the link condition, Dey et al. 1999), move a locked vertex or a corner
    of the border, turn or spoil a face, or make an edge longer than `longest` times its target.
    """
    refused = np.zeros(0, dtype=np.int64)
    for _ in range(_MOST_ROUNDS):
        links = connect(surface.faces, len(surface.rows))
        fixed = surface.locked | _corners(surface, links)
        # Of two ends the one of the higher grade stays in its place.
        grade = links.on_border.astype(np.int64) + 2 * fixed
        lengths = surface.relative_lengths(links.edges)
        names = links.edges.min(1) * len(surface.rows) + links.edges.max(1)
        candidate = (lengths < shortest) & ~links.irregular & ~fixed[links.edges].all(1)
        candidate &= links.border | ~links.on_border[links.edges].all(1)
        candidate &= ~np.isin(names, refused)
        index = candidate.nonzero()[0]
        if not len(index):
            break
        rank = shuffled_rank(np.floor(8 * lengths[index] / shortest))
        index = index[independent(links.edges[index], rank, len(surface.rows), links.edges)]
        tail, head = links.edges[index].T
        share = 0.5 + 0.5 * np.sign(grade[head] - grade[tail])[:, None]
        place = (1 - share) * surface.rows[tail] + share * surface.rows[head]
        good = _keeps_topology(links, index) & _keeps_shape(surface, links, index, place, longest)
        refused = np.concatenate([refused, names[index[~good]]])
        tail, head = tail[good], head[good]
        surface.rows[tail] = place[good]
        surface.locked[tail] |= surface.locked[head]
        goal = np.arange(len(surface.rows))
        goal[head] = tail
        faces = goal[surface.faces]
        surface.faces = faces[(faces != np.roll(faces, 1, 1)).all(1)]
    surface.compact()


def _corners(surface: Surface, links: Connectivity) -> Array:
    """bool (V): the border turns there by more than 45 degrees."""
    tail, head = links.edges[links.border].T
    along = surface.positions[head] - surface.positions[tail]
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), np.finfo(float).tiny)
    total = np.zeros((len(surface.rows), 3))
    np.add.at(total, tail, along)
    np.add.at(total, head, -along)
    return np.linalg.norm(total, axis=1) > _CORNER


def _keeps_topology(links: Connectivity, index: Array) -> Array:
    """bool (N): merging the ends of edge `index` leaves a manifold of the same topology."""
    tail, head = links.edges[index].T
    count = len(links.valence)
    # The neighbours that both ends have must be those across from the edge, no others.
    lists = around(links.edges.ravel(), links.edges[:, ::-1].ravel(), count)
    both = [which * count + neighbour for which, neighbour in (gather(lists, tail), gather(lists, head))]
    named = np.sort(np.concatenate(both))
    common = np.bincount(named[1:][named[1:] == named[:-1]] // count, minlength=len(index))
    good = common == np.where(links.border[index], 1, 2)
    # Those across lose a neighbour: three must be left around an inner vertex, two on the border.
    across = links.opposite[index]
    fewest = np.where(links.on_border[across], np.where(links.border[index][:, None], 3, 2), 4)
    return good & ((across < 0) | (links.valence[across] >= fewest)).all(1)


def _keeps_shape(surface: Surface, links: Connectivity, index: Array, place: Array, longest: float) -> Array:
    """bool (N): with the ends of edge `index` at `place` no face around turns or becomes poor, no edge too long."""
    ends = links.edges[index]
    lists = around(surface.faces.ravel(), np.repeat(np.arange(len(surface.faces)), 3), len(surface.rows))
    which, near = gather(lists, ends.ravel())
    which //= 2
    corners = surface.faces[near]
    moved = (corners == ends[which, :1]) | (corners == ends[which, 1:])
    stays = moved.sum(1) == 1
    which, corners, moved = which[stays], corners[stays], moved[stays]
    before = surface.rows[corners, :4]
    after = np.where(moved[:, :, None], place[which, None, :4], before)
    quality = qualities(after[:, :, :3])
    bad = turned(before[:, :, :3], after[:, :, :3], _TURN)
    bad |= (quality < _POOR) & (quality <= qualities(before[:, :, :3]))
    apart = np.linalg.norm(after[:, :, :3] - place[which, None, :3], axis=2)
    bad |= (apart > longest * (after[:, :, 3] + place[which, None, 3]) / 2).any(1)
    return np.bincount(which, bad, minlength=len(index)) == 0
