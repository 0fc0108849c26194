"""How rough surfaces blur their surroundings: the reflection lobe of GGX in spherical harmonics.

A surface seen along its normal mirrors what lies at the angle t from it with the weight D(t / 2) V(t) cos t, where D
and V are those of `pbr`. Taken as the same around all mirrored directions, as Karis does (Real Shading in Unreal Engine
4, 2013, but without V), the blur is a product in spherical harmonics. So is what a matt surface
does; its lobe is cos t.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

# 1 / (1 + c2 r² + c3 r³ + c4 r⁴ + c5 r⁵), fitted to `lobe` for degrees 1 and 2, to 0.003.
_FIT = ((-0.49146, 5.51206, -6.87342, 2.43872), (0.24901, 2.63944, 9.52237, -7.95738))


@lru_cache(maxsize=32)
def lobe(roughness: float, degree: int) -> Tensor:
    """What the blur keeps of each degree, float64 (degree + 1,); 1 for degree 0."""
    alpha = max(roughness, 0.03) ** 2
    angle, steps = _quadrature()
    half = np.cos(angle / 2) ** 2
    cosine = np.cos(angle)
    masked = cosine + np.sqrt(alpha**2 + (1 - alpha**2) * cosine**2)
    weight = cosine * np.sin(angle) * steps / (masked * (half * (alpha**2 - 1) + 1) ** 2)
    return _kept(angle, weight, degree)


def matt_lobe(degree: int) -> Tensor:
    """`lobe` of a matt surface: the cosine (Ramamoorthi and Hanrahan 2001)."""
    angle, steps = _quadrature()
    return _kept(angle, np.cos(angle) * np.sin(angle) * steps, degree)


def _kept(angle: np.ndarray, weight: np.ndarray, degree: int) -> Tensor:
    kept = np.polynomial.legendre.legvander(np.cos(angle), degree).T @ weight
    return torch.from_numpy(kept / kept[0])


@lru_cache(maxsize=1)
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Angles from 0 to pi / 2, most of them where lobes are, and their weights (up to a factor)."""
    nodes, weights = np.polynomial.legendre.leggauss(512)
    share = (nodes + 1) / 2
    return math.pi / 2 * share**3, weights * share**2


def low_lobe(roughness: Tensor) -> tuple[Tensor, Tensor]:
    """`lobe` for degrees 1 and 2 as a smooth function of roughness, of its shape. Differentiable."""
    r = roughness
    first, second = (1 / (1 + r * r * (a + r * (b + r * (c + r * d)))) for a, b, c, d in _FIT)
    return first, second
