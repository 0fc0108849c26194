"""Which triangle covers each pixel centre, and where inside it the centre lies."""

import operator
import warnings
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library
from repousse.ops.rasterize import reference

MAX_SIZE = 16384  # pixels per side: beyond, int32 edge arithmetic of clipped triangles would overflow
_CULL = {None: 0, "back": 1, "front": 2}


class Fragments(NamedTuple):
    """What `rasterize` found, and what it was found in.

    face_id    int32 (B, H, W)     face seen at the pixel centre, -1 where there is none
    bary       float (B, H, W, 2)  perspective-correct weights of the face's first two corners, 0 where empty
    depth      float (B, H, W)     z / w in [0, 1], linear on the screen, 0 where empty
    facing     int8  (B, F)        1 front (counter-clockwise as seen), -1 back, 0 degenerate; (1, F) for packed meshes
    positions, faces, ranges       the arguments of `rasterize` (faces as int32)
    """

    face_id: Tensor
    bary: Tensor
    depth: Tensor
    facing: Tensor
    positions: Tensor
    faces: Tensor
    ranges: Tensor | None


def rasterize(
    positions: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    *,
    ranges: Tensor | None = None,
    cull: Literal["back", "front"] | None = None,
    backend: Literal["native", "reference"] = "native",
) -> Fragments:
    """Find which triangle covers each pixel centre.

    >>> fragments = rasterize(positions, cube.faces, size=(64, 48))
    >>> fragments.face_id.shape
    torch.Size([2, 64, 48])

    positions  float (B, V, 4)   clip space: x right, y down, z in [0, w]; w > 0 is in front of the camera
               or (V, 4)         packed: all meshes of a batch one after the other, with `ranges`
    faces      int   (F, 3)      counter-clockwise seen from outside
    size       (height, width)   pixels, at most 16384; row 0 is the top
    ranges     int   (B, 2)      packed only, on the CPU: first face and number of faces of each image
    cull       "back" or "front" leaves out faces seen from that side; default: both sides are drawn
    backend    "native", or "reference" for the slow implementation in PyTorch that specifies it

    Triangles are clipped to the view volume and keep their id and their own barycentrics. Of faces at the same depth
    the lowest id is seen. The same input gives the same bits for any number of threads, instruction set or split of
    the batch (docs/design.md, "The numbers behind visibility").

    Differentiable: barycentrics and depth with respect to `positions`, inside faces. Face ids are not; silhouettes get
    their gradient from an estimator applied to the shaded image.

    Memory: 16 bytes per pixel of output; working memory of 16 bytes per vertex and at most 16 MiB per thread, which is
    kept for the next call.

    Raises IndexError for a face whose index does not exist, ValueError or TypeError for wrong shapes, sizes, dtypes and
    devices. Faces with a NaN or infinite vertex cover nothing and are counted in a RuntimeWarning.
    """
    height, width = _check_size(size)
    _check_positions(positions, ranges)
    if cull not in (None, "back", "front"):
        raise ValueError(f'rasterize: `cull` must be None, "back" or "front", got {cull!r}.')
    faces = checks.as_index("rasterize", "faces", faces)
    checks.same_device("rasterize", positions=positions, faces=faces)
    if backend == "reference":
        checks.check_indices_slowly("rasterize", "faces", faces, positions.shape[-2], "positions")
        ranges = None if ranges is None else _checked_ranges(ranges, faces.shape[0])
        _warn_not_finite(_count_not_finite(positions, faces, ranges))
        face_id, facing = reference.visibility(positions.detach(), faces, (height, width), ranges, cull)
        bary, depth = reference.barycentrics(positions, faces, face_id, ranges, (height, width))
        return Fragments(face_id, bary, depth, facing, positions, faces, ranges)
    if backend != "native":
        raise ValueError(f'rasterize: `backend` must be "native" or "reference", got {backend!r}.')
    positions = checks.as_float32("rasterize", "positions", positions)
    face_id, facing = _visibility(positions.detach(), faces, ranges, height, width, _CULL[cull])
    bary, depth = _barycentrics(positions, faces, face_id)
    return Fragments(face_id, bary, depth, facing, positions, faces, ranges)


