"""`load_obj(load_texture=True)` of `repousse.compat.neural_renderer`: materials, pictures, wrapping."""

import gzip
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from repousse.compat import neural_renderer as nr

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl paint\n"


def scene(folder, uv: list[tuple[float, float]], image: np.ndarray, material: str = "map_Kd picture.png\n") -> str:
    """One triangle with these texture coordinates and this picture; the path of its .obj file."""
    Image.fromarray(image).save(folder / "picture.png")
    (folder / "mesh.mtl").write_text("newmtl paint\n" + material)
    coordinates = "".join(f"vt {u} {v}\n" for u, v in uv)
    (folder / "mesh.obj").write_text(f"mtllib mesh.mtl\n{TRIANGLE}{coordinates}f 1/1 2/2 3/3\n")
    return str(folder / "mesh.obj")


def ramp() -> np.ndarray:
    """Red is u and green is v, exactly, wherever the picture is sampled bilinearly."""
    steps = np.arange(256, dtype=np.uint8)
    return np.stack(np.broadcast_arrays(steps[None, :], steps[::-1, None], np.uint8(255)), axis=2)


def corner(textures: torch.Tensor, k: int) -> list[float]:
    """The colour in the cell that belongs to corner k alone."""
    cell = [0, 0, 0]
    cell[k] = textures.shape[1] - 1
    return textures[0, cell[0], cell[1], cell[2]].tolist()


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_cells_are_weights_of_corners(tmp_path, size):
    """Breaks if axes are exchanged, v points down, cells off the plane stay, or cell 0 is not finite."""
    uv = [(0.1, 0.2), (0.9, 0.3), (0.4, 0.8)]
    textures = nr.load_obj(scene(tmp_path, uv, ramp()), texture_size=size, load_texture=True)[2]
    for cell in np.ndindex(size, size, size):
        weights = np.array(cell if any(cell) else (1, 1, 1), dtype=float)
        expected = weights / weights.sum() @ np.array(uv)
        assert textures[0][cell].tolist() == pytest.approx([*expected, 1], abs=1e-5)


@pytest.mark.parametrize(
    ("wrapping", "expected"),
    [
        ("REPEAT", [0, 1, 0.25, 0.25, 0.75, 0, 0, 0.5]),
        ("MIRRORED_REPEAT", [0, 1, 0.25, 0.75, 0.25, 1, 0, 0.5]),
        ("CLAMP_TO_EDGE", [0, 1, 0.25, 1, 0, 0, 1, 1]),
    ],
)
def test_wrapping_modes(tmp_path, wrapping, expected):
    """Breaks if REPEAT does not keep 0 and 1 (the port swaps them), or negative coordinates wrap wrongly."""
    for value, wrapped in zip([0, 1, 0.25, 1.25, -0.25, -1, 2, 2.5], expected, strict=True):
        path = scene(tmp_path, [(value, 0.5), (0.5, value), (value, value)], ramp())
        textures = nr.load_obj(path, load_texture=True, texture_wrapping=wrapping)[2]
        assert corner(textures, 0) == pytest.approx([wrapped, 0.5, 1], abs=1e-5)
        assert corner(textures, 1) == pytest.approx([0.5, wrapped, 1], abs=1e-5)
        assert corner(textures, 2) == pytest.approx([wrapped, wrapped, 1], abs=1e-5)


def test_border_is_black_only_outside(tmp_path):
    """Breaks if CLAMP_TO_BORDER is black everywhere, as in the released port, or clamps to the edge."""
    path = scene(tmp_path, [(0.5, 0.5), (1.0, 0.0), (2.0, 0.5)], ramp())
    for bilinear in (True, False):
        textures = nr.load_obj(path, True, 4, True, "CLAMP_TO_BORDER", bilinear)[2]
        assert corner(textures, 0) == pytest.approx([0.5, 0.5, 1], abs=3e-3)
        assert corner(textures, 1) == [1, 0, 1]
        assert corner(textures, 2) == [0, 0, 0]
        assert textures[0, 2, 0, 1].tolist() == pytest.approx([1, 0.5, 1], abs=3e-3)  # u = 1: the edge itself is inside
        assert textures[0, 1, 0, 2].tolist() == [0, 0, 0]  # u = 1.5


