"""Checks of what `rasterize` and its relatives are given."""

import operator
import warnings

import torch
from torch import Tensor

from repousse.core import checks

MAX_SIZE = 16384  # pixels per side: beyond, int32 edge arithmetic of clipped triangles would overflow
CULL = {None: 0, "back": 1, "front": 2}


def check_size(op: str, size: tuple[int, int]) -> tuple[int, int]:
    """`size` as whole numbers; raises ValueError unless it is a (height, width) that can be drawn."""
    try:
        height, width = (side if isinstance(side, (int, torch.SymInt)) else operator.index(side) for side in size)
    except (TypeError, ValueError):
        raise ValueError(f"{op}: `size` must be (height, width) in whole pixels, got {size!r}.") from None
    if not (0 < height <= MAX_SIZE and 0 < width <= MAX_SIZE):
        raise ValueError(f"{op}: `size` must be between 1 and {MAX_SIZE} pixels per side, got {height} x {width}.")
    return height, width


def check_positions(op: str, positions: Tensor, ranges: Tensor | None) -> None:
    """Raises ValueError unless `positions` are clip coordinates and `ranges` could say which faces are whose."""
    expected = "(B, V, 4)" if ranges is None else "(V, 4) when `ranges` is given"
    rank = 3 if ranges is None else 2
    if not isinstance(positions, Tensor) or positions.dim() != rank or positions.shape[-1] != 4:
        raise ValueError(
            f"{op}: `positions` must be clip coordinates {expected}, got {checks.describe(positions)}. "
            "Camera.project makes them from world coordinates."
        )
    if ranges is not None and not (
        isinstance(ranges, Tensor)
        and ranges.dtype in (torch.int32, torch.int64)
        and ranges.dim() == 2
        and ranges.shape[1] == 2
        and ranges.device.type == "cpu"
    ):
        raise ValueError(f"{op}: `ranges` must be an integer tensor (B, 2) on the CPU, got {checks.describe(ranges)}.")


def check_cull(op: str, cull: str | None) -> None:
    """Raises ValueError for a side that is not None, "back" or "front"."""
    if cull not in (None, "back", "front"):
        raise ValueError(f'{op}: `cull` must be None, "back" or "front", got {cull!r}.')


def check_ranges(op: str, ranges: Tensor, face_count: int) -> Tensor:
    """`ranges` as kernels read them; raises IndexError if they leave the faces."""
    ranges = ranges.to(torch.int64).contiguous()
    first, count = ranges[:, 0], ranges[:, 1]
    if bool(((first < 0) | (count < 0) | (count > face_count - first)).any()):
        raise IndexError(f"{op}: `ranges` {ranges.tolist()} reaches beyond the {face_count} faces.")
    return ranges


def count_not_finite(positions: Tensor, faces: Tensor, ranges: Tensor | None) -> int:
    """How many of the faces drawn have a vertex that is not finite."""
    finite = torch.isfinite(positions.detach().float()).all(-1)[..., faces.long()].all(-1)
    if ranges is None:
        return int((~finite).sum())
    return sum(int((~finite[first : first + count]).sum()) for first, count in ranges.tolist())


def warn_not_finite(op: str, count: int) -> None:
    """Says in a RuntimeWarning that faces were left out."""
    if count > 0:
        warnings.warn(
            f"{op}: {count} faces have a vertex that is NaN or infinite; they cover nothing.",
            RuntimeWarning,
            stacklevel=3,
        )
