"""Soft rasterization (Liu et al., ICCV 2019): every face near a pixel has a share in it."""

from typing import Any, Literal

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library
from repousse.ops.rasterize import arguments
from repousse.ops.soft import reference
from repousse.ops.soft.options import SoftOptions

__all__ = ["SoftOptions", "soft"]

_MOST_CHANNELS = 4  # of one call of the kernel


def soft(
    positions: Tensor,
    faces: Tensor,
    colors: Tensor | None,
    size: tuple[int, int],
    options: SoftOptions | None = None,
    *,
    depth: Tensor | None = None,
    background: Tensor | None = None,
    ranges: Tensor | None = None,
    cull: Literal["back", "front"] | None = None,
    backend: Literal["native", "reference"] = "native",
) -> Tensor:
    """Draw with soft borders and, if faces overlap, a soft choice between them.

    >>> image = soft(positions, faces, colors, (64, 48), SoftOptions(sigma=1e-4))   # (2, 64, 48, 4)
    >>> color, mask = image[..., :3], image[..., 3]

    positions   float (B, V, 4)      clip space, or (V, 4) packed with `ranges`, as for `rasterize`
    faces       int   (F, 3)         counter-clockwise seen from outside
    colors      float (F, 3, C)      of the corners of each face, mixed inside with perspective-correct weights. Three
                                     equal rows make a face of one colour
                or (B, N, 3, C)      per image; row i belongs to the i-th face of that image
                or None              only the mask is drawn, for a third of the price
    size        (height, width)      pixels; row 0 is the top
    options     the rules, see `SoftOptions`. sigma is in squared halves of the shorter side, which is what the released
                code calls NDC
    depth       float (B, V) or (V,) camera depth of the vertices, for `near`, `far` and the order of faces; by default
                w, which is right for perspective cameras only
    background  float (C,) or (B, C) colour where no face is; zero by default
    ranges      int   (B, 2)         packed only, on the CPU: first face and number of faces of each image
    cull        "back" or "front" leaves out faces seen from that side; by default both sides are drawn
    backend     "native", or "reference" for the slow implementation in PyTorch: memory faces x pixels

    Returns float (B, H, W, C + 1), the mask last.

    Differentiable: in positions and depth, through coverage, depth and the mixing of colours, in colors and in the
    background. There is no limit of faces per pixel. The same input gives the same bits for any number of threads, and
    images the same on every instruction set. Working memory: 8 bytes per face and image, 12 per face and thread, 12 per
    pixel, and at most 32 MiB (or twice the gradient) for the sums of the backward pass. Time: faces x the pixels that
    each reaches; more than four channels are drawn in several passes.

    Left out are faces with a corner behind the camera (w <= 0; they are not clipped), not finite, or more than 1e6 half
    images away, and faces of less than 1e-10 / 2 squared half images, seen edge-on. They get no gradient.

    Raises IndexError for a face whose index does not exist, ValueError or TypeError for wrong shapes, sizes, dtypes and
    devices.
    """
    options = SoftOptions() if options is None else options
    height, width = arguments.check_size("soft", size)
    arguments.check_positions("soft", positions, ranges)
    arguments.check_cull("soft", cull)
    faces = checks.as_index("soft", "faces", faces)
    checks.same_device("soft", positions=positions, faces=faces)
    batch = positions.shape[0] if ranges is None else ranges.shape[0]
    if colors is None:
        colors = positions.new_zeros((faces.shape[0], 3, 0))
    _check_colors(colors, faces, batch, ranges)
    if depth is None:
        depth = positions[..., 3]
    elif depth.shape != positions.shape[:-1]:
        raise ValueError(
            f"soft: `depth` must be one number per vertex, {tuple(positions.shape[:-1])}, got {checks.describe(depth)}."
        )
    background = _as_background(background, colors, batch)
    checks.same_device("soft", positions=positions, colors=colors, depth=depth, background=background)
    if backend == "reference":
        checks.check_indices_slowly("soft", "faces", faces, positions.shape[-2], "positions")
        corners = _corners(positions, depth, (height, width))
        return _by_reference(corners, faces, ranges, colors, background, (height, width), options, cull)
    if backend != "native":
        raise ValueError(f'soft: `backend` must be "native" or "reference", got {backend!r}.')
    positions = checks.as_float32("soft", "positions", positions)
    corners = _corners(positions, checks.as_float32("soft", "depth", depth), (height, width))
    colors = checks.as_float32("soft", "colors", colors)
    background = checks.as_float32("soft", "background", background)
    rules, numbers = options.rules(arguments.CULL[cull]), options.numbers()
    shape, drawn = (height, width, rules, numbers), []
    for begin in range(0, max(colors.shape[-1], 1), _MOST_CHANNELS):
        channels = slice(begin, begin + _MOST_CHANNELS)
        part = colors[..., channels].contiguous(), background[..., channels].contiguous()
        drawn.append(_soft(corners, faces, ranges, *part, *shape)[0])
    return drawn[0] if len(drawn) == 1 else torch.cat([*(one[..., :-1] for one in drawn), drawn[0][..., -1:]], -1)


