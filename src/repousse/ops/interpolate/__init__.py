"""Values at mesh corners, carried to the pixels that see them."""

from typing import Any, Literal, overload

from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library
from repousse.ops.interpolate import reference
from repousse.ops.interpolate.derivatives import derivatives as _derivatives
from repousse.ops.rasterize import Fragments


@overload
def interpolate(
    attributes: Tensor,
    attribute_faces: Tensor,
    fragments: Fragments,
    *,
    derivatives: Literal[False] = False,
    backend: Literal["native", "reference"] = "native",
) -> Tensor: ...


@overload
def interpolate(
    attributes: Tensor,
    attribute_faces: Tensor,
    fragments: Fragments,
    *,
    derivatives: Literal[True],
    backend: Literal["native", "reference"] = "native",
) -> tuple[Tensor, Tensor]: ...


def interpolate(
    attributes: Tensor,
    attribute_faces: Tensor,
    fragments: Fragments,
    *,
    derivatives: bool = False,
    backend: Literal["native", "reference"] = "native",
) -> Tensor | tuple[Tensor, Tensor]:
    """Blend the values at a face's corners with the barycentrics of each pixel that sees the face.

    >>> color = interpolate(vertex_colors, mesh.faces, fragments)   # (642, 3) -> (2, 64, 48, 3)
    >>> uv, uv_steps = interpolate(mesh.uv, mesh.uv_faces, fragments, derivatives=True)   # uv_steps (2, 64, 48, 2, 2)

    attributes       float (Va, C)     shared by the images of the batch
                     or (B, Va, C)     one set per image
    attribute_faces  int   (F, 3)      which value belongs to which corner; may differ from `fragments.faces`, so that
                                       a face's neighbours need not share its values (a UV seam)
    fragments        from `rasterize`
    derivatives      also return how the values change from pixel to pixel, on the pixel's own face
    backend          "native", or "reference" for the slow implementation in PyTorch

    Returns float (B, H, W, C), zero where no face is seen; with `derivatives` a pair: also (B, H, W, C, 2), d value /
    d column and d value / d row at the pixel centre, of the perspective-correct interpolation, likewise zero where
    empty. They are exact (no differences of neighbouring pixels, which may see other faces), so they grow without
    bound as a face turns edge-on.

    Differentiable: in `attributes`, and in `fragments.positions` through the barycentrics (computed in one pass; it
    bypasses `fragments.bary`, so replacing that tensor does not cut the gradient). So are the derivatives.

    Raises IndexError for an index that does not exist, ValueError or TypeError for wrong shapes, dtypes and devices.
    """
    attribute_faces = checks.as_index("interpolate", "attribute_faces", attribute_faces)
    _check(attributes, attribute_faces, fragments)
    if backend == "reference":
        checks.check_indices_slowly(
            "interpolate", "attribute_faces", attribute_faces, attributes.shape[-2], "attributes"
        )
        values = reference.interpolate(attributes, attribute_faces, fragments.face_id, fragments.bary)
        if not derivatives:
            return values
        seen = fragments.positions, fragments.faces, fragments.face_id
        return values, reference.derivatives(attributes, attribute_faces, *seen)
    if backend != "native":
        raise ValueError(f'interpolate: `backend` must be "native" or "reference", got {backend!r}.')
    corners = checks.as_float32("interpolate", "attributes", attributes), attribute_faces
    positions = checks.as_float32("interpolate", "fragments.positions", fragments.positions)
    seen = positions, fragments.faces, fragments.face_id.contiguous()
    values = _interpolate(*corners, *seen, checks.as_float32("interpolate", "fragments.bary", fragments.bary.detach()))
    return (values, _derivatives(*corners, *seen)) if derivatives else values


