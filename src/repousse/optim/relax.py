"""Moving vertices along the surface so that faces become even."""

import numpy as np

from repousse.optim.surface import Surface, connect, cross, dot, doubled_areas, lengths, qualities, turned

_TURN = 0.7  # cosine of the largest angle by which a face may turn
_POOR = 0.2  # quality below which a face must not fall


def relax(surface: Surface, amount: float) -> None:
    """Move each vertex by `amount` of the way to the middle of the faces around it, without leaving the surface.

    The middle is the mean of the faces' centres, weighted by area over target length squared, so that faces become
    equally large where targets are equal. The vertex is put on the face around it that lies nearest to the way there;
    all that it carries becomes that of the new place. Vertices that are locked or on the border stay, and so do those
    whose move would turn a face or make it poor.
    """
    faces, count = surface.faces, len(surface.rows)
    links = connect(faces, count)
    free = ~(surface.locked | links.on_border)
    free[links.edges[links.irregular]] = False
    corners = surface.positions[faces]
    normals = doubled_areas(corners)
    weight = lengths(normals) / surface.target[faces].mean(1) ** 2
    moments = np.concatenate([weight[:, None] * corners.mean(1), weight[:, None]], 1)
    sums = np.stack([np.bincount(faces.ravel(), np.repeat(column, 3), minlength=count) for column in moments.T], 1)
    free &= sums[:, 3] > 0
    way = amount * (sums[:, :3] / np.where(free, sums[:, 3], 1)[:, None] - surface.positions)
    new = surface.rows.copy()
    new[free] = _walk(surface, normals, way)[free]
    before = qualities(corners)
    while True:
        after = new[faces, :3]
        quality = qualities(after)
        bad = turned(corners, after, _TURN) | ((quality < _POOR) & (quality < before))
        back = np.zeros(count, dtype=bool)
        back[faces[bad]] = True
        back &= (new[:, :3] != surface.positions).any(1)
        if not back.any():
            surface.rows = new
            return
        new[back] = surface.rows[back]


def _walk(surface: Surface, normals: np.ndarray, way: np.ndarray) -> np.ndarray:
    """float64 (V, 3 + 1 + C): what the surface is like at each vertex moved by `way` (V, 3) along it."""
    faces, rows = surface.faces, surface.rows
    squares = dot(normals, normals)
    best = np.full(len(rows), -np.inf)
    shares = []
    for k in range(3):
        here, there, third = faces[:, k], faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        # Barycentric weights of the corners of each face, for the goal of its corner k projected into its plane.
        first, second = rows[there, :3] - rows[here, :3], rows[third, :3] - rows[here, :3]
        goal = way[here]
        scale = np.where(squares > 0, squares, 1)
        towards = dot(cross(goal, second), normals) / scale
        beyond = dot(cross(first, goal), normals) / scale
        inside = np.minimum(towards, beyond)
        inside[squares == 0] = -np.inf
        np.maximum.at(best, here, inside)
        shares.append((inside, towards, beyond))
    result = rows.copy()
    for k, (inside, towards, beyond) in enumerate(shares):
        # In the face that contains the goal, or comes nearest to it, up to its far side.
        chosen = (inside == best[faces[:, k]]) & np.isfinite(inside)
        weights = np.clip(np.stack([towards, beyond], 1)[chosen], 0, 1)
        weights /= np.maximum(weights.sum(1, keepdims=True), 1)
        here, there, third = (faces[chosen, (k + step) % 3] for step in range(3))
        moved = weights[:, :1] * (rows[there] - rows[here]) + weights[:, 1:] * (rows[third] - rows[here])
        result[here] = rows[here] + moved
    return result
