"""Flipping edges so that vertices get six neighbours."""

import numpy as np

from repousse.optim.surface import Array, Connectivity, Surface, connect, independent, qualities, shuffled_rank, turned

_MOST_ROUNDS = 12
_TURN = 0.5  # cosine of the largest angle between a new face and each of the two that it replaces
_POOR = 0.4  # quality below which a face must not fall


def flip(surface: Surface) -> None:
    """Give an edge to the two vertices across from it wherever that brings the four closer to their best valence.

    The best valence is 6, on the border 4; the measure is the sum of squared differences. Edges of poor faces (caps)
    are also flipped if the worse of the two faces becomes better. The surface's topology stays as it is; an edge is
    left alone if the new one exists already, or if a face would turn or become poor.
    """
    for _ in range(_MOST_ROUNDS):
        links = connect(surface.faces, len(surface.rows))
        inner = (~links.border & ~links.irregular).nonzero()[0]
        gain = _gain(links, inner)
        corners = surface.positions[surface.faces]
        quality = qualities(corners)
        worse = quality[links.edge_faces[inner]].min(1)
        worth = (gain > 0) | (worse < _POOR)
        index, gain, worse = inner[worth], gain[worth], worse[worth]
        good = _keeps_topology(links, index, len(surface.rows))
        index, gain, worse = index[good], gain[good], worse[good]
        new = _flipped(links, index)
        after = surface.positions[new]
        lowest = np.minimum(qualities(after[:, 0]), qualities(after[:, 1]))
        good = np.where(gain > 0, lowest >= np.minimum(worse, _POOR), lowest > 1.1 * worse)
        for old in links.edge_faces[index].T:
            good &= ~turned(corners[old], after[:, 0], _TURN) & ~turned(corners[old], after[:, 1], _TURN)
        if not good.any():
            return
        index, gain, new = index[good], gain[good], new[good]
        touched = np.concatenate([links.edges[index], links.opposite[index]], 1)
        chosen = independent(touched, shuffled_rank(-gain), len(surface.rows))
        surface.faces[links.edge_faces[index[chosen]]] = new[chosen]


def _gain(links: Connectivity, index: Array) -> Array:
    """int (N): by how much flipping edge `index` lowers the sum of squared differences from the best valence."""
    excess = links.valence - np.where(links.on_border, 4, 6)
    ends, across = excess[links.edges[index]].sum(1), excess[links.opposite[index]].sum(1)
    return 2 * (ends - across) - 4  # sum of e^2 - (e -+ 1)^2


def _keeps_topology(links: Connectivity, index: Array, vertex_count: int) -> Array:
    """bool (N): edge `index` can be flipped: there is no such edge yet, and its ends keep enough neighbours."""
    names = np.sort(links.edges.min(1) * vertex_count + links.edges.max(1))
    across = links.opposite[index]
    wanted = across.min(1) * vertex_count + across.max(1)
    place = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
    ends = links.edges[index]
    enough = links.valence[ends] > np.where(links.on_border[ends], 2, 3)
    return (names[place] != wanted) & (across[:, 0] != across[:, 1]) & enough.all(1)


def _flipped(links: Connectivity, index: Array) -> Array:
    """int64 (N, 2, 3): the two faces along edge `index` after the flip."""
    a, b = links.edges[index].T
    c, d = links.opposite[index].T
    return np.stack([np.stack([a, d, c], 1), np.stack([d, b, c], 1)], 1)
