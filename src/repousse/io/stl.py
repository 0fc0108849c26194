"""STL: triangles and nothing else."""

import struct
from pathlib import Path

import numpy as np

from .corners import Corners, concatenate
from .scenes import read_scene


def read_stl(data: bytes, path: Path) -> Corners:
    """Text or binary STL. Corners at the same position are one vertex again after welding."""
    parts = [
        Corners(np.asarray(placed.mesh.vertices, dtype=np.float64), np.asarray(placed.mesh.faces, dtype=np.int64))
        for placed in read_scene(data, "stl", path)
    ]
    return concatenate(parts)


def write_stl(corners: Corners) -> bytes:
    """Binary STL: three positions per face, nothing shared."""
    triangles = corners.positions.astype(np.float32)[corners.faces]
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    row = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
    packed = np.zeros(len(triangles), dtype=row)
    packed["normal"] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    packed["corners"] = triangles
    return bytes(80) + struct.pack("<I", len(packed)) + packed.tobytes()
