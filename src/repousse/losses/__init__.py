"""Losses, each of which returns one number per picture, mesh or cloud of points: (B,). Average them as you like.

Pictures: `l1`, `l2`, `huber`, `ssim`, `pyramid`, and `iou` for silhouettes. Meshes: `laplacian`, `normal_consistency`,
`edge_length`, `smoothness`. Points: `chamfer`.
"""

from repousse.losses.images import huber, iou, l1, l2
from repousse.losses.meshes import edge_length, laplacian, normal_consistency, smoothness
from repousse.losses.points import chamfer, nearest_distances
from repousse.losses.pyramid import pyramid
from repousse.losses.similarity import ssim

__all__ = [
    # pictures
    "l1",
    "l2",
    "huber",
    "ssim",
    "pyramid",
    "iou",
    # meshes
    "laplacian",
    "normal_consistency",
    "edge_length",
    "smoothness",
    # points
    "chamfer",
    "nearest_distances",
]
