"""Visual hulls of sets that others made: whether their conventions are understood shows in how well masks agree."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.render import silhouette
from repousse.voxels import visual_hull


def overlaps(mask: Tensor, camera: Camera) -> tuple[float, float]:
    """Median and least overlap of the masks with the silhouettes of their hull."""
    hull = visual_hull(mask, camera, resolution=48)
    seen = silhouette(hull, camera, (mask.shape[1], mask.shape[2]), gradient=None, supersample=2)
    found = torch.minimum(seen, mask).sum((1, 2)) / torch.maximum(seen, mask).sum((1, 2))
    return found.median().item(), found.min().item()


@pytest.fixture
def sets(shared_data: Path) -> Path:
    folder = shared_data / "multiview"
    if not folder.is_dir():
        pytest.skip(f"needs the sets of views in {folder}")
    return folder


def test_photographs(sets: Path) -> None:
    """Breaks if OpenCV's cameras or the place of pixel centres are misunderstood, or bad masks are not noticed."""
    data = np.load(sets / "middlebury_dino_ring.npz")
    K = torch.from_numpy(data["K"][::3]).clone()
    K[:, :2, 2] += 0.5
    mask = torch.from_numpy(data["mask"][::3]).float() / 255
    R, t = (torch.from_numpy(data[name][::3]) for name in ("R", "t"))
    camera = Camera.from_opencv(K, R, t, (240, 320), near=0.05, far=50.0).to(torch.float32)
    median, least = overlaps(mask, camera)
    assert median > 0.965 and least > 0.94


def test_a_scene_of_nerf(sets: Path) -> None:
    """Breaks if OpenGL's camera axes or the focal length are misunderstood, or a view that alone looks into a hollow
    is taken for a wrong one."""
    data = np.load(sets / "lego_200.npz")
    mask = torch.from_numpy(data["train_rgba"][::3, ..., 3]).float() / 255
    focal = float(data["focal"])
    K = torch.tensor([[focal, 0, 100], [0, focal, 100], [0, 0, 1]], dtype=torch.float64)
    camera = Camera.from_opengl(torch.from_numpy(data["train_c2w"][::3]), K, (200, 200)).to(torch.float32)
    median, least = overlaps(mask, camera)
    assert median > 0.95 and least > 0.93
