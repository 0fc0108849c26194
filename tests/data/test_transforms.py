"""Sets with transforms.json: what others write, read as they mean it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from view_sets import SIZE, mask, picture, pose, transforms

from repousse.data import load_views, splits
from repousse.io import srgb_to_linear

ANGLE = 0.8


def test_nerf_synthetic(tmp_path: Path) -> None:
    """Breaks if names without ending are not found, or the angle is not that from left to right."""
    pixels = picture(tmp_path / "train" / "r_0.png")
    transforms(
        tmp_path / "transforms_train.json",
        [{"file_path": "./train/r_0", "transform_matrix": pose(), "rotation": 0.1}],
        camera_angle_x=ANGLE,
    )
    views = load_views(tmp_path)
    assert views.names == ("train/r_0",) and views.size == SIZE
    # At depth 4 the right border of the picture is 4 tan(angle / 2) to the right; pixels are square.
    half = 4 * math.tan(ANGLE / 2)
    points = torch.tensor([[half, 0, 0], [0, half * SIZE[0] / SIZE[1], 0]])
    pixel, depth = views.camera.to_pixels(points, SIZE)
    assert torch.allclose(pixel[0], torch.tensor([[16.0, 6], [8, 0]]), atol=1e-4)
    assert torch.allclose(depth, torch.full_like(depth, 4))
    straight = srgb_to_linear(torch.from_numpy(pixels[..., :3]).float() / 255)
    alpha = torch.from_numpy(pixels[..., 3:]).float() / 255
    assert torch.equal(views.color[0], straight * alpha) and torch.equal(views.mask[0], alpha[..., 0])


def test_instant_ngp(tmp_path: Path) -> None:
    """Breaks if intrinsics are not read, or those of a frame do not come before those of the file."""
    for number in range(2):
        picture(tmp_path / "images" / f"{number}.jpg", mode="RGB", seed=number)
        mask(tmp_path / "masks" / f"{number}.png")
    frames = [{"file_path": f"images/{number}.jpg", "transform_matrix": pose(number)} for number in range(2)]
    frames[1] |= {"fl_x": 40.0, "cx": 9.0}
    transforms(tmp_path / "transforms.json", frames, fl_x=20.0, fl_y=30.0, cx=7.5, cy=6.5, w=16, h=12)
    views = load_views(tmp_path)
    K, _, t = views.camera.to_opencv(SIZE)
    assert torch.allclose(K[0], torch.tensor([[20.0, 0, 7.5], [0, 30, 6.5], [0, 0, 1]]))
    assert torch.allclose(K[1], torch.tensor([[40.0, 0, 9], [0, 30, 6.5], [0, 0, 1]]))
    assert torch.allclose(t, torch.tensor([[0.0, 0, 4], [-1, 0, 4]]))
    assert views.mask[0, :6].eq(1).all() and views.mask[0, 6:].eq(0).all() and views.color[0, 6:].eq(0).all()


@pytest.mark.parametrize("where", ["mask_path", "masks", "masks with ending", "beside"])
def test_where_masks_may_be(tmp_path: Path, where: str) -> None:
    """Breaks if a mask is not found, or alpha comes before it."""
    picture(tmp_path / "images" / "a.png")
    frame: dict = {"file_path": "images/a.png", "transform_matrix": pose()}
    places = {
        "mask_path": "other/m.png",
        "masks": "masks/a.png",
        "masks with ending": "masks/a.png.png",
        "beside": "images/a_mask.png",
    }
    if where == "mask_path":
        frame["mask_path"] = places[where]
    mask(tmp_path / places[where])
    transforms(tmp_path / "transforms.json", [frame], camera_angle_x=ANGLE)
    found = load_views(tmp_path).mask[0]
    assert found[:6].eq(1).all() and found[6:].eq(0).all()


def test_splits(tmp_path: Path) -> None:
    """Breaks if held-out pictures get among those to learn from."""
    for number, name in enumerate(("train", "val", "test")):
        picture(tmp_path / name / "r_0.png", seed=number)
        frame = {"file_path": f"./{name}/r_0", "transform_matrix": pose(number)}
        transforms(tmp_path / f"transforms_{name}.json", [frame], camera_angle_x=ANGLE)
    assert splits(tmp_path) == ("test", "train", "val")
    assert load_views(tmp_path).names == ("train/r_0",)
    assert load_views(tmp_path, split="test").names == ("test/r_0",)
    with pytest.raises(ValueError, match=r"has no transforms_best\.json; it has test, train, val"):
        load_views(tmp_path, split="best")


def test_smaller_pictures_than_measured(tmp_path: Path) -> None:
    """Breaks if a set whose pictures were made smaller gets the lens of the large ones."""
    picture(tmp_path / "a.png")
    frame = {"file_path": "a.png", "transform_matrix": pose()}
    transforms(tmp_path / "transforms.json", [frame], fl_x=40.0, cx=15.0, cy=13.0, w=32, h=24)
    K = load_views(tmp_path).camera.to_opencv(SIZE)[0][0]
    assert torch.allclose(K, torch.tensor([[20.0, 0, 7.5], [0, 20, 6.5], [0, 0, 1]]))


def test_longest(tmp_path: Path) -> None:
    """Breaks if pictures made smaller while they are read differ from those made smaller later."""
    picture(tmp_path / "a.png")
    transforms(tmp_path / "transforms.json", [{"file_path": "a", "transform_matrix": pose()}], camera_angle_x=ANGLE)
    small, large = load_views(tmp_path, longest=8), load_views(tmp_path)
    assert small.size == (6, 8) and load_views(tmp_path, longest=100).size == SIZE
    assert torch.allclose(small.color, large.resized(0.5).color, atol=1e-6)
    assert torch.allclose(small.camera.projection, large.camera.projection, atol=1e-6)


def test_clipping_planes_follow_the_scale(tmp_path: Path) -> None:
    """Breaks if a world in millimetres or kilometres is clipped away."""
    for scale in (1e-3, 1e4):
        frames = []
        for number in range(2):
            picture(tmp_path / f"{number}.png")
            matrix = np.array(pose(number), dtype=float)
            matrix[:3, 3] *= scale
            frames.append({"file_path": f"{number}.png", "transform_matrix": matrix.tolist()})
        transforms(tmp_path / "transforms.json", frames, camera_angle_x=ANGLE)
        clip = load_views(tmp_path).camera.project(torch.zeros(1, 3), SIZE)
        assert bool((clip[..., 2] > 0).all()) and bool((clip[..., 2] < clip[..., 3]).all())