def test_nearest_and_bilinear(tmp_path):
    """Breaks if 0 and 1 are not the centres of the outermost texels, or half a texel is rounded down."""
    image = np.zeros((2, 3, 3), np.uint8)
    image[1] = [[0, 0, 0], [100, 0, 0], [255, 0, 0]]  # the bottom row is v = 0
    path = scene(tmp_path, [(0.125, 0), (0.25, 0), (0.5, 0.25)], image)
    smooth = nr.load_obj(path, load_texture=True)[2]
    assert [corner(smooth, k)[0] * 255 for k in range(3)] == pytest.approx([25, 50, 75])
    nearest = nr.load_obj(path, load_texture=True, use_bilinear=False)[2]
    assert [corner(nearest, k)[0] * 255 for k in range(3)] == pytest.approx([0, 100, 100])


def test_colors_pictures_and_grey(tmp_path):
    """Breaks if Kd, map_Kd over Kd, a face without material or an undefined material gets another colour."""
    path = scene(tmp_path, [(0, 0), (1, 0), (0, 1)], np.full((2, 2, 3), 51, np.uint8), "Kd 1 0 0\nmap_Kd picture.png\n")
    with open(tmp_path / "mesh.mtl", "a") as file:
        file.write("newmtl dark blue\n\tKd 0 0 0.25\nnewmtl plain\nNs 3\n")
    text = (tmp_path / "mesh.obj").read_text()
    blocks = "".join(f"usemtl {name}\nf 1/1 2/2 3/3\n" for name in ("dark blue", "plain", "unknown", "paint"))
    (tmp_path / "mesh.obj").write_text(text.replace("usemtl", "f 1 2 3\nusemtl") + blocks)
    with pytest.warns(UserWarning, match="unknown") as caught:
        textures = nr.load_obj(path, load_texture=True)[2]
    assert len(caught) == 1
    expected = [[0.5] * 3, [0.2] * 3, [0, 0, 0.25], [0.5] * 3, [0.5] * 3, [0.2] * 3]
    assert torch.allclose(textures, torch.tensor(expected)[:, None, None, None].expand_as(textures))


def test_missing_coordinates_take_the_last_one(tmp_path):
    """Breaks if a corner without texture coordinate takes any other than the last of the file."""
    path = scene(tmp_path, [(0.1, 0.2), (0.3, 0.4), (0.9, 0.6)], ramp())
    text = (tmp_path / "mesh.obj").read_text().replace("f 1/1 2/2 3/3", "f 1/1 2 3//1")
    (tmp_path / "mesh.obj").write_text(text)
    textures = nr.load_obj(path, load_texture=True)[2]
    assert corner(textures, 0) == pytest.approx([0.1, 0.2, 1], abs=1e-5)
    assert corner(textures, 1) == corner(textures, 2) == pytest.approx([0.9, 0.6, 1], abs=1e-5)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 51, [0.2, 0.2, 0.2]),
        ("LA", (51, 7), [0.2, 0.2, 0.2]),
        ("RGBA", (255, 51, 0, 7), [1, 0.2, 0]),
        ("1", 1, [1, 1, 1]),
        ("I;16", 13107, [0.2, 0.2, 0.2]),
    ],
)
def test_kinds_of_pictures(tmp_path, mode, value, expected):
    """Breaks if grey is not replicated, alpha changes colours, or 16 bits are clipped."""
    path = scene(tmp_path, [(0, 0), (1, 0), (0, 1)], np.zeros((2, 2, 3), np.uint8))
    Image.new(mode, (3, 2), value).save(tmp_path / "picture.png")
    textures = nr.load_obj(path, load_texture=True)[2]
    assert torch.allclose(textures, torch.tensor(expected, dtype=torch.float32).expand_as(textures), atol=1e-6)


