"""Pictures compared at several scales."""

from typing import Literal

import torch
from torch import Tensor

from repousse.core.numbers import tensor_of
from repousse.losses.pixels import mean, paired

_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def pyramid(
    image: Tensor,
    target: Tensor,
    *,
    levels: int = 5,
    kind: Literal["gaussian", "laplacian"] = "gaussian",
    norm: Literal["l1", "l2"] = "l2",
    mask: Tensor | None = None,
) -> Tensor:
    """Mean over the levels of a pyramid (Burt and Adelson 1983) of the mean difference at that level.

    On coarse levels shapes attract each other that do not touch yet.

    image, target  float (B, H, W, C) or (B, H, W)
    levels         the first is the picture itself, each further one has half as many rows and columns (rounded up);
                   at most until the shorter side is one pixel
    kind           "gaussian": each level is blurred and halved from the one before; "laplacian": each level less what
                   the next one tells of it, so that every scale counts once
    norm           of the differences: absolute ("l1") or squared ("l2")
    mask           (B, H, W) or (B, H, W, 1)  weights of the pixels, bool or float >= 0; a pixel of a coarser level is
                   the mean of what counts below it, and has the share of that as weight

    Returns (B,); 0 where no pixel counts. Borders are averaged over what lies inside the picture. Differentiable in
    both pictures, not in the mask.
    """
    if kind not in ("gaussian", "laplacian") or norm not in ("l1", "l2"):
        raise ValueError(
            f'pyramid: `kind` must be "gaussian" or "laplacian" and `norm` "l1" or "l2", got {kind!r} and {norm!r}.'
        )
    image, target, weight = paired("pyramid", image, target, mask)
    possible = (min(image.shape[1:3]) - 1).bit_length() + 1
    if not isinstance(levels, int) or not 1 <= levels <= possible:
        raise ValueError(
            f"pyramid: `levels` must be a whole number from 1 to {possible} for pictures of {image.shape[1]} x "
            f"{image.shape[2]} pixels but is {levels!r}."
        )
    # Pyramids are linear, so the pyramid of the difference is the difference of the pyramids.
    level = image - target
    everywhere = torch.ones_like(level[:1, :, :, :1]) if weight is None else weight
    losses = []
    for remaining in range(levels - 1, -1, -1):
        coarser, share = _reduced(level, everywhere) if remaining else (level, everywhere)
        band = level - _expanded(coarser, share, level) if remaining and kind == "laplacian" else level
        losses.append(mean(band.abs() if norm == "l1" else band.square(), None if weight is None else everywhere))
        level, everywhere = coarser, share
    return torch.stack(losses).mean(0)


def _reduced(level: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The next coarser level, and the share of each of its pixels that counts."""
    seen = _blurred(weight)
    inside = _blurred(torch.ones_like(weight[:1]))
    return _blurred(level * weight) / torch.where(seen > 0, seen, 1), seen / inside


def _blurred(values: Tensor) -> Tensor:
    """Binomial sums around every second row and column of (B, H, W, C), with zeros outside."""
    kernel = _kernel(values)
    with torch.autocast(values.device.type, enabled=False):
        planes = torch.nn.functional.conv2d(values.movedim(-1, 1), kernel, stride=2, padding=2, groups=values.shape[-1])
    return planes.movedim(1, -1)


def _expanded(coarser: Tensor, weight: Tensor, finer: Tensor) -> Tensor:
    """What the coarser level tells of the finer one: the transpose of the sums above, as means of what counts."""
    size = finer.shape[1:3]
    seen = _spread(weight, size)
    return _spread(coarser * weight, size) / torch.where(seen > 0, seen, 1)


def _spread(values: Tensor, size: torch.Size) -> Tensor:
    kernel = _kernel(values)
    missing = [1 - side % 2 for side in size]
    with torch.autocast(values.device.type, enabled=False):
        planes = torch.nn.functional.conv_transpose2d(
            values.movedim(-1, 1), kernel, stride=2, padding=2, output_padding=missing, groups=values.shape[-1]
        )
    return planes.movedim(1, -1)


def _kernel(values: Tensor) -> Tensor:
    profile = tensor_of(_BINOMIAL, values.dtype, values.device)
    return torch.outer(profile, profile).expand(values.shape[-1], 1, -1, -1)
