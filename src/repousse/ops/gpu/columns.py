"""Numbers of pixels, one block each, brought side by side, as they lie in memory."""

import triton
import triton.language as tl


@triton.jit
def as_columns(values):
    """A tuple of 1 to 8 blocks (N) as the columns of one block (N, 1, 2, 4 or 8); what is missing is 0."""
    COUNT: tl.constexpr = len(values)
    if COUNT == 1:
        return values[0][:, None]
    elif COUNT == 2:
        return tl.join(values[0], values[1])
    elif COUNT == 3 or (COUNT > 4 and COUNT < 8):
        values += (tl.zeros_like(values[0]),)
        return as_columns(values)
    else:
        even, odd = (), ()
        for i in tl.static_range(COUNT // 2):
            even += (values[2 * i],)
            odd += (values[2 * i + 1],)
        return tl.reshape(tl.join(as_columns(even), as_columns(odd)), [values[0].shape[0], COUNT])
