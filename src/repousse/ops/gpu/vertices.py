"""Reading faces and vertices."""

import triton
import triton.language as tl


@triton.jit
def load_face(faces, face, vertices, mask):
    """The three vertices of faces, and where they exist: what an index out of range asks for must not be read.

    faces     int32 (F, 3)
    face      a block, int64
    vertices  how many there are
    """
    a = tl.load(faces + 3 * face, mask=mask, other=-1)
    b = tl.load(faces + 3 * face + 1, mask=mask, other=-1)
    c = tl.load(faces + 3 * face + 2, mask=mask, other=-1)
    good = (a >= 0) & (a < vertices) & (b >= 0) & (b < vertices) & (c >= 0) & (c < vertices)
    return a, b, c, good


@triton.jit
def load_clip(positions, vertex, mask, BLOCK: tl.constexpr):
    """Clip coordinates x, y, z, w of BLOCK vertices; w is 0 where `mask` is false, so that they count as unsafe.

    One lane reads the 16 bytes of a vertex at once: four loads would each touch as many cache lines as there are lanes.
    """
    four = tl.load(positions + vertex[:, None] * 4 + tl.arange(0, 4)[None, :], mask=mask[:, None], other=0.0)
    xz, yw = tl.split(tl.reshape(four, [BLOCK, 2, 2]))
    x, z = tl.split(xz)
    y, w = tl.split(yw)
    return x, y, z, w
