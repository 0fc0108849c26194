"""How rough surfaces blur their surroundings: the reflection lobe of GGX in spherical harmonics.

A surface seen along its normal mirrors each direction at the angle t from the mirrored one with the weight
D(t / 2) cos t, where D is GGX with alpha = roughness²: what Karis (Real Shading in Unreal Engine 4, 2013) filters
environment maps with. Taken as the same around all mirrored directions, the blur is a product in spherical harmonics.
A lobe of roughness 1 is the cosine: it makes of the surroundings what a matt surface does.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

# 1 / (1 + c2 r² + c3 r³ + c4 r⁴ + c5 r⁵), fitted to `lobe` for degree 1 (to 0.0003) and 2 (to 0.003).
_FIT = ((-0.16078, 3.04472, -3.61904, 1.23535), (0.18066, 4.01466, -0.05010, -1.14189))


@lru_cache(maxsize=32)
def lobe(roughness: float, degree: int) -> Tensor:
    """What the blur keeps of each degree, float64 (degree + 1,); 1 for degree 0."""
    alpha = max(roughness, 0.03) ** 2
    nodes, weights = np.polynomial.legendre.leggauss(512)
    share = (nodes + 1) / 2
    angle = math.pi / 2 * share**3  # most nodes where the lobe is
    steps = weights * share**2
    half = np.cos(angle / 2) ** 2
    weight = np.cos(angle) * np.sin(angle) * steps / (half * (alpha**2 - 1) + 1) ** 2
    kept = np.polynomial.legendre.legvander(np.cos(angle), degree).T @ weight
    return torch.from_numpy(kept / kept[0])


def low_lobe(roughness: Tensor) -> tuple[Tensor, Tensor]:
    """`lobe` for degrees 1 and 2 as a smooth function of roughness, of its shape. Differentiable."""
    r = roughness
    first, second = (1 / (1 + r * r * (a + r * (b + r * (c + r * d)))) for a, b, c, d in _FIT)
    return first, second
