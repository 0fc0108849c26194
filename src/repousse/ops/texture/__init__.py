"""Images laid over surfaces: their values at the places that pixels show."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library
from repousse.ops.texture import reference
from repousse.ops.texture.layout import COLUMNS, SLACK, Filter, Wrap, Wraps, mip_texels, read_images


def texture(
    images: Tensor | Sequence[Tensor],
    uv: Tensor,
    *,
    which: Tensor | None = None,
    derivatives: Tensor | None = None,
    level: Tensor | None = None,
    filter: Filter | Sequence[Filter] = "linear",
    wrap: Wrap | Wraps | Sequence[Wraps] = "repeat",
    backend: Literal["native", "reference"] = "native",
) -> Tensor:
    """Look up images at the coordinates that each pixel shows.

    >>> uv, derivatives = interpolate(mesh.uv, mesh.uv_faces, fragments, derivatives=True)
    >>> color = texture(image, uv, derivatives=derivatives)   # (1024, 1024, 3) -> (2, 64, 48, 3)

    images       float (Ht, Wt, C)       one image for all pictures
                 or (B, Ht, Wt, C)       one per picture
                 or a sequence of (H_i, W_i, C), of any sizes: one per picture, or chosen by `which`
    uv           float (B, H, W, 2)      (0, 0) is the image's bottom left corner, (1, 1) its top right one; the middle
                                         of a texel is u = (column + 0.5) / Wt, v = 1 - (row + 0.5) / Ht
    which        int (B, H, W)           index of the image that each pixel shows; -1: none, the value is 0
    derivatives  float (B, H, W, 2, 2)   of (u, v) by the picture's (column, row), from which the mip level follows
    level        float (B, H, W)         the mip level itself, instead of `derivatives`
    filter       "linear": between four texels, and between two mip levels if derivatives or a level are given;
                 "nearest": the texel of level 0 in which the place lies. One for all images, or a sequence
    wrap         what lies outside of [0, 1]: "repeat", "clamp" (the border texels go on) or "mirror"; for both
                 directions, or a pair (along u, along v), or a sequence of such pairs, one per image
    backend      "native", or "reference" for the slow implementation in PyTorch

    Returns float (B, H, W, C).

    Mipmaps: level k has max(1, Ht >> k) x max(1, Wt >> k) texels, down to a single one. Each texel is the mean of the
    area it covers on the level before (a box filter; where a length is odd, texels are shared between neighbours, so
    that nothing is lost or shifted). With the pixel's footprint in texels, Wt du and Ht dv,

        level = log2 max(|(Wt du/dcolumn, Ht dv/dcolumn)|, |(Wt du/drow, Ht dv/drow)|)

    clamped to the levels there are (OpenGL 4.6, 8.14): a pixel that sees a surface at an angle is blurred as its longer
    axis needs, not aliased. Where the two lengths are equal, each has half of the derivative.

    Differentiable: in images (through all mip levels), uv, derivatives and level. The derivative by uv is that of the
    two levels' bilinear surfaces, taken from the right where they have edges; it vanishes for "nearest", and beyond a
    border that is clamped. The derivative by the level vanishes where the level is clamped. The sum of a texel runs
    over the pixels in their order: same bits for any number of threads.

    Any number is allowed. uv that is NaN, or infinite where the image repeats, gives NaN and has no gradient. A
    derivative that is NaN counts as 0; an infinite one, as one that is too large, leads to the coarsest level, and a
    level that is NaN is level 0.

    Memory during the call: a third of the images for mipmaps; in backward 4/3 of the images, their texels
    padded to a multiple of four numbers, whatever the number of threads. On a GPU half of the images for mipmaps; in
    backward 3/2 of the images, and some six times that if `torch.use_deterministic_algorithms` is on.

    On a GPU a `which` that names no image shows nothing (an error would have to wait for the device), and without
    deterministic algorithms the gradient of a texel is added in any order.

    Raises ValueError, TypeError or IndexError for wrong shapes, dtypes, devices, and for images that do not exist.
    """
    batch = _check_pictures(uv, which, derivatives, level)
    given = read_images(images, batch, which is not None, filter, wrap)
    pictures = {"which": which, "derivatives": derivatives, "level": level}
    same = {name: tensor for name, tensor in pictures.items() if tensor is not None}
    if given.images:
        same["images"] = given.images[0]
    checks.same_device("texture", uv=uv, **same)
    if backend == "reference":
        image_id = _image_id(which, len(given.images), uv)
        return reference.texture(given.images, uv, image_id, derivatives, level, given.filters, given.wraps)
    if backend != "native":
        raise ValueError(f'texture: `backend` must be "native" or "reference", got {backend!r}.')
    if which is not None:
        which = _as_int32(which)
    return _texture(
        given.texels(),
        given.layout(),
        checks.as_float32("texture", "uv", uv),
        which,
        None if derivatives is None else checks.as_float32("texture", "derivatives", derivatives),
        None if level is None else checks.as_float32("texture", "level", level),
    )


def _check_pictures(uv: Any, which: Any, derivatives: Any, level: Any) -> int:
    """Check the shapes of what there is per pixel; returns the number of pictures."""
    if not isinstance(uv, Tensor) or uv.dim() != 4 or uv.shape[-1] != 2:
        raise ValueError(f"texture: `uv` must be (B, H, W, 2), got {checks.describe(uv)}.")
    if not uv.is_floating_point():
        raise TypeError(f"texture: `uv` must be float32, got {checks.describe(uv)}.")
    if derivatives is not None and level is not None:
        raise ValueError("texture: give `derivatives` or `level`, not both: the level follows from the derivatives.")
    pixels = tuple(uv.shape[:3])
    for name, tensor, shape in (
        ("which", which, pixels),
        ("derivatives", derivatives, (*pixels, 2, 2)),
        ("level", level, pixels),
    ):
        if tensor is not None and (not isinstance(tensor, Tensor) or tuple(tensor.shape) != shape):
            raise ValueError(f"texture: `{name}` must be {shape} to go with `uv`, got {checks.describe(tensor)}.")
    if which is not None and which.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"texture: `which` must be int32 or int64, got {checks.describe(which)}.")
    return uv.shape[0]


def _as_int32(which: Tensor) -> Tensor:
    if which.dtype == torch.int64:
        most = torch.iinfo(torch.int32)
        which = which.clamp(most.min, most.max).to(torch.int32)  # what is out of range must not wrap into it
    return which.contiguous()


def _image_id(which: Tensor | None, count: int, uv: Tensor) -> Tensor:
    """The image of each pixel, for the reference."""
    if which is not None:
        bad = torch.nonzero((which < -1) | (which >= count))
        if len(bad):
            raise _index_error(which, bad[0].tolist(), count)
        return which
    pictures = torch.arange(uv.shape[0]) if count > 1 else torch.zeros(uv.shape[0], dtype=torch.int64)
    return pictures[:, None, None].expand(uv.shape[:3])


def _index_error(which: Tensor, pixel: list[int], count: int) -> IndexError:
    picture, row, column = pixel
    return IndexError(
        f"texture: `which` is {int(which[picture, row, column])} in row {row}, column {column} of picture {picture}, "
        f"but there are {count} images. Use -1 where nothing is to be seen."
    )


def _pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _inputs(
    texels: Tensor, layout: Sequence[int], uv: Tensor, which: Tensor | None, derivatives: Tensor | None, level: Any
) -> tuple[tuple[Any, ...], tuple[Tensor, ...]]:
    """What both kernels take first, and tensors that must live as long as the call."""
    table = torch.tensor(layout, dtype=torch.int64)
    mipmaps = derivatives is not None or level is not None
    pyramid = texels.new_empty(mip_texels(layout, True)[1] * texels.shape[1] + SLACK) if mipmaps else None
    arguments = (
        texels.data_ptr(),
        *texels.shape,
        table.data_ptr(),
        len(layout) // COLUMNS,
        _pointer(pyramid),
        uv.data_ptr(),
        _pointer(which),
        _pointer(derivatives),
        _pointer(level),
        *uv.shape[:3],
        native.threads(),
    )
    return arguments, (table, *([] if pyramid is None else [pyramid]))


_SIGNATURE = "plipipppppliii"


def _texture_cpu(
    texels: Tensor,
    layout: Sequence[int],
    uv: Tensor,
    which: Tensor | None,
    derivatives: Tensor | None,
    level: Tensor | None,
) -> Tensor:
    out = _texture_fake(texels, layout, uv, which, derivatives, level)
    if out.numel() == 0:
        return out
    arguments, _alive = _inputs(texels, layout, uv, which, derivatives, level)
    status = native.kernel("rp_texture", _SIGNATURE + "p")(*arguments, out.data_ptr())
    checks.check_status("texture", status)
    if status > 0 and which is not None:
        pixel = torch.unravel_index(torch.tensor(status - 1), which.shape)
        raise _index_error(which, [int(number) for number in pixel], len(layout) // COLUMNS)
    return out


def _texture_fake(
    texels: Tensor,
    layout: Sequence[int],
    uv: Tensor,
    which: Tensor | None,
    derivatives: Tensor | None,
    level: Tensor | None,
) -> Tensor:
    return uv.new_empty((*uv.shape[:3], texels.shape[1]))


def _backward_cpu(
    texels: Tensor,
    layout: Sequence[int],
    uv: Tensor,
    which: Tensor | None,
    derivatives: Tensor | None,
    level: Tensor | None,
    g_out: Tensor,
    wanted: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    found = _backward_fake(texels, layout, uv, which, derivatives, level, g_out, wanted)
    if g_out.numel() == 0:
        for gradient in found:
            gradient.zero_()
        return found
    g_out = g_out.contiguous()
    arguments, _alive = _inputs(texels, layout, uv, which, derivatives, level)
    mipmaps = derivatives is not None or level is not None
    padded = sum(mip_texels(layout, mipmaps)) * (-(-texels.shape[1] // 4) * 4)
    memory = texels.new_empty(padded if wanted[0] else 0)
    pointers = [gradient.data_ptr() if want else None for gradient, want in zip(found, wanted, strict=True)]
    status = native.kernel("rp_texture_backward", _SIGNATURE + "pppppp")(
        *arguments, g_out.data_ptr(), memory.data_ptr(), *pointers
    )
    checks.check_status("texture (backward)", status)
    return found


def _backward_fake(
    texels: Tensor,
    layout: Sequence[int],
    uv: Tensor,
    which: Tensor | None,
    derivatives: Tensor | None,
    level: Tensor | None,
    g_out: Tensor,
    wanted: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    # What is not wanted is returned empty: a dispatcher op cannot return None for a tensor.
    def like(tensor: Tensor | None, want: bool) -> Tensor:
        return uv.new_empty(tensor.shape if want and tensor is not None else (0,))

    return (
        like(texels, wanted[0]),
        like(uv, wanted[1]),
        like(derivatives, wanted[2]),
        like(level, wanted[3]),
    )


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    texels, ctx.layout, uv, which, derivatives, level = inputs
    ctx.save_for_backward(texels, uv, which, derivatives, level)


def _backward(ctx: Any, g_out: Tensor) -> Any:
    texels, uv, which, derivatives, level = ctx.saved_tensors
    needs = ctx.needs_input_grad
    wanted = [needs[0], needs[2], needs[4], needs[5]]
    found = _texture_backward(texels, ctx.layout, uv, which, derivatives, level, g_out, wanted)
    g_texels, *rest = (gradient if want else None for gradient, want in zip(found, wanted, strict=True))
    return g_texels, None, rest[0], None, *rest[1:]


_INPUTS = "Tensor texels, SymInt[] layout, Tensor uv, Tensor? which, Tensor? derivatives, Tensor? level"
_texture = library.define(f"texture({_INPUTS}) -> Tensor", _texture_cpu, _texture_fake)
_texture_backward = library.define(
    f"texture_backward({_INPUTS}, Tensor g_out, bool[] wanted) -> (Tensor, Tensor, Tensor, Tensor)",
    _backward_cpu,
    _backward_fake,
)
library.differentiable("texture", _setup, _backward)
library.once_differentiable("texture_backward")
