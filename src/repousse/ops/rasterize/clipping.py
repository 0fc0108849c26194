"""Clipping, step 6 of visibility: the specification in plain Python, where every number is a float64."""

from collections.abc import Sequence
from typing import NamedTuple

SUBPIXELS = 256
GUARD = 64  # |x| and |y| up to 64 w are left alone; further out a triangle is clipped


class Point(NamedTuple):
    """A corner in clip space, in float64; `corner` is its index in the face or edge, -1 for a new one."""

    x: float
    y: float
    z: float
    w: float
    corner: int


def plane_distances(point: Point) -> tuple[float, ...]:
    """How far inside the six planes a point is, in the order in which they clip."""
    x, y, z, w, _ = point
    return (z, w - z, x + GUARD * w, GUARD * w - x, y + GUARD * w, GUARD * w - y)


PLANES = range(6)


def cut(inner: Point, outer: Point, plane: int) -> Point:
    """Where the segment meets the plane; from the inner to the outer end, whichever way a face runs."""
    inside, outside = plane_distances(inner)[plane], plane_distances(outer)[plane]
    t = inside / (inside - outside)
    return Point(*(i + (o - i) * t for i, o in zip(inner[:4], outer[:4], strict=True)), corner=-1)


def clip_polygon(polygon: Sequence[Point]) -> list[Point]:
    """Sutherland-Hodgman. A first corner that survives stays the first."""
    points = list(polygon)
    for plane in PLANES:
        kept = []
        for here, there in zip(points, points[1:] + points[:1], strict=True):
            here_in, there_in = (plane_distances(p)[plane] >= 0 for p in (here, there))
            if here_in:
                kept.append(here)
            if here_in != there_in:
                kept.append(cut(here, there, plane) if here_in else cut(there, here, plane))
        points = kept
    return points


def place(point: Point, size: tuple[int, int]) -> tuple[int, int, float] | None:
    """A new corner on the screen in float64: (X, Y, zeta), or None where the division is meaningless.

    A polygon reaches w = 0 only at the eye itself, which only a face seen edge-on contains: such a face
    covers nothing. The factor 2 leaves room for rounding, which moves a corner beside the eye anywhere.
    """
    height, width = size
    x, y, z, w, _ = point
    if not (w > 0 and abs(x) <= 2 * GUARD * w and abs(y) <= 2 * GUARD * w):
        return None
    snap_x = round(((x / w) * (width / 2) + width / 2) * SUBPIXELS)
    snap_y = round(((y / w) * (height / 2) + height / 2) * SUBPIXELS)
    return snap_x, snap_y, z / w
