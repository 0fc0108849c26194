"""Faces that are wide or have to be clipped (steps 5 and 6 of visibility), drawn in tiles of 32 x 32 pixels.

Of two faces that fill the image every program must get its part, and of thousands that are a little too wide too: the
tiles of all faces' boxes are numbered in one row, which programs share. Each of them clips the faces of its tiles anew:
keeping what is left of it would take 150 bytes per face of the mesh, since nobody knows beforehand which it is.
"""

import triton
import triton.language as tl

from repousse.ops.gpu.clipping import SLOTS, clip_polygons, place
from repousse.ops.gpu.projection import project, snap
from repousse.ops.rasterize.gpu_triangles import FAR, SIZES, area_of, covers, depth_at, draw, edges_at, plane_of

TILE = tl.constexpr(32)


@triton.jit(do_not_specialize=SIZES)
def list_faces(
    positions,
    faces,
    queue,
    counters,
    listed,
    starts,
    stride,
    face_count,
    room,
    shift,
    height,
    width,
    half_height,
    half_width,
    FACES: tl.constexpr,
):
    """Programs clip FACES faces from the back of the queue at a time, and list those that are left with their tiles.

    queue, counters  of `draw_faces`; the third counter holds the number of faces listed << shift | that of their tiles
    listed           int (room): image * F + face
    starts           int64 (room): number of the face's first tile, rising, since one counter counts both
    """
    queued = tl.load(counters + 1)
    start = tl.program_id(0).to(tl.int64) * FACES
    while start < queued:
        slot = start + tl.arange(0, FACES)
        live = slot < queued
        item = tl.load(queue + (room - 1) - slot, mask=live, other=0)
        image, face = (item // face_count).to(tl.int64), (item % face_count).to(tl.int64)
        base = image * stride
        X, Y, _, corners = _polygons(positions, faces, base, face, live, half_width, half_height)
        column, last_column, row, last_row = _boxes(X, Y, corners, width, height)
        live = (corners > 2) & (column <= last_column) & (row <= last_row)
        tiles = ((last_column - column) // TILE + 1) * ((last_row - row) // TILE + 1)
        new = tl.where(live, (tl.full([FACES], 1, tl.int64) << shift) | tiles, 0)
        total = tl.sum(new)
        if total > 0:
            before = tl.atomic_add(counters + 2, total, sem="relaxed") + tl.cumsum(new, 0) - new
            at = before >> shift
            tl.store(listed + at, item, mask=live)
            tl.store(starts + at, before - (at << shift), mask=live)
        start += tl.num_programs(0) * FACES


@triton.jit(do_not_specialize=SIZES)
def draw_tiles(
    positions,
    faces,
    keys,
    counters,
    listed,
    starts,
    stride,
    face_count,
    shift,
    height,
    width,
    half_height,
    half_width,
    step,
    count,
    LAYERED: tl.constexpr,
):
    """A program draws its share of the tiles, which follow each other. Arguments as for `list_faces` and `draw`."""
    counted = tl.load(counters + 2)
    faces_listed = counted >> shift
    tiles = counted - (faces_listed << shift)
    share = tl.cdiv(tiles, tl.num_programs(0))
    tile = tl.program_id(0) * share
    end = tl.minimum(tile + share, tiles)
    # The face of the first tile is the last one that begins there or before.
    entry, beyond = tile * 0, faces_listed
    while beyond - entry > 1:
        middle = (entry + beyond) // 2
        reached = tl.load(starts + middle) <= tile
        entry, beyond = tl.where(reached, middle, entry), tl.where(reached, beyond, middle)
    while tile < end:
        item = tl.load(listed + entry)
        image, face = (item // face_count).to(tl.int64), (item % face_count).to(tl.int64)
        one = tl.zeros([1], tl.int64)
        X, Y, zeta, corners = _polygons(
            positions, faces, one + image * stride, one + face, one == 0, half_width, half_height
        )
        column, last_column, row, _ = _boxes(X, Y, corners, width, height)
        left, top = tl.sum(column), tl.sum(row)
        across = (tl.sum(last_column) - left) // TILE + 1
        corner_count = tl.sum(corners)
        start = tl.load(starts + entry)
        entry += 1
        stop = tl.minimum(end, tl.load(starts + entry, mask=entry < faces_listed, other=end))
        while tile < stop:
            number = (tile - start).to(tl.int32)
            from_column, from_row = left + number % across * TILE, top + number // across * TILE
            z = _nearest_piece(X, Y, zeta, corner_count, from_column, from_row)
            x, y = from_column + tl.arange(0, TILE)[None, :], from_row + tl.arange(0, TILE)[:, None]
            hit = (z < FAR) & (x < width) & (y < height)
            draw(keys, (image * height + y) * width + x, z, face, hit, step, count, LAYERED)
            tile += 1


@triton.jit
def _polygons(positions, faces, base, face, live, half_width, half_height):
    """What clipping leaves of faces: X, Y int32 and zeta float64 (N, SLOTS), and the number of corners, int32 (N).

    base, face, live  (N): index of the mesh's first vertex, the face, and whether there is one
    """
    slot = tl.arange(0, SLOTS)[None, :]
    own = live[:, None] & (slot < 3)
    vertex = base[:, None] + tl.load(faces + 3 * face[:, None] + slot, mask=own, other=0)
    x = tl.load(positions + 4 * vertex, mask=own, other=0.0)
    y = tl.load(positions + 4 * vertex + 1, mask=own, other=0.0)
    z = tl.load(positions + 4 * vertex + 2, mask=own, other=0.0)
    w = tl.load(positions + 4 * vertex + 3, mask=own, other=0.0)
    px, py, zeta32, _, safe = project(x, y, z, w, half_width, half_height)
    X, Y, zeta = snap(px, safe), snap(py, safe), zeta32.to(tl.float64)
    corners = tl.where(live, 3, 0)
    if tl.max((own & ~safe).to(tl.int32)) > 0:
        own_corner = slot + tl.zeros_like(X)
        x64, y64, z64, w64, corner, corners = clip_polygons(
            x.to(tl.float64), y.to(tl.float64), z.to(tl.float64), w.to(tl.float64), own_corner, corners
        )
        origin = tl.maximum(corner, 0)
        kept = (corner >= 0) & (tl.gather(safe.to(tl.int32), origin, 1) == 1)
        new_X, new_Y, new_zeta, placed = place(x64, y64, z64, w64, half_width, half_height)
        X = tl.where(kept, tl.gather(X, origin, 1), new_X.to(tl.int32))
        Y = tl.where(kept, tl.gather(Y, origin, 1), new_Y.to(tl.int32))
        zeta = tl.where(kept, tl.gather(zeta, origin, 1), new_zeta)
        lost = (slot < corners[:, None]) & ~(kept | placed)
        corners = tl.where(tl.max(lost.to(tl.int32), 1) > 0, 0, corners)
    return X, Y, zeta, corners


@triton.jit
def _boxes(X, Y, corners, width, height):
    """First and last column, first and last row of the pixels that polygons may cover."""
    used = tl.arange(0, SLOTS)[None, :] < corners[:, None]
    beyond = 2**30
    column = tl.maximum((tl.min(tl.where(used, X, beyond), 1) + 127) >> 8, 0)
    last_column = tl.minimum((tl.max(tl.where(used, X, -beyond), 1) - 128) >> 8, width - 1)
    row = tl.maximum((tl.min(tl.where(used, Y, beyond), 1) + 127) >> 8, 0)
    last_row = tl.minimum((tl.max(tl.where(used, Y, -beyond), 1) - 128) >> 8, height - 1)
    return column, last_column, row, last_row


@triton.jit
def _nearest_piece(X, Y, zeta, corners, column, row):
    """Depth of the triangles around corner 0 of a polygon at the pixels of a tile; FAR where there is none.

    X, Y, zeta   (1, SLOTS)
    column, row  the tile's first pixel
    """
    x, y = tl.arange(0, TILE)[None, :], tl.arange(0, TILE)[:, None]
    nearest = tl.full([TILE, TILE], FAR, tl.float32)
    X0, Y0, zeta0 = _corner(X, Y, zeta, 0)
    X1, Y1, zeta1 = _corner(X, Y, zeta, 1)
    next_corner = 2
    while next_corner < corners:
        X2, Y2, zeta2 = _corner(X, Y, zeta, next_corner)
        area = area_of((X0, X1, X2), (Y0, Y1, Y2))
        e, across, down = edges_at((X0, X1, X2), (Y0, Y1, Y2), area, column.to(tl.int64), row.to(tl.int64))
        if _may_touch(e, across, down):
            zb, zx, zy, least, most, own_column, own_row = plane_of(
                (X0, X1, X2), (Y0, Y1, Y2), (zeta0, zeta1, zeta2), area, tl.float64
            )
            z = depth_at(zb, zx, zy, least, most, column - own_column + x, row - own_row + y)
            nearest = tl.where(covers(e, across, down, x, y), tl.minimum(z, nearest), nearest)
        X1, Y1, zeta1 = X2, Y2, zeta2
        next_corner += 1
    return nearest


@triton.jit
def _corner(X, Y, zeta, corner):
    """One corner of a polygon, as scalars: int64, int64, float64. Sums of one number are that number."""
    chosen = tl.arange(0, SLOTS)[None, :] == corner
    X, Y = tl.sum(tl.where(chosen, X, 0)), tl.sum(tl.where(chosen, Y, 0))
    return X.to(tl.int64), Y.to(tl.int64), tl.sum(tl.where(chosen, zeta, 0.0))


@triton.jit
def _may_touch(e, across, down):
    """False if an edge function is negative in a whole tile."""
    most0 = e[0] + (tl.maximum(across[0], 0) + tl.maximum(down[0], 0)) * (TILE - 1)
    most1 = e[1] + (tl.maximum(across[1], 0) + tl.maximum(down[1], 0)) * (TILE - 1)
    most2 = e[2] + (tl.maximum(across[2], 0) + tl.maximum(down[2], 0)) * (TILE - 1)
    return (most0 | most1 | most2) >= 0
