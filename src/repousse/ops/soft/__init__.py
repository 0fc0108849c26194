"""Soft rasterization (Liu et al., ICCV 2019): every face near a pixel has a share in it."""

from typing import Literal

import torch
from torch import Tensor

from repousse.core import checks
from repousse.ops.rasterize import arguments
from repousse.ops.soft import kernels, reference
from repousse.ops.soft.options import SoftOptions

__all__ = ["SoftOptions", "soft"]


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
    each reaches; more than four channels are drawn in several passes. On a GPU images agree with these to about 1e-6;
    gradients repeat their bits under `torch.use_deterministic_algorithms(True)` only.

    Left out are faces with a corner behind the camera (w <= 0; they are not clipped) or more than 1e6 half images away,
    and faces of less than 1e-10 / 2 squared half images, seen edge-on. They get no gradient. Nor do faces with a NaN or
    infinite vertex, which are counted in a RuntimeWarning (not on a GPU, where counting would mean waiting).

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
        arguments.warn_not_finite("soft", arguments.count_not_finite(positions, faces, ranges))
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
    for begin in range(0, max(colors.shape[-1], 1), kernels.MOST_CHANNELS):
        channels = slice(begin, begin + kernels.MOST_CHANNELS)
        part = colors[..., channels].contiguous(), background[..., channels].contiguous()
        drawn.append(kernels.soft(corners, faces, ranges, *part, *shape)[0])
    return drawn[0] if len(drawn) == 1 else torch.cat([*(one[..., :-1] for one in drawn), drawn[0][..., -1:]], -1)


def _check_colors(colors: Tensor, faces: Tensor, batch: int, ranges: Tensor | None) -> None:
    count = faces.shape[0]
    rank = colors.dim() if isinstance(colors, Tensor) else 0
    if rank == 3 and colors.shape[:2] == (count, 3):
        return
    if (
        rank == 4
        and colors.shape[0] == batch
        and colors.shape[2] == 3
        and (ranges is not None or colors.shape[1] == count)
    ):
        return
    raise ValueError(
        f"soft: `colors` must be ({count}, 3, C), or ({batch}, N, 3, C) with N the number of faces of an image, "
        f"got {checks.describe(colors)}."
    )


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
    """(..., V, 4): place in units of half the shorter side, camera depth, 1 / w. NaN where positions are not finite.

    Behind the camera 1 / w is -1 and all else 0. What is not used gets a gradient of 0, not NaN, from `where`.
    """
    height, width = size
    finite = positions.isfinite().all(-1) & depth.isfinite()
    used = finite & (positions[..., 3] > 1 / reference.MOST_DEPTH)
    x, y = torch.where(used[..., None], positions[..., :2], 0).unbind(-1)
    r = 1 / torch.where(used, positions[..., 3], -1)
    depth = torch.where(used, depth, 0)
    corners = torch.stack([x * r * (width / min(size)), y * r * (height / min(size)), depth, r], -1)
    return torch.where(finite[..., None], corners, torch.nan)


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
    checked = kernels.check_spans(ranges, faces, colors)
    spans = [(0, faces.shape[0])] * corners.shape[0] if checked is None else checked.tolist()
    images = []
    for b, (first, count) in enumerate(spans):
        mine = colors[first : first + count] if colors.dim() == 3 else colors[b, :count]
        of_image = corners if ranges is not None else corners[b]
        part = faces[first : first + count]
        images.append(reference.soft(of_image, part, mine, background[b], size, options, cull))
    if images:
        return torch.stack(images)
    nothing = corners[:0].sum() + colors[:0].sum() + background.sum()  # of no numbers, but differentiable
    return nothing * corners.new_zeros((0, *size, colors.shape[-1] + 1))
