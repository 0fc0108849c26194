"""Which face covers each pixel, and where on the face the pixel lies: the specification in plain PyTorch.

`docs/design.md` ("The numbers behind visibility") numbers the steps that the functions here follow. Every
operation rounds once, in the type the text names, so a native kernel must agree on `face_id` and `facing` bit
for bit. Slow: a Python loop walks the faces.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from repousse.ops.rasterize.clipping import GUARD, SUBPIXELS, Point, clip_polygon, place

WIDE = 64 * SUBPIXELS
UNDRAWN = {None: (0,), "back": (0, -1), "front": (0, 1)}  # facings


class Screen(NamedTuple):
    """Vertices on the screen (steps 1 and 2); x, y and zeta mean nothing where a vertex is unsafe.

    x, y    int64 (..., V)     in 1/256 pixel
    zeta    float32 (..., V)   z / w
    unsafe  bool (..., V)      triangles and edges with this vertex are clipped
    finite  bool (..., V)
    """

    x: Tensor
    y: Tensor
    zeta: Tensor
    unsafe: Tensor
    finite: Tensor


class Pieces(NamedTuple):
    """The triangles drawn into one image: whole faces and the pieces of clipped ones, by ascending face.

    face     int64 (N,)
    x, y     int64 (N, 3)     in 1/256 pixel
    zeta     float64 (N, 3)   whole faces: a float32 value
    precise  bool (N,)        depth plane in float64: wide faces and pieces of clipped ones
    area     int64 (N,)       twice the signed area; never 0
    """

    face: Tensor
    x: Tensor
    y: Tensor
    zeta: Tensor
    precise: Tensor
    area: Tensor


def visibility(
    positions: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    ranges: Tensor | None = None,
    cull: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the nearest face at each pixel centre.

    positions  float (B, V, 4)   clip space; or (V, 4) with `ranges`. Rounded to float32 first
    faces      int (F, 3)
    size       (height, width)
    ranges     int (B, 2)        packed meshes: first face and number of faces of each image
    cull       None, "back" or "front"

    Returns `face_id` int32 (B, H, W), -1 where empty, and `facing` int8 (B, F), or (1, F) with `ranges`:
    +1 front, -1 back, 0 degenerate, not finite, or in no range. Not differentiable.
    """
    face_id, facing = draw_images(positions, faces, size, ranges, cull, _nearest)
    return torch.stack(face_id) if face_id else torch.empty((0, *size), dtype=torch.int32), facing


def draw_images(
    positions: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    ranges: Tensor | None,
    cull: str | None,
    draw: Callable[[Pieces, tuple[int, int]], Tensor],
) -> tuple[list[Tensor], Tensor]:
    """What `draw` makes of each image's triangles, and `facing`; arguments as for `visibility`."""
    positions = positions.detach().to(device="cpu", dtype=torch.float32)
    faces = faces.detach().to(device="cpu", dtype=torch.int64)
    images = positions[None] if ranges is not None else positions
    facing = [facing_of(vertices, faces, size) for vertices in images]
    if ranges is None:
        spans = [(vertices, sides, 0, len(faces)) for vertices, sides in zip(images, facing, strict=True)]
    else:
        spans = [(positions, facing[0], first, count) for first, count in ranges.tolist()]
        listed = [torch.arange(first, first + count) for _, _, first, count in spans]
        facing[0] *= torch.isin(torch.arange(len(faces)), torch.cat([torch.arange(0), *listed]))
    drawings = []
    for vertices, sides, first, count in spans:
        drawn = torch.arange(first, first + count)
        drawn = drawn[~torch.isin(sides[drawn], torch.tensor(UNDRAWN[cull], dtype=torch.int8))]
        drawings.append(draw(_pieces(vertices, faces, drawn, size), size))
    return drawings, torch.stack(facing) if facing else torch.empty((0, len(faces)), dtype=torch.int8)


