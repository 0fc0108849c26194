"""Where two surfaces pass through one another between two pixel centres: borders that no edge of the mesh draws."""

import ctypes
from typing import Literal

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.geometry import Topology
from repousse.ops import borders, library
from repousse.ops.intersections import reference
from repousse.ops.intersections.reference import Intersections, planes
from repousse.ops.rasterize import Fragments

__all__ = ["Intersections", "intersections", "planes"]


def intersections(
    fragments: Fragments, image: Tensor, topology: Topology, *, backend: Literal["native", "reference"] = "native"
) -> Intersections:
    """List the pairs of neighbouring pixels whose surfaces pass through one another between the two centres.

    >>> found = intersections(fragments, image, mesh.topology)
    >>> jump = image.view(-1, 3)[found.inner] - image.view(-1, 3)[found.outer]

    fragments  from `rasterize`
    image      float (B, H, W, C)   what the pixels show
    topology   of `fragments.faces`
    backend    "native", or "reference" for the slow implementation in PyTorch

    A pair counts if the surface that the inner pixel shows, followed from face to face, goes on behind what the outer
    pixel shows, and the other way round: then they meet in between. Where the line along which they meet is steep on
    the screen, pairs in rows count, else pairs in columns: areas would get twice their derivative otherwise. Pairs
    whose pixels in `image` are equal are skipped: nothing would be seen moving. So are faces with a vertex in common,
    and surfaces that are nearly the same (depths that part by less than 1e-6 per pixel): they meet nowhere in
    particular.

    The number of rows depends on the data; a GPU is waited for once to learn it. Not differentiable: an estimator turns
    the list into a derivative.

    Raises ValueError or TypeError if `image` has other pixels than `fragments`, `topology` other faces, or one
    of them lies elsewhere.
    """
    if not isinstance(image, Tensor) or image.dim() != 4 or image.shape[:3] != fragments.face_id.shape:
        raise ValueError(
            f"intersections: `image` must be (B, H, W, C) with (B, H, W) = {tuple(fragments.face_id.shape)} as "
            f"rasterized, got {checks.describe(image)}."
        )
    if topology.faces.shape != fragments.faces.shape:
        raise ValueError(
            f"intersections: `topology` describes {topology.faces.shape[0]} faces, but {fragments.faces.shape[0]} were "
            "rasterized. Build it from the same faces."
        )
    checks.same_device("intersections", image=image, fragments=fragments.face_id, topology=topology.faces)
    if backend == "reference":
        return reference.intersections(fragments, image, topology)
    if backend != "native":
        raise ValueError(f'intersections: `backend` must be "native" or "reference", got {backend!r}.')
    return Intersections(
        *_intersections(
            checks.as_float32("intersections", "fragments.positions", fragments.positions.detach()),
            topology.faces,
            topology.edge_faces,
            topology.face_edges,
            topology.consistent,
            fragments.faces,
            fragments.face_id.contiguous(),
            checks.as_float32("intersections", "image", image.detach()),
        )
    )


def _intersections_cpu(
    positions: Tensor,
    faces: Tensor,
    edge_faces: Tensor,
    face_edges: Tensor,
    consistent: Tensor,
    rasterized: Tensor,
    face_id: Tensor,
    image: Tensor,
) -> borders.Rows:
    # `rasterize` and `with_face_id` have checked faces against positions, and ids against faces.
    borders.check_faces("intersections", faces, rasterized)
    handle = ctypes.c_void_p()
    count = native.kernel("rp_intersections", "ppppplpliiiipp")(
        faces.data_ptr(),
        edge_faces.data_ptr(),
        face_edges.data_ptr(),
        consistent.data_ptr(),
        positions.data_ptr(),
        0 if positions.dim() == 2 else positions.shape[1],
        face_id.data_ptr(),
        *face_id.shape,
        image.shape[3],
        native.threads(),
        image.data_ptr(),
        ctypes.addressof(handle),
    )
    checks.check_status("intersections", count)
    rows = borders.empty_rows(positions, count)
    native.kernel("rp_intersections_take", "pppppp")(handle, *(column.data_ptr() for column in rows))
    return rows


def _intersections_fake(positions: Tensor, *_: Tensor) -> borders.Rows:
    return borders.empty_rows(positions, torch.library.get_ctx().new_dynamic_size())


_intersections = library.define(
    "intersections(Tensor positions, Tensor faces, Tensor edge_faces, Tensor face_edges, Tensor consistent,"
    " Tensor rasterized, Tensor face_id, Tensor image)"
    " -> (Tensor inner, Tensor outer, Tensor pair, Tensor offset, Tensor axis)",
    _intersections_cpu,
    _intersections_fake,
)
library.not_differentiable("intersections")
