"""Lat-long images of the surroundings, blurred as surfaces of given roughness mirror them.

The blur is a product in spherical harmonics (see `lobes`), up to a degree beyond which the narrowest lobe of the list
keeps less than 3e-5. Sums over a parallel are Fourier transforms, so it takes milliseconds; everything is linear and
differentiable in the image.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from repousse import ops
from repousse.ops.cubemap import environment_directions, environment_levels
from repousse.shading.lobes import lobe, matt_lobe

DEGREE = 96
SIZE = (128, 256)  # of blurred images
_FINEST = 256  # rows of the image that is blurred
# Roughnesses for which surroundings are blurred exactly. Lobes narrower than the first are box filters.
LOBES = (0.25, 0.4, 0.6, 0.8, 1.0)


def blurred(image: Tensor, roughnesses: Sequence[float]) -> list[Tensor]:
    """The image (H, W, 3) as seen in surfaces of these roughnesses, and last as matt surfaces see it, (128, 256, 3)."""
    coefficients = _analysed(_resampled(image))
    kept = _kept(tuple(roughnesses), coefficients.real.dtype, coefficients.device)
    return list(_synthesised(coefficients * kept[:, None, :, None]))


def boxes(image: Tensor) -> tuple[list[Tensor], list[float]]:
    """Mip levels of the image for lobes narrower than the first of LOBES, and the roughness each stands for."""
    levels = environment_levels(image)
    # A bilinear lookup of texels t radians wide has standard deviation t / 2, the lobe of GGX 1.1 alpha.
    roughness = [0.0, *(math.sqrt(math.pi / len(level) / 2.2) for level in levels[1:])]
    fine = [(level, r) for level, r in zip(levels, roughness, strict=True) if r < 0.8 * LOBES[0]]
    return [level for level, _ in fine], [r for _, r in fine]


def _resampled(image: Tensor) -> Tensor:
    """About as many texels as harmonics can tell apart: the mean of more, a bilinear lookup of less."""
    while len(image) > _FINEST:
        image = environment_levels(image)[1]
    if len(image) >= SIZE[0]:
        return image
    backend = "native" if image.dtype == torch.float32 else "reference"
    directions = environment_directions(*SIZE, device=image.device).to(image.dtype)
    return ops.environment(image, directions, backend=backend)


def _analysed(image: Tensor) -> Tensor:
    """Coefficients, complex (m, l, C), of an image (H, W, C)."""
    height, width, _ = image.shape
    legendre, area = _parallels_on(height, image.dtype, image.device)
    orders = min(DEGREE, (width - 1) // 2) + 1
    around = torch.fft.rfft(image, dim=1)[:, :orders] * (2 * math.pi / width)
    around = around * _turn(orders, width, image).conj() * area[:, None, None]
    parts = torch.einsum("mlh,hmcp->mlcp", legendre[:orders], torch.view_as_real(around))
    return torch.view_as_complex(parts.contiguous())


def _synthesised(coefficients: Tensor) -> Tensor:
    """The images (K, 128, 256, C) with these coefficients (K, m, l, C)."""
    height, width = SIZE
    legendre, _ = _parallels_on(height, coefficients.real.dtype, coefficients.device)
    orders = coefficients.shape[1]
    parts = torch.einsum("mlh,kmlcp->khmcp", legendre[:orders], torch.view_as_real(coefficients))
    around = torch.view_as_complex(parts.contiguous())
    return torch.fft.irfft(around * _turn(orders, width, coefficients.real), width, dim=2) * width


def _turn(orders: int, width: int, like: Tensor) -> Tensor:
    """exp(i m phi) of the first column's centre, (m, 1): columns are counted from there, harmonics from phi = 0."""
    phi = math.pi / width - math.pi
    order = torch.arange(orders, dtype=like.dtype, device=like.device)
    return torch.polar(torch.ones_like(order), order * phi)[:, None]


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def _kept(roughnesses: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """What lobes of these roughnesses, and last matt surfaces, leave of each degree (K, l)."""
    lobes = [*(lobe(roughness, DEGREE) for roughness in roughnesses), matt_lobe(DEGREE)]
    return torch.stack(lobes).to(device, dtype)


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def _parallels_on(height: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """`_parallels`, copied once."""
    legendre, area = _parallels(height)
    return legendre.to(device, dtype), area.to(device, dtype)


@lru_cache(maxsize=4)
def _parallels(height: int) -> tuple[Tensor, Tensor]:
    """Of the rows of a lat-long image: normalised associated Legendre functions, float64 (m, l, height), and cos of
    the upper border minus cos of the lower."""
    theta = math.pi * (torch.arange(height, dtype=torch.float64) + 0.5) / height
    cosine, sine = theta.cos(), theta.sin()
    legendre = torch.zeros(DEGREE + 1, DEGREE + 1, height, dtype=torch.float64)
    legendre[0, 0] = math.sqrt(1 / (4 * math.pi))
    for m in range(1, DEGREE + 1):
        legendre[m, m] = math.sqrt((2 * m + 1) / (2 * m)) * sine * legendre[m - 1, m - 1]
    order = torch.arange(DEGREE + 1, dtype=torch.float64)[:, None]
    for degree in range(1, DEGREE + 1):
        m = order[:degree]
        before = legendre[:degree, degree - 2] if degree > 1 else torch.zeros_like(legendre[:1, 0])
        step = ((4 * degree**2 - 1) / (degree**2 - m**2)).sqrt()
        back = (((degree - 1) ** 2 - m**2).clamp(min=0) / (4 * (degree - 1) ** 2 - 1)).sqrt() if degree > 1 else 0
        legendre[:degree, degree] = step * (cosine * legendre[:degree, degree - 1] - back * before)
    borders = torch.cos(math.pi * torch.arange(height + 1, dtype=torch.float64) / height)
    return legendre, borders[:-1] - borders[1:]
