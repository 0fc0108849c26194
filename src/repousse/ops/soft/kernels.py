"""The native kernels of soft rasterization, as torch's dispatcher knows them."""

from typing import Any

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library
from repousse.ops.rasterize import arguments

MOST_CHANNELS = 4  # of one call


def check_spans(ranges: Tensor | None, faces: Tensor, colors: Tensor) -> Tensor | None:
    """`ranges` as kernels read them; raises IndexError if they leave the faces or the images' own colours."""
    if ranges is None:
        return None
    ranges = arguments.check_ranges("soft", ranges, faces.shape[0])
    if colors.dim() == 4 and len(ranges) and int(ranges[:, 1].max()) > colors.shape[1]:
        raise IndexError(
            f"soft: `colors` has rows for {colors.shape[1]} faces per image, but `ranges` counts "
            f"{ranges[:, 1].tolist()}."
        )
    return ranges


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
    ranges = check_spans(ranges, faces, colors)
    image, memory, shown = soft_shapes(corners, faces, ranges, colors, background, height, width, rules, numbers)
    status = native.kernel("rp_soft", _SCENE + "pppp")(
        *_scene(corners, faces, ranges, colors, background.shape[0], height, width, rules, numbers),
        background.data_ptr(),
        image.data_ptr(),
        memory.data_ptr(),
        shown.data_ptr() if shown.numel() else None,
    )
    checks.check_status("soft", status)
    arguments.warn_not_finite("soft", status)
    return image, memory, shown


def soft_shapes(
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
    ranges = check_spans(ranges, faces, colors)
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
soft = library.define(
    f"soft({_SCHEMA}, Tensor background, SymInt height, SymInt width, int[] rules, float[] numbers)"
    " -> (Tensor image, Tensor memory, Tensor shown)",
    _soft_cpu,
    soft_shapes,
)
_soft_backward = library.define(
    f"soft_backward({_SCHEMA}, Tensor image, Tensor memory, Tensor shown, Tensor g_image, int[] rules,"
    " float[] numbers, bool corners_wanted, bool colors_wanted) -> (Tensor, Tensor)",
    _soft_backward_cpu,
    _soft_backward_fake,
)
library.differentiable("soft", _setup, _backward)
library.once_differentiable("soft_backward")
