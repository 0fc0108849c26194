"""Splitting edges that are too long."""

import numpy as np

from repousse.optim.surface import Surface, connect, doubled_areas, lengths

_MOST_FACES = 20_000_000
_MOST_ROUNDS = 64


def split(surface: Surface, longest: float) -> None:
    """Halve every edge longer than `longest` times its target, until there is none.

    All at once: a face is cut into two, three or four according to how many of its edges are halved. The pieces lie
    in the face, so the surface stays where it is; new vertices get the mean of all that the ends have. Any mesh will
    do. ValueError if that takes more than 20 million faces.
    """
    # A face with sides of length s has at most the area of the equilateral one.
    largest = 3**0.5 / 4 * (longest * surface.target[surface.faces].max(1)) ** 2
    _check_count((lengths(doubled_areas(surface.positions[surface.faces])) / 2 / largest).sum())
    for _ in range(_MOST_ROUNDS):
        links = connect(surface.faces, len(surface.rows))
        cut = surface.relative_lengths(links.edges) > longest
        if not cut.any():
            return
        halves = cut[links.face_edges]
        _check_count(len(surface.faces) + halves.sum())
        ends = links.edges[cut]
        middle = np.full(len(links.edges), -1)
        middle[cut] = len(surface.rows) + np.arange(len(ends))
        surface.rows = np.concatenate([surface.rows, surface.rows[ends].mean(1)])
        surface.locked = np.concatenate([surface.locked, links.irregular[cut]])
        surface.faces = _cut(surface, middle[links.face_edges])


def _check_count(faces: float) -> None:
    if faces > _MOST_FACES:
        raise ValueError(
            f"remesh: edges this short take more than {_MOST_FACES} faces. Give a larger `edge_length`; it is in the "
            "units of `positions`."
        )


def _cut(surface: Surface, middle: np.ndarray) -> np.ndarray:
    """The faces, each cut along its edges' new vertices `middle` (F, 3), -1 for edges that stay."""
    faces, marks = surface.faces, middle >= 0
    number = marks.sum(1)
    pieces = [faces[number == 0]]
    for wanted, first in ((1, marks), (2, ~marks), (3, np.ones_like(marks))):
        # Turn the corners so that the only edge that is cut, or the only one that is not, is the first.
        chosen = number == wanted
        turn = (first[chosen].argmax(1)[:, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(faces[chosen], turn, 1).T
        ab, bc, ca = np.take_along_axis(middle[chosen], turn, 1).T
        if wanted == 1:
            pieces += [np.stack(corners, 1) for corners in ((a, ab, c), (ab, b, c))]
        elif wanted == 2:
            pieces.append(np.stack([c, ca, bc], 1))
            # The rest has four corners: cut it along its shorter diagonal.
            points = surface.positions
            straight = ((points[a] - points[bc]) ** 2).sum(1) <= ((points[b] - points[ca]) ** 2).sum(1)
            pieces.append(np.stack([a, b, np.where(straight, bc, ca)], 1))
            pieces.append(np.stack([np.where(straight, a, b), bc, ca], 1))
        else:
            pieces += [np.stack(corners, 1) for corners in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    return np.concatenate(pieces)
