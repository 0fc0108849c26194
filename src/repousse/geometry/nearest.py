"""Nearest neighbours among points."""

import torch
from scipy.spatial import KDTree
from torch import Tensor

_MOST_PAIRS = 2**25  # distances that are held at once


def nearest(points: Tensor, targets: Tensor) -> Tensor:
    """For each point the index of the nearest target: int64 (B, N).

    >>> nearest(torch.zeros(1, 1, 3), torch.tensor([[[2.0, 0, 0], [0, 1, 0]]]))
    tensor([[1]])

    points   float (B, N, 3)
    targets  float (B, M, 3)

    Exact, by a k-d tree of the targets per item of the batch, on the CPU in float64: about (N + M) log M steps and a
    few dozen bytes per point, with no N x M table. Only targets that are all as near as each other (a mesh that has
    shrunk to a point) cost N M steps. ValueError for points that are not finite.

    On a GPU all pairs are compared, in float64 and a part of the points at a time, which takes at most 0.5 GB: 10^10
    pairs (clouds of 100 000) some tenths of a second. Nothing waits for the device, so nothing is checked.
    """
    if not points.is_cpu:
        pairs = zip(points.detach().double(), targets.detach().double(), strict=True)
        return torch.stack([_by_comparing_all(*pair) for pair in pairs])
    found = []
    for name, cloud in (("points", points), ("targets", targets)):
        if not bool(cloud.isfinite().all()):
            raise ValueError(f"nearest: `{name}` holds coordinates that are not finite.")
    for queries, cloud in zip(points.detach().double(), targets.detach().double(), strict=True):
        tree = KDTree(cloud.numpy())
        found.append(torch.from_numpy(tree.query(queries.numpy(), workers=torch.get_num_threads())[1]))
    return torch.stack(found)


def _by_comparing_all(queries: Tensor, cloud: Tensor) -> Tensor:
    """The same for (N, 3) and (M, 3): int64 (N)."""
    parts = queries.split(max(1, _MOST_PAIRS // len(cloud)))
    return torch.cat([_squared_distances(part, cloud).argmin(1) for part in parts])


def _squared_distances(queries: Tensor, cloud: Tensor) -> Tensor:
    """(N, M), by differences: from products they would be wrong by more than they differ.

    torch.cdist does this with a block of 256 threads for each pair, some hundred times slower.
    """
    total = (queries[:, :1] - cloud[:, 0]).square_()
    for axis in (1, 2):
        apart = queries[:, axis, None] - cloud[:, axis]
        total.addcmul_(apart, apart)
    return total
