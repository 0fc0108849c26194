"""The exact derivative of pixel-integrated images by what moves their discontinuities."""

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.geometry import Topology
from repousse.ops import borders, library
from repousse.ops.boundary import reference
from repousse.ops.boundary.meetings import meetings
from repousse.ops.intersections import Intersections
from repousse.ops.rasterize import Fragments

__all__ = ["boundary", "check_frame"]


def check_frame(topology: Topology, fragments: Fragments, image: Tensor) -> None:
    """Raises ValueError unless the arguments can belong to one frame."""
    borders.check_topology("boundary", topology, fragments)
    if image.dim() != 4 or image.shape[:3] != fragments.face_id.shape:
        raise ValueError(
            f"boundary: `image` must be (B, H, W, C) with (B, H, W) = {tuple(fragments.face_id.shape)} as rasterized, "
            f"got {checks.describe(image)}. Apply the estimator before pooling or permuting."
        )
    checks.same_device("boundary", image=image, topology=topology.faces, fragments=fragments.face_id)


def boundary(topology: Topology, fragments: Fragments, image: Tensor, grad: Tensor) -> Tensor:
    """What moving edges change in the pixels of an image, as a gradient by positions (see `reference`).

    topology   of the faces that were rasterized
    fragments  from `rasterize`
    image      float (B, H, W, C)  what the pixels show
    grad       float (B, H, W, C)  gradient of the loss with respect to `image`

    Returns float, shaped and typed like `fragments.positions`; that of float64 positions is computed by the slow
    reference. Deterministic on the CPU; on a GPU under `torch.use_deterministic_algorithms(True)`, and all NaN there if
    outlines cross so many pixels that their pieces exceed 8 per edge (or 4 per pixel) and a million. Not
    differentiable.

    Raises ValueError if `topology` was built from other faces, `image` has other pixels, or `grad` another shape.
    """
    check_frame(topology, fragments, image)
    if grad.shape != image.shape:
        raise ValueError(f"boundary: `grad` is {tuple(grad.shape)} for an image {tuple(image.shape)}.")
    positions = fragments.positions.detach()
    if positions.dtype == torch.float64:
        return reference.boundary(topology, fragments, image, grad)
    found = _boundary(
        checks.as_float32("boundary", "positions", positions),
        topology.faces,
        topology.edges,
        topology.edge_faces,
        topology.consistent,
        topology.extra,
        topology.face_edges,
        fragments.faces,
        fragments.face_id.contiguous(),
        checks.as_float32("boundary", "fragments.depth", fragments.depth.detach()),
        fragments.facing.contiguous(),
        fragments.ranges,
        checks.as_float32("boundary", "image", image.detach().float()),
        checks.as_float32("boundary", "grad", grad.float()),
    )
    return found.to(positions.dtype)


def _boundary_cpu(
    positions: Tensor,
    faces: Tensor,
    edges: Tensor,
    edge_faces: Tensor,
    consistent: Tensor,
    extra: Tensor,
    face_edges: Tensor,
    rasterized: Tensor,
    face_id: Tensor,
    depth: Tensor,
    facing: Tensor,
    ranges: Tensor | None,
    image: Tensor,
    grad: Tensor,
) -> Tensor:
    # `rasterize` has checked its faces against positions.
    borders.check_faces("boundary", faces, rasterized)
    if ranges is not None:
        ranges = ranges.to(torch.int64).contiguous()
    out = torch.zeros_like(positions)
    status = native.kernel("rp_boundary", "plppplplpplpliiippplppp")(
        faces.data_ptr(),
        faces.shape[0],
        edges.data_ptr(),
        edge_faces.data_ptr(),
        consistent.data_ptr(),
        edges.shape[0],
        extra.data_ptr(),
        extra.shape[0],
        face_edges.data_ptr(),
        positions.data_ptr(),
        positions.shape[-2],
        None if ranges is None else ranges.data_ptr(),
        *face_id.shape,
        native.threads(),
        face_id.data_ptr(),
        depth.data_ptr(),
        facing.data_ptr(),
        image.shape[-1],
        image.data_ptr(),
        grad.data_ptr(),
        out.data_ptr(),
    )
    checks.check_status("boundary", status)
    if image.shape[-1] and face_id.numel():
        _add_meetings(out, positions, (faces, edge_faces, face_edges, consistent), face_id, image, grad)
    return out


def _add_meetings(
    out: Tensor, positions: Tensor, mesh: tuple[Tensor, ...], face_id: Tensor, image: Tensor, grad: Tensor
) -> None:
    faces = mesh[0]
    found = Intersections(*torch.ops.repousse.intersections(positions, *mesh, faces, face_id, image))
    if len(found.inner) == 0:
        return
    none = positions.new_empty(0)
    fragments = Fragments(face_id, none, none, none, positions, faces, None)
    corners, gradient = meetings(found, fragments, image, grad)
    total = torch.zeros(out.shape, dtype=torch.float64).view(-1, 4)
    total.index_add_(0, corners.flatten(), gradient.reshape(-1, 4))
    out += total.view(out.shape)


def _boundary_fake(positions: Tensor, *_: Tensor | None) -> Tensor:
    return torch.empty_like(positions)


_boundary = library.define(
    "boundary(Tensor positions, Tensor faces, Tensor edges, Tensor edge_faces, Tensor consistent, Tensor extra,"
    " Tensor face_edges, Tensor rasterized, Tensor face_id, Tensor depth, Tensor facing, Tensor? ranges, Tensor image,"
    " Tensor grad) -> Tensor",
    _boundary_cpu,
    _boundary_fake,
)
library.once_differentiable("boundary")
