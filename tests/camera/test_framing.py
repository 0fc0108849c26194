"""frame: everything is seen, as large as it fits."""

import math

import pytest
import torch

from repousse.camera import frame
from repousse.geometry import cube, teapot, torus


def box(points: torch.Tensor, size: tuple[int, int], **view: object) -> torch.Tensor:
    """(left, top, right, bottom) of what all cameras see, as shares of the picture."""
    pixels, _ = frame(points, size, **view).to_pixels(points, size)
    shares = pixels / torch.tensor([size[1], size[0]])
    return torch.cat((shares.amin((0, 1)), shares.amax((0, 1))))


@pytest.mark.parametrize("size", [(100, 100), (50, 200), (200, 50)])
@pytest.mark.parametrize(("elevation", "azimuth"), [(0.0, 0.0), (0.4, 1.0), (1.3, -2.0), (-math.pi / 2, 0.0)])
@pytest.mark.parametrize("mesh", [cube, teapot, torus])
def test_one_view_is_filled_and_centred(mesh, size, elevation, azimuth) -> None:
    """Breaks if something is cut off, or the picture is emptier than it must be."""
    points = mesh().positions * 1000 + torch.tensor([5e3, -2e3, 1e3])
    left, top, right, bottom = box(points, size, elevation=elevation, azimuth=azimuth, margin=0.1).tolist()
    assert min(left, top) > 0.099 and max(right, bottom) < 0.901
    assert abs(left + right - 1) < 0.01 and abs(top + bottom - 1) < 0.01
    assert max(right - left, bottom - top) > 0.795


def test_a_turntable_keeps_its_distance_and_shows_everything() -> None:
    """Breaks if the object would breathe, jump or be cut off while it turns."""
    points = teapot().positions
    camera = frame(points, (64, 64), 0.3, torch.arange(12) * (math.pi / 6))
    target_distance = (camera.position - camera.position.mean(0)).norm(dim=-1)
    assert len(camera) == 12 and target_distance.std() < 1e-2 * target_distance.mean()
    assert camera.position[:, 1].std() < 1e-5
    found = box(points, (64, 64), elevation=0.3, azimuth=torch.arange(12) * (math.pi / 6))
    assert found[:2].min() > 0.079 and found[2:].max() < 0.921


def test_near_and_far_leave_room() -> None:
    """Breaks if clipping planes cut the object, whatever its units."""
    for scale in (1e-3, 1.0, 1e4):
        points = torus().positions * scale
        clip = frame(points, (10, 10), 0.5, 0.5).project(points, (10, 10))
        assert (clip[..., 2] > 0).all() and (clip[..., 2] < clip[..., 3]).all()


@pytest.mark.parametrize("points", [torch.zeros(4, 3), torch.zeros(0, 3), torch.full((2, 3), torch.nan), torch.ones(3)])
def test_nothing_to_frame_is_an_error(points: torch.Tensor) -> None:
    """Breaks if the camera would be at distance 0 or NaN."""
    with pytest.raises(ValueError, match="frame"):
        frame(points, (10, 10))
