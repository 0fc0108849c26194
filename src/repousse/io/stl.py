"""STL: triangles and nothing else."""

import re
import struct
from pathlib import Path

import numpy as np

from .corners import Corners

_HEAD = 84  # bytes before the triangles: a title, and their number
_ROW = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
_VERTEX = re.compile(rb"^[ \t]*vertex" + rb"[ \t]+(\S+)" * 3 + rb"[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
_END = re.compile(rb"^[ \t]*end(facet|solid)\b", re.IGNORECASE | re.MULTILINE)


def read_stl(data: bytes, path: Path) -> Corners:
    """Text or binary STL, all solids. Corners at the same position are one vertex again after welding.

    ValueError for a file without triangles or cut off. A file is binary if it is as long as the number of triangles
    in its head says, as the title may begin with "solid", too.
    """
    count = int.from_bytes(data[_HEAD - 4 : _HEAD], "little")
    if len(data) == _HEAD + count * _ROW.itemsize:
        corners = np.frombuffer(data, _ROW, count, _HEAD)["corners"].reshape(-1, 3).astype(np.float64)
    else:
        corners = _text(data, path)
    if not len(corners):
        raise ValueError(f"load: {path} has no triangles; is it an STL file, and complete?")
    return Corners(corners, np.arange(len(corners)).reshape(-1, 3))


def _text(data: bytes, path: Path) -> np.ndarray:
    found = _VERTEX.findall(data)
    ends = [end.lower() for end in _END.findall(data)]
    if found and (len(found) != 3 * ends.count(b"facet") or ends[-1:] != [b"solid"]):
        counts = f"{len(found)} vertices in {ends.count(b'facet')} triangles"
        raise ValueError(f"load: {path} is not an intact STL file ({counts}); is it cut off?")
    try:
        return np.array(found).astype(np.float64).reshape(-1, 3)
    except ValueError as error:
        raise ValueError(f"load: {path} is not an intact STL file ({error})") from error


def write_stl(corners: Corners) -> bytes:
    """Binary STL: three positions per face, nothing shared."""
    triangles = corners.positions.astype(np.float32)[corners.faces]
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    packed = np.zeros(len(triangles), dtype=_ROW)
    packed["normal"] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    packed["corners"] = triangles
    return bytes(80) + struct.pack("<I", len(packed)) + packed.tobytes()
