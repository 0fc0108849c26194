"""The rasteriser of the released code in float64: every border belongs to the face, no snapping."""

from typing import NamedTuple

import numpy as np


class Forward(NamedTuple):
    """What each pixel shows, row 0 on top: `face_id` (H, W), `weights` (H, W, 3), `depth` (H, W)."""

    face_id: np.ndarray
    weights: np.ndarray
    depth: np.ndarray


def released_forward(faces: np.ndarray, size: tuple[int, int], near: float = 0.1, far: float = 100.0) -> Forward:
    """Draws `faces` (F, 3, 3) of (x right, y up, z): no clockwise ones, near < z < far, nearest wins."""
    height, width = size
    face_id = np.full((height, width), -1)
    weights = np.zeros((height, width, 3))
    depth = np.full((height, width), float(far))
    grid_x = (2 * np.arange(width) + 1 - width) / width
    grid_y = (2 * np.arange(height) + 1 - height) / height  # from the bottom
    with np.errstate(all="ignore"):
        for index, face in enumerate(np.asarray(faces, np.float64)):
            _draw(index, face, grid_x, grid_y, near, face_id, weights, depth)
    return Forward(face_id[::-1], weights[::-1], depth[::-1])


def _draw(index, face, grid_x, grid_y, near, face_id, weights, depth) -> None:
    (x0, y0), (x1, y1), (x2, y2) = face[:, :2]
    if (y2 - y0) * (x1 - x0) < (y1 - y0) * (x2 - x0):
        return
    columns = np.flatnonzero((grid_x >= min(x0, x1, x2)) & (grid_x <= max(x0, x1, x2)))
    rows = np.flatnonzero((grid_y >= min(y0, y1, y2)) & (grid_y <= max(y0, y1, y2)))
    if not (len(columns) and len(rows)):
        return
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    x, y = grid_x[None, columns], grid_y[rows, None]
    inside = np.ones((len(rows), len(columns)), bool)
    for (xa, ya), (xb, yb) in (((x0, y0), (x1, y1)), ((x1, y1), (x2, y2)), ((x2, y2), (x0, y0))):
        inside &= ~((y - ya) * (xb - xa) < (x - xa) * (yb - ya))
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
    w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
    w = np.stack([1 - w1 - w2, w1, w2], -1).clip(0, 1)
    w /= w.sum(-1, keepdims=True)
    z = 1 / (w / face[:, 2]).sum(-1)
    closer = inside & (near < z) & (z < depth[box])
    face_id[box][closer] = index
    weights[box][closer] = w[closer]
    depth[box][closer] = z[closer]


def sample(textures: np.ndarray, seen: Forward, z: np.ndarray, eps: float) -> np.ndarray:
    """Colours (H, W, 3) of cubes (F, T, T, T, 3) on faces with corner depths `z` (F, 3); 0 where empty."""
    size = textures.shape[1]
    image = np.zeros((*seen.face_id.shape, 3))
    for row, column in np.argwhere(seen.face_id >= 0):
        face = seen.face_id[row, column]
        t = seen.weights[row, column] * (size - 1) * seen.depth[row, column] / z[face]
        t = t.clip(0, size - 1 - eps)
        low = t.astype(int)
        for corner in np.ndindex(2, 2, 2):
            weight = np.where(corner, t - low, 1 - (t - low)).prod()
            image[row, column] += weight * textures[face][tuple(low + corner)]
    return image
