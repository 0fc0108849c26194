"""Sets that cannot be used: one line each, which names the file."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from view_sets import mask, picture, pose, transforms

from repousse.data import load_views


def failure(folder: Path) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        load_views(folder)
    text = str(caught.value)
    assert "\n" not in text and text.startswith("load_views: ")
    return text


def one(folder: Path, **changes: object) -> None:
    """A set of one picture, with some fields of its frame changed; those that are None are left out."""
    picture(folder / "a.png")
    frame = {"file_path": "a.png", "transform_matrix": pose(), **changes}
    transforms(folder / "transforms.json", [{k: v for k, v in frame.items() if v is not None}], camera_angle_x=0.8)


def scaled(factor: float) -> list[list[float]]:
    return (np.array(pose()) * np.array([factor, factor, factor, 1])).tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file_path": "b.png"}, "names the picture 'b.png', but there is no such file"),
        ({"file_path": None}, "frame 0 of .*transforms.json has no `file_path`"),
        ({"file_path": "a\0.png"}, "no such file"),
        ({"transform_matrix": None}, r"\(a.png\): `transform_matrix` should be four rows"),
        ({"transform_matrix": [[1, 2], [3]]}, "should be four rows of four numbers"),
        ({"transform_matrix": "eye"}, "should be four rows of four numbers"),
        ({"transform_matrix": [[math.nan] * 4] * 4}, r"\(a.png\): `camera_to_world` is not finite"),
        ({"transform_matrix": scaled(2.0)}, "a rotation and a translation; does it contain a scale"),
        ({"transform_matrix": scaled(-1.0)}, "mirrored axis"),
        ({"fl_x": 20.0}, "has `fl_x` or distortion but no `w` and `h`"),
        ({"fl_x": -20.0, "w": 16, "h": 12}, "focal lengths should be positive"),
        ({"fl_x": "wide", "w": 16, "h": 12}, "`fl_x` should be a finite number, not 'wide'"),
        ({"fl_x": math.inf, "w": 16, "h": 12}, "`fl_x` should be a finite number"),
        ({"fl_x": 20.0, "w": 12, "h": 16}, "a.png has 16 x 12 pixels but its camera 12 x 16"),
        ({"fl_x": 20.0, "w": 16, "h": 12, "camera_model": "THIN_PRISM"}, "camera model THIN_PRISM is not known"),
        ({"camera_angle_x": 4.0}, "`camera_angle_x` is the field of view in radians"),
        ({"mask_path": "m.png"}, "names the picture 'm.png'"),
    ],
)
def test_frames_that_make_no_camera(tmp_path: Path, changes: dict, message: str) -> None:
    """Breaks if a frame without sense becomes a view, or its error does not say where it is."""
    one(tmp_path, **changes)
    assert re.search(message, failure(tmp_path))


def test_files_that_are_no_sets(tmp_path: Path) -> None:
    """Breaks if a folder without cameras, or a broken file of them, ends in another library's error."""
    assert "there is no folder" in failure(tmp_path / "nowhere")
    assert "has no transforms.json and no COLMAP reconstruction" in failure(tmp_path)
    path = tmp_path / "transforms.json"
    for content, message in (
        ("", "is empty"),
        ("{", "is not a JSON file"),
        ("[" * 100000, "is not a JSON file"),
        ("[]", "has no `frames`"),
        ('{"frames": []}', "has no `frames`"),
        ('{"frames": 3}', "has no `frames`"),
        ('{"frames": [7]}', "frame 0"),
    ):
        path.write_text(content)
        assert message in failure(tmp_path)
    path.unlink()
    (tmp_path / "transforms_best.json").write_text("{}")
    assert "choose a split: best" in failure(tmp_path)


def test_pictures_without_mask(tmp_path: Path) -> None:
    """Breaks if the whole picture is taken for the object because nothing says what it is."""
    one(tmp_path)
    picture(tmp_path / "a.png", mode="RGB")
    assert "a.png has no mask: give it an alpha channel" in failure(tmp_path)
    mask(tmp_path / "masks" / "a.png", size=(6, 8))
    assert "a.png has 8 x 6 pixels, its picture 16 x 12" in failure(tmp_path)
    mask(tmp_path / "masks" / "a.png", value=0)
    assert "masks/a.png is empty (0 everywhere)" in failure(tmp_path)
    mask(tmp_path / "masks" / "a.png", value=255)
    assert "masks/a.png is 1 everywhere: nothing is cut out" in failure(tmp_path)
    (tmp_path / "masks" / "a.png").write_bytes(b"no picture")
    assert "masks/a.png is not an intact picture" in failure(tmp_path)


@pytest.mark.parametrize(("alpha", "message"), [(0, "is empty"), (255, "1 everywhere")])
def test_alpha_without_content(tmp_path: Path, alpha: int, message: str) -> None:
    """Breaks if pictures that were never cut out are accepted."""
    one(tmp_path)
    pixels = np.full((12, 16, 4), alpha, dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert message in failure(tmp_path) and "a.png" in failure(tmp_path)


def test_pictures_of_different_sizes(tmp_path: Path) -> None:
    """Breaks if they are scaled without a word, or torch complains instead."""
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", size=(24, 32))
    frames = [{"file_path": f"{name}.png", "transform_matrix": pose()} for name in "ab"]
    transforms(tmp_path / "transforms.json", frames, camera_angle_x=0.8)
    text = failure(tmp_path)
    assert "b.png has 32 x 24 pixels but" in text and "a.png 16 x 12; crop or scale them" in text
    assert load_views(tmp_path, longest=16).size == (12, 16)


def test_broken_pictures(tmp_path: Path) -> None:
    """Breaks if a picture that is cut off is read as far as it goes."""
    one(tmp_path)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    assert "a.png is not an intact picture" in failure(tmp_path)


def test_longest_must_be_a_side() -> None:
    """Breaks if a size of nothing is accepted."""
    for longest in (0, -3, 2.5):
        with pytest.raises(ValueError, match="`longest`"):
            load_views(".", longest=longest)  # type: ignore[arg-type]


def test_not_a_number_in_json(tmp_path: Path) -> None:
    """Breaks if JSON's NaN, which Python reads, gets through as an angle."""
    one(tmp_path)
    content = json.loads((tmp_path / "transforms.json").read_text())
    (tmp_path / "transforms.json").write_text(json.dumps({**content, "camera_angle_x": math.nan}))
    assert "`camera_angle_x` should be a finite number, not nan" in failure(tmp_path)
