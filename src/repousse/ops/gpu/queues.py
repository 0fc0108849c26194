"""Lists of work that one kernel finds and the next one does, without the host knowing how long they are.

The next one starts a fixed number of programs, which share what there is: see `list_programs` and `share_of_list`.
"""

import triton
import triton.language as tl


@triton.jit
def places(count, found):
    """Where to write the entries of the lanes that `found` something: takes room at the end of a list.

    count  int64 (1)  entries so far. The order of entries depends on the order in which programs run.
    """
    one = found.to(tl.int32)
    before = tl.atomic_add(count, tl.sum(one).to(tl.int64), sem="relaxed")
    return before + tl.cumsum(one, 0) - one
