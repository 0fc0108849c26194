"""Analytic antialiasing (Laine et al., Modular Primitives for High-Performance Differentiable Rendering, 2020).

A pixel that a border cuts is mixed with its neighbour across the border, by the share of its area beyond the border.
The image then changes smoothly as the border moves, and its derivative is that of the area.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from repousse.geometry import Topology
from repousse.gradients.places import places
from repousse.ops import Fragments


@dataclass(frozen=True)
class Antialias:
    """Smooths the borders of the image; the result has the derivative of what it shows.

    Laine et al. look for borders along the edges of the faces that a pixel shows, and take them for upright. Here they
    come from the crossing list, which knows the silhouettes of fine meshes, and from the intersections of surfaces, and
    the area is that beyond a slanted line. Where several borders cut a pixel their shares add up; if they exceed the
    pixel they are scaled to it, so no colour leaves the range of the colours around it.
    """

    def __call__(self, image: Tensor, fragments: Fragments, topology: Topology) -> Tensor:
        """Return the smoothed image (B, H, W, C), with a gradient for `fragments.positions` and for `image`.

        Raises ValueError if `image` has other pixels than `fragments`, or `topology` other faces.
        """
        inner, outer, offset, slant = places(image, fragments, topology)
        colors = image.flatten(0, 2)
        pixels, others = torch.cat([inner, outer]), torch.cat([outer, inner])
        lost = torch.cat([_beyond(0.5 - offset, slant), _beyond(offset - 0.5, slant)])
        with torch.no_grad():
            total = lost.new_zeros(len(colors)).index_add(0, pixels, lost)
            scale = 1 / total[pixels].clamp(min=1)
        mixed = (lost * scale).to(colors.dtype)[:, None] * (
            colors.index_select(0, others) - colors.index_select(0, pixels)
        )
        index = pixels[:, None].expand(-1, colors.shape[1])
        return colors.scatter_add(0, index, mixed).view(image.shape)


def _beyond(reach: Tensor, slant: Tensor) -> Tensor:
    """Share (N,) of a pixel beyond a line that ends `reach` before its side in the middle of the row, and `slant` / 2
    earlier and later at the row's two ends: the mean of max(0, reach + v) over |v| <= slant / 2."""
    half = (slant / 2).clamp(min=1e-6)
    cut = (reach.clamp(-half, half) + half).square() / (4 * half)
    return cut + (reach - half).clamp(min=0)