@pytest.mark.parametrize("picture", ["sub dir/my picture.png", "./picture.png", "sub dir\\my picture.png"])
def test_paths_with_blanks(tmp_path, picture):
    """Breaks if a blank ends a path, or a path below the folder is refused."""
    path = scene(tmp_path, [(0, 0), (1, 0), (0, 1)], np.full((2, 2, 3), 51, np.uint8), f"map_Kd {picture}\n")
    (tmp_path / "sub dir").mkdir()
    shutil.copy(tmp_path / "picture.png", tmp_path / "sub dir" / "my picture.png")
    (tmp_path / "mesh.mtl").rename(tmp_path / "my mesh.mtl")
    (tmp_path / "mesh.obj").write_text((tmp_path / "mesh.obj").read_text().replace("mesh.mtl", "my mesh.mtl"))
    assert torch.allclose(nr.load_obj(path, load_texture=True)[2], torch.tensor(0.2))


def test_map_options_are_skipped(tmp_path):
    """Breaks if an option is taken for the picture's name; ignoring it must be said."""
    material = "map_Kd -clamp on -s 2 2 1 -mm 0 1 picture.png\n"
    path = scene(tmp_path, [(0, 0), (1, 0), (0, 1)], np.full((2, 2, 3), 51, np.uint8), material)
    with pytest.warns(UserWarning, match="-clamp|-s|-mm"):
        textures = nr.load_obj(path, load_texture=True)[2]
    assert torch.allclose(textures, torch.tensor(0.2))