def _check_size(size: tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = (side if isinstance(side, (int, torch.SymInt)) else operator.index(side) for side in size)
    except (TypeError, ValueError):
        raise ValueError(f"rasterize: `size` must be (height, width) in whole pixels, got {size!r}.") from None
    if not (0 < height <= MAX_SIZE and 0 < width <= MAX_SIZE):
        raise ValueError(f"rasterize: `size` must be between 1 and {MAX_SIZE} pixels per side, got {height} x {width}.")
    return height, width


def _check_positions(positions: Tensor, ranges: Tensor | None) -> None:
    expected = "(B, V, 4)" if ranges is None else "(V, 4) when `ranges` is given"
    rank = 3 if ranges is None else 2
    if not isinstance(positions, Tensor) or positions.dim() != rank or positions.shape[-1] != 4:
        raise ValueError(
            f"rasterize: `positions` must be clip coordinates {expected}, got {checks.describe(positions)}. "
            "Camera.project makes them from world coordinates."
        )
    if ranges is not None and not (
        isinstance(ranges, Tensor)
        and ranges.dtype in (torch.int32, torch.int64)
        and ranges.dim() == 2
        and ranges.shape[1] == 2
        and ranges.device.type == "cpu"
    ):
        raise ValueError(
            f"rasterize: `ranges` must be an integer tensor (B, 2) on the CPU, got {checks.describe(ranges)}."
        )


# ---- visibility: ids only, never differentiable ---------------------------------------------------------------------


def _visibility_cpu(
    positions: Tensor, faces: Tensor, ranges: Tensor | None, height: int, width: int, cull: int
) -> tuple[Tensor, Tensor]:
    face_id, facing = _visibility_fake(positions, faces, ranges, height, width, cull)
    if ranges is not None:
        ranges = _checked_ranges(ranges, faces.shape[0])
        facing.zero_()
    status = native.kernel("rp_visibility", "plplpliiiipp")(
        positions.data_ptr(),
        positions.shape[-2],
        faces.data_ptr(),
        faces.shape[0],
        None if ranges is None else ranges.data_ptr(),
        face_id.shape[0],
        height,
        width,
        cull,
        native.threads(),
        face_id.data_ptr(),
        facing.data_ptr(),
    )
    if status < -1:
        raise checks.index_error("rasterize", "faces", faces, -2 - status, positions.shape[-2], "positions")
    checks.check_status("rasterize", status)
    _warn_not_finite(status)
    return face_id, facing


def _count_not_finite(positions: Tensor, faces: Tensor, ranges: Tensor | None) -> int:
    finite = torch.isfinite(positions.detach().float()).all(-1)[..., faces.long()].all(-1)
    if ranges is None:
        return int((~finite).sum())
    return sum(int((~finite[first : first + count]).sum()) for first, count in ranges.tolist())


def _warn_not_finite(count: int) -> None:
    if count > 0:
        warnings.warn(
            f"rasterize: {count} faces have a vertex that is NaN or infinite; they cover nothing.",
            RuntimeWarning,
            stacklevel=3,
        )


def _checked_ranges(ranges: Tensor, face_count: int) -> Tensor:
    ranges = ranges.to(torch.int64).contiguous()
    first, count = ranges[:, 0], ranges[:, 1]
    if bool(((first < 0) | (count < 0) | (count > face_count - first)).any()):
        raise IndexError(f"rasterize: `ranges` {ranges.tolist()} reaches beyond the {face_count} faces.")
    return ranges


def _visibility_fake(
    positions: Tensor, faces: Tensor, ranges: Tensor | None, height: int, width: int, cull: int
) -> tuple[Tensor, Tensor]:
    batch = positions.shape[0] if ranges is None else ranges.shape[0]
    face_id = positions.new_empty((batch, height, width), dtype=torch.int32)
    facing = positions.new_empty((batch if ranges is None else 1, faces.shape[0]), dtype=torch.int8)
    return face_id, facing


_visibility = library.define(
    "visibility(Tensor positions, Tensor faces, Tensor? ranges, SymInt height, SymInt width, int cull)"
    " -> (Tensor face_id, Tensor facing)",
    _visibility_cpu,
    _visibility_fake,
)
library.not_differentiable("visibility")


# ---- barycentrics and depth of the faces seen -----------------------------------------------------------------------


def _sizes(positions: Tensor, face_id: Tensor) -> tuple[int, ...]:
    batch, height, width = face_id.shape
    return batch, positions.dim() == 2, height, width, native.threads()


def _barycentrics_cpu(positions: Tensor, faces: Tensor, face_id: Tensor) -> tuple[Tensor, Tensor]:
    bary, depth = _barycentrics_fake(positions, faces, face_id)
    status = native.kernel("rp_barycentrics", "plpliiiippp")(
        positions.data_ptr(),
        positions.shape[-2],
        faces.data_ptr(),
        *_sizes(positions, face_id),
        face_id.data_ptr(),
        bary.data_ptr(),
        depth.data_ptr(),
    )
    checks.check_status("rasterize", status)
    return bary, depth


def _barycentrics_fake(positions: Tensor, faces: Tensor, face_id: Tensor) -> tuple[Tensor, Tensor]:
    return positions.new_empty((*face_id.shape, 2)), positions.new_empty(face_id.shape)


def _barycentrics_backward_cpu(
    positions: Tensor, faces: Tensor, face_id: Tensor, g_bary: Tensor, g_depth: Tensor
) -> Tensor:
    g_positions = torch.empty_like(positions)
    g_bary, g_depth = g_bary.contiguous(), g_depth.contiguous()
    status = native.kernel("rp_barycentrics_backward", "plpliiiipppp")(
        positions.data_ptr(),
        positions.shape[-2],
        faces.data_ptr(),
        *_sizes(positions, face_id),
        face_id.data_ptr(),
        g_bary.data_ptr(),
        g_depth.data_ptr(),
        g_positions.data_ptr(),
    )
    checks.check_status("rasterize (backward)", status)
    return g_positions


def _barycentrics_backward_fake(
    positions: Tensor, faces: Tensor, face_id: Tensor, g_bary: Tensor, g_depth: Tensor
) -> Tensor:
    return torch.empty_like(positions)


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, g_bary: Tensor, g_depth: Tensor) -> Any:
    positions, faces, face_id = ctx.saved_tensors
    return _barycentrics_backward(positions, faces, face_id, g_bary, g_depth), None, None


_barycentrics = library.define(
    "barycentrics(Tensor positions, Tensor faces, Tensor face_id) -> (Tensor bary, Tensor depth)",
    _barycentrics_cpu,
    _barycentrics_fake,
)
_barycentrics_backward = library.define(
    "barycentrics_backward(Tensor positions, Tensor faces, Tensor face_id, Tensor g_bary, Tensor g_depth) -> Tensor",
    _barycentrics_backward_cpu,
    _barycentrics_backward_fake,
)
library.differentiable("barycentrics", _setup, _backward)
library.once_differentiable("barycentrics_backward")
