"""Directions looked up in a cube map or a lat-long image: the specification in plain PyTorch, differentiable.

A level is given a border of one texel, of what lies beyond its edges, and then read bilinearly.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Of each face +x, -x, +y, -y, +z, -z: what the face looks along, and where its columns and its rows lead.
AXES = torch.tensor(
    [
        [[1, 0, 0], [0, 0, -1], [0, -1, 0]],
        [[-1, 0, 0], [0, 0, 1], [0, -1, 0]],
        [[0, 1, 0], [1, 0, 0], [0, 0, 1]],
        [[0, -1, 0], [1, 0, 0], [0, 0, -1]],
        [[0, 0, 1], [1, 0, 0], [0, -1, 0]],
        [[0, 0, -1], [-1, 0, 0], [0, -1, 0]],
    ]
)

Read = Callable[[Tensor, Tensor], Tensor]  # (one level, directions (N, 3)) -> (N, C)


def lookup(levels: Sequence[Tensor], direction: Tensor, level: Tensor | None, read: Read) -> Tensor:
    """Values (..., C) at `direction` (..., 3), blended between the two levels next to `level` (...).

    levels  a cube map's (6, S, S, C) each, with `read_cubemap`; a lat-long image's (H, W, C), with `read_environment`

    0 where a direction is zero or not finite, or a level is NaN. Differentiable in all three.
    """
    good = direction.isfinite().all(-1) & (direction != 0).any(-1)
    if level is not None:
        good = good & ~level.isnan()
    d = direction[good]
    d = d / d.detach().abs().amax(-1, keepdim=True)  # the length does not matter, but squares must not overflow
    if level is None:
        found = read(levels[0], d)
    else:
        at = level[good].clamp(0, len(levels) - 1)
        lower = at.detach().floor().clamp(max=max(len(levels) - 2, 0)).long()
        every = torch.stack([read(one, d) for one in levels])
        pixels = torch.arange(len(d))
        part = (at - lower)[:, None]
        upper = (lower + 1).clamp(max=len(levels) - 1)
        found = (1 - part) * every[lower, pixels] + part * every[upper, pixels]
    out = found.new_zeros((*direction.shape[:-1], levels[0].shape[-1]))
    return out.index_put((good,), found)


def read_cubemap(images: Tensor, direction: Tensor) -> Tensor:
    """Bilinear values (N, C) of `images` (6, S, S, C) at `direction` (N, 3)."""
    size = images.shape[1]
    face, x, y = project(direction)
    bordered = _with_neighbours(images)
    (left, x_part), (top, y_part) = _between(x, size), _between(y, size)
    value = 0
    for i, wx in ((0, 1 - x_part), (1, x_part)):
        for j, wy in ((0, 1 - y_part), (1, y_part)):
            value = value + (wx * wy)[:, None] * bordered[face, top + 1 + j, left + 1 + i]
    return torch.as_tensor(value)


def project(direction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The face (N,) that each direction (N, 3) passes through, and where: x and y in [0, 1] along columns and rows."""
    axis = direction.detach().abs().argmax(1)
    depth = direction.gather(1, axis[:, None])[:, 0]
    face = 2 * axis + (depth.detach() < 0)
    axes = AXES.to(direction)[face]
    x, y = ((direction * axes[:, k]).sum(1) / depth.abs() for k in (1, 2))
    return face, (x + 1) / 2, (y + 1) / 2


def _with_neighbours(images: Tensor) -> Tensor:
    """(6, S + 2, S + 2, C): the texels beyond each edge are those of the face there; corners the mean of three."""
    size = images.shape[1]
    # Directions just beyond an edge, at the middle of a texel along it, lie in the neighbour's first row of texels.
    middle = (2 * torch.arange(size, dtype=torch.float64) + 1) / size - 1
    just = torch.tensor([1 + 0.5 / size], dtype=torch.float64)
    along = torch.cat([-just, middle, just])
    x, y = along.expand(size + 2, -1)[..., None], along[:, None].expand(-1, size + 2)[..., None]
    axes = AXES.to(torch.float64)[:, :, None, None]
    direction = axes[:, 0] + x * axes[:, 1] + y * axes[:, 2]
    face, x, y = project(direction.reshape(-1, 3))
    column, row = ((t * size).long().clamp(0, size - 1) for t in (x, y))
    bordered = images[face, row, column].view(6, size + 2, size + 2, -1)
    for r, r_inside in ((0, 1), (-1, -2)):
        for c, c_inside in ((0, 1), (-1, -2)):
            around = bordered[:, r_inside, c_inside] + bordered[:, r, c_inside] + bordered[:, r_inside, c]
            bordered[:, r, c] = around / 3
    return bordered


def read_environment(image: Tensor, direction: Tensor) -> Tensor:
    """Bilinear values (N, C) of `image` (H, W, C) at `direction` (N, 3)."""
    height, width = image.shape[:2]
    x, y, z = direction.unbind(1)
    flat = x * x + z * z
    pole = flat == 0
    # At a pole nothing is differentiable: constants take the place of the coordinates there.
    u = torch.atan2(torch.where(pole, 0, z), torch.where(pole, 1, x)) / (2 * math.pi) + 0.5
    u = torch.where(pole, 0.5, u)
    radius = torch.where(pole, 1, flat).sqrt()
    v = torch.where(pole, torch.where(y > 0, 0.0, 1.0).to(u), torch.atan2(radius, y) / math.pi)
    top, y_part = _between(v, height)
    value = 0
    for j, wy in ((0, 1 - y_part), (1, y_part)):
        row = top + j
        across = (row < 0) | (row >= height)  # over the pole: the same row, half around
        left, x_part = _between(torch.where(across, u + 0.5, u), width)
        for i, wx in ((0, 1 - x_part), (1, x_part)):
            value = value + (wx * wy)[:, None] * image[row.clamp(0, height - 1), (left + i) % width]
    return torch.as_tensor(value)


def _between(at: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The texel below a coordinate in [0, 1], -1 before the first, and the weight of the next one."""
    texels = at * size - 0.5
    low = texels.detach().floor()
    return low.long(), texels - low
