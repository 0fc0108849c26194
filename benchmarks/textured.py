"""Pictures of a textured surface that recedes: every pixel shows the texture, at mip levels from 0 to 2."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SIZE = 1024  # of the texture


@dataclass(frozen=True, eq=False)
class Textured:
    """What `texture` is given.

    image        float32 (1024, 1024, 3)  one for all pictures
    uv           float32 (B, H, W, 2)
    derivatives  float32 (B, H, W, 2, 2)
    g_color      float32 (B, H, W, 3)     a gradient of the result
    """

    image: Tensor
    uv: Tensor
    derivatives: Tensor
    g_color: Tensor


def textured(pictures: int, size: int) -> Textured:
    """`pictures` of size x size pixels, each turned a little further on the texture than the one before."""
    random = torch.Generator().manual_seed(17)
    along = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    row, column = torch.meshgrid(along, along - 0.5, indexing="ij")
    scale = 4**row * size / SIZE  # 1 texel per pixel at the top, 4 at the bottom
    flat = torch.stack([column * scale, scale / math.log(4)], -1)
    by_column = torch.stack([scale, torch.zeros_like(scale)], -1)
    by_row = torch.stack([column * scale * math.log(4), scale], -1)
    angles = torch.arange(pictures, dtype=torch.float64) * 0.4
    turn = torch.stack([angles.cos(), -angles.sin(), angles.sin(), angles.cos()], -1).view(-1, 1, 1, 2, 2)
    uv = (turn @ flat[..., None])[..., 0] + torch.rand(pictures, 1, 1, 2, generator=random)
    derivatives = turn @ torch.stack([by_column, by_row], -1) / size
    return Textured(
        image=torch.rand(SIZE, SIZE, 3, generator=random),
        uv=uv.float(),
        derivatives=derivatives.float().contiguous(),
        g_color=torch.randn(pictures, size, size, 3, generator=random),
    )
