"""binvox files (Min, 2004): a text header, then runs of equal cells."""

import os
from pathlib import Path

import numpy as np
import torch

from repousse.io.files import read_bytes, write_bytes

from .grid import VoxelGrid, single

_LONGEST_RUN = 255  # a run's length is one byte
_MOST_CELLS = 2**31


def load_binvox(path: str | os.PathLike[str]) -> VoxelGrid:
    """Read a binvox file; ".gz" behind its name unpacks it.

    >>> load_binvox("chair.binvox")
    VoxelGrid(32 × 32 × 32, 1029 occupied)

    The file's `translate` becomes the grid's origin, `scale` the length of its longest side. Comments, blank lines
    and the order of the lines in the header do not matter.

    FileNotFoundError if there is no file; ValueError for one that is no binvox file, is cut off, holds more or fewer
    cells than its header says, values other than 0 and 1, or more than 2^31 cells.
    """
    path = Path(path)
    data = read_bytes("load_binvox", path)
    dims, translate, scale, start = _header(data, path)
    cells = dims[0] * dims[1] * dims[2]
    runs = np.frombuffer(data, dtype=np.uint8, offset=start)
    if len(runs) % 2:
        raise ValueError(f"load_binvox: {path} ends in the middle of a run; is it cut off?")
    values, counts = runs[0::2], runs[1::2]
    total = int(counts.sum(dtype=np.int64))
    if total != cells:
        hint = "; is it cut off?" if total < cells else ""
        raise ValueError(f"load_binvox: {path} holds {total} cells, its header says {dims} = {cells}{hint}")
    if values.size and values.max() > 1:
        raise ValueError(f"load_binvox: {path} holds the value {values.max()}; cells are 0 or 1")
    # In the file x is the slowest axis, then z, and y the fastest.
    full = np.repeat(values.astype(bool), counts).reshape(dims).transpose(0, 2, 1)
    return VoxelGrid(torch.from_numpy(np.ascontiguousarray(full)), translate, scale / max(dims))


def save_binvox(path: str | os.PathLike[str], grid: VoxelGrid) -> None:
    """Write a grid to a binvox file; ".gz" behind its name packs it.

    >>> save_binvox("shape.binvox", voxelize(mesh, 64))

    Floats become full from 0.5 on; all else returns as it was when the file is loaded. The file appears in one step.
    ValueError for a batch.
    """
    occupied = single("save_binvox", grid).occupied.cpu().numpy().transpose(0, 2, 1)
    flat = occupied.reshape(-1).astype(np.uint8)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1])
    lengths = np.diff(np.concatenate([starts, [len(flat)]]))
    pieces = -(-lengths // _LONGEST_RUN)
    runs = np.full((pieces.sum(), 2), _LONGEST_RUN, dtype=np.uint8)
    runs[:, 0] = np.repeat(flat[starts], pieces)
    runs[np.cumsum(pieces) - 1, 1] = lengths - (pieces - 1) * _LONGEST_RUN
    x, z, y = occupied.shape
    origin = " ".join(map(repr, grid.origin.tolist()))
    scale = float(grid.cell) * max(x, y, z)
    header = f"#binvox 1\ndim {x} {z} {y}\ntranslate {origin}\nscale {scale!r}\ndata\n"
    write_bytes("save_binvox", Path(path), header.encode() + runs.tobytes())


def _header(data: bytes, path: Path) -> tuple[tuple[int, int, int], tuple[float, float, float], float, int]:
    """Sizes along x, z and y, position, longest side, and where the runs begin."""
    if not data.startswith(b"#binvox"):
        raise ValueError(f"load_binvox: {path} is not a binvox file: it should begin with #binvox")
    fields: dict[str, list[str]] = {}
    at = 0
    while True:
        end = data.find(b"\n", at)
        if end < 0:
            raise ValueError(f"load_binvox: {path} has no line `data` behind its header; is it cut off?")
        words = data[at:end].partition(b"#")[0].decode("ascii", errors="replace").split()
        at = end + 1
        if words == ["data"]:
            break
        if words:
            fields[words[0]] = words[1:]
    try:
        x, z, y = (int(word) for word in fields["dim"])
        tx, ty, tz = (float(word) for word in fields.get("translate", "000"))
        (scale,) = (float(word) for word in fields.get("scale", "1"))
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"load_binvox: {path} should have lines `dim X Z Y`, `translate x y z` and `scale s`; it has {fields}"
        ) from error
    if min(x, y, z) < 1 or x * y * z > _MOST_CELLS or not np.isfinite([tx, ty, tz]).all() or not 0 < scale < np.inf:
        raise ValueError(f"load_binvox: {path} has impossible numbers in its header: {fields}")
    return (x, z, y), (tx, ty, tz), scale, at
