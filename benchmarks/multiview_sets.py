"""Real sets of views as folders that `repousse fit` reads: `python -m benchmarks.multiview_sets SOURCE OUT`.

SOURCE holds the arrays of three known sets: middlebury_dino_ring.npz (48 photographs of the Middlebury benchmark),
lego_200.npz (NeRF's synthetic scene) and softras_airplane_120.npz (the target of SoftRas' demo). Each becomes a folder
in OUT with transforms_train.json and transforms_test.json. Whether cameras and conventions are right is shown by the
overlap (intersection over union) of the masks with the silhouettes of the visual hull of the training masks.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import Tensor

import repousse as rp
from repousse.data import Views, load_views, save_views
from repousse.voxels import visual_hull

Sets = tuple[Views, Views]


def dino(source: Path) -> Sets:
    """Photographs of a plaster dinosaur; those whose mask may be trusted."""
    data = np.load(source / "middlebury_dino_ring.npz")
    K, R, t = (torch.from_numpy(data[name]) for name in ("K", "R", "t"))
    K = K.clone()
    K[:, :2, 2] += 0.5  # the benchmark puts pixel centres at whole numbers
    rgba = np.concatenate((data["rgb"], data["mask"][..., None]), -1)
    camera = rp.Camera.from_opencv(K, R, t, rgba.shape[1:3], near=0.05, far=50.0)
    views = _views(rgba, camera, [str(name) for name in data["name"]])
    return views[np.flatnonzero(data["good"]).tolist()].split(8)


def lego(source: Path) -> Sets:
    """An excavator of toy bricks, by NeRF's authors."""
    data = np.load(source / "lego_200.npz")

    def part(name: str) -> Views:
        rgba, poses = data[f"{name}_rgba"], torch.from_numpy(data[f"{name}_c2w"])
        height, width = rgba.shape[1:3]
        focal = float(data["focal"])
        K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], dtype=torch.float64)
        camera = rp.Camera.from_opengl(poses, K, (height, width), near=0.05, far=100.0)
        return _views(rgba, camera, [f"{number:03d}" for number in range(len(rgba))])

    return part("train"), part("test")


def airplane(source: Path) -> Sets:
    """An airplane, 64 x 64 pixels. Its cameras are left-handed: the world is mirrored (x to -x) to make them ours."""
    data = np.load(source / "softras_airplane_120.npz")
    distance, elevation, azimuth = torch.from_numpy(data["dist_elev_azim"]).double().unbind(1)
    # The released `look_at`: x right, y up, z ahead, all in a right-handed world. Mirrored, azimuth 0 is on -z and
    # angles grow towards -x, which is how ours grow from there.
    camera = rp.Camera.orbit(
        distance, torch.deg2rad(elevation), torch.deg2rad(azimuth) + torch.pi, fov=torch.pi / 6, near=0.05, far=100.0
    )
    rgba = np.ascontiguousarray(data["rgba"].transpose(0, 2, 3, 1))
    return _views(rgba, camera, [f"{number:03d}" for number in range(len(rgba))]).split(8)


SETS: dict[str, Callable[[Path], Sets]] = {"dino": dino, "lego": lego, "airplane": airplane}


def write(source: Path, out: Path) -> list[Path]:
    """Write all sets whose arrays are in `source`; returns their folders."""
    folders = []
    for name, make in SETS.items():
        train, test = make(source)
        for split, views in (("train", train), ("test", test)):
            save_views(out / name, views, split=split)
        folders.append(out / name)
    return folders


def overlaps(folder: Path, resolution: int = 96) -> tuple[Tensor, Tensor]:
    """Overlap of the masks, training and test, with the silhouettes of the hull of the training masks."""
    train, test = (load_views(folder, split=split) for split in ("train", "test"))
    hull = visual_hull(train.mask, train.camera, resolution=resolution)
    found = []
    for views in (train, test):
        seen = rp.silhouette(hull, views.camera, views.size, gradient=None, supersample=3)
        shared = torch.minimum(seen, views.mask).sum((1, 2))
        found.append(shared / torch.maximum(seen, views.mask).sum((1, 2)))
    return found[0], found[1]


def _views(rgba: np.ndarray, camera: rp.Camera, names: list[str]) -> Views:
    values = torch.from_numpy(rgba).float() / 255
    mask = values[..., 3]
    color = rp.io.srgb_to_linear(values[..., :3]) * mask[..., None]
    return Views(color, mask, camera.to(torch.float32), tuple(names))


def main(source: tyro.conf.Positional[Path], out: tyro.conf.Positional[Path]) -> None:
    """Write the sets and print how well their masks agree.

    Args:
        source: Folder of the arrays.
        out: Folder to write to; each set becomes a folder in it.
    """
    table = Table("set", "views", "overlap with the hull: median", "least", "held out: median", "least")
    for folder in write(source, out):
        train, test = overlaps(folder)
        figures = (f"{value:.3f}" for part in (train, test) for value in (part.median(), part.min()))
        table.add_row(folder.name, f"{len(train)} + {len(test)}", *figures)
    Console().print(table)


if __name__ == "__main__":
    tyro.cli(main)
