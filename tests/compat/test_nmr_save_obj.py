"""`save_obj` and the texture atlas of `repousse.compat.neural_renderer`."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from repousse.compat import neural_renderer as nr

VERTICES = torch.tensor([[0.0, 0, 0], [1.25, 0, 1e-7], [0, -2.5, 1 / 3], [0, 0, 4]])
FACES = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], dtype=torch.int32)


def cubes(count: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, size, size, size, 3, generator=torch.Generator().manual_seed(seed))


def pixel(cube: np.ndarray, x: int, y: int, side: int) -> np.ndarray:
    """The colour of one tile pixel, x to the right and y up, as the releases define it."""
    last = cube.shape[0] - 1
    n = side - 1
    if x == y + 1:
        x = y
    weights = np.array([1 - y / n, (y - x) / n, x / n]) / (1 + 1e-5)
    t = np.clip(weights * last, 0, last - 1e-5)
    low = np.floor(t).astype(int)
    color = np.zeros(3)
    for corner in np.ndindex(2, 2, 2):
        share = np.where(corner, t - low, 1 - (t - low)).prod()
        color += share * cube[tuple(low + corner)]
    return color


def test_geometry_round_trip(tmp_path):
    """Breaks if indices are off by one or fewer than 8 decimals are written."""
    path = str(tmp_path / "out.obj")
    nr.save_obj(path, VERTICES.clone().requires_grad_(), FACES)
    vertices, faces = nr.load_obj(path, normalization=False)
    torch.testing.assert_close(vertices, VERTICES, atol=5e-9, rtol=1e-7)
    assert torch.equal(faces, FACES)
    lines = (tmp_path / "out.obj").read_text().splitlines()
    assert "v 1.25000000 0.00000000 0.00000010" in lines and "f 1 3 4" in lines
    assert [file.name for file in tmp_path.iterdir()] == ["out.obj"]


def test_files_beside_the_mesh(tmp_path):
    """Breaks if the .mtl, the .png or the references between them have other names than released."""
    nr.save_obj(tmp_path / "out.obj", VERTICES, FACES, cubes(4, 2))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.mtl", "out.obj", "out.png"]
    assert (tmp_path / "out.mtl").read_text() == "newmtl material_1\nmap_Kd out.png\n"
    lines = (tmp_path / "out.obj").read_text().splitlines()
    assert "mtllib out.mtl" in lines and "usemtl material_1" in lines
    assert "f 1/4 3/5 4/6" in lines and sum(line.startswith("vt ") for line in lines) == 12


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 3, 2), (7, 3, 3)]
)
def test_layout_of_tiles(count, columns, rows):
    """Breaks if a tile is misplaced or the row of a face is a fraction (the releases, dividing truly)."""
    image, uv = nr.create_texture_image(torch.ones(count, 2, 2, 2, 3))
    assert isinstance(image, np.ndarray) and image.shape == (rows * 16, columns * 16, 3) and image.dtype == np.float32
    assert uv.shape == (count, 3, 2) and uv.dtype == np.float32
    pixels = uv * [columns * 16 - 1, rows * 16 - 1]
    for face in range(count):
        x, y = face % columns * 16, face // columns * 16
        np.testing.assert_allclose(pixels[face], [[x, y], [x, y + 15], [x + 15, y + 15]], atol=1e-4)
    filled = np.kron(np.arange(rows * columns).reshape(rows, columns) < count, np.ones((16, 16)))
    np.testing.assert_allclose(image[::-1], filled[..., None].repeat(3, 2), atol=1e-4)


@pytest.mark.parametrize(("size", "side"), [(2, 16), (4, 16), (5, 7)])
def test_every_pixel_of_the_atlas(size, side):
    """Breaks if a pixel is not the trilinear sample of its tile's cube, or the diagonal is not copied."""
    textures = cubes(3, size)
    image, _ = nr.create_texture_image(textures, side)
    upward = image[::-1]
    for face in range(3):
        for x, y in np.ndindex(side, side):
            expected = pixel(textures[face].double().numpy(), x, y, side)
            at = upward[face // 2 * side + y, face % 2 * side + x]
            np.testing.assert_allclose(at, expected, atol=2e-6, err_msg=f"face {face}, pixel {x}, {y}")
    assert (upward[side:, side:] == 0).all()


def test_corner_pixels_are_corner_cells():
    """Breaks if corners of the cube and of the tile are exchanged."""
    textures = cubes(6, 4)
    image, uv = nr.create_texture_image(textures)
    height, width = image.shape[:2]
    for face in range(6):
        for k, cell in enumerate([(3, 0, 0), (0, 3, 0), (0, 0, 3)]):
            column, row = round(uv[face, k, 0] * (width - 1)), round(uv[face, k, 1] * (height - 1))
            np.testing.assert_allclose(image[height - 1 - row, column], textures[face][cell].numpy(), atol=1e-4)


@pytest.mark.parametrize("size", [2, 4, 6])
def test_textures_round_trip(tmp_path, size):
    """Breaks if saving and loading disagree: cells in the plane of the face must come back, up to 8 bits."""
    count = 30
    textures = cubes(count, size)
    vertices = torch.rand(count + 2, 3)
    faces = torch.arange(count)[:, None] + torch.arange(3)
    nr.save_obj(str(tmp_path / "out.obj"), vertices, faces, textures)
    loaded = nr.load_obj(tmp_path / "out.obj", False, size, True)
    torch.testing.assert_close(loaded[0], vertices, atol=1e-8, rtol=0)
    assert torch.equal(loaded[1], faces.int())
    cells = torch.cartesian_prod(*[torch.arange(size)] * 3)
    plane = cells[cells.sum(dim=1) == size - 1]
    assert len(plane) == size * (size + 1) // 2
    difference = (loaded[2] - textures)[:, plane[:, 0], plane[:, 1], plane[:, 2]].abs().max()
    assert difference < 0.51 / 255 + 1e-3


def test_second_round_trip_changes_nothing_much(tmp_path):
    """Breaks if each save blurs or shifts the texture."""
    textures = cubes(12, 4)
    vertices, faces = torch.rand(14, 3), torch.arange(12)[:, None] + torch.arange(3)
    nr.save_obj(tmp_path / "a.obj", vertices, faces, textures)
    once = nr.load_obj(tmp_path / "a.obj", load_texture=True)
    nr.save_obj(tmp_path / "b.obj", *once)
    twice = nr.load_obj(tmp_path / "b.obj", load_texture=True)
    plane = [(3, 0, 0), (0, 3, 0), (0, 0, 3), (1, 1, 1), (2, 1, 0), (0, 1, 2)]
    for cell in plane:
        assert (once[2][:, *cell] - twice[2][:, *cell]).abs().max() < 1.01 / 255


def test_values_outside_are_clamped(tmp_path):
    """Breaks if values wrap around in 8 bits, are refused, or all is white (a released wheel)."""
    textures = torch.stack([torch.full((2, 2, 2, 3), value) for value in (-0.5, 1.5, 0.5, math.nextafter(1, 2))])
    nr.save_obj(tmp_path / "out.obj", VERTICES, FACES, textures)
    with Image.open(tmp_path / "out.png") as image:
        assert image.mode == "RGB"
        levels = np.asarray(image)[::-1, :, 0]
    assert levels[1, 0] == 0 and levels[1, 16] == 255 and levels[17, 0] in (127, 128) and levels[17, 16] == 255


@pytest.mark.parametrize(
    ("arguments", "error", "part"),
    [
        ((VERTICES[None], FACES), ValueError, "one by one"),
        ((VERTICES, FACES.float()), TypeError, "integers"),
        ((VERTICES, FACES + 1), IndexError, "4 vertices"),
        ((VERTICES, FACES - 1), IndexError, "-1"),
        ((VERTICES / 0, FACES), ValueError, "finite"),
        ((VERTICES, FACES, cubes(3, 2)), ValueError, "3 texture cubes are given for 4 faces"),
        ((VERTICES, FACES, cubes(4, 2)[..., :2]), ValueError, "T, T, T, 3"),
        ((VERTICES, FACES, cubes(4, 2) * math.nan), ValueError, "finite"),
    ],
)
def test_nothing_is_written_on_errors(tmp_path, arguments, error, part):
    """Breaks if a half-written mesh is left behind."""
    with pytest.raises(error, match=part):
        nr.save_obj(tmp_path / "out.obj", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_default_device_does_not_matter(tmp_path):
    """Breaks if the atlas is made on torch's default device instead of that of the textures."""
    textures = cubes(4, 3)
    expected = nr.create_texture_image(textures)
    with torch.device("meta"):
        image, uv = nr.create_texture_image(textures)
        nr.save_obj(tmp_path / "out.obj", VERTICES, FACES, textures)
    assert np.array_equal(image, expected[0]) and np.array_equal(uv, expected[1])
