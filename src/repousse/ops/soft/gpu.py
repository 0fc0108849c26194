"""The GPU kernels of soft rasterization, as torch's dispatcher calls them."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from repousse.ops.gpu.indices import check_indices
from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.ranges import ranges_on
from repousse.ops.gpu.sums import Sum, accumulate
from repousse.ops.soft import kernels
from repousse.ops.soft.gpu_backward import pull
from repousse.ops.soft.gpu_boxes import CHUNKS_EACH, FACES, TILE_HEIGHT, TILE_WIDTH, find_boxes
from repousse.ops.soft.gpu_forward import draw
from repousse.ops.soft.gpu_near import BARYCENTRIC, EUCLIDEAN


def soft(
    corners: Tensor,
    faces: Tensor,
    ranges: Tensor | None,
    colors: Tensor,
    background: Tensor,
    height: int,
    width: int,
    rules: list[int],
    numbers: list[float],
) -> tuple[Tensor, Tensor, Tensor]:
    """As `kernels._soft_cpu`; faces that are not finite are not counted."""
    check_indices("soft", "faces", faces, corners.shape[-2], "positions")
    kernels.check_spans(ranges, faces, colors)
    results = kernels.soft_shapes(corners, faces, ranges, colors, background, height, width, rules, numbers)
    scene = _scene(corners, faces, ranges, colors, background.shape[0], height, width, rules, numbers)
    arguments = *scene.tensors, background, *results, *scene.sizes, *numbers
    launch(draw, scene.grid, *arguments, num_warps=1, **scene.constants)
    return results


def soft_backward(
    corners: Tensor,
    faces: Tensor,
    ranges: Tensor | None,
    colors: Tensor,
    image: Tensor,
    memory: Tensor,
    shown: Tensor,
    g_image: Tensor,
    rules: list[int],
    numbers: list[float],
    corners_wanted: bool,
    colors_wanted: bool,
) -> tuple[Tensor, Tensor]:
    """As `kernels._soft_backward_cpu`."""
    kernels.check_spans(ranges, faces, colors)
    batch, height, width, _ = image.shape
    scene = _scene(corners, faces, ranges, colors, batch, height, width, rules, numbers)
    pictures = image, memory, shown, g_image.contiguous()
    wanted = {"CORNERS_WANTED": corners_wanted, "COLORS_WANTED": colors_wanted and colors.shape[-1] > 0}

    def run(sums: list[Sum], mode: int) -> None:
        arguments = *scene.tensors, *pictures, *sums[0], *sums[1], *scene.sizes, *numbers[:5]
        launch(pull, scene.grid, *arguments, num_warps=1, **scene.constants, **wanted, MODE=mode)

    nothing = corners.new_empty(0)
    g_corners, g_colors = accumulate(
        [corners if corners_wanted else nothing, colors if colors_wanted else nothing], run
    )
    return g_corners, g_colors


class _Scene(NamedTuple):
    """What the kernels have in common, in the order of their parameters."""

    tensors: tuple[Tensor, ...]
    sizes: tuple[float, ...]
    constants: dict[str, Any]
    grid: tuple[int]


def _scene(
    corners: Tensor,
    faces: Tensor,
    ranges: Tensor | None,
    colors: Tensor,
    batch: int,
    height: int,
    width: int,
    rules: list[int],
    numbers: list[float],
) -> _Scene:
    """With the boxes of faces found. Working memory: 8 bytes per face and image."""
    distance, alpha, color, cull = rules
    face_count, vertices = faces.shape[0], corners.shape[-2]
    if ranges is None:
        chunk_count, spans = blocks(face_count, FACES.value), faces  # not read
        all_chunks = batch * chunk_count
    else:
        counts = [blocks(count, FACES.value) for count in ranges[:, 1].tolist()]
        chunk_count, all_chunks = max(counts, default=0), sum(counts)
        there = ranges_on(faces.device, ranges)
        chunks = (there[:, 1] + (FACES.value - 1)) // FACES.value
        spans = torch.cat([there, (chunks.cumsum(0) - chunks)[:, None]], 1)
    boxes = torch.empty((4, all_chunks * FACES.value), dtype=torch.int16, device=faces.device)
    bounds = torch.empty((4, all_chunks), dtype=torch.int16, device=faces.device)
    step, reach = 2.0 / min(height, width), math.sqrt(numbers[1])
    margin, grown = reach * (distance == EUCLIDEAN.value), reach * (distance == BARYCENTRIC.value)
    groups = blocks(chunk_count, CHUNKS_EACH.value)
    sizes = vertices, face_count, chunk_count, all_chunks
    arguments = corners, faces, spans, boxes, bounds, *sizes, groups, height, width, step, margin, grown, *numbers[3:5]
    launch(find_boxes, (groups * batch,), *arguments, CULL=cull, PACKED=ranges is not None)
    tiles = blocks(height, TILE_HEIGHT.value), blocks(width, TILE_WIDTH.value)
    constants = {
        "DISTANCE": distance,
        "ALPHA": alpha,
        "COLOR": color,
        "CHANNELS": colors.shape[-1],
        "PACKED": ranges is not None,
        "BATCHED": colors.dim() == 4,
    }
    return _Scene(
        (corners, faces, colors, spans, boxes, bounds),
        (*sizes, colors.shape[-3], height, width, *tiles, step),
        constants,
        (batch * tiles[0] * tiles[1],),
    )
