"""Lists of work that one kernel finds and the next one does, without the host knowing how long they are."""

import triton
import triton.language as tl

from repousse.ops.gpu.launch import blocks

_PROGRAMS = 1024  # a few for each multiprocessor


def queue_programs(room: int, block: int) -> int:
    """How many programs share a queue with room for so many entries: `block` at a time, the next ones in turns."""
    return min(blocks(room, block), _PROGRAMS)


@triton.jit
def places(count, found):
    """Where to write the entries of the lanes that `found` something: takes room at the end of a queue.

    count  int64 (1)  entries so far. The order of entries depends on the order in which programs run.
    """
    one = found.to(tl.int32)
    before = tl.atomic_add(count, tl.sum(one).to(tl.int64), sem="relaxed")
    return before + tl.cumsum(one, 0) - one
