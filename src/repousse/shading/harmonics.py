"""Light from everywhere as spherical harmonics of order 2."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from repousse.shading.lights import Light
from repousse.shading.lobes import low_lobe
from repousse.shading.points import Points


def harmonics(direction: Tensor) -> Tensor:
    """The nine real spherical harmonics up to degree 2, orthonormal on the sphere.

    direction  float (..., 3)  unit length

    Returns (..., 9) in the order (l, m) = (0, 0), (1, -1), (1, 0), (1, 1), (2, -2) ... (2, 2), in Cartesian form
    1, y, z, x, xy, yz, 3z² - 1, xz, x² - y² (all signs positive). Differentiable.
    """
    x, y, z = direction.unbind(-1)
    one = math.sqrt(1 / (4 * math.pi))
    linear, mixed = math.sqrt(3) * one, math.sqrt(15) * one
    bands = [
        torch.full_like(x, one),
        linear * y,
        linear * z,
        linear * x,
        mixed * x * y,
        mixed * y * z,
        math.sqrt(5) / 2 * one * (3 * z * z - 1),
        mixed * x * z,
        mixed / 2 * (x * x - y * y),
    ]
    return torch.stack(bands, -1)


@dataclass(frozen=True, eq=False)
class SphericalHarmonics(Light):
    """Soft light from everywhere: nine numbers per channel (Ramamoorthi and Hanrahan, SIGGRAPH 2001).

    coefficients  float (9, 3) or (B, 9, 3)  of the radiance, for the basis of `harmonics`; constant surroundings of
                                             radiance 1 have coefficients[0] = sqrt(4 pi) and else 0

    Differentiable in `coefficients`. What they describe may be negative in places, and so may be the light.
    """

    coefficients: Tensor

    def __post_init__(self) -> None:
        given = self.coefficients
        if not isinstance(given, Tensor) or not given.is_floating_point():
            raise TypeError(f"SphericalHarmonics: `coefficients` is a float tensor, not {type(given).__name__}.")
        if given.ndim not in (2, 3) or given.shape[-2:] != (9, 3):
            raise ValueError(
                f"SphericalHarmonics: `coefficients` must be (9, 3) or (B, 9, 3), not {tuple(given.shape)}."
            )

    def diffuse(self, points: Points) -> Tensor:
        # What a matt surface keeps of each degree: 1, 2/3, 1/4.
        return self._blurred(points.normal, 2 / 3, 1 / 4)

    def reflected(self, points: Points, direction: Tensor, roughness: Tensor) -> Tensor:
        return self._blurred(direction, *low_lobe(roughness))

    def _blurred(self, direction: Tensor, linear: Tensor | float, quadratic: Tensor | float) -> Tensor:
        """The radiance from `direction` (B, ..., 3), with so much of its degrees 1 and 2."""
        given = self.coefficients.to(direction)
        if given.ndim == 3 and len(given) not in (1, len(direction)):
            raise ValueError(f"SphericalHarmonics: a light for {len(given)} pictures cannot light {len(direction)}.")
        given = given.view(-1, *[1] * (direction.ndim - 2), 9, 3) if given.ndim == 3 else given
        bands = harmonics(direction)

        def degree(first: int, last: int) -> Tensor:  # no matrix product, which autocast would round
            return sum((bands[..., i : i + 1] * given[..., i, :] for i in range(first, last)), bands.new_zeros(()))

        return degree(0, 1) + linear * degree(1, 4) + quadratic * degree(4, 9)
