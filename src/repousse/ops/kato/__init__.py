"""Sweeps of Kato et al. (2018): how far away pixels pull on the edges of what an image shows."""

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library
from repousse.ops.crossings import Crossings

__all__ = ["check_frame", "from_crossings", "released", "visible"]


def check_frame(positions: Tensor, face_id: Tensor, image: Tensor) -> None:
    """Raises ValueError unless the arguments can belong to one frame.

    positions  (B, V, N), or (V, N) for packed meshes
    face_id    (B, H, W)
    image      (B, H, W, C)
    """
    if image.dim() != 4 or image.shape[:3] != face_id.shape:
        raise ValueError(
            f"kato: `image` must be (B, H, W, C) with (B, H, W) = {tuple(face_id.shape)} as rasterized, "
            f"got {checks.describe(image)}. Apply the estimator before pooling or permuting."
        )
    if positions.dim() == 3 and positions.shape[0] != face_id.shape[0]:
        raise ValueError(f"kato: {positions.shape[0]} sets of positions for {face_id.shape[0]} images.")
    checks.same_device("kato", image=image, positions=positions, face_id=face_id)


def released(
    positions_ndc: Tensor, faces: Tensor, face_id: Tensor, image: Tensor, grad: Tensor, eps: float = 1e-3
) -> Tensor:
    """The pseudo-gradient of a hard image as the released code computes it (native form of `reference.released`).

    positions_ndc  float (B, V, 2)     x right, y **up**; the image spans [-1, 1]
    faces          int   (F, 3)        clockwise faces contribute nothing
    face_id        int32 (B, H, W)     the face each pixel shows, -1 for none; row 0 is the top
    image          float (B, H, W, C)  what the pixels show; channels are summed before the test "would the loss fall?"
    grad           float (B, H, W, C)  gradient of the loss with respect to `image`
    eps            added to every distance (in NDC), so that no pull is infinite

    Returns float (B, V, 2). Deterministic. Cost: visible edges x lines they cross x length of a line.
    """
    check_frame(positions_ndc, face_id, image)
    return _released(
        checks.as_float32("kato", "positions_ndc", positions_ndc),
        checks.as_index("kato", "faces", faces),
        face_id.contiguous(),
        checks.as_float32("kato", "image", image),
        checks.as_float32("kato", "grad", grad),
        eps,
    )


def visible(corners: Tensor, size: tuple[int, int], near: float, far: float) -> tuple[Tensor, Tensor]:
    """What each pixel shows by the rules of the released code (native form of `reference.visible`).

    `repousse.ops.rasterize` rounds corners to 1/256 pixel and gives the common edge of two faces to one of them.
    The released code does neither, so where programs must get its very pixels they need this.

    corners  float (B, F, 3, 3)  x right, y **up**, the image spans [-1, 1]; z camera depth, 1/z linear on the screen
    size     (height, width)
    near     only what lies strictly between `near` and `far` is seen; 0 < near < far

    Returns face_id int32 (B, H, W), -1 where empty, row 0 the top, and bary float32 (B, H, W, 2), the
    perspective-correct weights of the first two corners. Not differentiable. Deterministic.
    """
    if corners.dim() != 4 or corners.shape[2:] != (3, 3):
        raise ValueError(f"kato: `corners` must be (B, F, 3, 3), got {checks.describe(corners)}.")
    return _visible(checks.as_float32("kato", "corners", corners), *size, near, far)


def from_crossings(
    positions_ndc: Tensor,
    crossings: Crossings,
    face_id: Tensor,
    depth: Tensor,
    image: Tensor,
    grad: Tensor,
    eps: float = 1e-3,
) -> Tensor:
    """The same pull on silhouette edges only, one sweep outwards and one inwards per crossing.

    positions_ndc  float (B, V, 2), or (V, 2) for packed meshes
    crossings      from `repousse.ops.crossings`, of the same frame
    depth          float (B, H, W)  `Fragments.depth`; pixels with a nearer surface than the edge's do not pull
    others         as in `released`

    Returns float, shaped like `positions_ndc`. Cost: crossings x length of a line.
    """
    check_frame(positions_ndc, face_id, image)
    return _from_crossings(
        checks.as_float32("kato", "positions_ndc", positions_ndc),
        *crossings,
        face_id.contiguous(),
        checks.as_float32("kato", "depth", depth),
        checks.as_float32("kato", "image", image),
        checks.as_float32("kato", "grad", grad),
        eps,
    )