def _check(attributes: Tensor, attribute_faces: Tensor, fragments: Fragments) -> None:
    batch = fragments.face_id.shape[0]
    if (
        not isinstance(attributes, Tensor)
        or attributes.dim() not in (2, 3)
        or (attributes.dim() == 3 and attributes.shape[0] != batch)
    ):
        raise ValueError(
            f"interpolate: `attributes` must be (Va, C) or ({batch}, Va, C), got {checks.describe(attributes)}."
        )
    if attribute_faces.shape[0] != fragments.faces.shape[0]:
        raise ValueError(
            f"interpolate: `attribute_faces` has {attribute_faces.shape[0]} faces, but {fragments.faces.shape[0]} were "
            "rasterized. Both must list the same faces in the same order."
        )
    if fragments.positions.dim() == 3 and fragments.positions.shape[0] != batch:
        raise ValueError(
            f"interpolate: the fragments show {batch} images of {fragments.positions.shape[0]} sets of positions. "
            "Whoever picks images out of `Fragments` must pick the same positions."
        )
    checks.same_device(
        "interpolate", attributes=attributes, attribute_faces=attribute_faces, fragments=fragments.face_id
    )


def _interpolate_cpu(
    attributes: Tensor, attribute_faces: Tensor, positions: Tensor, faces: Tensor, face_id: Tensor, bary: Tensor
) -> Tensor:
    # `rasterize` has checked faces against positions.
    if attribute_faces.data_ptr() != faces.data_ptr() or attributes.shape[-2] < positions.shape[-2]:
        checks.check_indices("interpolate", "attribute_faces", attribute_faces, attributes.shape[-2], "attributes")
    out = _interpolate_fake(attributes, attribute_faces, positions, faces, face_id, bary)
    native.kernel("rp_interpolate", "pliipliiippp")(
        attributes.data_ptr(),
        attributes.shape[-2],
        attributes.shape[-1],
        attributes.dim() == 3,
        attribute_faces.data_ptr(),
        *face_id.shape,
        native.threads(),
        face_id.data_ptr(),
        bary.data_ptr(),
        out.data_ptr(),
    )
    return out


def _interpolate_fake(
    attributes: Tensor, attribute_faces: Tensor, positions: Tensor, faces: Tensor, face_id: Tensor, bary: Tensor
) -> Tensor:
    return attributes.new_empty((*face_id.shape, attributes.shape[-1]))


def _interpolate_backward_cpu(
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
    g_attributes, g_positions = _interpolate_backward_fake(
        attributes, attribute_faces, positions, faces, face_id, bary, g_out, attributes_wanted, positions_wanted
    )
    g_out = g_out.contiguous()
    status = native.kernel("rp_interpolate_backward", "plpipliipliiippppp")(
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
        bary.data_ptr(),
        g_out.data_ptr(),
        g_attributes.data_ptr() if attributes_wanted else None,
        g_positions.data_ptr() if positions_wanted else None,
    )
    checks.check_status("interpolate (backward)", status)
    return g_attributes, g_positions


def _interpolate_backward_fake(
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
    # What is not wanted is returned empty: a dispatcher op cannot return None for a tensor.
    g_attributes = attributes.new_empty(attributes.shape if attributes_wanted else (0,))
    g_positions = positions.new_empty(positions.shape if positions_wanted else (0,))
    return g_attributes, g_positions


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, g_out: Tensor) -> Any:
    wanted = ctx.needs_input_grad[0], ctx.needs_input_grad[2]
    g_attributes, g_positions = _interpolate_backward(*ctx.saved_tensors, g_out, *wanted)
    return (g_attributes if wanted[0] else None), None, (g_positions if wanted[1] else None), None, None, None


_INPUTS = "Tensor attributes, Tensor attribute_faces, Tensor positions, Tensor faces, Tensor face_id, Tensor bary"
_interpolate = library.define(f"interpolate({_INPUTS}) -> Tensor", _interpolate_cpu, _interpolate_fake)
_interpolate_backward = library.define(
    f"interpolate_backward({_INPUTS}, Tensor g_out, bool attributes_wanted, bool positions_wanted) -> (Tensor, Tensor)",
    _interpolate_backward_cpu,
    _interpolate_backward_fake,
)
library.differentiable("interpolate", _setup, _backward)
library.once_differentiable("interpolate_backward")