def project(vertices: Tensor, size: tuple[int, int]) -> Screen:
    """Steps 1 and 2 for `vertices` float32 (..., V, 4)."""
    height, width = size
    x, y, z, w = vertices.unbind(-1)
    finite = torch.isfinite(vertices).all(-1)
    safe = (
        finite
        & (w >= torch.finfo(torch.float32).tiny)
        & (z >= 0)
        & (z <= w)
        & (x.abs() <= GUARD * w)
        & (y.abs() <= GUARD * w)
    )
    px = (x / w) * (width / 2) + width / 2
    py = (y / w) * (height / 2) + height / 2
    nothing = torch.zeros_like(px)
    snap_x = torch.where(safe, torch.round(px * SUBPIXELS), nothing).to(torch.int64)
    snap_y = torch.where(safe, torch.round(py * SUBPIXELS), nothing).to(torch.int64)
    return Screen(snap_x, snap_y, torch.where(safe, z / w, nothing), ~safe, finite)


def facing_of(vertices: Tensor, faces: Tensor, size: tuple[int, int]) -> Tensor:
    """Step 3, and the end of step 6 for clipped faces: int8 (F,)."""
    screen = project(vertices, size)
    whole = -torch.sign(_area(screen.x[faces], screen.y[faces]))
    (x0, y0, _, w0), (x1, y1, _, w1), (x2, y2, _, w2) = (
        vertices[faces[:, k]].to(torch.float64).unbind(-1) for k in range(3)
    )
    det = x0 * (y1 * w2 - y2 * w1) - y0 * (x1 * w2 - x2 * w1) + w0 * (x1 * y2 - x2 * y1)
    clipped = screen.unsafe[faces].any(1)
    usable = screen.finite[faces].all(1)
    facing = torch.where(clipped, -torch.sign(det), whole.to(torch.float64))
    return torch.where(usable, facing, torch.zeros_like(facing)).to(torch.int8)


def _area(x: Tensor, y: Tensor) -> Tensor:
    return (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])


# Coverage and depth (steps 4 to 6) ------------------------------------------------------------------------


def _clipped_triangles(
    corners: Tensor, screen: Screen, face: Tensor, size: tuple[int, int]
) -> list[list[tuple[int, int, float]]]:
    polygon = clip_polygon([Point(*xyzw, corner=k) for k, xyzw in enumerate(corners.tolist())])
    placed = []
    for point in polygon:
        if point.corner >= 0 and not screen.unsafe[face[point.corner]]:
            vertex = face[point.corner]
            placed.append((int(screen.x[vertex]), int(screen.y[vertex]), float(screen.zeta[vertex])))
        else:
            placed.append(place(point, size))
    if None in placed:
        return []
    return [[placed[0], placed[k], placed[k + 1]] for k in range(1, len(placed) - 1)]


def _pieces(vertices: Tensor, faces: Tensor, drawn: Tensor, size: tuple[int, int]) -> Pieces:
    screen = project(vertices, size)
    unsafe = screen.unsafe[faces[drawn]].any(1)
    whole = drawn[~unsafe]
    face, cuts = [], []
    for index in drawn[unsafe].tolist():
        triangles = _clipped_triangles(vertices[faces[index]], screen, faces[index], size)
        cuts += triangles
        face += [index] * len(triangles)
    new = torch.tensor(cuts, dtype=torch.float64).reshape(-1, 3, 3)  # coordinates stay below 2^53: exact
    x = torch.cat([screen.x[faces[whole]], new[..., 0].to(torch.int64)])
    y = torch.cat([screen.y[faces[whole]], new[..., 1].to(torch.int64)])
    zeta = torch.cat([screen.zeta[faces[whole]].to(torch.float64), new[..., 2]])
    wide = (x.amax(1) - x.amin(1) > WIDE) | (y.amax(1) - y.amin(1) > WIDE)
    clipped = torch.arange(len(x)) >= len(whole)
    index = torch.cat([whole, torch.tensor(face, dtype=torch.int64)])
    pieces = Pieces(index, x, y, zeta, wide | clipped, _area(x, y))
    order = torch.argsort(pieces.face, stable=True)
    order = order[pieces.area[order] != 0]
    return Pieces(*(column[order] for column in pieces))


