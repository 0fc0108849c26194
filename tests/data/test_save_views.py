"""Sets written: read again, and readable by others."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from view_sets import COUNT, SIZE, views

from repousse.camera import Camera
from repousse.data import load_views, save_views
from repousse.io import linear_to_srgb


def test_there_and_back(tmp_path: Path) -> None:
    """Breaks if a colour is off by more than the 8 bits lose, or what came from 8 bits changes at all."""
    first = views()
    assert save_views(tmp_path / "set", first) == tmp_path / "set" / "transforms.json"
    second = load_views(tmp_path / "set")
    assert second.names == first.names
    assert (second.mask - first.mask).abs().max() < 0.51 / 255
    seen = first.mask > 0.1
    straight = [linear_to_srgb(one.color[seen] / one.mask[seen][:, None]) for one in (first, second)]
    assert (straight[0] - straight[1]).abs().max() < 0.51 / 255
    assert second.color[second.mask == 0].eq(0).all()
    save_views(tmp_path / "again", second)
    third = load_views(tmp_path / "again")
    assert torch.equal(third.color, second.color) and torch.equal(third.mask, second.mask)


def test_cameras_there_and_back(tmp_path: Path) -> None:
    """Breaks if poses or intrinsics lose more than float32 does; each camera has its own lens here."""
    K = torch.tensor([[20.0, 0, 8], [0, 21, 6], [0, 0, 1]]).repeat(COUNT, 1, 1)
    K[:, 0, 0] += torch.arange(COUNT)
    K[:, 0, 2] -= 0.3 * torch.arange(COUNT)
    _, R, t = views().camera.to_opencv(SIZE)
    first = replace(views(), camera=Camera.from_opencv(K, R, t, SIZE))
    save_views(tmp_path, first)
    K2, R2, t2 = load_views(tmp_path).camera.to_opencv(SIZE)
    assert torch.allclose(K2, K, atol=1e-5)
    assert torch.allclose(R2, R, atol=1e-6) and torch.allclose(t2, t, atol=1e-6)


def test_what_others_find(tmp_path: Path) -> None:
    """Breaks if a field that NeRF's, instant-ngp's or nerfstudio's readers need is missing or means something else."""
    save_views(tmp_path, views(), split="train")
    content = json.loads((tmp_path / "transforms_train.json").read_text())
    assert content["w"] == SIZE[1] and content["h"] == SIZE[0]
    K = views().camera.to_opencv(SIZE)[0][0]
    assert content["fl_x"] == pytest.approx(K[0, 0].item()) and content["fl_y"] == pytest.approx(K[1, 1].item())
    assert content["fl_x"] == pytest.approx(SIZE[1] / 2 / np.tan(content["camera_angle_x"] / 2))
    for frame in content["frames"]:
        assert not frame["file_path"].endswith(".png")  # NeRF's reader adds it
        image = Image.open(tmp_path / f"{frame['file_path']}.png")
        assert image.mode == "RGBA" and image.size == (SIZE[1], SIZE[0])
        matrix = np.array(frame["transform_matrix"])
        # From the camera towards the object, which is at the origin: -z of the camera.
        assert matrix[:3, 2] @ matrix[:3, 3] == pytest.approx(3.0, rel=1e-5)


def test_depth_and_normals(tmp_path: Path) -> None:
    """Breaks if 16-bit depth times its scale is not the depth, or normals are stored as colours."""
    random = torch.Generator().manual_seed(1)
    depth = torch.rand(COUNT, *SIZE, generator=random) * 5
    normal = torch.nn.functional.normalize(torch.randn(COUNT, *SIZE, 3, generator=random), dim=-1)
    save_views(tmp_path, views(), depth=depth, normal=normal)
    content = json.loads((tmp_path / "transforms.json").read_text())
    for number, frame in enumerate(content["frames"]):
        read = np.asarray(Image.open(tmp_path / frame["depth_path"])).astype(np.float64)
        assert np.abs(read * content["integer_depth_scale"] - depth[number].numpy()).max() < 5 / 65535
        pixels = np.asarray(Image.open(tmp_path / frame["normal_path"])).astype(np.float64)
        assert np.abs(pixels / 255 * 2 - 1 - normal[number].numpy()).max() < 1.01 / 255


def test_the_same_bytes(tmp_path: Path) -> None:
    """Breaks if a time stamp or the order of a dictionary gets into a file."""
    contents = []
    for name in ("a", "b"):
        save_views(tmp_path / name, views(), depth=torch.ones(COUNT, *SIZE))
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append([(path.relative_to(tmp_path / name), path.read_bytes()) for path in files])
    assert contents[0] == contents[1] and len(contents[0]) == 3 * COUNT + 1


def test_several_sets_in_a_folder(tmp_path: Path) -> None:
    """Breaks if pictures of the same name in two splits overwrite each other."""
    first, second = views(seed=1), views(seed=2)
    save_views(tmp_path, first, split="train")
    save_views(tmp_path, second, split="test")
    for split, one in (("train", first), ("test", second)):
        found = load_views(tmp_path, split=split)
        assert found.names == tuple(f"{split}/{name}" for name in one.names)
        assert (found.mask - one.mask).abs().max() < 0.51 / 255
    save_views(tmp_path / "copy", load_views(tmp_path, split="test"), split="test")
    assert load_views(tmp_path / "copy", split="test").names == tuple(f"test/{name}" for name in second.names)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", "a\0b", "a\\b"])
def test_names_that_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Breaks if a set that was read from somewhere can write anywhere."""
    bad = replace(views(), names=(name, *views().names[1:]))
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        save_views(tmp_path / "set", bad)
    assert not (tmp_path / "set").exists()


def test_what_cannot_be_written(tmp_path: Path) -> None:
    """Breaks if something is written although a part does not fit."""
    first = views()
    orthographic = replace(first, camera=Camera.orbit(3.0, 0.1, torch.arange(COUNT) * 1.0, extent=2.0))
    cases = (
        ({"views": replace(first, names=("a",) * COUNT)}, "names of the views must differ"),
        ({"views": orthographic}, "only perspective cameras"),
        ({"views": first, "depth": torch.ones(COUNT, *SIZE, 1)}, "`depth` must be"),
        ({"views": first, "depth": -torch.ones(COUNT, *SIZE)}, "not negative"),
        ({"views": first, "normal": torch.full((COUNT, *SIZE, 3), torch.nan)}, "`normal` must be"),
    )
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            save_views(tmp_path / "set", **arguments)
    assert not (tmp_path / "set").exists()
    with pytest.raises(TypeError, match="must be Views"):
        save_views(tmp_path / "set", first.mask)  # type: ignore[arg-type]
