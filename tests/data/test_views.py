"""Sets of views in memory."""

import math
from dataclasses import replace

import pytest
import torch
from view_sets import COUNT, SIZE, views

from repousse.camera import Camera


def test_choosing() -> None:
    """Breaks if pictures, masks, cameras and names do not stay together."""
    full = views()
    assert len(full) == COUNT and full.size == SIZE and repr(full) == "Views(5 pictures of 16 x 12 pixels)"
    for index, numbers in ((2, [2]), (-1, [4]), (slice(1, 4), [1, 2, 3]), ([4, 0], [4, 0])):
        some = full[index]
        assert torch.equal(some.mask, full.mask[numbers]) and torch.equal(some.color, full.color[numbers])
        assert torch.equal(some.camera.world_to_camera, full.camera.world_to_camera[numbers])
        assert some.names == tuple(full.names[number] for number in numbers)
    assert [one.names[0] for one in (full[i] for i in range(COUNT))] == list(full.names)
    with pytest.raises(IndexError, match="there is no picture 5"):
        full[5]


def test_iteration_ends() -> None:
    """Breaks if a loop over views never ends, or yields something else than sets of one."""
    assert [one.names for one in views()] == [(name,) for name in views().names]


def test_split() -> None:
    """Breaks if a held-out view is learnt from, or one is lost."""
    train, test = views().split(2)
    assert test.names == ("000", "002", "004") and train.names == ("001", "003")
    for every in (1, 0, -2):
        with pytest.raises(ValueError, match=r"Views\.split:"):
            views().split(every)
    with pytest.raises(ValueError, match=r"Views\.split:"):
        views()[0].split(2)


@pytest.mark.parametrize("scale", [0.5, 0.3, 2.0])
def test_resized_pictures_show_the_same(scale: float) -> None:
    """Breaks if the camera does not follow the picture: a point must stay at the same share of width and height."""
    full = views()
    small = full.resized(scale)
    assert small.size == (round(12 * scale), round(16 * scale))
    point = torch.tensor([[0.2, -0.1, 0.3]])
    old, _ = full.camera.to_pixels(point, full.size)
    new, _ = small.camera.to_pixels(point, small.size)
    sides = torch.tensor([small.size[1] / full.size[1], small.size[0] / full.size[0]])
    assert torch.allclose(new, old * sides, atol=1e-4)


def test_resizing_averages_light() -> None:
    """Breaks if halving is not the mean of four pixels."""
    full = views()
    means = full.color.view(COUNT, 6, 2, 8, 2, 3).mean((2, 4))
    assert torch.allclose(full.resized(0.5).color, means, atol=1e-6)
    for scale in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="`scale`"):
            full.resized(scale)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"mask": torch.zeros(COUNT, *SIZE, 1)}, ValueError, r"`mask` must be \(N, H, W\)"),
        ({"color": torch.zeros(COUNT, *SIZE, 4)}, ValueError, r"`color` \(N, H, W, 3\)"),
        ({"mask": torch.zeros(COUNT, *SIZE).double()}, TypeError, "`mask` must be a float32 tensor"),
        ({"color": None}, TypeError, "`color` must be a float32 tensor, got NoneType"),
        ({"camera": Camera.orbit(3.0)}, ValueError, "5 pictures need as many cameras and names, got 1 and 5"),
        ({"names": ("a",)}, ValueError, "got 5 and 1"),
        ({"camera": None}, TypeError, "must be a Camera"),
        ({"mask": torch.full((COUNT, *SIZE), 1.5)}, ValueError, r"the mask of '000' must lie in \[0, 1\]"),
        ({"mask": torch.full((COUNT, *SIZE), math.nan)}, ValueError, "'000' holds values that are not finite"),
    ],
)
def test_what_is_refused(change: dict, error: type[Exception], message: str) -> None:
    """Breaks if parts that do not fit together become a set."""
    with pytest.raises(error, match=message):
        replace(views(), **change)
