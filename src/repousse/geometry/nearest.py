"""Nearest neighbours among points."""

import torch
from scipy.spatial import KDTree
from torch import Tensor


def nearest(points: Tensor, targets: Tensor) -> Tensor:
    """For each point the index of the nearest target: int64 (B, N).

    >>> nearest(torch.zeros(1, 1, 3), torch.tensor([[[2.0, 0, 0], [0, 1, 0]]]))
    tensor([[1]])

    points   float (B, N, 3)
    targets  float (B, M, 3)

    Exact, by a k-d tree of the targets per item of the batch, on the CPU in float64: about (N + M) log M steps and a
    few dozen bytes per point, with no N x M table. Only targets that are all as near as each other (a mesh that has
    shrunk to a point) cost N M steps. ValueError for points that are not finite.
    """
    found = []
    for name, cloud in (("points", points), ("targets", targets)):
        if not bool(cloud.isfinite().all()):
            raise ValueError(f"nearest: `{name}` holds coordinates that are not finite.")
    for queries, cloud in zip(points.detach().cpu().double(), targets.detach().cpu().double(), strict=True):
        tree = KDTree(cloud.numpy())
        found.append(torch.from_numpy(tree.query(queries.numpy(), workers=torch.get_num_threads())[1]))
    return torch.stack(found).to(points.device)
