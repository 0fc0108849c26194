"""Connected components."""

import torch
from torch import Tensor


def component_labels(count: int, groups: Tensor) -> Tensor:
    """Number the parts of a graph.

    count   number of nodes
    groups  int64 (N, K)  nodes in a row belong together

    Returns int64 (count,): the lowest node of the part that each node is in. Linear in the input, times the logarithm
    of the longest chain.
    """
    label = torch.arange(count, device=groups.device)
    while True:
        lowest = label[groups].amin(-1, keepdim=True).expand_as(groups).flatten()
        spread = label.scatter_reduce(0, groups.flatten(), lowest, "amin")
        # A label names a node: taking that node's label in turn doubles the reach of a step.
        spread = spread[spread]
        if torch.equal(spread, label):
            return label
        label = spread