def _released_cpu(
    positions_ndc: Tensor, faces: Tensor, face_id: Tensor, image: Tensor, grad: Tensor, eps: float
) -> Tensor:
    checks.check_indices("kato", "faces", faces, positions_ndc.shape[-2], "positions_ndc")
    _check_range("face_id", face_id, -1, faces.shape[0])
    out = positions_ndc.new_empty(positions_ndc.shape)
    status = native.kernel("rp_kato_released", "plplliiiipppfp")(
        positions_ndc.data_ptr(),
        positions_ndc.shape[-2],
        faces.data_ptr(),
        faces.shape[0],
        *face_id.shape,
        image.shape[-1],
        native.threads(),
        face_id.data_ptr(),
        image.data_ptr(),
        grad.data_ptr(),
        eps,
        out.data_ptr(),
    )
    checks.check_status("kato", status)
    return out


def _visible_cpu(corners: Tensor, height: int, width: int, near: float, far: float) -> tuple[Tensor, Tensor]:
    face_id, bary = _empty_frame(corners, height, width)
    status = native.kernel("rp_kato_visible", "plliiffipp")(
        corners.data_ptr(),
        *corners.shape[:2],
        height,
        width,
        near,
        far,
        native.threads(),
        face_id.data_ptr(),
        bary.data_ptr(),
    )
    checks.check_status("kato", status)
    return face_id, bary


def _empty_frame(corners: Tensor, height: int, width: int, *_: object) -> tuple[Tensor, Tensor]:
    shape = (corners.shape[0], height, width)
    return corners.new_empty(shape, dtype=torch.int32), corners.new_empty((*shape, 2))


def _from_crossings_cpu(
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
    _check_range("crossings.vertices", vertices, 0, positions_ndc.shape[-2])
    _check_range("crossings.inner", inner, 0, face_id.numel())
    out = positions_ndc.new_empty(positions_ndc.shape)
    status = native.kernel("rp_kato_crossings", "ppppplpliliiiippppfp")(
        inner.data_ptr(),
        outer.data_ptr(),
        vertices.data_ptr(),
        offset.data_ptr(),
        axis.data_ptr(),
        inner.shape[0],
        positions_ndc.data_ptr(),
        positions_ndc.shape[-2],
        positions_ndc.dim() == 2,
        *face_id.shape,
        image.shape[-1],
        native.threads(),
        face_id.data_ptr(),
        depth.data_ptr(),
        image.data_ptr(),
        grad.data_ptr(),
        eps,
        out.data_ptr(),
    )
    checks.check_status("kato", status)
    return out


def _check_range(name: str, values: Tensor, low: int, limit: int) -> None:
    if values.numel() and not (low <= int(values.min()) and int(values.max()) < limit):
        raise IndexError(f"kato: `{name}` reaches beyond {limit}. Do crossings, faces and picture belong to one frame?")


def _like_positions(positions_ndc: Tensor, *_: object) -> Tensor:
    return positions_ndc.new_empty(positions_ndc.shape)


_released = library.define(
    "kato_released(Tensor positions_ndc, Tensor faces, Tensor face_id, Tensor image, Tensor grad, float eps) -> Tensor",
    _released_cpu,
    _like_positions,
)
library.once_differentiable("kato_released")
_visible = library.define(
    "kato_visible(Tensor corners, SymInt height, SymInt width, float near, float far) -> (Tensor, Tensor)",
    _visible_cpu,
    _empty_frame,
)
library.not_differentiable("kato_visible")
_from_crossings = library.define(
    "kato_from_crossings(Tensor positions_ndc, Tensor inner, Tensor outer, Tensor vertices, Tensor offset, Tensor axis,"
    " Tensor face_id, Tensor depth, Tensor image, Tensor grad, float eps) -> Tensor",
    _from_crossings_cpu,
    _like_positions,
)
library.once_differentiable("kato_from_crossings")
