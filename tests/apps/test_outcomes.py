"""What the applications achieve on the bundled teapot, at a quarter of the full size."""

import re

import pytest

from repousse.apps.demo import Demo, demo
from repousse.apps.find_camera import FindCamera, find_camera
from repousse.apps.fit_texture import FitTexture, fit_texture
from repousse.apps.fit_vertices import FitVertices, fit_vertices


def test_the_silhouette_becomes_a_square(tmp_path):
    # Breaks if the silhouette's gradient does not lead to the target.
    result = fit_vertices(FitVertices(out=tmp_path, size=64, steps=300))
    assert result.numbers["iou"] > 0.95


def test_the_texture_is_recovered(tmp_path):
    # Breaks if colours do not follow their gradient.
    result = fit_texture(FitTexture(out=tmp_path, size=64, resolution=12, steps=120))
    assert result.numbers["ratio"] > 50


def test_the_camera_is_found(tmp_path):
    # Breaks if the silhouette's gradient does not reach the camera.
    result = find_camera(FindCamera(out=tmp_path, size=64))
    assert result.numbers["degrees"] < 2 and result.numbers["percent"] < 2


@pytest.mark.long
def test_full_size(tmp_path):
    # Breaks if the goals are missed: IoU 0.98, loss down 50 times, 1 degree, 1 %; or a picture is missing.
    results = {result.title: result for result in demo(Demo(out=tmp_path))}
    assert results["draw"].numbers["frames"] == 90
    assert results["fit-vertices"].numbers["iou"] >= 0.98
    assert results["fit-texture"].numbers["ratio"] >= 50
    assert results["find-camera"].numbers["degrees"] < 1
    assert results["find-camera"].numbers["percent"] < 1
    links = re.findall(r'src="([^"]+)"', (tmp_path / "index.html").read_text(encoding="utf-8"))
    assert len(links) >= 12 and all((tmp_path / link).is_file() for link in links)
