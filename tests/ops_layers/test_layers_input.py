"""What `layers` and `with_face_id` say to input they cannot use."""

from typing import Any

import pytest
import torch

from repousse.camera import Camera
from repousse.geometry import icosphere
from repousse.ops import layers, rasterize, with_face_id

SIZE = (12, 10)
MESH = icosphere(1)  # 42 vertices, 80 faces
POSITIONS = Camera.orbit(3.0).project(MESH.positions, SIZE).contiguous()
FRAGMENTS = rasterize(POSITIONS, MESH.faces, SIZE)
BACKENDS = pytest.mark.parametrize("backend", ["native", "reference"])


@BACKENDS
@pytest.mark.parametrize("index", [-1, 42, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("face", [0, 37, 79])
def test_vertices_that_do_not_exist(face: int, index: int, backend: Any) -> None:
    """Breaks if an index outside of the vertices is read, in the first, a middle or the last group of faces."""
    faces = MESH.faces.clone()
    faces[face, 1] = index
    with pytest.raises(IndexError, match=rf"layers: `faces` holds index {index} but .* 42 rows \(face {face}\)"):
        layers(POSITIONS, faces, SIZE, 2, backend=backend)


@BACKENDS
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"count": 0}, ValueError, "`count` must be between 1 and 1024 layers, got 0"),
        ({"count": 2000}, ValueError, "got 2000"),
        ({"count": 2.5}, TypeError, "`count` must be a whole number, got 2.5"),
        ({"count": None}, TypeError, "`count` must be a whole number, got None"),
        ({"size": (0, 5)}, ValueError, "layers: `size` must be between 1 and 16384"),
        ({"size": 7}, ValueError, r"layers: `size` must be \(height, width\)"),
        ({"cull": "left"}, ValueError, 'layers: `cull` must be None, "back" or "front"'),
        ({"positions": POSITIONS[0]}, ValueError, r"layers: `positions` must be clip coordinates \(B, V, 4\)"),
        ({"positions": "cube.obj"}, ValueError, "layers: `positions` must be clip coordinates"),
        ({"faces": MESH.faces.float()}, TypeError, "layers: `faces` must be int32 or int64"),
        ({"faces": MESH.faces[:, :2]}, ValueError, r"layers: `faces` must be an integer tensor \(F, 3\)"),
        ({"positions": POSITIONS[0], "ranges": torch.ones(2, 2)}, ValueError, "layers: `ranges` must be an integer"),
        ({"positions": POSITIONS[0], "ranges": torch.tensor([[70, 11]])}, IndexError, "layers: `ranges` .* 80 faces"),
    ],
)
def test_arguments_that_make_no_sense(change: dict[str, Any], error: type, message: str, backend: Any) -> None:
    """Breaks if a mistake passes, or is reported without saying what is wanted."""
    given = {"positions": POSITIONS, "faces": MESH.faces, "size": SIZE, "count": 2} | change
    with pytest.raises(error, match=message):
        layers(**given, backend=backend)


def test_unknown_backends_and_doubles() -> None:
    """Breaks if a typing error silently chooses a backend, or digits are lost silently."""
    with pytest.raises(ValueError, match='layers: `backend` must be "native" or "reference"'):
        layers(POSITIONS, MESH.faces, SIZE, 2, backend="gpu")
    with pytest.raises(ValueError, match='with_face_id: `backend` must be "native" or "reference"'):
        with_face_id(FRAGMENTS, FRAGMENTS.face_id, backend="gpu")
    with pytest.raises(TypeError, match="layers: `positions` must be float32"):
        layers(POSITIONS.double(), MESH.faces, SIZE, 2)


@BACKENDS
def test_faces_that_are_not_finite_are_reported(backend: Any) -> None:
    """Breaks if NaN covers pixels, or disappears without a word."""
    positions = POSITIONS.clone()
    positions[0, 7, 1] = float("nan")
    touching = int((MESH.faces == 7).any(1).sum())
    with pytest.warns(RuntimeWarning, match=f"layers: {touching} faces have a vertex that is NaN"):
        found = layers(positions, MESH.faces, SIZE, 3, backend=backend)
    lost = torch.nonzero((MESH.faces == 7).any(1))
    assert all(not torch.isin(layer.face_id, lost).any() and layer.depth.isfinite().all() for layer in found)


@BACKENDS
@pytest.mark.parametrize("index", [-2, 80, 2**31 - 1, -(2**31), 2**40])
def test_faces_that_do_not_exist(index: int, backend: Any) -> None:
    """Breaks if an id that nobody checked makes a kernel read what is not there."""
    ids = FRAGMENTS.face_id.long().clone()
    ids[0, 3, 4] = index
    with pytest.raises(IndexError, match=r"with_face_id: `face_id` holds -?\d+, but the fragments have 80 faces"):
        with_face_id(FRAGMENTS, ids, backend=backend)


@pytest.mark.parametrize(
    ("face_id", "error"),
    [
        (FRAGMENTS.face_id[0], ValueError),
        (FRAGMENTS.face_id[:, :5], ValueError),
        (FRAGMENTS.face_id.float(), TypeError),
        (None, ValueError),
    ],
)
def test_ids_of_another_shape_or_type(face_id: Any, error: type) -> None:
    """Breaks if ids are broadcast, or rounded from floats."""
    with pytest.raises(error, match="with_face_id: `face_id` must be"):
        with_face_id(FRAGMENTS, face_id)
