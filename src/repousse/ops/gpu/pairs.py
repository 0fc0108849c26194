"""Pairs of neighbouring pixels: what kernels go through that look for borders between the faces that are seen."""

import triton
import triton.language as tl


@triton.jit
def pairs_of_block(height, width, PIXELS: tl.constexpr):
    """The pairs of a program: those whose left or upper pixel is one of PIXELS consecutive ones of an image.

    Programs are numbered by image, then by pixel; an image has cdiv(height * width, PIXELS) of them.

    Returns the image (int64), and for 2 * PIXELS lanes the two pixels in that image, the axis (0: they lie in one row,
    1: in one column), how many pixels lie before the first one along that axis, how many there are at all (int32), and
    whether the pair exists.
    """
    per_image = tl.cdiv(height * width, PIXELS)
    image = (tl.program_id(0) // per_image).to(tl.int64)
    lane = tl.arange(0, 2 * PIXELS)
    axis = lane // PIXELS
    inner = tl.program_id(0) % per_image * PIXELS + lane % PIXELS
    row = inner // width
    place = tl.where(axis == 0, inner - row * width, row)
    limit = tl.where(axis == 0, width, height)
    exists = (row < height) & (place + 1 < limit)
    return image, inner, inner + tl.where(axis == 0, 1, width), axis, place, limit, exists


@triton.jit
def show_two_faces(face_id, inner, outer, asked):
    """The faces that pairs of pixels show, and which of the `asked` pairs show two different ones."""
    one = tl.load(face_id + inner, mask=asked, other=-1)
    two = tl.load(face_id + outer, mask=asked, other=-1)
    return one, two, (one != two) & (one >= 0) & (two >= 0)


@triton.jit
def differ(image, inner, outer, channels, asked):
    """Which of the `asked` pairs of pixels of an image (H * W, C) differ in any channel."""
    found = asked & ~asked
    channel = 0
    while channel < channels:
        one = tl.load(image + inner.to(tl.int64) * channels + channel, mask=asked, other=0.0)
        two = tl.load(image + outer.to(tl.int64) * channels + channel, mask=asked, other=0.0)
        found = found | (one != two)
        channel += 1
    return found & asked
