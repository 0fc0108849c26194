"""The sweeps of Kato et al. (2018), and the released code's rasteriser, on a GPU."""

import torch
from torch import Tensor

from repousse.ops.gpu import sums
from repousse.ops.gpu.indices import check_indices
from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.worklist import programs, running_sum
from repousse.ops.kato.gpu_crossings import sweep_crossings
from repousse.ops.kato.gpu_pull import EMPTY
from repousse.ops.kato.gpu_released import count_lines, mark_seen, sweep
from repousse.ops.kato.gpu_visible import count_pixels, draw, resolve

_PIXELS = 256  # per program
_FACES = 128
_SWEEP = {"EDGES": 16, "PIXELS": 32, "num_warps": 16}  # a warp per line
_NONE = torch.iinfo(torch.int64).max


def kato_visible(corners: Tensor, height: int, width: int, near: float, far: float) -> tuple[Tensor, Tensor]:
    batch, face_count = corners.shape[:2]
    count = batch * face_count
    face_id = corners.new_full((batch, height, width), -1, dtype=torch.int32)
    bary = corners.new_zeros((batch, height, width, 2))
    if count == 0 or face_id.numel() == 0:
        return face_id, bary
    counts = torch.empty(count, dtype=torch.int32, device=corners.device)
    launch(count_pixels, (blocks(count, _FACES),), corners, count, height, width, counts, BLOCK=_FACES)
    ends, steps = running_sum(counts)
    keys = torch.full(face_id.shape, _NONE, dtype=torch.int64, device=corners.device)
    grid = (programs(count * height * width, _PIXELS),)
    scene = (face_count, height, width)
    launch(draw, grid, corners, count, *scene, near, far, counts, ends, steps, keys, BLOCK=_PIXELS)
    pixels = face_id.numel()
    launch(resolve, (blocks(pixels, _PIXELS),), corners, keys, pixels, *scene, face_id, bary, BLOCK=_PIXELS)
    return face_id, bary


def kato_released(
    positions_ndc: Tensor, faces: Tensor, face_id: Tensor, image: Tensor, grad: Tensor, eps: float
) -> Tensor:
    check_indices("kato", "faces", faces, positions_ndc.shape[-2], "positions_ndc")
    batch, height, width = face_id.shape
    count = batch * faces.shape[0]
    if count == 0 or face_id.numel() == 0:
        return torch.zeros_like(positions_ndc)
    seen = torch.zeros(count, dtype=torch.uint8, device=faces.device)
    pixels = face_id.numel()
    scene = (face_id, pixels, height * width, faces.shape[0])
    launch(mark_seen, (blocks(pixels, _PIXELS),), *scene, seen, BLOCK=_PIXELS)
    counts = torch.empty((2, 3 * count), dtype=torch.int32, device=faces.device)
    mesh = (positions_ndc.shape[-2], faces.shape[0])
    launch(
        count_lines,
        (blocks(count, _FACES),),
        positions_ndc,
        faces,
        seen,
        count,
        *mesh,
        width,
        height,
        counts,
        BLOCK=_FACES,
    )
    counts = counts.flatten()
    ends, steps = running_sum(counts)
    # Columns are swept in a transposed copy, so that neighbouring lanes read neighbouring numbers there too.
    pictures = [torch.cat([one.transpose(1, 2).flatten(), one.flatten()]) for one in (face_id, image, grad)]

    def run(totals: list[sums.Sum], mode: int) -> None:
        launch(
            sweep,
            (programs(3 * count * (width + height), _SWEEP["EDGES"]),),
            positions_ndc,
            faces,
            6 * count,
            *mesh,
            width,
            height,
            counts,
            ends,
            steps,
            pixels,
            *pictures,
            image.shape[-1],
            eps,
            *totals[0],
            MODE=mode,
            **_SWEEP,
        )

    return sums.accumulate([positions_ndc], run)[0]


def kato_from_crossings(
    positions_ndc: Tensor,
    inner: Tensor,
    outer: Tensor,
    vertices: Tensor,
    offset: Tensor,
    axis: Tensor,
    face_id: Tensor,
    depth: Tensor,
    image: Tensor,
    grad: Tensor,
    eps: float,
) -> Tensor:
    count, vertex_count = inner.shape[0], positions_ndc.shape[-2]
    surface = torch.where(face_id < 0, EMPTY.value, depth)

    def run(totals: list[sums.Sum], mode: int) -> None:
        launch(
            sweep_crossings,
            (blocks(count, _SWEEP["EDGES"]),),
            inner,
            outer,
            vertices,
            offset,
            axis,
            count,
            positions_ndc,
            vertex_count,
            0 if positions_ndc.dim() == 2 else vertex_count,
            face_id.numel(),
            *face_id.shape[1:],
            surface,
            image,
            grad,
            image.shape[-1],
            eps,
            *totals[0],
            MODE=mode,
            **_SWEEP,
        )

    return sums.accumulate([positions_ndc], run)[0]
