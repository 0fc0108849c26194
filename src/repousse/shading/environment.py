"""Light from an image of the surroundings."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from repousse import ops
from repousse.core.numbers import tensor_of
from repousse.shading.lights import Light
from repousse.shading.points import Points
from repousse.shading.surroundings import LOBES, blurred, boxes


@dataclass(frozen=True, eq=False)
class Environment(Light):
    """Surroundings far away: a lat-long image, that is a panorama of 360 x 180 degrees.

    image  float (Ht, Wt, 3)  radiance, linear, of any range; row 0 is up. For its directions see `ops.environment`

    Matt surfaces get the exact integral over the image (Fourier transforms on the sphere up to degree 96); for
    polished ones the image is blurred once for several roughnesses, as for the split sum of Karis (2013).
    Differentiable in `image`. The blurred images are kept with the light unless the image requires grad.
    """

    image: Tensor
    _kept: dict[int, tuple[list[Tensor], list[float]]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        image = self.image
        if not isinstance(image, Tensor) or not image.is_floating_point():
            got = image.dtype if isinstance(image, Tensor) else type(image).__name__
            raise TypeError(f"Environment: `image` is a float tensor (Ht, Wt, 3), not {got}.")
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(f"Environment: `image` must be (Ht, Wt, 3), not {tuple(image.shape)}.")

    def diffuse(self, points: Points) -> Tensor:
        levels, _ = self._levels(points.normal)
        return _look_up(levels[-1:], points.normal)

    def reflected(self, points: Points, direction: Tensor, roughness: Tensor) -> Tensor:
        levels, roughnesses = self._levels(direction)
        rough = tensor_of(roughness, direction.dtype, direction.device)
        rough = rough[..., 0] if rough.ndim else rough
        level = _place(rough, roughnesses).expand(direction.shape[:-1])
        return _look_up(levels[:-1], direction, level)

    def seen(self, direction: Tensor) -> Tensor:
        """The image itself in each direction (..., 3), for backgrounds: (..., 3)."""
        return _look_up([self.image.to(direction)], direction)

    def _levels(self, like: Tensor) -> tuple[list[Tensor], list[float]]:
        """The image from sharp to rough, the roughness of each, and last the image that matt surfaces see."""
        image = self.image.to(like)
        if self.image.requires_grad:
            return _from_sharp_to_matt(image)
        key = hash((self.image._version, like.dtype, like.device))
        if key not in self._kept:
            self._kept.clear()
            with torch.no_grad():
                self._kept[key] = _from_sharp_to_matt(image)
        return self._kept[key]


def _from_sharp_to_matt(image: Tensor) -> tuple[list[Tensor], list[float]]:
    with torch.autocast(image.device.type, enabled=False):
        sharp, roughnesses = boxes(image)
        return [*sharp, *blurred(image, LOBES)], [*roughnesses, *LOBES]


def _place(roughness: Tensor, roughnesses: list[float]) -> Tensor:
    """Where roughness lies in a rising list, as an index with a fraction."""
    nodes = tensor_of(roughnesses, roughness.dtype, roughness.device)
    upper = torch.searchsorted(nodes, roughness.detach().contiguous(), right=True).clamp(1, len(nodes) - 1)
    below, above = nodes.take(upper - 1), nodes.take(upper)  # indexing by a single number would read it
    return upper - 1 + ((roughness - below) / (above - below)).clamp(0, 1)


def _look_up(levels: list[Tensor], direction: Tensor, level: Tensor | None = None) -> Tensor:
    backend = "native" if direction.dtype == torch.float32 else "reference"
    return ops.environment(levels if level is not None else levels[0], direction, level=level, backend=backend)
