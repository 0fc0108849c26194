"""Physically based shading: the metallic-roughness model of glTF 2.0, appendix B."""

import torch
from torch import Tensor

from repousse.core.numbers import tensor_of
from repousse.shading.lights import Lights, Rays, as_lights, facing, rays, surrounding
from repousse.shading.matt import glowing
from repousse.shading.points import Points
from repousse.shading.quantities import dot, unit
from repousse.shading.reflectance import reflectance

# Roughness below this counts as this: a lobe without width would be seen by no pixel.
SMOOTHEST = 0.03
DIELECTRIC = 0.04  # reflectance of everything but metals, seen along the normal


def pbr(points: Points, lights: Lights) -> Tensor:
    """Metallic-roughness as in glTF 2.0, with points.color, metallic, roughness, occlusion and emission.

    With alpha = roughness², h half-way between light and view, c = (1 - metallic) color and
    f0 = 0.04 + metallic (color - 0.04), a light of one direction gives

        strength * (n . l) * ((1 - F) c + pi F D V)
        F  Fresnel, Schlick: f0 + (1 - f0) (1 - v . h)^5
        D  GGX: alpha² / (pi ((n . h)² (alpha² - 1) + 1)²)
        V  Smith, separable, as the appendix writes it: product of 1 / (x + sqrt(alpha² + (1 - alpha²) x²)) for
           x = n . l and x = n . v

    Light from everywhere is reflected by the split sum (Karis, Real Shading in Unreal Engine 4, 2013; see
    `reflectance`), from where the lobe is brightest (Lagarde and de Rousiers, Moving Frostbite to PBR, 2014);
    both it and diffuse light are multiplied by occlusion.

    Returns (B, H, W, 3), linear, never clamped; highlights may be very bright. Needs a camera. Differentiable in all
    tensors; a roughness below 0.03 counts as 0.03 and gets no gradient.
    """
    view = points.view
    roughness = tensor_of(points.roughness, view.dtype, view.device).clamp(SMOOTHEST, 1)
    matt = points.color * (1 - points.metallic)
    mirror = DIELECTRIC + (points.color - DIELECTRIC) * points.metallic

    total = _surrounding(points, view, lights, matt, mirror, roughness)
    for ray in rays(points, lights):
        total = total + _lit(ray, points.normal, view, matt, mirror, roughness * roughness)
    return glowing(total, points)


def _lit(ray: Rays, normal: Tensor, view: Tensor, matt: Tensor, mirror: Tensor, alpha: Tensor) -> Tensor:
    """What a light of one direction adds."""
    half = unit(ray.direction + view)
    to_light, to_view = facing(normal, ray.direction), facing(normal, view)
    fresnel = mirror + (1 - mirror) * (1 - facing(view, half)) ** 5
    # |n x h|² + (alpha n . h)² is (n . h)² (alpha² - 1) + 1 without the loss of digits at its peak; with d = |n - h|,
    # |n x h|² is d² (1 - d² / 4) and n . h is 1 - d² / 2.
    apart = normal - half
    gap = dot(apart, apart)
    along, square = (1 - gap / 2).clamp(min=0), alpha * alpha
    spread = gap * (1 - gap / 4) + square * along * along
    distribution = square / (spread * spread).clamp(min=torch.finfo(spread.dtype).tiny)  # times pi
    shadowed = distribution * _smith(to_light, square) * _smith(to_view, square)
    return ray.strength * to_light * ((1 - fresnel) * matt + fresnel * shadowed)


def _smith(cosine: Tensor, square: Tensor) -> Tensor:
    """Masking of GGX for one direction, divided by twice its cosine."""
    return 1 / (cosine + (square + (1 - square) * cosine * cosine).sqrt())


def _surrounding(
    points: Points, view: Tensor, lights: Lights, matt: Tensor, mirror: Tensor, roughness: Tensor
) -> Tensor:
    """What light from everywhere adds."""
    to_view = facing(points.normal, view)
    # The rougher the surface, the nearer to the normal its lobe lies: fit of Lagarde and de Rousiers (2014).
    alpha = roughness * roughness
    leaning = (1 - alpha) * ((1 - alpha).clamp(min=1e-6).sqrt() + alpha)
    mirrored = 2 * dot(points.normal, view) * points.normal - view
    mirrored = unit(points.normal + leaning * (mirrored - points.normal))
    reflected = [light.reflected(points, mirrored, roughness) for light in as_lights(lights)]
    share = reflectance(mirror, roughness, to_view)
    bright = sum((one for one in reflected if one is not None), points.position.new_zeros(()))
    return matt * (1 - share) * surrounding(points, lights) + share * bright * points.occlusion