def _check_colors(colors: Tensor, faces: Tensor, batch: int, ranges: Tensor | None) -> None:
    count = faces.shape[0]
    if isinstance(colors, Tensor) and colors.dim() in (3, 4) and colors.shape[-2] == 3:
        if colors.shape[0] == (count if colors.dim() == 3 else batch) and (
            colors.dim() == 3 or ranges is not None or colors.shape[1] == count
        ):
            return
    raise ValueError(
        f"soft: `colors` must be ({count}, 3, C), or ({batch}, N, 3, C) with N the number of faces of an image, "
        f"got {checks.describe(colors)}."
    )


def _check_spans(ranges: Tensor | None, faces: Tensor, colors: Tensor) -> Tensor | None:
    """`ranges` as kernels read them; raises IndexError if they leave the faces or the images' own colours."""
    if ranges is None:
        return None
    ranges = arguments.check_ranges("soft", ranges, faces.shape[0])
    if colors.dim() == 4 and len(ranges) and int(ranges[:, 1].max()) > colors.shape[1]:
        raise IndexError(
            f"soft: `colors` has rows for {colors.shape[1]} faces per image, but `ranges` counts {ranges[:, 1].tolist()}."
        )
    return ranges


def _as_background(background: Tensor | None, colors: Tensor, batch: int) -> Tensor:
    """(B, C)."""
    channels = colors.shape[-1]
    if background is None:
        return colors.new_zeros((batch, channels))
    if not isinstance(background, Tensor) or background.shape not in ((channels,), (batch, channels)):
        raise ValueError(
            f"soft: `background` must be ({channels},) or ({batch}, {channels}), got {checks.describe(background)}."
        )
    return background.expand(batch, channels)


