"""Where silhouette edges pass between two neighbouring pixel centres: what hard-visibility estimators start from."""

import ctypes
from typing import Literal

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.geometry import Topology
from repousse.ops import borders, library
from repousse.ops.crossings import reference
from repousse.ops.crossings.reference import Crossings
from repousse.ops.rasterize import Fragments

__all__ = ["Crossings", "crossings"]


def crossings(
    positions: Tensor,
    topology: Topology,
    fragments: Fragments,
    *,
    backend: Literal["native", "reference"] = "native",
) -> Crossings:
    """Walk the silhouette edges of a frame and list where they pass between neighbouring pixel centres.

    >>> found = crossings(fragments.positions, mesh.topology, fragments)
    >>> jump = image.view(-1, 3)[found.inner] - image.view(-1, 3)[found.outer]

    positions  float (B, V, 4), or (V, 4) for packed meshes: what was rasterized
    topology   of the faces that were rasterized
    fragments  from `rasterize`
    backend    "native", or "reference" for the slow implementation in Python

    An edge is a silhouette if all its faces lie on the same side of it on the screen: two of them with opposite
    facing, or the one face of a boundary edge. Each edge is looked at on its dominant axis only (steep edges in rows,
    flat ones in columns), else areas would get twice their derivative. A crossing counts if the edge is nearer than
    what the outer pixel shows. The number of rows depends on the data.

    Not differentiable: an estimator turns the list into a derivative.

    Raises ValueError if `topology` was built from other faces than those in `fragments`.
    """
    borders.check_topology("crossings", topology, fragments)
    if positions.shape != fragments.positions.shape:
        raise ValueError(
            f"crossings: `positions` is {tuple(positions.shape)}, but {tuple(fragments.positions.shape)} was drawn."
        )
    checks.same_device("crossings", positions=positions, topology=topology.faces, fragments=fragments.face_id)
    if backend == "reference":
        return reference.crossings(positions, topology, fragments)
    if backend != "native":
        raise ValueError(f'crossings: `backend` must be "native" or "reference", got {backend!r}.')
    return Crossings(
        *_crossings(
            checks.as_float32("crossings", "positions", positions.detach()),
            topology.faces,
            topology.edges,
            topology.edge_faces,
            topology.consistent,
            topology.extra,
            fragments.faces,
            fragments.face_id.contiguous(),
            checks.as_float32("crossings", "fragments.depth", fragments.depth.detach()),
            fragments.facing.contiguous(),
            fragments.ranges,
        )
    )


def _crossings_cpu(
    positions: Tensor,
    faces: Tensor,
    edges: Tensor,
    edge_faces: Tensor,
    consistent: Tensor,
    extra: Tensor,
    rasterized: Tensor,
    face_id: Tensor,
    depth: Tensor,
    facing: Tensor,
    ranges: Tensor | None,
) -> borders.Rows:
    # `rasterize` has checked its faces against positions.
    borders.check_faces("crossings", faces, rasterized)
    if ranges is not None:
        ranges = ranges.to(torch.int64).contiguous()
    handle = ctypes.c_void_p()
    count = native.kernel("rp_crossings", "plppplplplpliiipppp")(
        faces.data_ptr(),
        faces.shape[0],
        edges.data_ptr(),
        edge_faces.data_ptr(),
        consistent.data_ptr(),
        edges.shape[0],
        extra.data_ptr(),
        extra.shape[0],
        positions.data_ptr(),
        positions.shape[-2],
        None if ranges is None else ranges.data_ptr(),
        *face_id.shape,
        native.threads(),
        face_id.data_ptr(),
        depth.data_ptr(),
        facing.data_ptr(),
        ctypes.addressof(handle),
    )
    checks.check_status("crossings", count)
    rows = borders.empty_rows(positions, count)
    native.kernel("rp_crossings_take", "pppppp")(handle, *(column.data_ptr() for column in rows))
    return rows


def _crossings_fake(positions: Tensor, *_: Tensor | None) -> borders.Rows:
    return borders.empty_rows(positions, torch.library.get_ctx().new_dynamic_size())


_crossings = library.define(
    "crossings(Tensor positions, Tensor faces, Tensor edges, Tensor edge_faces, Tensor consistent, Tensor extra,"
    " Tensor rasterized, Tensor face_id, Tensor depth, Tensor facing, Tensor? ranges)"
    " -> (Tensor inner, Tensor outer, Tensor vertices, Tensor offset, Tensor axis)",
    _crossings_cpu,
    _crossings_fake,
)
library.not_differentiable("crossings")
