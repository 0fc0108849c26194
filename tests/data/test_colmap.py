"""COLMAP's reconstructions, written here as its documentation describes them."""

import math
import struct
from pathlib import Path

import pytest
import torch
from view_sets import SIZE, picture

from repousse.data import Views, load_views

HEIGHT, WIDTH = SIZE
# number, name, quaternion (w, x, y, z), translation, camera
HALF = math.sqrt(0.5)
IMAGES = [
    (7, "b.png", (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 4.0), 2),
    (3, "sub/a.png", (HALF, 0.0, HALF, 0.0), (0.5, -0.25, 4.0), 1),
]
CAMERAS = [(1, "PINHOLE", 1, (20.0, 22.0, 7.5, 6.5)), (2, "SIMPLE_PINHOLE", 0, (24.0, 8.0, 6.0))]
# model, number, parameters
DISTORTED = [
    ("SIMPLE_RADIAL", 2, (20.0, 8.0, 6.0, -0.1)),
    ("RADIAL", 3, (20.0, 8.0, 6.0, -0.1, 0.02)),
    ("OPENCV", 4, (20.0, 21.0, 8.0, 6.0, -0.1, 0.02, 0.001, -0.002)),
    ("OPENCV_FISHEYE", 5, (20.0, 21.0, 8.0, 6.0, 0.1, 0.02, 0.001, -0.002)),
    ("FULL_OPENCV", 6, (20.0, 21.0, 8.0, 6.0, -0.1, 0.02, 0.001, -0.002, 0.01, 0.02, 0.01, 0.003)),
    ("SIMPLE_RADIAL_FISHEYE", 8, (20.0, 8.0, 6.0, 0.1)),
    ("RADIAL_FISHEYE", 9, (20.0, 8.0, 6.0, 0.1, 0.02)),
]


def write_text(folder: Path, cameras=CAMERAS, images=IMAGES, points: str = "1.5 2.5 -1 3 4 17") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{n} {model} {WIDTH} {HEIGHT} {' '.join(map(str, values))}" for n, model, _, values in cameras]
    (folder / "cameras.txt").write_text("# Camera list\n" + "\n".join(lines) + "\n")
    text = "# Image list\n"
    for number, name, quaternion, shift, camera in images:
        text += f"{number} {' '.join(map(str, (*quaternion, *shift)))} {camera} {name}\n{points}\n"
    (folder / "images.txt").write_text(text)
    return folder


def write_binary(folder: Path, cameras=CAMERAS, images=IMAGES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    data = struct.pack("<Q", len(cameras))
    for number, _, model, values in cameras:
        data += struct.pack(f"<iiQQ{len(values)}d", number, model, WIDTH, HEIGHT, *values)
    (folder / "cameras.bin").write_bytes(data)
    data = struct.pack("<Q", len(images))
    for number, name, quaternion, shift, camera in images:
        data += struct.pack("<I7dI", number, *quaternion, *shift, camera) + name.encode() + b"\0"
        data += struct.pack("<Q", 2) + struct.pack("<ddqddq", 1.5, 2.5, -1, 3, 4, 17)
    (folder / "images.bin").write_bytes(data)
    return folder


def pictures(folder: Path) -> None:
    for number, (_, name, *_) in enumerate(IMAGES):
        picture(folder / "images" / name, seed=number)


def same(a: Views, b: Views) -> bool:
    pairs = [(a.color, b.color), (a.mask, b.mask), (a.camera.projection, b.camera.projection)]
    pairs.append((a.camera.world_to_camera, b.camera.world_to_camera))
    return a.names == b.names and all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("place", ["sparse/0", "sparse", "."])
def test_text_is_binary(tmp_path: Path, place: str) -> None:
    """Breaks if one of the formats is read otherwise than the other."""
    for folder in (tmp_path / "text", tmp_path / "binary"):
        pictures(folder)
    write_text(tmp_path / "text" / place)
    write_binary(tmp_path / "binary" / place)
    assert same(load_views(tmp_path / "text"), load_views(tmp_path / "binary"))


def test_poses_by_hand(tmp_path: Path) -> None:
    """Breaks if the quaternion's order, its sense, or the direction of the transform is another one."""
    pictures(tmp_path)
    write_text(tmp_path / "sparse" / "0")
    views = load_views(tmp_path)
    assert views.names == ("b", "sub/a")
    K, R, t = views.camera.to_opencv(SIZE)
    assert torch.allclose(K[0], torch.tensor([[24.0, 0, 8], [0, 24, 6], [0, 0, 1]]))
    assert torch.allclose(K[1], torch.tensor([[20.0, 0, 7.5], [0, 22, 6.5], [0, 0, 1]]), atol=1e-5)
    assert torch.allclose(R[0], torch.eye(3)) and torch.allclose(t[1], torch.tensor([0.5, -0.25, 4]))
    # A quarter turn about y takes z to x and x to -z.
    assert torch.allclose(R[1], torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]), atol=1e-7)
    pixel, depth = views.camera[1].to_pixels(torch.tensor([[1.0, 2.0, 3.0]]), SIZE)  # becomes (3.5, 1.75, 3)
    assert torch.allclose(pixel[0, 0], torch.tensor([7.5 + 20 * 3.5 / 3, 6.5 + 22 * 1.75 / 3]))
    assert depth.item() == pytest.approx(3.0)


