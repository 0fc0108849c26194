"""Where on a picture one surface ends before another, as a function of the mesh.

Between two neighbouring pixels, "inner" and "outer", a border passes `offset` pixels from the inner one's centre. Two
kinds of borders are known: silhouette edges (`repousse.ops.crossings`) and lines along which two faces pass through one
another (`repousse.ops.intersections`). With homogeneous pixel coordinates (X, Y) = (x / w, y / w) measured from the
border's place m, and rows and columns exchanged for pairs in a column, both move with the mesh as follows.

Edge from a to b, of slope s = dX / dY, |s| <= 1: what moves a point of it off its line moves the place,

    d offset = sum_k t_k / w(t) (dx_k - s dy_k),    k in {a, b},

where t_a + t_b = 1 say where on the edge m lies in clip space, and w(t) = t_a w_a + t_b w_b. Nothing here divides by
the depth of an end, so an edge may have one behind the camera.

Faces A and B with depths D = z / w, linear on the screen: m is where D_A = D_B, so

    d offset = -(d D_A - d D_B) / (dD_A/dX - dD_B/dX),    d D = sum_k beta_k (dz_k - D_X dx_k - D_Y dy_k - D dw_k)

with the weights beta_k of the corners at m (see `repousse.ops.intersections.reference`).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from repousse.core import checks
from repousse.geometry import Topology
from repousse.ops import Crossings, Fragments, Intersections, crossings, intersections
from repousse.ops.intersections import planes


class Places(NamedTuple):
    """Every place where a border passes between two neighbouring pixel centres.

    inner   int64 (N,)   pixel on one side of the border: an index into (B, H, W) read as one line
    outer   int64 (N,)   its neighbour on the other side
    offset  float (N,)   distance of the border from the inner centre towards the outer one, in pixels, in [0, 1];
                         differentiable in the positions of the mesh, to first order
    slant   float (N,)   how far the border runs along the pair while it runs one pixel across it, in [0, 1]
    """

    inner: Tensor
    outer: Tensor
    offset: Tensor
    slant: Tensor


def places(image: Tensor, fragments: Fragments, topology: Topology) -> Places:
    """Find all borders of a picture.

    image      float (B, H, W, C): where neighbouring pixels are equal, no intersection is looked for
    fragments  from `rasterize`; the places are differentiable in `fragments.positions`
    topology   of `fragments.faces`

    Raises ValueError if `image` has other pixels than `fragments`, or `topology` other faces.
    """
    positions = fragments.positions
    if image.dim() != 4 or image.shape[:3] != fragments.face_id.shape:
        raise ValueError(
            f"places: `image` must be (B, H, W, C) with (B, H, W) = {tuple(fragments.face_id.shape)} as rasterized, "
            f"got {checks.describe(image)}. Apply the estimator before pooling or permuting."
        )
    # From autocast positions come too coarse to say where an edge is. The reference rasterizer keeps float64.
    backend = "reference" if positions.dtype == torch.float64 else "native"
    edges = crossings(positions, topology, fragments, backend=backend)
    lines = intersections(fragments, image, topology, backend=backend)
    with torch.no_grad():
        parts = _of_edges(edges, fragments), _of_intersections(lines, fragments)
    inner, outer = (torch.cat(pair) for pair in ((edges.inner, lines.inner), (edges.outer, lines.outer)))
    dtype = _precision(positions)
    offset = torch.cat([edges.offset, lines.offset]).to(dtype)
    slant = torch.cat([part.slant for part in parts]).to(dtype)
    rows = [column for part in parts for column in (part.vertices, part.pull.to(dtype))]
    return Places(inner, outer, _Moving.apply(offset, positions, *rows), slant)


class _Motion(NamedTuple):
    """How the vertices of each border move it.

    vertices  int64 (N, K)      rows of positions read as (-1, 4)
    pull      float (N, K, 4)   derivative of the offset by them
    slant     float (N,)        see `Places`
    """

    vertices: Tensor
    pull: Tensor
    slant: Tensor


class _Moving(torch.autograd.Function):
    """The offsets, with the derivative that was found for them."""

    @staticmethod
    def forward(
        ctx: Any, offset: Tensor, positions: Tensor, first: Tensor, pull: Tensor, second: Tensor, more: Tensor
    ) -> Tensor:
        ctx.save_for_backward(first, pull, second, more)
        ctx.like = positions.shape, positions.dtype
        return offset.view_as(offset)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        first, pull, second, more = ctx.saved_tensors
        shape, dtype = ctx.like
        rows = grad[: len(first), None, None] * pull, grad[len(first) :, None, None] * more
        total = grad.new_zeros((shape.numel() // 4, 4))
        index = torch.cat([first.flatten(), second.flatten()])[:, None].expand(-1, 4)
        total.scatter_add_(0, index, torch.cat([one.reshape(-1, 4) for one in rows]))
        return None, total.view(shape).to(dtype), None, None, None, None


def _precision(positions: Tensor) -> torch.dtype:
    return torch.promote_types(positions.dtype, torch.float32)


def _of_edges(found: Crossings, fragments: Fragments) -> _Motion:
    _, height, width = fragments.face_id.shape
    positions = fragments.positions
    inner, axis, towards = found.inner, found.axis.bool(), torch.where(found.outer > found.inner, 1, -1)
    vertices = found.vertices.long()
    if positions.dim() == 3:
        vertices = vertices + (inner // (height * width) * positions.shape[1])[:, None]
    centre_x, centre_y = inner % width + 0.5, inner // width % height + 0.5
    moved = towards * found.offset
    at_x, at_y = torch.where(axis, centre_x, centre_x + moved), torch.where(axis, centre_y + moved, centre_y)
    # Clip coordinates of both ends as pixels from the border's place, times w: a and b lie on opposite sides of it.
    x, y, _, w = positions.reshape(-1, 4)[vertices].to(_precision(positions)).unbind(-1)
    u, v = (x + w) * (width / 2) - at_x[:, None] * w, (y + w) * (height / 2) - at_y[:, None] * w
    along, across = torch.where(axis[:, None], v, u), torch.where(axis[:, None], u, v)
    run = across[:, 0] - across[:, 1]
    run = torch.where(run == 0, torch.inf, run)
    t = (across[:, 0] / run).clamp(0, 1)
    slope = ((along[:, 0] - along[:, 1]) / run).clamp(-1, 1)
    weight = torch.stack([1 - t, t], 1)
    depth = (weight * w).sum(1)
    weight = torch.where(depth > 0, towards / depth, 0)[:, None] * weight
    # d offset = weight * (d along - slope * d across)
    by_u, by_v = torch.where(axis, -slope, 1), torch.where(axis, 1, -slope)
    by_w = by_u * (width / 2 - at_x) + by_v * (height / 2 - at_y)
    plane = torch.stack([by_u * (width / 2), by_v * (height / 2), torch.zeros_like(by_w), by_w], -1)
    return _Motion(vertices, weight[..., None] * plane[:, None], slope.abs())


def _of_intersections(found: Intersections, fragments: Fragments) -> _Motion:
    _, height, width = fragments.face_id.shape
    inner, axis = found.inner, found.axis.long()
    corners, weights, depth = planes(fragments.positions, fragments.faces[found.faces.long()], inner, (height, width))
    centre_x, centre_y = (inner % width).double() + 0.5, (inner // width % height).double() + 0.5
    # The plane of a face, as a linear form that vanishes at its corners: z - D w.
    by_x, by_y, by_one = (-depth).unbind(-1)
    by_w = by_x * (width / 2 - centre_x)[:, None] + by_y * (height / 2 - centre_y)[:, None] + by_one
    form = torch.stack([by_x * (width / 2), by_y * (height / 2), torch.ones_like(by_w), by_w], -1)
    apart = depth[:, 0] - depth[:, 1]
    steep = axis == 0
    along, across = torch.where(steep, apart[:, 0], apart[:, 1]), torch.where(steep, apart[:, 1], apart[:, 0])
    beta = weights[..., 2] + found.offset.double()[:, None, None] * torch.where(
        steep[:, None, None], weights[..., 0], weights[..., 1]
    )
    sign = torch.arange(-1, 2, 2, dtype=beta.dtype, device=beta.device)[:, None]  # -1, 1
    pull = (sign * beta / along[:, None, None])[..., None] * form[:, :, None, :]
    return _Motion(corners.flatten(1), pull.flatten(1, 2), (across / along).abs().clamp(max=1))
