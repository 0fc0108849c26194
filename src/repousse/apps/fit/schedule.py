"""How much work a fit does: the levels of the shape stage, from coarse to fine."""

from typing import Literal

from repousse.apps.fit.shape import Level, ShapeSettings
from repousse.data import Views

Quality = Literal["quick", "normal", "high"]

_STEPS = {"quick": 0.4, "normal": 1.0, "high": 2.0}
_EDGE = {"quick": 3.0, "normal": 2.5, "high": 2.0}  # of the finest level, pixels
_SHORTEST = {
    "quick": 0.04,
    "normal": 0.025,
    "high": 0.015,
}  # in the frame: 9 to 60 thousand vertices at most
_POSES = 0.005  # a third of a degree at most in each step
_CELLS = {"quick": 64, "normal": 96, "high": 128}


def shape_settings(quality: Quality, views: Views, *, sphere: bool, poses: bool, seed: int) -> ShapeSettings:
    """The schedule of a quality. A sphere has far to go, so it starts with long edges.

    poses  whether cameras are corrected
    """
    edge, steps = _EDGE[quality], _STEPS[quality]

    def level(scale: float, length: float, count: int, color: bool = True) -> Level:
        return Level(scale, length, max(1, round(count * steps)), color)

    # From the hull, edges are short at once: long ones would cut thin parts off.
    half = 0.5 if max(views.size) > 256 else 1.0
    levels = [level(half, edge / half, 60, False), level(half, edge / half, 40), level(1, edge, 140)]
    if sphere:
        levels[:1] = [level(0.5, 4 * edge, 80, False), level(half, 2 * edge, 80, False), level(1, edge, 60, False)]
    return ShapeSettings(levels=tuple(levels), shortest=_SHORTEST[quality], seed=seed, poses=_POSES if poses else 0.0)


def hull_resolution(quality: Quality) -> int:
    """Cells along the longest side of the hull."""
    return _CELLS[quality]
