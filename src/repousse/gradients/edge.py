"""Edge gradients (Pidhorskyi et al., Rasterized Edge Gradients, 2024): the jump across a border is its derivative.

Let a border pass between the pixels "inner" and "outer" at distance t from the inner centre. Once it moves towards the
outer one, area shows the inner colour that showed the outer one, so the pixels' integrals change by

    dI = (I_inner - I_outer) dt,

shared among the two by how much of the border lies in either.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from repousse.geometry import Topology
from repousse.gradients.places import places
from repousse.ops import Fragments


@dataclass(frozen=True)
class Edge:
    """Leaves the image as it is and gives it the derivative that its integral over each pixel has.

    The published method gives both pixels half of the jump; here each gets the share of the border that lies in it,
    which is the derivative of its area. Silhouettes, open boundaries and intersections of surfaces count, each on its
    dominant axis.
    """

    def __call__(self, image: Tensor, fragments: Fragments, topology: Topology) -> Tensor:
        """Return `image` (B, H, W, C), with a gradient for `fragments.positions` ((B, V, 4), or (V, 4) if packed).

        The gradient of `image` itself passes unchanged. It has no second derivative.

        Raises ValueError if `image` has other pixels than `fragments`, or `topology` other faces.
        """
        found = places(image, fragments, topology)
        return _Jump.apply(image, *found)


class _Jump(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, inner: Tensor, outer: Tensor, offset: Tensor, slant: Tensor) -> Tensor:
        ctx.save_for_backward(image, inner, outer, offset, slant)
        return image.view_as(image)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        image, inner, outer, offset, slant = ctx.saved_tensors
        g_offset = None
        if ctx.needs_input_grad[3]:
            colors, slopes = image.flatten(0, 2), grad.reshape(-1, grad.shape[-1])
            share = inner_share(offset, slant)[:, None]
            pulled = torch.lerp(slopes[outer], slopes[inner], share.to(slopes.dtype))
            g_offset = (pulled * (colors[inner] - colors[outer])).sum(-1).to(offset.dtype)
        return grad, None, None, g_offset, None


def inner_share(offset: Tensor, slant: Tensor) -> Tensor:
    """Share (N,) of a border's length, within its row or column, that lies in the inner pixel: it crosses that line at
    `offset` in the middle, `slant` / 2 less on one side and more on the other; the pixel ends at 1/2."""
    return ((0.5 - offset) / slant.clamp(min=1e-6) + 0.5).clamp(0, 1)
