"""Visibility and barycentrics on a GPU."""

import torch
from torch import Tensor

from repousse.core import checks
from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.rasterize import arguments
from repousse.ops.rasterize.gpu_faces import draw_boxes, draw_faces
from repousse.ops.rasterize.gpu_tiles import TILE, draw_tiles, list_faces
from repousse.ops.rasterize.gpu_triangles import EMPTY

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
    checks.check_indices_once(op, "faces", faces, positions.shape[-2], "positions")
    device, vertices, face_count = positions.device, positions.shape[-2], faces.shape[0]
    if ranges is None:
        images, most, room, moved = positions.shape[0], face_count, positions.shape[0] * face_count, faces
        facing = positions.new_empty((images, face_count), dtype=torch.int8)
    else:
        ranges = arguments.check_ranges(op, ranges, face_count)
        counts = ranges[:, 1].tolist()
        images, most, room = len(counts), max(counts, default=0), sum(counts)
        moved = ranges.to(device, non_blocking=True)
        facing = positions.new_zeros((1, face_count), dtype=torch.int8)
    step = images * height * width
    keys = torch.full((count, images, height, width), EMPTY.value, dtype=torch.int64, device=device)
    items = torch.int32 if images * face_count < 2**31 else torch.int64
    queue, listed = torch.empty((2, room), dtype=items, device=device)
    starts = torch.empty(room, dtype=torch.int64, device=device)
    counters = torch.zeros(3, dtype=torch.int64, device=device)

    packed = {"PACKED": ranges is not None}
    drawn = {**packed, "LAYERED": count > 1}
    screen = (height, width, height / 2, width / 2)
    per_image, shift = blocks(most, 128), 63 - room.bit_length()
    launch(
        draw_faces,
        (per_image * images,),
        *(positions, faces, moved, facing, keys, queue, counters, vertices, face_count, per_image, room),
        *(*screen, cull, step, count),
        **drawn,
        BLOCK=128,
    )
    # One warp: were there more, all would wait for the largest box.
    launch(
        draw_boxes,
        (min(blocks(room, 4), _PROGRAMS),),
        *(positions, faces, keys, queue, counters, vertices, face_count, *screen, step, count),
        num_warps=1,
        **drawn,
        FACES=4,
        LANES=32,
    )
    launch(
        list_faces,
        (min(blocks(room, 8), _PROGRAMS // 4),),
        *(positions, faces, queue, counters, listed, starts, vertices, face_count, room, shift, *screen),
        **packed,
        FACES=8,
    )
    tiles = blocks(height, TILE.value) * blocks(width, TILE.value)
    launch(
        draw_tiles,
        (min(room * tiles, _PROGRAMS // 2),),
        *(positions, faces, keys, counters, listed, starts, vertices, face_count, shift, *screen, step, count),
        **drawn,
    )
    return keys.to(torch.int32), facing  # the low half of each key
