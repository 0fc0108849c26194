"""Connected components."""

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor


def component_labels(count: int, groups: Tensor) -> Tensor:
    """Number the parts of a graph.

    count   number of nodes
    groups  int64 (N, K)  nodes in a row belong together

    Returns int64 (count,): which part each node is in, counted from 0. Computed on the CPU.
    """
    rows = groups.cpu().numpy()
    first, others = np.repeat(rows[:, :1], rows.shape[1] - 1, axis=1).ravel(), rows[:, 1:].ravel()
    graph = coo_matrix((np.ones(len(first), dtype=np.int8), (first, others)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    return torch.from_numpy(labels.astype(np.int64)).to(groups.device)