@pytest.mark.parametrize("points", ["", "1.5 2.5 -1", "1.5 2.5 -1 3 4 17 5 6 -1 7 8 -1"])
def test_lines_of_points_do_not_matter(tmp_path: Path, points: str) -> None:
    """Breaks if a line of points, which may be empty, is taken for a picture or the other way round."""
    pictures(tmp_path)
    write_text(tmp_path, points=points)
    assert len(load_views(tmp_path)) == 2


@pytest.mark.parametrize(("model", "number", "values"), DISTORTED)
def test_models_with_distortion(tmp_path: Path, model: str, number: int, values: tuple[float, ...]) -> None:
    """Breaks if a model's parameters are in another order: centre and focal length, then what is undone."""
    cameras = [(1, model, number, values), (2, model, number, values)]
    for folder, write in ((tmp_path / "text", write_text), (tmp_path / "binary", write_binary)):
        pictures(folder)
        write(folder, cameras=cameras)
    views = load_views(tmp_path / "text")
    assert same(views, load_views(tmp_path / "binary"))
    K = views.camera.to_opencv(SIZE)[0][0]
    focal = values[:2] if len(values) >= 8 else values[:1] * 2
    assert torch.allclose(K, torch.tensor([[focal[0], 0, 8], [0, focal[1], 6], [0, 0, 1]]), atol=1e-5)
    plain = [(n, "PINHOLE", 1, (*focal, 8.0, 6.0)) for n in (1, 2)]
    pictures(tmp_path / "plain")
    write_text(tmp_path / "plain", cameras=plain)
    assert not torch.equal(load_views(tmp_path / "plain").mask, views.mask)


def failure(folder: Path) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        load_views(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unknown_models_are_refused(tmp_path: Path) -> None:
    """Breaks if a model that is not understood is read as another one."""
    pictures(tmp_path)
    write_text(tmp_path, cameras=[(1, "FOV", 7, (20.0, 20.0, 8.0, 6.0, 0.9)), CAMERAS[1]])
    assert "cameras.txt uses the camera model FOV; known are SIMPLE_PINHOLE" in failure(tmp_path)
    write_binary(tmp_path, cameras=[(1, "FOV", 7, (20.0, 20.0, 8.0, 6.0, 0.9)), CAMERAS[1]])
    assert "cameras.bin uses the camera model number 7" in failure(tmp_path)


def test_broken_reconstructions(tmp_path: Path) -> None:
    """Breaks if a file that is cut off, or numbers without sense, make cameras."""
    pictures(tmp_path)
    write_binary(tmp_path)
    for name in ("cameras.bin", "images.bin"):
        data = (tmp_path / name).read_bytes()
        for length in range(1, len(data), 7):
            (tmp_path / name).write_bytes(data[:length])
            assert f"{name} ends too early" in failure(tmp_path)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "images.bin").write_bytes(struct.pack("<Q", 2**60))
    assert "ends too early" in failure(tmp_path)
    (tmp_path / "images.bin").write_bytes(struct.pack("<Q", 0))
    assert "holds no pictures" in failure(tmp_path)
    bad = [
        ({"images": [(1, "b.png", (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 4.0), 1)]}, "b.png has an impossible pose"),
        ({"images": [(1, "b.png", (1.0, 0.0, 0.0, 0.0), (0.0, math.nan, 4.0), 1)]}, "impossible pose"),
        ({"images": [(1, "b.png", (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 4.0), 9)]}, "camera 9, which is not described"),
        ({"images": [(1, "c.png", (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 4.0), 1)]}, "names the picture 'c.png'"),
        ({"cameras": [(1, "PINHOLE", 1, (-20.0, 22.0, 7.5, 6.5)), CAMERAS[1]]}, "impossible numbers"),
        ({"cameras": [(1, "PINHOLE", 1, (math.nan, 22.0, 7.5, 6.5)), CAMERAS[1]]}, "impossible numbers"),
    ]
    for changes, message in bad:
        write_binary(tmp_path, **changes)
        assert message in failure(tmp_path)
        write_text(tmp_path / "text", **changes)
        pictures(tmp_path / "text")
        assert message in failure(tmp_path / "text")


def test_broken_text(tmp_path: Path) -> None:
    """Breaks if a line with a word missing is skipped or read shifted."""
    pictures(tmp_path)
    write_text(tmp_path)
    for name, content, message in (
        ("cameras.txt", "1 PINHOLE 16 12 20 22 7.5\n", "PINHOLE needs 4 parameters"),
        ("cameras.txt", "1 PINHOLE 16\n", "instead of: number, model"),
        ("cameras.txt", "\xff\xfe", "instead of: number, model"),
        ("images.txt", "1 1 0 0 0 0 0 4 b.png\n", "instead of: number, quaternion"),
        ("images.txt", "1 1 0 0 x 0 0 4 1 b.png\n", "instead of: number, quaternion"),
        ("images.txt", "# nothing\n", "holds no pictures"),
    ):
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_text(content)
        assert message in failure(tmp_path)
        (tmp_path / name).write_bytes(before)
