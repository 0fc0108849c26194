"""Polygons become triangles."""

import numpy as np


def fans(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of polygons, each a fan around its first corner.

    lengths  int (P,)  corners of each polygon; those with less than 3 have no triangle

    Returns corners int64 (T, 3), counted over all polygons, and the polygon of each triangle (T,).
    """
    if (lengths == 3).all():  # the usual case, and nothing to do
        return np.arange(3 * len(lengths)).reshape(-1, 3), np.arange(len(lengths))
    triangles = np.maximum(lengths - 2, 0)
    owner = np.repeat(np.arange(len(lengths)), triangles)
    local = np.arange(len(owner)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    first = (np.cumsum(lengths) - lengths)[owner]
    return np.stack((first, first + local + 1, first + local + 2), -1), owner
