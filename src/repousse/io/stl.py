"""STL: triangles and nothing else."""

import io
import struct
from pathlib import Path

import numpy as np

from .corners import Corners, concatenate


def read_stl(data: bytes, path: Path) -> Corners:
    """Text or binary STL. Corners at the same position are one vertex again after welding."""
    from trimesh.exchange.stl import load_stl  # here, because it takes half a second that most programs need not spend

    try:
        found = load_stl(io.BytesIO(data))
        solids = found["geometry"].values() if "geometry" in found else [found]
        parts = [Corners(np.float64(solid["vertices"]), np.int64(solid["faces"])) for solid in solids]
    except Exception as error:  # whatever a parser runs into on a broken file
        cause = str(error) or type(error).__name__
        raise ValueError(f"load: {path} is not an intact STL file ({cause}); is it cut off?") from error
    if not parts:
        raise ValueError(f"load: {path} has no triangles; is it an STL file, and complete?")
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
