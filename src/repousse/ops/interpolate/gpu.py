"""Interpolation on a GPU."""

import triton
from torch import Tensor

from repousse.core import checks
from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.scatter import LANES, ROWS
from repousse.ops.gpu.sums import Sum, accumulate
from repousse.ops.interpolate.gpu_backward import backward
from repousse.ops.interpolate.gpu_forward import derivatives, values

_NUMBERS = 1024  # that a program of a forward kernel writes
_MOST_CHANNELS = 32  # of which it handles at once


def interpolate(
    attributes: Tensor, attribute_faces: Tensor, positions: Tensor, faces: Tensor, face_id: Tensor, bary: Tensor
) -> Tensor:
    _check(attributes, attribute_faces, positions, faces)
    batch, height, width = face_id.shape
    channels = attributes.shape[-1]
    out = attributes.new_empty((batch, height, width, channels))
    group, groups, size, programs = _forward_sizes(channels, height * width)
    launch(
        values,
        (batch * programs * groups,),
        attributes,
        attribute_faces,
        face_id,
        bary,
        out,
        channels,
        groups,
        _rows(attributes),
        height * width,
        programs,
        PIXELS=size,
        GROUP=group,
    )
    return out


def interpolate_backward(
    attributes: Tensor,
    attribute_faces: Tensor,
    positions: Tensor,
    faces: Tensor,
    face_id: Tensor,
    bary: Tensor,
    g_out: Tensor,
    attributes_wanted: bool,
    positions_wanted: bool,
) -> tuple[Tensor, Tensor]:
    corners = attributes, attribute_faces, positions, faces
    return _backward(*corners, face_id, bary, g_out, 1, attributes_wanted, positions_wanted)


def interpolate_derivatives(
    attributes: Tensor, attribute_faces: Tensor, positions: Tensor, faces: Tensor, face_id: Tensor
) -> Tensor:
    _check(attributes, attribute_faces, positions, faces)
    batch, height, width = face_id.shape
    channels = attributes.shape[-1]
    out = attributes.new_empty((batch, height, width, channels, 2))
    group, groups, size, programs = _forward_sizes(2 * channels, height * width)
    launch(
        derivatives,
        (batch * programs * groups,),
        attributes,
        attribute_faces,
        positions,
        faces,
        face_id,
        out,
        channels,
        groups,
        _rows(attributes),
        _rows(positions),
        height,
        width,
        width / 2,
        height / 2,
        programs,
        PIXELS=size,
        GROUP=group,
    )
    return out


def interpolate_derivatives_backward(
    attributes: Tensor,
    attribute_faces: Tensor,
    positions: Tensor,
    faces: Tensor,
    face_id: Tensor,
    g_out: Tensor,
    attributes_wanted: bool,
    positions_wanted: bool,
) -> tuple[Tensor, Tensor]:
    corners = attributes, attribute_faces, positions, faces
    return _backward(*corners, face_id, g_out, g_out, 2, attributes_wanted, positions_wanted)


def _check(attributes: Tensor, attribute_faces: Tensor, positions: Tensor, faces: Tensor) -> None:
    # `rasterize` has checked faces against positions.
    if attribute_faces.data_ptr() != faces.data_ptr() or attributes.shape[-2] < positions.shape[-2]:
        checks.check_indices_once("interpolate", "attribute_faces", attribute_faces, attributes.shape[-2], "attributes")


def _rows(rows: Tensor) -> int:
    """From one image's attributes or positions to those of the next."""
    return rows.shape[1] if rows.dim() == 3 else 0


def _forward_sizes(numbers: int, pixels: int) -> tuple[int, int, int, int]:
    """For so many numbers per pixel: numbers per program, groups of these; pixels per program, programs per image."""
    group = min(triton.next_power_of_2(max(1, numbers)), _MOST_CHANNELS)
    size = min(_NUMBERS // group, 512)
    return group, blocks(numbers, group), size, blocks(pixels, size)


def _backward(
    attributes: Tensor,
    attribute_faces: Tensor,
    positions: Tensor,
    faces: Tensor,
    face_id: Tensor,
    bary: Tensor,
    g_out: Tensor,
    axes: int,
    attributes_wanted: bool,
    positions_wanted: bool,
) -> tuple[Tensor, Tensor]:
    batch, height, width = face_id.shape
    channels, g_out = attributes.shape[-1], g_out.contiguous()
    group = min(triton.next_power_of_2(max(1, channels)), 4)
    groups = blocks(channels, group)
    tiles_x, tiles_y = blocks(width, LANES), blocks(height, ROWS)
    # Rows of the sums are padded, so that they are added to at once.
    padded = attributes.new_empty(1).expand(*attributes.shape[:-1], groups * group)

    def run(sums: list[Sum], mode: int, of_attributes: bool, of_positions: bool) -> None:
        launch(
            backward,
            (batch * tiles_x * tiles_y * (groups if of_attributes else 1),),
            attributes,
            attribute_faces,
            positions,
            faces,
            face_id,
            bary,
            g_out,
            channels,
            groups,
            _rows(attributes),
            _rows(positions),
            height,
            width,
            width / 2,
            height / 2,
            tiles_x,
            tiles_y,
            *sums[0],
            *sums[-1],
            AXES=axes,
            ATTRIBUTES=of_attributes,
            POSITIONS=of_positions,
            GROUP=group,
            ROWS=ROWS,
            LANES=LANES,
            MODE=mode,
            num_warps=1,
        )

    none = attributes.new_empty(0)
    if attributes_wanted and positions_wanted and groups == 1:
        of_attributes, of_positions = accumulate([padded, positions], lambda sums, mode: run(sums, mode, True, True))
    else:
        of_attributes, of_positions = none, none
        if attributes_wanted:
            of_attributes = accumulate([padded], lambda sums, mode: run(sums, mode, True, False))[0]
        if positions_wanted:
            of_positions = accumulate([positions], lambda sums, mode: run(sums, mode, False, True))[0]
    if attributes_wanted:
        of_attributes = of_attributes[..., :channels].contiguous()
    return of_attributes, of_positions
