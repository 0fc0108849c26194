"""repousse views: sets of pictures with cameras."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from repousse import io
from repousse.apps.coffee_pot import coffee_pot
from repousse.apps.common import InputError
from repousse.apps.render_views import RenderViews, render_views
from repousse.cli import main
from repousse.data import load_views
from repousse.geometry import cube, torus
from repousse.metrics import psnr
from repousse.render import render, silhouette
from repousse.voxels import visual_hull


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    path = tmp_path / "ring.obj"
    io.save(path, torus())
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_set_shows_the_model(ring: Path, tmp_path: Path) -> None:
    """Breaks if cameras, masks, depth or normals do not belong to the pictures: the saved model, drawn by the loaded
    cameras, must look the same."""
    render_views(RenderViews(ring, tmp_path / "set", views=5, test=2, size=32))
    model = io.load(tmp_path / "set" / "model.glb")
    for split, count in (("train", 5), ("test", 2)):
        views = load_views(tmp_path / "set", split=split)
        assert len(views) == count and views.size == (32, 32)
        again = silhouette(model, views.camera, (32, 32), gradient=None, supersample=4)
        assert (again - views.mask).abs().max() < 0.07 and (again - views.mask).abs().mean() < 0.002
        content = json.loads((tmp_path / "set" / f"transforms_{split}.json").read_text())
        picture = render(model, views.camera, (32, 32), gradient=None, supersample=4, smooth=True)
        for number, frame in enumerate(content["frames"]):
            inside = picture.mask[number].numpy() == 1
            depth = np.asarray(Image.open(tmp_path / "set" / frame["depth_path"])) * content["integer_depth_scale"]
            assert np.abs(depth - picture.depth[number].numpy())[inside].max() < 0.01
            normal = np.asarray(Image.open(tmp_path / "set" / frame["normal_path"])) / 127.5 - 1
            assert np.abs(normal - picture.normal[number].numpy())[inside].mean() < 0.02


def test_the_same_bytes_again(ring: Path, tmp_path: Path) -> None:
    """Breaks if chance, time or the number of threads gets into a file."""
    threads = torch.get_num_threads()
    try:
        for name, count in (("a", 1), ("b", 2)):
            torch.set_num_threads(count)
            render_views(RenderViews(ring, tmp_path / name, views=3, test=1, size=24, glossy=True))
    finally:
        torch.set_num_threads(threads)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_everything_is_in_the_picture(tmp_path: Path) -> None:
    """Breaks if cameras stand too near, or do not look at the middle: no mask may touch the border."""
    path = tmp_path / "box.obj"
    io.save(path, cube().with_positions(cube().positions * torch.tensor([1.0, 3.0, 0.2]) + 5))
    render_views(RenderViews(path, tmp_path / "set", views=12, test=0, size=32))
    mask = load_views(tmp_path / "set").mask
    border = torch.cat((mask[:, 0], mask[:, -1], mask[..., 0], mask[..., -1]), 1)
    assert border.max() == 0 and mask.flatten(1).sum(1).min() > 30
    assert not (tmp_path / "set" / "transforms_test.json").exists()


def test_rings_of_cameras(ring: Path, tmp_path: Path) -> None:
    """Breaks if elevations are not those asked for, or test views stand where training views do."""
    render_views(RenderViews(ring, tmp_path / "set", views=6, test=6, size=16, elevations=(-30.0, 20.0)))
    places = []
    for split in ("train", "test"):
        position = load_views(tmp_path / "set", split=split).camera.position
        elevation = torch.rad2deg(torch.asin(position[:, 1] / position.norm(dim=1)))
        assert torch.allclose(elevation, torch.tensor([-30.0, 20.0]).repeat(3), atol=0.01)
        places.append(position)
    assert torch.cdist(*places).min() > 0.5


def test_the_bundled_pot(tmp_path: Path) -> None:
    """Breaks if the pot is open, has lost its handle's hole or its paint."""
    mesh = coffee_pot(48)
    topology = mesh.topology
    assert topology.is_closed and bool(topology.consistent.all()) and not len(topology.extra)
    assert len(mesh.positions) - len(topology.edges) + len(mesh.faces) == 0
    corners = mesh.attributes["uv"].values[mesh.attributes["uv"].faces.long()]
    width = corners[..., 0].amax(1) - corners[..., 0].amin(1)
    assert (width > 0.1).float().mean() < 0.01  # but at its poles, no face crosses much of the texture
    texture = mesh.materials[0].base_color_texture
    assert texture is not None and len(texture.image.flatten(0, 1).unique(dim=0)) > 12
    render_views(RenderViews(None, tmp_path / "set", views=10, test=2, size=48, supersample=2))
    train, test = (load_views(tmp_path / "set", split=split) for split in ("train", "test"))
    assert psnr(train.color[:1], train.color[1:2]) < 25  # views differ
    hull = visual_hull(train.mask, train.camera, resolution=48)
    seen = silhouette(hull, test.camera, test.size, gradient=None, supersample=2)
    assert torch.minimum(seen, test.mask).sum() / torch.maximum(seen, test.mask).sum() > 0.85


def test_the_command(ring: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Breaks if the command does not say what it wrote, or a mistake is more than one line."""
    out = str(tmp_path / "set")
    assert main(["views", str(ring), "--out", out, "--views", "2", "--test", "0", "--size", "8"]) == 0
    assert "2 pictures of 8 x 8 pixels" in capsys.readouterr().out
    cases = (
        ([str(ring), "--views", "1"], "views must be at least 2"),
        ([str(ring), "--elevations", "100"], "elevations must lie within"),
        ([str(tmp_path)], "is a folder, not a mesh file"),
        ([str(tmp_path / "none.obj")], "there is no file"),
        ([str(ring), "--size", "8", "--supersample", "4096"], "at most 16384"),
    )
    for arguments, message in cases:
        assert main(["views", *arguments, "--out", out]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and message in lines[0]


def test_another_set_is_not_mixed_with(ring: Path, tmp_path: Path) -> None:
    """Breaks if an older transforms.json in the folder would be read instead of what was just written."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "transforms.json").write_text("{}")
    with pytest.raises(InputError, match="holds another set of views"):
        render_views(RenderViews(ring, tmp_path / "set", views=2, size=8))
