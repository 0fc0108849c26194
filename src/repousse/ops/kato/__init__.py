"""Sweeps of Kato et al. (2018): how far away pixels pull on the edges of what an image shows."""

from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library
from repousse.ops.crossings import Crossings

__all__ = ["from_crossings", "released"]


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
    return _released(
        checks.as_float32("kato", "positions_ndc", positions_ndc),
        checks.as_index("kato", "faces", faces),
        face_id.contiguous(),
        checks.as_float32("kato", "image", image),
        checks.as_float32("kato", "grad", grad),
        eps,
    )


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


def _like_positions(positions_ndc: Tensor, *_: object) -> Tensor:
    return positions_ndc.new_empty(positions_ndc.shape)


_released = library.define(
    "kato_released(Tensor positions_ndc, Tensor faces, Tensor face_id, Tensor image, Tensor grad, float eps) -> Tensor",
    _released_cpu,
    _like_positions,
)
_from_crossings = library.define(
    "kato_from_crossings(Tensor positions_ndc, Tensor inner, Tensor outer, Tensor vertices, Tensor offset, Tensor axis,"
    " Tensor face_id, Tensor depth, Tensor image, Tensor grad, float eps) -> Tensor",
    _from_crossings_cpu,
    _like_positions,
)
