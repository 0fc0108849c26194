"""Calls of `texture` and `texture_backward`."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from calls import Call
from torch import Tensor

REPEAT, CLAMP, MIRROR = 0, 1, 2
ODD = (float("nan"), float("inf"), -float("inf"), 0.0, 1.0, -1e9, 1e-9, 0.5)


class Image(NamedTuple):
    height: int
    width: int
    u: int = REPEAT
    v: int = REPEAT
    nearest: int = 0


class Look(NamedTuple):
    """Pictures that look at images: uv from -spread to spread; levels around `level`."""

    images: Sequence[Image]
    channels: int = 3
    shape: tuple[int, int, int] = (1, 9, 17)
    mode: str = "none"  # or "derivatives", "level"
    which: bool = False
    spread: float = 1.5
    level: float = 1.0
    odd: bool = False  # numbers among the coordinates that are not finite, or at a border
    wanted: tuple[bool, bool] = (True, True)  # gradients of texels, and of coordinates


def arguments(look: Look, seed: int) -> tuple[object, ...]:
    generator = torch.Generator().manual_seed(seed)
    layout, first = [], 0
    for image in look.images:
        layout += [first, *image]
        first += image.height * image.width
    texels = torch.randn(first, look.channels, generator=generator)
    uv = look.spread * (2 * torch.rand(*look.shape, 2, generator=generator) - 1)
    sides = 2.0 ** (torch.rand(*look.shape, 1, 1, generator=generator) * 2 * look.level - 6)
    derivatives = torch.randn(*look.shape, 2, 2, generator=generator) * sides
    level = torch.randn(look.shape, generator=generator) * 2 + look.level
    which = torch.randint(-1, len(look.images), look.shape, generator=generator, dtype=torch.int32)
    if look.odd:
        for coordinates in (uv, derivatives, level):
            numbers = coordinates.view(-1)
            some = torch.randperm(len(numbers), generator=generator)[: 4 * len(ODD)]
            numbers[some] = torch.tensor(ODD).repeat(4)[: len(some)]
    return (
        texels,
        layout,
        uv,
        which if look.which else None,
        derivatives if look.mode == "derivatives" else None,
        level if look.mode == "level" else None,
    )


def both(label: str, look: Look, seed: int = 0) -> Iterator[Call]:
    given = arguments(look, seed)
    texels, uv = given[0], given[2]
    assert isinstance(texels, Tensor) and isinstance(uv, Tensor)
    yield Call("texture", label, given)
    g_out = torch.randn(*look.shape, look.channels, generator=torch.Generator().manual_seed(seed + 1))
    g_out[:, : look.shape[1] // 3, : look.shape[2] // 3] = 0  # as in empty pixels
    by_texels, by_place = look.wanted
    wanted = [by_texels, by_place, by_place and look.mode == "derivatives", by_place and look.mode == "level"]
    yield Call("texture_backward", label, (*given, g_out, wanted))


# Few variants of kernels, because each takes its time to compile: those that share one differ in their numbers.
SMALL = {
    "one image": Look([Image(5, 6)]),
    "an image per picture": Look([Image(4, 6)] * 2, shape=(2, 9, 17)),
    "magnified": Look([Image(4, 3)], shape=(1, 17, 40), spread=0.2),
    "no pixels": Look([Image(4, 4)], shape=(2, 0, 5)),
    "no channels": Look([Image(4, 4)], channels=0, mode="level"),
    "levels of odd lengths": Look([Image(7, 13, CLAMP, MIRROR)], mode="derivatives", channels=2, level=4, odd=True),
    "levels by two": Look([Image(64, 32)], mode="level", level=3, odd=True, wanted=(False, True)),
    "one texel": Look([Image(1, 1)], mode="level", wanted=(False, True)),
    "chosen images": Look(
        [Image(5, 6, REPEAT, CLAMP), Image(4, 8, MIRROR, MIRROR, 1), Image(12, 8)],
        mode="derivatives",
        which=True,
        wanted=(True, False),
    ),
    "chosen among equals, not filtered": Look([Image(4, 4, nearest=1)] * 3, which=True, channels=40),
}

LARGE = {
    "1024, one to one": Look([Image(1024, 1024)], shape=(8, 512, 512)),
    "2048, trilinear": Look([Image(2048, 2048)], shape=(8, 512, 512), mode="derivatives", level=3),
    "odd lengths, trilinear": Look([Image(1023, 767, MIRROR, CLAMP)], shape=(4, 511, 513), mode="level", level=4),
    "magnified": Look([Image(16, 16)], shape=(8, 512, 512), spread=0.2),
    "one texel": Look([Image(1, 1)], shape=(8, 512, 512), mode="level"),
    "32 channels": Look([Image(256, 512, CLAMP, CLAMP)], shape=(4, 512, 512), channels=32, mode="derivatives"),
    "no filter": Look([Image(1024, 1024, nearest=1)], shape=(4, 512, 512), channels=1),
    "200 images": Look(
        [Image(8 + 3 * i, 300 - i, i % 3, i % 2, int(i % 5 == 0)) for i in range(200)],
        shape=(4, 512, 512),
        mode="derivatives",
        which=True,
        odd=True,
    ),
}


def calls(large: bool) -> Iterator[Call]:
    for label, look in (LARGE if large else SMALL).items():
        yield from both(label, look)
