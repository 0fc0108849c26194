"""Calls of `surroundings` and `surroundings_backward`, behind `cubemap` and `environment`."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from calls import Call
from torch import Tensor


class Look(NamedTuple):
    """Directions into a map: `sizes` (height, width) of its levels, of a cube's faces."""

    cube: bool
    sizes: Sequence[tuple[int, int]]
    pixels: int = 200
    channels: int = 3
    level: bool = False
    spread: float = 1.0  # of directions around the first axis, in which a face's edge lies
    wanted: tuple[bool, bool] = (True, True)  # gradients of texels, and of directions and levels


def directions(look: Look, generator: torch.Generator) -> Tensor:
    """Of all lengths; along axes, edges and corners; zero, infinite and NaN."""
    found = torch.randn(look.pixels, 3, generator=generator) * look.spread
    found[:, :2] += 1 - look.spread
    found *= 10 ** (6 * torch.rand(look.pixels, 1, generator=generator) - 3)
    special = torch.randint(-1, 2, (look.pixels // 5, 3), generator=generator).float()
    if len(special):
        special[0, 0], special[1, 1] = float("inf"), float("nan")
        found[: len(special)] = special
    return found


def both(label: str, look: Look) -> Iterator[Call]:
    generator = torch.Generator().manual_seed(0)
    count = sum(height * width for height, width in look.sizes) * (6 if look.cube else 1)
    texels = torch.randn(count, look.channels, generator=generator)
    sizes = [side for size in look.sizes for side in size]
    direction = directions(look, generator)
    level = torch.rand(look.pixels, generator=generator) * (len(sizes) / 2 + 1) - 1
    level[-2:] = torch.tensor([float("nan"), float("inf")])[: len(level)]
    given = (texels, sizes, look.cube, direction, level if look.level else None)
    yield Call("surroundings", label, given)
    g_out = torch.randn(look.pixels, look.channels, generator=generator)
    # The derivative by the direction is large for short directions and two-valued next to texel centres.
    lengths = direction.norm(dim=1, keepdim=True)
    g_out = torch.where(lengths.isfinite() & (lengths > 0), g_out * lengths.clamp(max=1), g_out)
    wanted = [look.wanted[0], look.wanted[1], look.wanted[1] and look.level]
    yield Call("surroundings_backward", label, (*given, g_out, wanted))


# Derivatives by directions jump at texel centres, and special directions meet these on panoramas whose lengths 4 and 8
# do not divide; there the last bit of an angle would decide.
SMALL = {
    "cube": Look(True, [(5, 5)]),
    "cube of six texels": Look(True, [(1, 1)]),
    "one edge": Look(True, [(4, 4)], spread=0.05),
    "cube, levels": Look(True, [(6, 6), (4, 4), (1, 1)], level=True, channels=1),
    "panorama": Look(False, [(4, 8)], wanted=(False, True)),
    "panorama, levels": Look(False, [(12, 16), (4, 8)], level=True),
    "panorama of odd lengths": Look(False, [(3, 5)], channels=40, wanted=(True, False)),
    "panorama of one texel": Look(False, [(1, 1)], channels=40, wanted=(True, False)),
    "no pixels": Look(True, [(2, 2)], pixels=0),
    "no channels": Look(False, [(2, 2)], channels=0),
}

LARGE = {
    "cube": Look(True, [(512, 512)], pixels=8 * 512 * 512),
    "cube, levels": Look(True, [(256 >> k, 256 >> k) for k in range(9)], pixels=4 * 512 * 512, level=True),
    "cube, magnified": Look(True, [(16, 16)], pixels=8 * 512 * 512, spread=0.02),
    "panorama": Look(False, [(1024, 2048)], pixels=8 * 512 * 512),
    "panorama, levels": Look(False, [(512 >> k, 1024 >> k) for k in range(7)], pixels=4 * 512 * 512, level=True),
}


def calls(large: bool) -> Iterator[Call]:
    for label, look in (LARGE if large else SMALL).items():
        yield from both(label, look)