def _corners(positions: Tensor, depth: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., V, 4): place in units of half the shorter side, camera depth, 1 / w. NaN behind the camera."""
    height, width = size
    x, y, _, w = positions.unbind(-1)
    ahead = w > 1 / reference.MOST_DEPTH
    r = 1 / torch.where(ahead, w, 1)
    corners = torch.stack([x * r * (width / min(size)), y * r * (height / min(size)), depth, r], -1)
    return torch.where(ahead[..., None], corners, torch.nan)


def _by_reference(
    corners: Tensor,
    faces: Tensor,
    ranges: Tensor | None,
    colors: Tensor,
    background: Tensor,
    size: tuple[int, int],
    options: SoftOptions,
    cull: str | None,
) -> Tensor:
    checked = _check_spans(ranges, faces, colors)
    spans = [(0, faces.shape[0])] * corners.shape[0] if checked is None else checked.tolist()
    images = []
    for b, (first, count) in enumerate(spans):
        mine = colors[first : first + count] if colors.dim() == 3 else colors[b, :count]
        of_image = corners if ranges is not None else corners[b]
        part = faces[first : first + count]
        images.append(reference.soft(of_image, part, mine, background[b], size, options, cull))
    empty = corners.new_zeros((0, *size, colors.shape[-1] + 1))
    return torch.stack(images) if images else empty


# ---- the native kernels ----------------------------------------------------------------------------------------------


def _scene(
    corners: Tensor,
    faces: Tensor,
    ranges: Tensor | None,
    colors: Tensor,
    batch: int,
    height: int,
    width: int,
    rules: list[int],
    numbers: list[float],
) -> tuple[Any, ...]:
    """The arguments that both kernels begin with. `ranges` is int64 and contiguous."""
    return (
        corners.data_ptr(),
        corners.shape[-2],
        ranges is not None,
        faces.data_ptr(),
        faces.shape[0],
        None if ranges is None else ranges.data_ptr(),
        batch,
        colors.data_ptr(),
        colors.shape[-3],
        colors.dim() == 4,
        colors.shape[-1],
        height,
        width,
        native.threads(),
        *rules,
        *numbers,
    )


_SCENE = "plipl" + "plpli" + "iiii" + "iiii" + "ffffff"


def _soft_cpu(
    corners: Tensor,
    faces: Tensor,
    ranges: Tensor | None,
    colors: Tensor,
    background: Tensor,
    height: int,
    width: int,
    rules: list[int],
    numbers: list[float],
) -> tuple[Tensor, Tensor, Tensor]:
    checks.check_indices("soft", "faces", faces, corners.shape[-2], "positions")
    ranges = _check_spans(ranges, faces, colors)
    image, memory, shown = _soft_fake(corners, faces, ranges, colors, background, height, width, rules, numbers)
    status = native.kernel("rp_soft", _SCENE + "pppp")(
        *_scene(corners, faces, ranges, colors, background.shape[0], height, width, rules, numbers),
        background.data_ptr(),
        image.data_ptr(),
        memory.data_ptr(),
        shown.data_ptr() if shown.numel() else None,
    )
    checks.check_status("soft", status)
    return image, memory, shown


def _soft_fake(
    corners: Tensor,
    faces: Tensor,
    ranges: Tensor | None,
    colors: Tensor,
    background: Tensor,
    height: int,
    width: int,
    rules: list[int],
    numbers: list[float],
) -> tuple[Tensor, Tensor, Tensor]:
    batch, channels = background.shape
    image = corners.new_empty((batch, height, width, channels + 1))
    memory = corners.new_empty((batch, 3 if channels else 1, height, width))
    hard = rules[2] == 0 and channels > 0
    return image, memory, corners.new_empty((batch, height, width) if hard else (0,), dtype=torch.int32)


def _soft_backward_cpu(
    corners: Tensor,
    faces: Tensor,
    ranges: Tensor | None,
    colors: Tensor,
    image: Tensor,
    memory: Tensor,
    shown: Tensor,
    g_image: Tensor,
    rules: list[int],
    numbers: list[float],
    corners_wanted: bool,
    colors_wanted: bool,
) -> tuple[Tensor, Tensor]:
    ranges = _check_spans(ranges, faces, colors)
    g_corners, g_colors = _soft_backward_fake(
        corners, faces, ranges, colors, image, memory, shown, g_image, rules, numbers, corners_wanted, colors_wanted
    )
    g_image = g_image.contiguous()
    status = native.kernel("rp_soft_backward", _SCENE + "pppppp")(
        *_scene(corners, faces, ranges, colors, image.shape[0], image.shape[1], image.shape[2], rules, numbers),
        image.data_ptr(),
        memory.data_ptr(),
        shown.data_ptr() if shown.numel() else None,
        g_image.data_ptr(),
        g_corners.data_ptr() if corners_wanted else None,
        g_colors.data_ptr() if colors_wanted else None,
    )
    checks.check_status("soft (backward)", status)
    return g_corners, g_colors


def _soft_backward_fake(
    corners: Tensor,
    faces: Tensor,
    ranges: Tensor | None,
    colors: Tensor,
    image: Tensor,
    memory: Tensor,
    shown: Tensor,
    g_image: Tensor,
    rules: list[int],
    numbers: list[float],
    corners_wanted: bool,
    colors_wanted: bool,
) -> tuple[Tensor, Tensor]:
    # What is not wanted is returned empty: a dispatcher op cannot return None for a tensor.
    g_corners = corners.new_empty(corners.shape if corners_wanted else (0,))
    return g_corners, colors.new_empty(colors.shape if colors_wanted else (0,))


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    corners, faces, ranges, colors, _, _, _, rules, numbers = inputs
    ctx.save_for_backward(corners, faces, ranges, colors, *output)
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)
    ctx.rules, ctx.numbers = rules, numbers


def _backward(ctx: Any, g_image: Tensor | None, *_: Any) -> Any:
    if g_image is None:
        return (None,) * 9
    memory, shown = ctx.saved_tensors[5:]
    wanted = ctx.needs_input_grad[0], ctx.needs_input_grad[3]
    g_corners, g_colors = _soft_backward(*ctx.saved_tensors, g_image, ctx.rules, ctx.numbers, *wanted)
    g_background = None
    if ctx.needs_input_grad[4]:
        g_background = (g_image[..., :-1] * _background_share(memory, shown, ctx.rules, ctx.numbers)).sum((1, 2))
    g_corners, g_colors = g_corners if wanted[0] else None, g_colors if wanted[1] else None
    return g_corners, None, None, g_colors, g_background, None, None, None, None


def _background_share(memory: Tensor, shown: Tensor, rules: list[int], numbers: list[float]) -> Tensor:
    """(B, H, W, 1): the weight of the background in the colours."""
    if shown.numel():
        return (shown < 0).to(memory.dtype)[..., None]
    if memory.shape[1] == 1:
        return torch.zeros_like(memory[:, 0, ..., None])
    sharpness, background = numbers[2], numbers[5]
    return (((memory[:, 1] - background) * sharpness).exp() * memory[:, 2])[..., None]


_SCHEMA = "Tensor corners, Tensor faces, Tensor? ranges, Tensor colors"
_soft = library.define(
    f"soft({_SCHEMA}, Tensor background, SymInt height, SymInt width, int[] rules, float[] numbers)"
    " -> (Tensor image, Tensor memory, Tensor shown)",
    _soft_cpu,
    _soft_fake,
)
_soft_backward = library.define(
    f"soft_backward({_SCHEMA}, Tensor image, Tensor memory, Tensor shown, Tensor g_image, int[] rules,"
    " float[] numbers, bool corners_wanted, bool colors_wanted) -> (Tensor, Tensor)",
    _soft_backward_cpu,
    _soft_backward_fake,
)
library.differentiable("soft", _setup, _backward)
library.once_differentiable("soft_backward")
