"""What the applications achieve on the bundled teapot, at a quarter of the full size."""

import pytest

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
@pytest.mark.parametrize("start", [(6.0, 10.0, -14.0)])
def test_full_size(tmp_path, start):
    # Breaks if the published goals are missed: IoU 0.98, loss ratio 50, 1 degree, 1 %.
    assert fit_vertices(FitVertices(out=tmp_path)).numbers["iou"] >= 0.98
    assert fit_texture(FitTexture(out=tmp_path)).numbers["ratio"] >= 50
    numbers = find_camera(FindCamera(out=tmp_path, start=start)).numbers
    assert numbers["degrees"] < 1 and numbers["percent"] < 1
