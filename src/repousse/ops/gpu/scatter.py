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
    """Add what the three corners of faces get, where `mask`, to rows of an array (rows, groups, 1, 2 or 4).

    sum     the three pointers that sums.add needs
    first   row of the image's first vertex
    values  the numbers of the first corner, then those of the others
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
    """Add 1, 2 or 4 numbers per lane to `rows` of an array with that many columns, where `mask` (see sums.add).

    On NVIDIA's GPUs since sm_90 this is a single instruction.
    """
    COUNT: tl.constexpr = len(values)
    offsets = COUNT * rows[:, None] + tl.arange(0, COUNT)[None, :]
    add(sum[0], sum[1], sum[2], offsets, _columns(values), mask[:, None], MODE)


@triton.jit
def _columns(values):
    """1, 2 or 4 blocks (N) as the columns of one (N, 1, 2 or 4)."""
    if len(values) == 1:
        return values[0][:, None]
    elif len(values) == 2:
        return tl.join(values[0], values[1])
    else:
        tl.static_assert(len(values) == 4)
        columns = tl.join(tl.join(values[0], values[2]), tl.join(values[1], values[3]))
        return tl.reshape(columns, [values[0].shape[0], 4])


@triton.jit
def runs(face):
    """Of lanes side by side that show the same face: the first lane of each lane's run, and whether a lane is the
    last of its own."""
    LANES: tl.constexpr = face.shape[0]
    lane = tl.arange(0, LANES)
    first = (lane == 0) | (tl.gather(face, tl.maximum(lane - 1, 0), 0) != face)
    last = (lane == LANES - 1) | (tl.gather(face, tl.minimum(lane + 1, LANES - 1), 0) != face)
    start = tl.where(first, lane, 0)
    for step in tl.static_range(6):
        if 2**step < LANES:
            start = tl.maximum(start, tl.gather(start, tl.maximum(lane - 2**step, 0), 0))
    return start, last


@triton.jit
def sum_runs(values, start):
    """Sums from the `start` of each lane's run up to the lane."""
    LANES: tl.constexpr = start.shape[0]
    lane = tl.arange(0, LANES)
    found = ()
    for i in tl.static_range(len(values)):
        value = values[i]
        for step in tl.static_range(6):
            if 2**step < LANES:
                before = tl.gather(value, tl.maximum(lane - 2**step, 0), 0)
                value += tl.where(lane - 2**step >= start, before, 0.0)
        found += (value,)
    return found