def _depth_planes(pieces: Pieces, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """`zx`, `zy`, `zb` of step 5, computed in `dtype` and rounded to float32."""
    x0, x1, x2 = pieces.x.unbind(1)
    y0, y1, y2 = pieces.y.unbind(1)
    zeta0, zeta1, zeta2 = pieces.zeta.to(dtype).unbind(1)
    dx1, dy1, dx2, dy2 = (d.to(dtype) for d in (x1 - x0, y1 - y0, x2 - x0, y2 - y0))
    fx, fy = ((128 - (v & 255)).to(dtype) / SUBPIXELS for v in (x0, y0))
    dz1, dz2 = zeta1 - zeta0, zeta2 - zeta0
    s = torch.tensor(SUBPIXELS, dtype=dtype) / pieces.area.to(dtype)
    zx = (dz1 * dy2 - dz2 * dy1) * s
    zy = (dz2 * dx1 - dz1 * dx2) * s
    zb = (zeta0 + zx * fx) + zy * fy
    return zx.to(torch.float32), zy.to(torch.float32), zb.to(torch.float32)


def _nearest(pieces: Pieces, size: tuple[int, int]) -> Tensor:
    nearest = torch.full(size, math.inf, dtype=torch.float32)
    face_id = torch.full(size, -1, dtype=torch.int32)
    for face, box, covered, z in covered_boxes(pieces, size):
        wins = covered & (z < nearest[box])  # strictly: among equals the lowest face, drawn first, stays
        nearest[box] = torch.where(wins, z, nearest[box])
        face_id[box] = torch.where(wins, face, face_id[box])
    return face_id


def covered_boxes(pieces: Pieces, size: tuple[int, int]) -> Iterator[tuple[int, tuple[slice, slice], Tensor, Tensor]]:
    """For each triangle its face, the part of the image it may touch, and coverage and depth of the pixels there."""
    narrow, precise = (_depth_planes(pieces, dtype) for dtype in (torch.float32, torch.float64))
    planes = torch.stack([torch.where(pieces.precise, p, n) for n, p in zip(narrow, precise, strict=True)], 1)
    zeta = pieces.zeta.to(torch.float32)
    lowest, highest = zeta.amin(1), zeta.amax(1)
    for n in range(len(pieces.face)):
        x, y = pieces.x[n].tolist(), pieces.y[n].tolist()
        rows, columns = _centres(y, size[0]), _centres(x, size[1])
        if not len(rows) or not len(columns):
            continue
        covered = _covered(x, y, int(pieces.area[n]), rows[:, None], columns)
        zx, zy, zb = planes[n].unbind()
        column, row = columns - (x[0] >> 8), rows[:, None] - (y[0] >> 8)
        z = (zb + zx * column.to(torch.float32)) + zy * row.to(torch.float32)
        z = torch.minimum(torch.maximum(z, lowest[n]), highest[n])
        box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        yield int(pieces.face[n]), box, covered, z


def _centres(corners: list[int], length: int) -> Tensor:
    """The rows (or columns) of the image whose pixel centres 256 k + 128 lie between the corners."""
    first = max(0, -((128 - min(corners)) // SUBPIXELS))
    last = min(length - 1, (max(corners) - 128) // SUBPIXELS)
    return torch.arange(first, max(first, last + 1))


def _covered(x: list[int], y: list[int], area: int, rows: Tensor, columns: Tensor) -> Tensor:
    order = (0, 1, 2) if area > 0 else (0, 2, 1)
    px, py = columns * SUBPIXELS + 128, rows * SUBPIXELS + 128
    covered = torch.ones(1, 1, dtype=torch.bool)
    for a, b in zip(order, order[1:] + order[:1], strict=True):
        edge = (x[b] - x[a]) * (py - y[a]) - (y[b] - y[a]) * (px - x[a])
        left_or_top = y[a] > y[b] or (y[a] == y[b] and x[b] > x[a])
        covered = covered & (edge >= 0 if left_or_top else edge > 0)
    return covered


# Barycentrics (step 7) -------------------------------------------------------------------------------------


def barycentrics(
    positions: Tensor,
    faces: Tensor,
    face_id: Tensor,
    ranges: Tensor | None,
    size: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Where on its face each pixel centre lies.

    positions  float (B, V, 4)     clip space; or (V, 4) with `ranges`
    faces      int (F, 3)
    face_id    int32 (B, H, W)     from `visibility`
    size       (height, width)

    Returns `bary` (B, H, W, 2), the perspective-correct weights of the first two corners, and `depth`
    (B, H, W), z / w; both 0 where empty and in the type of `positions`. Differentiable in `positions`: the
    derivative is that of the unclamped formula, taken at the clamped values.
    """
    image, row, column = torch.nonzero(face_id >= 0, as_tuple=True)
    corner = faces.long()[face_id[image, row, column].long()]
    points = positions[corner] if ranges is not None else positions[image[:, None], corner]
    clipped = project(points.detach().to(torch.float32), size).unsafe.any(1)
    found = positions.new_zeros((*face_id.shape, 3))
    for chosen, formula in ((~clipped, on_screen), (clipped, homogeneous)):
        pixels = image[chosen], row[chosen], column[chosen]
        bary, depth = formula(points[chosen], pixels[1], pixels[2], size)
        found = found.index_put(pixels, torch.cat([bary[:, :2], depth[:, None]], 1).to(found.dtype))
    return found[..., :2], found[..., 2]


def on_screen(points: Tensor, row: Tensor, column: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    height, width = size
    x, y, z, w = points.unbind(-1)
    px = (x / w) * (width / 2) + width / 2
    py = (y / w) * (height / 2) + height / 2
    dx, dy = px - (column + 0.5).to(px)[:, None], py - (row + 0.5).to(py)[:, None]
    e = _clamp(_opposite(dx, dy), _area(px, py))
    weights = e / w
    return weights / weights.sum(1, keepdim=True), (e * (z / w)).sum(1) / e.sum(1)


def homogeneous(points: Tensor, row: Tensor, column: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    height, width = size
    x, y, z, w = points.to(torch.float64).unbind(-1)
    a = x - (2 * (column + 0.5).to(x) / width - 1)[:, None] * w
    b = y - (2 * (row + 0.5).to(y) / height - 1)[:, None] * w
    f = _opposite(a, b)
    weights = _clamp(f, f.sum(1))
    bary = weights / weights.sum(1, keepdim=True)
    depth = (bary * z).sum(1) / (bary * w).sum(1)
    # A snapped corner may lie 1/512 px beyond the plane that made it.
    return bary, depth.detach().clamp(0, 1) + (depth - depth.detach())


def _opposite(x: Tensor, y: Tensor) -> Tensor:
    """For each corner the cross product of the two others: (N, 3)."""
    return x.roll(-1, 1) * y.roll(-2, 1) - y.roll(-1, 1) * x.roll(-2, 1)


def _clamp(e: Tensor, orientation: Tensor) -> Tensor:
    """Oriented and clamped at 0, all 1 where nothing is left; derivatives pass as if nothing were clamped."""
    e = torch.where((orientation >= 0)[:, None], e, -e)
    clamped = e.detach().clamp(min=0)
    clamped = torch.where((clamped == 0).all(1, keepdim=True), torch.ones_like(clamped), clamped)
    return clamped + (e - e.detach())
