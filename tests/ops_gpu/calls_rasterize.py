"""Calls of visibility and barycentrics."""

from collections.abc import Iterator

import torch
from calls import Call


def calls(large: bool) -> Iterator[Call]:
    g = torch.Generator().manual_seed(0)
    p = torch.rand(1, 30, 4, generator=g) * 2 - 1
    p[..., 3] = p[..., 3] + 0.8
    f = torch.arange(30, dtype=torch.int32).reshape(10, 3)
    yield Call("visibility", "soup", (p, f, None, 40, 50, 0))
    ids, _ = torch.ops.repousse.visibility(p, f, None, 40, 50, 0)
    yield Call("barycentrics", "soup", (p, f, ids))
    yield Call(
        "barycentrics_backward",
        "soup",
        (p, f, ids, torch.randn(*ids.shape, 2, generator=g), torch.randn(ids.shape, generator=g)),
    )
