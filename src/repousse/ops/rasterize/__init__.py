"""Which triangle covers each pixel centre, and where inside it the centre lies."""

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library
from repousse.ops.rasterize import arguments, reference


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
    kept for the next call. On a GPU the working memory is 8 bytes per pixel and 16 per face and image.

    Raises IndexError for a face whose index does not exist, ValueError or TypeError for wrong shapes, sizes, dtypes and
    devices. Faces with a NaN or infinite vertex cover nothing and are counted in a RuntimeWarning; on a GPU they are
    not counted, since that would wait for the device.
    """
    height, width = arguments.check_size("rasterize", size)
    arguments.check_positions("rasterize", positions, ranges)
    arguments.check_cull("rasterize", cull)
    faces = checks.as_index("rasterize", "faces", faces)
    checks.same_device("rasterize", positions=positions, faces=faces)
    if backend == "reference":
        checks.check_indices_slowly("rasterize", "faces", faces, positions.shape[-2], "positions")
        ranges = None if ranges is None else arguments.check_ranges("rasterize", ranges, faces.shape[0])
        arguments.warn_not_finite("rasterize", arguments.count_not_finite(positions, faces, ranges))
        face_id, facing = reference.visibility(positions.detach(), faces, (height, width), ranges, cull)
        bary, depth = reference.barycentrics(positions, faces, face_id, ranges, (height, width))
        return Fragments(face_id, bary, depth, facing, positions, faces, ranges)
    if backend != "native":
        raise ValueError(f'rasterize: `backend` must be "native" or "reference", got {backend!r}.')
    positions = checks.as_float32("rasterize", "positions", positions)
    face_id, facing = _visibility(positions.detach(), faces, ranges, height, width, arguments.CULL[cull])
    bary, depth = barycentrics(positions, faces, face_id)
    return Fragments(face_id, bary, depth, facing, positions, faces, ranges)


def with_face_id(
    fragments: Fragments, face_id: Tensor, *, backend: Literal["native", "reference"] = "native"
) -> Fragments:
    """Look at other faces through the same pixels.

    >>> glass, behind = layers(positions, faces, size, count=2)
    >>> shown = with_face_id(glass, torch.where(transparent, behind.face_id, glass.face_id))

    fragments  from `rasterize` or `layers`
    face_id    int (B, H, W)   for each pixel a face of `fragments.faces`, or -1 for none

    Returns the fragments with these ids, and with the barycentrics and depth that the pixel centres have on them: the
    very bits of `rasterize` or `layers` where these found the face. A pixel that its face does not cover gets a point
    on the face's border.

    Differentiable: barycentrics and depth with respect to `fragments.positions`, as those of `rasterize`.

    Raises IndexError for a face that does not exist, ValueError or TypeError for wrong shapes, dtypes and devices. On a
    GPU a pixel with such a face counts as empty instead: a check would wait for the device.
    """
    if not isinstance(face_id, Tensor) or face_id.shape != fragments.face_id.shape:
        raise ValueError(
            f"with_face_id: `face_id` must be an integer tensor {tuple(fragments.face_id.shape)} like that of the "
            f"fragments, got {checks.describe(face_id)}."
        )
    if face_id.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"with_face_id: `face_id` must be int32 or int64, got {checks.describe(face_id)}.")
    positions, faces = fragments.positions, fragments.faces
    checks.same_device("with_face_id", positions=positions, face_id=face_id)
    limit = torch.iinfo(torch.int32)
    face_id = face_id.clamp(limit.min, limit.max).to(torch.int32).contiguous()
    if backend == "reference":
        _check_face_id(faces, face_id)
        size = face_id.shape[1], face_id.shape[2]
        bary, depth = reference.barycentrics(positions, faces, face_id, fragments.ranges, size)
    elif backend == "native":
        positions = checks.as_float32("with_face_id", "fragments.positions", positions)
        bary, depth = _barycentrics_of(positions, faces, face_id)
        if not face_id.is_cpu:  # there they have been checked
            face_id = torch.where((face_id >= 0) & (face_id < faces.shape[0]), face_id, -1)
    else:
        raise ValueError(f'with_face_id: `backend` must be "native" or "reference", got {backend!r}.')
    return fragments._replace(face_id=face_id, bary=bary, depth=depth)


# ---- visibility: ids only, never differentiable ---------------------------------------------------------------------


def _visibility_cpu(
    positions: Tensor, faces: Tensor, ranges: Tensor | None, height: int, width: int, cull: int
) -> tuple[Tensor, Tensor]:
    face_id, facing = _visibility_fake(positions, faces, ranges, height, width, cull)
    if ranges is not None:
        ranges = arguments.check_ranges("rasterize", ranges, faces.shape[0])
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
    arguments.warn_not_finite("rasterize", status)
    return face_id, facing


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


barycentrics = library.define(
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


# ---- the same for ids that somebody else chose ----------------------------------------------------------------------


def _check_face_id(faces: Tensor, face_id: Tensor) -> None:
    if face_id.numel() == 0:
        return
    least, most = (int(bound) for bound in torch.aminmax(face_id))
    if least < -1 or most >= faces.shape[0]:
        raise IndexError(
            f"with_face_id: `face_id` holds {least if least < -1 else most}, but the fragments have {faces.shape[0]} "
            "faces; -1 means none."
        )


def _barycentrics_of_cpu(positions: Tensor, faces: Tensor, face_id: Tensor) -> tuple[Tensor, Tensor]:
    _check_face_id(faces, face_id)
    return _barycentrics_cpu(positions, faces, face_id)


# An op of its own, so that the check is part of compiled graphs too.
_barycentrics_of = library.define(
    "barycentrics_of(Tensor positions, Tensor faces, Tensor face_id) -> (Tensor bary, Tensor depth)",
    _barycentrics_of_cpu,
    _barycentrics_fake,
)
library.differentiable("barycentrics_of", _setup, _backward)
