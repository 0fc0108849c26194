"""How interpolated values change from pixel to pixel: the dispatcher op behind `interpolate(..., derivatives=True)`."""

from typing import Any

from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library

_SIGNATURE = "plpipliipliiip"  # of both kernels, up to `face_id`


def _pointers(attributes: Tensor, attribute_faces: Tensor, positions: Tensor, faces: Tensor, face_id: Tensor) -> Any:
    return (
        positions.data_ptr(),
        positions.shape[-2],
        faces.data_ptr(),
        positions.dim() == 2,
        attributes.data_ptr(),
        attributes.shape[-2],
        attributes.shape[-1],
        attributes.dim() == 3,
        attribute_faces.data_ptr(),
        *face_id.shape,
        native.threads(),
        face_id.data_ptr(),
    )


def _derivatives_cpu(
    attributes: Tensor, attribute_faces: Tensor, positions: Tensor, faces: Tensor, face_id: Tensor
) -> Tensor:
    # `rasterize` has checked faces against positions.
    if attribute_faces.data_ptr() != faces.data_ptr() or attributes.shape[-2] < positions.shape[-2]:
        checks.check_indices("interpolate", "attribute_faces", attribute_faces, attributes.shape[-2], "attributes")
    out = _derivatives_fake(attributes, attribute_faces, positions, faces, face_id)
    status = native.kernel("rp_interpolate_derivatives", _SIGNATURE + "p")(
        *_pointers(attributes, attribute_faces, positions, faces, face_id), out.data_ptr()
    )
    checks.check_status("interpolate (derivatives)", status)
    return out


def _derivatives_fake(
    attributes: Tensor, attribute_faces: Tensor, positions: Tensor, faces: Tensor, face_id: Tensor
) -> Tensor:
    return attributes.new_empty((*face_id.shape, attributes.shape[-1], 2))


def _backward_cpu(
    attributes: Tensor,
    attribute_faces: Tensor,
    positions: Tensor,
    faces: Tensor,
    face_id: Tensor,
    g_out: Tensor,
    attributes_wanted: bool,
    positions_wanted: bool,
) -> tuple[Tensor, Tensor]:
    inputs = attributes, attribute_faces, positions, faces, face_id
    g_attributes, g_positions = _backward_fake(*inputs, g_out, attributes_wanted, positions_wanted)
    g_out = g_out.contiguous()
    status = native.kernel("rp_interpolate_derivatives_backward", _SIGNATURE + "ppp")(
        *_pointers(*inputs),
        g_out.data_ptr(),
        g_attributes.data_ptr() if attributes_wanted else None,
        g_positions.data_ptr() if positions_wanted else None,
    )
    checks.check_status("interpolate (derivatives, backward)", status)
    return g_attributes, g_positions


def _backward_fake(
    attributes: Tensor,
    attribute_faces: Tensor,
    positions: Tensor,
    faces: Tensor,
    face_id: Tensor,
    g_out: Tensor,
    attributes_wanted: bool,
    positions_wanted: bool,
) -> tuple[Tensor, Tensor]:
    # What is not wanted is returned empty: a dispatcher op cannot return None for a tensor.
    g_attributes = attributes.new_empty(attributes.shape if attributes_wanted else (0,))
    g_positions = positions.new_empty(positions.shape if positions_wanted else (0,))
    return g_attributes, g_positions


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, g_out: Tensor) -> Any:
    wanted = ctx.needs_input_grad[0], ctx.needs_input_grad[2]
    g_attributes, g_positions = _derivatives_backward(*ctx.saved_tensors, g_out, *wanted)
    return (g_attributes if wanted[0] else None), None, (g_positions if wanted[1] else None), None, None


_INPUTS = "Tensor attributes, Tensor attribute_faces, Tensor positions, Tensor faces, Tensor face_id"
# (attributes, attribute_faces, positions, faces, face_id) -> (B, H, W, C, 2); float32 and int32, contiguous
derivatives = library.define(f"interpolate_derivatives({_INPUTS}) -> Tensor", _derivatives_cpu, _derivatives_fake)
_derivatives_backward = library.define(
    f"interpolate_derivatives_backward({_INPUTS}, Tensor g_out, bool attributes_wanted, bool positions_wanted)"
    " -> (Tensor, Tensor)",
    _backward_cpu,
    _backward_fake,
)
library.differentiable("interpolate_derivatives", _setup, _backward)
library.once_differentiable("interpolate_derivatives_backward")
