"""Between the two kinds of pictures of all directions."""

import math

import torch
from torch import Tensor

from repousse.ops.cubemap.reference import AXES


def cubemap_directions(size: int, *, device: torch.device | str | None = None) -> Tensor:
    """Directions (6, size, size, 3) of the centres of a cube map's texels; on the cube [-1, 1]³, not unit length."""
    along = (2 * torch.arange(size, dtype=torch.float64) + 1) / size - 1
    axes = AXES.to(torch.float64)[:, :, None, None]
    found = axes[:, 0] + along[:, None] * axes[:, 1] + along[:, None, None] * axes[:, 2]
    return found.to(device=device, dtype=torch.float32)


def environment_directions(height: int, width: int, *, device: torch.device | str | None = None) -> Tensor:
    """Unit directions (height, width, 3) of the centres of a lat-long image's texels."""
    row = torch.arange(height, dtype=torch.float64, device=device)[:, None]
    column = torch.arange(width, dtype=torch.float64, device=device)
    theta = math.pi * (row + 0.5) / height
    phi = 2 * math.pi * (column + 0.5) / width - math.pi
    x, y, z = torch.broadcast_tensors(theta.sin() * phi.cos(), theta.cos(), theta.sin() * phi.sin())
    return torch.stack([x, y, z], -1).float()
