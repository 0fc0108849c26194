"""Distortion of lenses, against OpenCV's formulas worked out by hand."""

import math
from pathlib import Path

import pytest
import torch
from view_sets import SIZE, mask, picture, pose, transforms

from repousse.data import load_views
from repousse.data.lenses import Lens

LENS = Lens((240, 320), (250.0, 260.0), (161.0, 118.0))


def lens(**distortion) -> Lens:
    return Lens(LENS.size, LENS.focal, LENS.centre, **distortion)


def test_radial_and_tangential() -> None:
    """Breaks if a coefficient is in the wrong place, by numbers computed with a pocket calculator's steps."""
    x, y = 0.3, -0.2
    r2 = x * x + y * y  # 0.13
    k, p1, p2 = (0.1, -0.05, 0.02, 0.03, 0.01, -0.004), 0.002, -0.003
    stretch = (1 + 0.1 * r2 - 0.05 * r2**2 + 0.02 * r2**3) / (1 + 0.03 * r2 + 0.01 * r2**2 - 0.004 * r2**3)
    expected = (
        x * stretch + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * stretch + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )
    point = torch.tensor([[x, y]], dtype=torch.float64)
    found = lens(radial=k, tangential=(p1, p2)).distort(point)
    assert found[0].tolist() == pytest.approx(expected, abs=1e-12)
    short = lens(radial=k[:1]).distort(point)
    assert short[0].tolist() == pytest.approx([x * (1 + 0.1 * r2), y * (1 + 0.1 * r2)])


def test_fisheye() -> None:
    """Breaks if the angle is not what is stretched; on the axis it must not divide by zero."""
    k = (0.05, -0.01, 0.003, -0.001)
    theta = math.radians(40)
    bent = theta * (1 + k[0] * theta**2 + k[1] * theta**4 + k[2] * theta**6 + k[3] * theta**8)
    directions = torch.tensor([[0.6, 0.8], [0, 0]], dtype=torch.float64) * math.tan(theta)
    found = lens(fisheye=k).distort(directions)
    assert found[0].tolist() == pytest.approx([0.6 * bent, 0.8 * bent]) and found[1].tolist() == [0, 0]


@pytest.mark.parametrize(
    "distorted",
    [
        lens(radial=(-0.25, 0.08), tangential=(0.002, -0.001)),
        lens(radial=(0.2, 0.05, 0.01, 0.1, 0.02, 0.003)),
        lens(fisheye=(0.03, -0.01, 0.0, 0.0)),
    ],
    ids=["barrel", "rational", "fisheye"],
)
def test_pictures_become_straight(distorted: Lens) -> None:
    """Breaks if resampling goes the wrong way, or is half a pixel off: a smooth function of the direction, photographed
    through the lens, must come out as that function of the direction."""

    def pattern(directions: torch.Tensor) -> torch.Tensor:
        return 0.5 + 0.5 * torch.sin(7 * directions[..., :1] + 11 * directions[..., 1:] + 1)

    rows, columns = (torch.arange(n, dtype=torch.float64) + 0.5 for n in LENS.size)
    v, u = torch.meshgrid(rows, columns, indexing="ij")
    seen = (torch.stack((u, v), -1) - torch.tensor(LENS.centre)) / torch.tensor(LENS.focal)
    source = seen.clone()
    for _ in range(25):  # invert the distortion by fixed-point steps
        source = source + (seen - distorted.distort(source))
    image = distorted.undistorted(pattern(source))
    inner = (slice(65, 175), slice(90, 230))
    assert (image - pattern(seen))[inner].abs().max() < 5e-3


def test_what_folds_stays_empty() -> None:
    """Breaks if a polynomial that turns round draws the picture's middle again at its border."""
    folding = lens(radial=(-1.5,))
    image = torch.ones(*LENS.size, 1, dtype=torch.float64)
    straight = folding.undistorted(image)[..., 0]
    # r (1 - 1.5 r²) grows up to r = sqrt(1 / 4.5) only.
    fold = math.sqrt(1 / 4.5)
    rows, columns = (torch.arange(n, dtype=torch.float64) + 0.5 for n in LENS.size)
    v, u = torch.meshgrid(rows, columns, indexing="ij")
    radius = torch.hypot((u - LENS.centre[0]) / LENS.focal[0], (v - LENS.centre[1]) / LENS.focal[1])
    assert straight[radius > fold + 0.02].eq(0).all() and straight[radius < fold - 0.02].min() > 0.999


def test_distortion_of_a_set_is_undone(tmp_path: Path) -> None:
    """Breaks if coefficients in the file are ignored, or the mask is not resampled like the picture."""
    frame = {"file_path": "a.png", "transform_matrix": pose()}
    picture(tmp_path / "a.png")
    straight = {"fl_x": 20.0, "w": SIZE[1], "h": SIZE[0]}
    transforms(tmp_path / "transforms.json", [frame], **straight)
    before = load_views(tmp_path)
    transforms(tmp_path / "transforms.json", [frame], **straight, k1=-0.2, k2=0.05, p1=0.001)
    after = load_views(tmp_path)
    model = Lens(SIZE, (20.0, 20.0), (8.0, 6.0), (-0.2, 0.05), (0.001, 0.0))
    expected = model.undistorted(torch.cat((before.color[0], before.mask[0, ..., None]), -1))
    assert torch.allclose(after.color[0], expected[..., :3], atol=1e-6) and not torch.equal(after.mask, before.mask)
    assert torch.allclose(after.mask[0], expected[..., 3], atol=1e-6)
    assert torch.equal(after.camera.projection, before.camera.projection)
    transforms(tmp_path / "transforms.json", [frame], **straight, is_fisheye=True, k1=0.1)
    assert not torch.equal(load_views(tmp_path).mask, before.mask)


def test_a_mask_may_be_cut_off_by_undistortion(tmp_path: Path) -> None:
    """Breaks if values leave [0, 1] or the object vanishes when the lens is strong."""
    picture(tmp_path / "a.png", mode="RGB")
    mask(tmp_path / "masks" / "a.png")
    frame = {"file_path": "a.png", "transform_matrix": pose()}
    transforms(tmp_path / "transforms.json", [frame], fl_x=8.0, w=SIZE[1], h=SIZE[0], k1=0.4)
    views = load_views(tmp_path)
    assert 0 < float(views.mask.mean()) < 0.5
