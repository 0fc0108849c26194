"""Two pictures side by side, and which of their pixels count."""

import torch
from torch import Tensor

from repousse.core.checks import describe


def paired(owner: str, image: Tensor, target: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Both pictures as (B, H, W, C), zero where the mask is, and the mask as weights (B, H, W, 1).

    A batch of one is compared with each picture of the other. Half precision is widened to float32. The mask gets no
    gradient, and what it hides cannot reach the result, not even NaN.
    """
    image, target = picture(owner, "image", image), picture(owner, "target", target)
    if image.shape[1:] != target.shape[1:] or not _same_batch(image, target):
        raise ValueError(
            f"{owner}: `image` is {tuple(image.shape)} but `target` is {tuple(target.shape)}, as (B, H, W, C). "
            "Both need the same size and channels; a batch of 1 goes with any."
        )
    _check_device(owner, image, "target", target)
    if mask is None:
        return image, target, None
    weight = picture(owner, "mask", mask, boolean=True).detach().to(image.dtype).clamp(min=0)
    if weight.shape[1:] != (*image.shape[1:3], 1) or not (_same_batch(weight, image) and _same_batch(weight, target)):
        batch, height, width, _ = torch.broadcast_shapes(image.shape, target.shape)
        raise ValueError(
            f"{owner}: `mask` is {tuple(mask.shape)} but must be ({batch}, {height}, {width}), "
            "one weight per pixel for all channels."
        )
    _check_device(owner, image, "mask", weight)
    return torch.where(weight > 0, image, 0), torch.where(weight > 0, target, 0), weight


def picture(owner: str, name: str, value: Tensor, *, boolean: bool = False) -> Tensor:
    """`value`, (B, H, W) or (B, H, W, C), as floats (B, H, W, C) of at least single precision."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{owner}: `{name}` must be a tensor, got {describe(value)}.")
    if value.ndim not in (3, 4) or not value.numel():
        raise ValueError(f"{owner}: `{name}` must be (B, H, W, C) or (B, H, W) and not empty, got {describe(value)}.")
    if value.ndim == 3 and value.shape[-1] <= 4:
        raise ValueError(
            f"{owner}: `{name}` is {tuple(value.shape)}, which looks like one picture (H, W, C). Add the batch: "
            f"{name}[None]. If it is a batch (B, H, W), say so: {name}[..., None]."
        )
    if value.dtype == torch.bool and boolean:
        value = value.float()
    if not value.is_floating_point():
        advice = f"{name}.float()" if value.dtype == torch.bool else f"{name} / 255"
        raise TypeError(f"{owner}: `{name}` must be floats, got {describe(value)}. Convert it, say {advice}.")
    if value.dtype in (torch.float16, torch.bfloat16):
        value = value.float()
    return value if value.ndim == 4 else value.unsqueeze(-1)


def mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Mean (B) over pixels and channels of (B, H, W, C), weighted by (B, H, W, 1); 0 where no pixel counts."""
    if weight is None:
        return values.mean((1, 2, 3))
    total = values.shape[-1] * weight.sum((1, 2, 3))
    empty = total == 0
    return torch.where(empty, 0, (values * weight).sum((1, 2, 3)) / torch.where(empty, 1, total))


def _same_batch(a: Tensor, b: Tensor) -> bool:
    return a.shape[0] == b.shape[0] or 1 in (a.shape[0], b.shape[0])


def _check_device(owner: str, image: Tensor, name: str, other: Tensor) -> None:
    if image.device != other.device:
        raise ValueError(f"{owner}: `image` is on {image.device} but `{name}` on {other.device}. Move one of them.")
