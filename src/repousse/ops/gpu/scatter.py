"""Gradients of pixels, summed over those that show the same face before anything is added to memory.

Adding to memory is what costs most. So a program is one warp whose lanes are LANES columns side by side, which go down
some rows together: a lane sums what its pixels give as long as they show the same face, and adds to memory when the
face changes. After the last row neighbouring lanes that show the same face sum what they have (`runs`, `sum_runs`).
Faces much smaller than a pixel cost what they must, one addition per pixel; one that fills the screen costs one
addition per program. Within a warp nothing waits for anything, and the sums do not depend on when programs run.

Several numbers per lane are a tuple of blocks.
"""

import torch
import triton
import triton.language as tl

from repousse.ops.gpu.columns import as_columns
from repousse.ops.gpu.sums import add

LANES = 64 if torch.version.hip else 32  # of a warp
ROWS = 8  # that a program goes down


@triton.jit
def zeros(LANES: tl.constexpr, COUNT: tl.constexpr):
    """COUNT float32 blocks of zeros."""
    found = ()
    for _ in tl.static_range(COUNT):
        found += (tl.zeros([LANES], tl.float32),)
    return found


@triton.jit
def plus(a, b):
    """The sums of two tuples' blocks."""
    found = ()
    for i in tl.static_range(len(a)):
        found += (a[i] + b[i],)
    return found


@triton.jit
def restart(sums, change, values):
    """`sums` + `values`; only `values` in lanes that `change` to another face."""
    found = ()
    for i in tl.static_range(len(sums)):
        found += (tl.where(change, 0.0, sums[i]) + values[i],)
    return found


@triton.jit
def add_corners(sum, faces, face, first, groups, group, values, mask, MODE: tl.constexpr):
    """Add what the three corners of faces get, where `mask`, to rows of an array (rows, groups, n).

    sum     the three pointers that sums.add needs
    first   row of the image's first vertex
    values  the n numbers (4 if 3) of the first corner, then those of the others
    """
    COUNT: tl.constexpr = len(values) // 3
    at = faces + 3 * face.to(tl.int64)
    for corner in tl.static_range(3):
        vertex = tl.load(at + corner, mask=mask, other=0)
        row = ()
        for i in tl.static_range(COUNT):
            row += (values[corner * COUNT + i],)
        add_rows(sum, (first + vertex) * groups + group, row, mask, MODE)


@triton.jit
def add_rows(sum, rows, values, mask, MODE: tl.constexpr):
    """Add up to 4 numbers per lane to `rows` of an array that has as many columns, or 4 for 3 numbers, where `mask`.

    On NVIDIA's GPUs since sm_90 this is a single instruction.
    """
    columns = as_columns(values)
    COUNT: tl.constexpr = columns.shape[1]
    offsets = COUNT * rows[:, None] + tl.arange(0, COUNT)[None, :]
    add(sum[0], sum[1], sum[2], offsets, columns, mask[:, None], MODE)


@triton.jit
def runs(face, WIDTH: tl.constexpr):
    """Where lanes side by side show the same face, in rows of WIDTH lanes.

    Returns the first lane of each lane's run, (rows, WIDTH), and whether a lane is the last of its own, like `face`.
    """
    rows = tl.reshape(face, [face.shape[0] // WIDTH, WIDTH])
    lane = tl.arange(0, WIDTH)[None, :] + tl.zeros_like(rows)
    first = (lane == 0) | (tl.gather(rows, tl.maximum(lane - 1, 0), 1) != rows)
    last = (lane == WIDTH - 1) | (tl.gather(rows, tl.minimum(lane + 1, WIDTH - 1), 1) != rows)
    start = tl.where(first, lane, 0)
    for step in tl.static_range(6):
        if 2**step < WIDTH:
            start = tl.maximum(start, tl.gather(start, tl.maximum(lane - 2**step, 0), 1))
    return start, tl.reshape(last, face.shape)


@triton.jit
def sum_runs(values, start):
    """Sums from the `start` of each lane's run up to the lane, like `values`: a tuple of blocks."""
    WIDTH: tl.constexpr = start.shape[1]
    lane = tl.arange(0, WIDTH)[None, :] + tl.zeros_like(start)
    found = ()
    for i in tl.static_range(len(values)):
        value = tl.reshape(values[i], start.shape)
        for step in tl.static_range(6):
            if 2**step < WIDTH:
                before = tl.gather(value, tl.maximum(lane - 2**step, 0), 1)
                value += tl.where(lane - 2**step >= start, before, 0.0)
        found += (tl.reshape(value, values[i].shape),)
    return found
