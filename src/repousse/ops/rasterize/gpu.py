"""Visibility and barycentrics on a GPU."""

import torch
import triton
from torch import Tensor

from repousse.ops.gpu.indices import check_indices
from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.ranges import ranges_on
from repousse.ops.gpu.sums import Sum, accumulate
from repousse.ops.rasterize import arguments
from repousse.ops.rasterize.gpu_barycentrics import COLUMNS, ROWS, add_gradients, draw_barycentrics
from repousse.ops.rasterize.gpu_faces import draw_boxes, draw_faces
from repousse.ops.rasterize.gpu_tiles import TILE, draw_tiles, list_faces
from repousse.ops.rasterize.gpu_triangles import EMPTY

# Faces that a warp of `draw_boxes` draws at a time, and pixels of each. The interpreter is slow per operation, not per
# lane.
_FACES, _LANES = (32, 256) if triton.knobs.runtime.interpret else (4, 32)
_PROGRAMS = 4096  # of kernels that share a list whose length only the device knows: a few for each multiprocessor


def visibility(
    positions: Tensor, faces: Tensor, ranges: Tensor | None, height: int, width: int, cull: int
) -> tuple[Tensor, Tensor]:
    face_id, facing = nearest_faces("rasterize", positions, faces, ranges, height, width, cull, 1)
    return face_id[0], facing


def nearest_faces(
    op: str, positions: Tensor, faces: Tensor, ranges: Tensor | None, height: int, width: int, cull: int, count: int
) -> tuple[Tensor, Tensor]:
    """The `count` nearest faces of each pixel, int32 (count, B, H, W), and the facing of all faces.

    Working memory: 8 bytes per pixel and layer, and 16 per face and image.
    """
    check_indices(op, "faces", faces, positions.shape[-2], "positions")
    device, vertices, face_count = positions.device, positions.shape[-2], faces.shape[0]
    if ranges is None:
        images, most, room, moved = positions.shape[0], face_count, positions.shape[0] * face_count, faces
        facing = positions.new_empty((images, face_count), dtype=torch.int8)
    else:
        arguments.check_ranges(op, ranges, face_count)
        counts = ranges[:, 1].tolist()
        images, most, room = len(counts), max(counts, default=0), sum(counts)
        moved = ranges_on(device, ranges)
        facing = positions.new_zeros((1, face_count), dtype=torch.int8)
    step = images * height * width
    keys = torch.full((count, images, height, width), EMPTY.value, dtype=torch.int64, device=device)
    items = torch.int32 if images * face_count < 2**31 else torch.int64
    queue, listed = torch.empty((2, room), dtype=items, device=device)
    starts = torch.empty(room, dtype=torch.int64, device=device)
    counters = torch.zeros(3, dtype=torch.int64, device=device)

    stride = 0 if ranges is not None else vertices  # rows of positions from image to image
    screen = (height, width, height / 2, width / 2)
    per_image, shift = blocks(most, 128), 63 - room.bit_length()
    launch(
        draw_faces,
        (per_image * images,),
        *(positions, faces, moved, facing, keys, queue, counters, vertices, face_count, per_image, room),
        *(*screen, cull, step, count),
        PACKED=ranges is not None,
        LAYERED=count > 1,
        BLOCK=128,
    )
    # One warp: were there more, all would wait for the largest box.
    launch(
        draw_boxes,
        (min(blocks(room, _FACES), _PROGRAMS),),
        *(positions, faces, keys, queue, counters, vertices, stride, face_count, *screen, step, count),
        num_warps=1,
        LAYERED=count > 1,
        FACES=_FACES,
        LANES=_LANES,
    )
    launch(
        list_faces,
        (min(blocks(room, 8), _PROGRAMS // 4),),
        *(positions, faces, queue, counters, listed, starts, stride, face_count, room, shift, *screen),
        FACES=8,
    )
    tiles = blocks(height, TILE.value) * blocks(width, TILE.value)
    launch(
        draw_tiles,
        (min(room * tiles, _PROGRAMS // 2),),
        *(positions, faces, keys, counters, listed, starts, stride, face_count, shift, *screen, step, count),
        LAYERED=count > 1,
    )
    return keys.to(torch.int32), facing  # the low half of each key


def barycentrics(positions: Tensor, faces: Tensor, face_id: Tensor) -> tuple[Tensor, Tensor]:
    bary, depth = positions.new_empty((*face_id.shape, 2)), positions.new_empty(face_id.shape)
    launch(
        draw_barycentrics,
        (_tiles(face_id),),
        *(positions, faces, face_id, bary, depth, *_sizes(positions, faces, face_id)),
        num_warps=8,
    )
    return bary, depth


# Pixels whose face does not exist are taken to be empty: to tell, the device would have to be waited for.
barycentrics_of = barycentrics


def barycentrics_backward(positions: Tensor, faces: Tensor, face_id: Tensor, g_bary: Tensor, g_depth: Tensor) -> Tensor:
    g_bary, g_depth = g_bary.contiguous(), g_depth.contiguous()

    def run(sums: list[Sum], mode: int) -> None:
        launch(
            add_gradients,
            (_tiles(face_id),),
            *(positions, faces, face_id, g_bary, g_depth, *_sizes(positions, faces, face_id), *sums[0]),
            num_warps=8,
            MODE=mode,
        )

    return accumulate([positions], run)[0]


def _tiles(face_id: Tensor) -> int:
    images, height, width = face_id.shape
    return images * blocks(height, ROWS.value) * blocks(width, COLUMNS.value)


def _sizes(positions: Tensor, faces: Tensor, face_id: Tensor) -> tuple[int | float, ...]:
    _, height, width = face_id.shape
    vertices = positions.shape[-2]
    tiles = blocks(height, ROWS.value), blocks(width, COLUMNS.value)
    stride = 0 if positions.dim() == 2 else vertices
    return vertices, stride, faces.shape[0], *tiles, height, width, height / 2, width / 2
