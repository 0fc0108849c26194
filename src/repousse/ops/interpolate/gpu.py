"""Interpolation on a GPU."""

import triton
from torch import Tensor

from repousse.ops.gpu.indices import check_indices
from repousse.ops.gpu.launch import blocks, launch
from repousse.ops.gpu.scatter import LANES, ROWS
from repousse.ops.gpu.sums import Sum, accumulate
from repousse.ops.interpolate.gpu_backward import backward
from repousse.ops.interpolate.gpu_forward import derivatives, values

_PIXELS = 128  # of a program, a lane each


def interpolate(
    attributes: Tensor, attribute_faces: Tensor, positions: Tensor, faces: Tensor, face_id: Tensor, bary: Tensor
) -> Tensor:
    _check(attributes, attribute_faces, positions, faces)
    batch, height, width = face_id.shape
    channels = attributes.shape[-1]
    out = attributes.new_empty((batch, height, width, channels))
    group = _group(channels, 32)
    groups, size = blocks(channels, group), 2 * _PIXELS if group <= 4 else 8 * _PIXELS // group
    programs = blocks(height * width, size)
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
    group = _group(channels, 4)
    groups, programs = blocks(channels, group), blocks(height * width, _PIXELS)
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
        PIXELS=_PIXELS,
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
        check_indices("interpolate", "attribute_faces", attribute_faces, attributes.shape[-2], "attributes")


def _rows(rows: Tensor) -> int:
    """From one image's attributes or positions to those of the next."""
    return rows.shape[1] if rows.dim() == 3 else 0


def _group(channels: int, most: int) -> int:
    """How many channels a program handles."""
    return max(1, min(channels if channels <= 4 else triton.next_power_of_2(channels), most))


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
    group = _group(channels, 4)
    groups = blocks(channels, group)
    tiles_x, tiles_y = blocks(width, LANES), blocks(height, ROWS)
    # Rows of the sums are padded, so that they are added to at once.
    padded = attributes.new_empty(1).expand(*attributes.shape[:-1], groups * triton.next_power_of_2(group))

    def run(sums: list[Sum], mode: int, of_attributes: bool, of_positions: bool) -> None:
        launch(
            backward,
            (batch * tiles_x * tiles_y * (groups if of_attributes else min(groups, 1)),),
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
