"""Edges on the screen, cut at the borders of pixels, and what is beside them: the reference's words for it."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple


class Sample(NamedTuple):
    """A colour: that of `pixel`, and `way` of its change since the pixel `further`."""

    pixel: int
    further: int
    way: float


class Line(NamedTuple):
    """An edge on the screen, in pixels; its first face lies where side * E < 0."""

    edge: int
    ends: tuple[int, int]
    a: tuple[float, float]
    way: tuple[float, float]
    zeta: tuple[float, float]
    shares: tuple[float, float]
    side: int

    def beyond(self, p: tuple[float, float]) -> float:
        """Negative on the side of the face."""
        return self.side * (self.way[0] * (p[1] - self.a[1]) - self.way[1] * (p[0] - self.a[0]))

    def inside(self, p: tuple[float, float]) -> bool:
        """What lies on the line belongs to what is right of it, or below it, as in the fill rule."""
        e = self.beyond(p)
        return (e or self.side * (-self.way[1] if self.way[1] else self.way[0])) < 0

    def at(self, t: float) -> tuple[float, float]:
        return self.a[0] + t * self.way[0], self.a[1] + t * self.way[1]

    def depth(self, t: float) -> float:
        return self.zeta[0] + t * (self.zeta[1] - self.zeta[0])

    @property
    def steep(self) -> bool:
        return abs(self.way[1]) >= abs(self.way[0])


@dataclass
class Piece:
    """The part of a line inside one pixel."""

    begin: float
    end: float
    line: int
    pixel: int
    weight: float
    surface: int | None = None


@dataclass
class Part:
    """A part of a piece between two places where other edges cross it, and the samples of both sides, if known.

    lost  what lies behind it is seen nowhere
    """

    begin: float
    end: float
    piece: Piece
    surface: Sample | None = None
    behind: Sample | None = None
    lost: bool = False

    @property
    def middle(self) -> float:
        return (self.begin + self.end) / 2


def cut(line: Line, index: int, size: tuple[int, int]) -> list[Piece]:
    """The pieces of a line inside the pixels of the image, in order; a line along a border belongs half to both."""
    height, width = size
    places = {0.0, 1.0}
    for a, way, limit in zip(line.a, line.way, (width, height), strict=True):
        if way:
            places |= {(border - a) / way for border in range(limit + 1)}
    cuts = sorted(place for place in places if 0 <= place <= 1)
    found = []
    for begin, end in pairwise(cuts):
        x, y = line.at((begin + end) / 2)
        columns = [math.floor(x)] if line.way[0] or x != math.floor(x) else [int(x) - 1, int(x)]
        rows = [math.floor(y)] if line.way[1] or y != math.floor(y) else [int(y) - 1, int(y)]
        cells = [(row, column) for row in rows for column in columns]
        found += [
            Piece(begin, end, index, row * width + column, 1 / len(cells))
            for row, column in cells
            if 0 <= row < height and 0 <= column < width
        ]
    return found


def meets(line: Line, piece: Piece, start: tuple[float, float], end: tuple[float, float]) -> float | None:
    """Where on its line the way from `start` to `end` meets a piece."""
    if line.inside(start) == line.inside(end):
        return None
    wx, wy = end[0] - start[0], end[1] - start[1]
    a, b = (wx * (y - start[1]) - wy * (x - start[0]) for x, y in (line.a, line.at(1)))
    if (a < 0) == (b < 0) or not piece.begin <= a / (a - b) < piece.end:
        return None
    return a / (a - b)


def fill_gaps(parts: list[Part], side: str) -> None:
    """Parts without a sample of one side get that of the nearest part that has one."""
    known = [(part.middle, getattr(part, side)) for part in parts if getattr(part, side) is not None]
    for part in parts:
        if known and getattr(part, side) is None:
            nearest = min(known, key=lambda other: (abs(other[0] - part.middle), other[1].pixel))
            setattr(part, side, nearest[1])


def share(distance: float, onwards: float) -> float:
    """How much of the change of colour between the two pixels inside an edge is added to the colour of the first.

    distance  from its centre to the edge, in pixels
    onwards   change of depth from there to the edge, over that between the two

    A pixel on an edge gets the derivative inside faces from its centre: all of it if that is covered, else none. For
    shading that moves along with the edge, the mean of the pixel changes by what is shown at its border: it loses
    L(border) - L_out where the surface leaves. So L_in must be L(border) if the centre is not covered, and if it is,
    L(border) - L'(centre). With colours linear in the distance from the edge, as on planes, both are half a change
    further out than the inner pixel's centre. At the limb of round things colours and depths are linear in the root of
    the distance. Depth tells what lies between the two: its change is `distance` on a plane and
    root / (sqrt(distance + 1) - root) at a limb.
    """
    root = math.sqrt(distance)
    change = math.sqrt(distance + 1) - root
    covered = distance < 0.5
    limb = root + 0.5 / root - math.sqrt(distance + 0.5) if covered else root - math.sqrt(distance - 0.5)
    curved = min(max((onwards - distance) / (root / change - distance), 0.0), 1.0)
    return 0.5 + curved * (limb / change - 0.5)
