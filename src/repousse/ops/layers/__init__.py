"""All that lies behind each pixel centre, not only what is nearest."""

import operator
from typing import Literal

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library
from repousse.ops.layers import reference
from repousse.ops.rasterize import Fragments, arguments, barycentrics
from repousse.ops.rasterize.reference import barycentrics as reference_barycentrics

MAX_COUNT = 1024


def layers(
    positions: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    count: int,
    *,
    ranges: Tensor | None = None,
    cull: Literal["back", "front"] | None = None,
    backend: Literal["native", "reference"] = "native",
) -> list[Fragments]:
    """Find the `count` nearest triangles that cover each pixel centre (Everitt 2001, "depth peeling").

    >>> first, second, third = layers(positions, faces, size=(64, 48), count=3)
    >>> torch.equal(first.face_id, rasterize(positions, faces, (64, 48)).face_id)
    True

    positions, faces, size, ranges, cull, backend   as for `rasterize`
    count   how many, at least 1 and at most 1024

    Returns `count` fragments. At each pixel they go from the nearest face to the farthest, by depth and, where depths
    are equal, by face id; the first is what `rasterize` returns, bit for bit. A layer is -1 where fewer faces cover the
    pixel, and so are all that follow. A face counts once per pixel, even if it had to be clipped into several pieces.

    Whether `count` was enough can be read off the last layer: behind pixels where it is empty there is nothing more.
    Elsewhere there may be; a renderer asks for twice as many while any such pixel is not opaque yet.

    Differentiable: barycentrics and depth of each layer with respect to `positions`, inside faces, as in `rasterize`.

    Cost: one pass over the triangles, in which a pixel keeps its `count` nearest faces in order; for count 4, two to
    five times that of finding the nearest.
    Memory: 16 bytes per pixel and layer of output; working memory of 16 bytes per vertex and, per thread, 1 MiB or what
    16 rows of the image need at 8 (count + 1) bytes per pixel. It is kept for the next call. On a GPU it is 8 bytes per
    pixel and layer, and 16 per face and image.

    Raises IndexError for a face whose index does not exist, ValueError or TypeError for wrong shapes, sizes, counts,
    dtypes and devices, MemoryError. Faces with a NaN or infinite vertex cover nothing and are counted in a
    RuntimeWarning; on a GPU they are not counted.
    """
    height, width = arguments.check_size("layers", size)
    count = _check_count(count)
    arguments.check_positions("layers", positions, ranges)
    arguments.check_cull("layers", cull)
    faces = checks.as_index("layers", "faces", faces)
    checks.same_device("layers", positions=positions, faces=faces)
    if backend == "reference":
        checks.check_indices_slowly("layers", "faces", faces, positions.shape[-2], "positions")
        ranges = None if ranges is None else arguments.check_ranges("layers", ranges, faces.shape[0])
        arguments.warn_not_finite("layers", arguments.count_not_finite(positions, faces, ranges))
        face_id, facing = reference.layers(positions.detach(), faces, (height, width), count, ranges, cull)
        places = [reference_barycentrics(positions, faces, ids, ranges, (height, width)) for ids in face_id]
    elif backend == "native":
        positions = checks.as_float32("layers", "positions", positions)
        face_id, facing = _layers(positions.detach(), faces, ranges, height, width, arguments.CULL[cull], count)
        places = [barycentrics(positions, faces, ids) for ids in face_id.unbind()]
    else:
        raise ValueError(f'layers: `backend` must be "native" or "reference", got {backend!r}.')
    return [
        Fragments(ids, bary, depth, facing, positions, faces, ranges)
        for ids, (bary, depth) in zip(face_id.unbind(), places, strict=True)
    ]


def _check_count(count: int) -> int:
    try:
        number = operator.index(count)
    except TypeError:
        raise TypeError(f"layers: `count` must be a whole number, got {count!r}.") from None
    if not 1 <= number <= MAX_COUNT:
        raise ValueError(f"layers: `count` must be between 1 and {MAX_COUNT} layers, got {number}.")
    return number


def _layers_cpu(
    positions: Tensor, faces: Tensor, ranges: Tensor | None, height: int, width: int, cull: int, count: int
) -> tuple[Tensor, Tensor]:
    face_id, facing = _layers_fake(positions, faces, ranges, height, width, cull, count)
    if ranges is not None:
        ranges = arguments.check_ranges("layers", ranges, faces.shape[0])
        facing.zero_()
    status = native.kernel("rp_layers", "plplpliiiiipp")(
        positions.data_ptr(),
        positions.shape[-2],
        faces.data_ptr(),
        faces.shape[0],
        None if ranges is None else ranges.data_ptr(),
        face_id.shape[1],
        height,
        width,
        cull,
        count,
        native.threads(),
        face_id.data_ptr(),
        facing.data_ptr(),
    )
    if status < -1:
        raise checks.index_error("layers", "faces", faces, -2 - status, positions.shape[-2], "positions")
    checks.check_status("layers", status)
    arguments.warn_not_finite("layers", status)
    return face_id, facing


def _layers_fake(
    positions: Tensor, faces: Tensor, ranges: Tensor | None, height: int, width: int, cull: int, count: int
) -> tuple[Tensor, Tensor]:
    batch = positions.shape[0] if ranges is None else ranges.shape[0]
    face_id = positions.new_empty((count, batch, height, width), dtype=torch.int32)
    facing = positions.new_empty((batch if ranges is None else 1, faces.shape[0]), dtype=torch.int8)
    return face_id, facing


_layers = library.define(
    "layers(Tensor positions, Tensor faces, Tensor? ranges, SymInt height, SymInt width, int cull, int count)"
    " -> (Tensor face_id, Tensor facing)",
    _layers_cpu,
    _layers_fake,
)
library.not_differentiable("layers")