def test_several_libraries(tmp_path):
    """Breaks if one library hides another, or two on a line are read as one."""
    path = scene(tmp_path, [(0, 0), (1, 0), (0, 1)], np.zeros((2, 2, 3), np.uint8), "Kd 1 1 1\n")
    (tmp_path / "a.mtl").write_text("newmtl sky\nKd 0 0 1\nnewmtl paint\nKd 0.1 0.1 0.1\n")
    (tmp_path / "b.mtl").write_text("newmtl grass\nKd 0 1 0\n")
    text = (tmp_path / "mesh.obj").read_text()
    (tmp_path / "mesh.obj").write_text("mtllib a.mtl b.mtl\n" + text + "usemtl sky\nf 1 2 3\nusemtl grass\nf 1 2 3\n")
    textures = nr.load_obj(path, load_texture=True)[2]
    assert textures[:, 0, 0, 0].tolist() == [[1, 1, 1], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(
    "picture", ["../secret.png", "/etc/secret.png", "a/../../secret.png", "..\\secret.png", "C:/a.png"]
)
def test_pictures_outside_the_folder_are_refused(tmp_path, picture):
    """Breaks if a mesh can make us read a file anywhere on the disk."""
    folder = tmp_path / "inner"
    folder.mkdir()
    path = scene(folder, [(0, 0), (1, 0), (0, 1)], np.zeros((2, 2, 3), np.uint8), f"map_Kd {picture}\n")
    shutil.copy(folder / "picture.png", tmp_path / "secret.png")
    with pytest.raises(ValueError) as caught:
        nr.load_obj(path, load_texture=True)
    assert repr(picture) in str(caught.value)
    assert len(nr.load_obj(path)) == 2  # geometry alone needs no picture


def test_missing_files_are_named(tmp_path):
    """Breaks if a missing library, picture or texture coordinate goes unnoticed."""
    path = scene(tmp_path, [(0, 0), (1, 0), (0, 1)], np.zeros((2, 2, 3), np.uint8))
    (tmp_path / "picture.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"'paint'.*picture\.png"):
        nr.load_obj(path, load_texture=True)
    (tmp_path / "mesh.obj").write_text(f"mtllib mesh.mtl\n{TRIANGLE}f 1 2 3\n")
    with pytest.raises(ValueError, match="no texture coordinates"):
        nr.load_obj(path, load_texture=True)
    (tmp_path / "mesh.mtl").write_text("newmtl paint\nKd 0 1\n")
    with pytest.raises(ValueError, match="Kd 0 1"):
        nr.load_obj(path, load_texture=True)
    (tmp_path / "mesh.mtl").unlink()
    with pytest.raises(FileNotFoundError, match=r"mesh\.mtl"):
        nr.load_obj(path, load_texture=True)
    (tmp_path / "mesh.obj").write_text(TRIANGLE + "f 1 2 3\n")
    with pytest.raises(ValueError, match="mtllib"):
        nr.load_obj(path, load_texture=True)


def test_pizza_has_two_materials(shared_data, tmp_path):
    """Breaks if the hundreds of material changes of a real file are assigned to the wrong faces."""
    textures = load_real(shared_data, tmp_path, "pizza")[2]
    material, dough = "", []
    for line in (tmp_path / "pizza.obj").read_text().splitlines():
        words = line.split()
        if words[:1] == ["usemtl"]:
            material = words[1]
        elif words[:1] == ["f"]:
            dough += [material == "dough"] * (len(words) - 3)
    is_dough = torch.tensor(dough)
    plain = textures[is_dough]
    assert 0 < is_dough.sum() < len(dough) == 960
    assert torch.equal(plain, torch.tensor([0.8, 0.548715, 0.256844]).expand_as(plain))
    assert textures[~is_dough].flatten(1).std(dim=1).max() > 0.05


@pytest.mark.parametrize("name", ["spot", "fuze"])
def test_real_textures_match_a_plain_sampler(shared_data, tmp_path, name):
    """Breaks if vectorised baking differs from sampling one cell after the other."""
    textures = load_real(shared_data, tmp_path, name)[2]
    picture = next(path for path in tmp_path.iterdir() if path.suffix in (".png", ".jpg"))
    image = np.asarray(Image.open(picture).convert("RGB"), dtype=np.float64)[::-1] / 255
    lines = [line.split() for line in (tmp_path / f"{name}.obj").read_text().splitlines()]
    uv = np.array([[float(x) for x in words[1:3]] for words in lines if words[:1] == ["vt"]])
    faces = [[int(word.split("/")[1]) - 1 for word in words[1:]] for words in lines if words[:1] == ["f"]]
    assert len(faces) == len(textures)
    generator = np.random.default_rng(0)
    for _ in range(50):
        face, cell = generator.integers(len(faces)), generator.integers(1, 4, 3)
        u, v = cell / cell.sum() @ (uv[faces[face]] % 1)
        x, y = u * (image.shape[1] - 1), v * (image.shape[0] - 1)
        i, j = int(x), int(y)
        a, b = x - i, y - j
        expected = (image[j, i] * (1 - a) + image[j, i + 1] * a) * (1 - b)
        expected += (image[j + 1, i] * (1 - a) + image[j + 1, i + 1] * a) * b
        np.testing.assert_allclose(textures[face][tuple(cell)].numpy(), expected, atol=1e-4)


def load_real(shared_data, folder, name: str) -> tuple[torch.Tensor, ...]:
    files = {
        "pizza": ["pizza.mtl", "textures/toppings.png"],
        "spot": ["spot_triangulated.mtl", "spot_texture.png"],
        "fuze": ["fuze.obj.mtl", "fuze_uv.jpg"],
    }
    meshes = shared_data / "meshes"
    (folder / f"{name}.obj").write_bytes(gzip.decompress((meshes / f"{name}.obj.gz").read_bytes()))
    for file in files[name]:
        (folder / file).parent.mkdir(exist_ok=True)
        shutil.copyfile(meshes / file, folder / file)
    return nr.load_obj(folder / f"{name}.obj", load_texture=True)


def test_default_device_is_followed(tmp_path):
    """Breaks if parts of the result are made on another device than torch's default one."""
    path = scene(tmp_path, [(0, 0), (1, 0), (0, 1)], ramp())
    with torch.device("meta"):
        loaded = nr.load_obj(path, load_texture=True)
    assert [tensor.device.type for tensor in loaded] == ["meta"] * 3 and loaded[2].shape == (1, 4, 4, 4, 3)
