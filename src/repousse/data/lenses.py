"""Lenses: where a direction meets the picture, and pictures as a lens without distortion would have made them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_STEPS = 2048  # samples along the radius that a fold of the distortion is searched with


@dataclass(frozen=True)
class Lens:
    """Intrinsics in pixels whose centres are at + 0.5, and distortion by OpenCV's models.

    size        (height, width) of the picture that the numbers refer to
    focal       along x, along y
    centre      principal point, (column, row)
    radial      k1 to k6; with x, y the undistorted direction (z = 1) and r² = x² + y²,
                (x, y) (1 + k1 r² + k2 r⁴ + k3 r⁶) / (1 + k4 r² + k5 r⁴ + k6 r⁶)
    tangential  p1, p2: x + 2 p1 x y + p2 (r² + 2 x²), y + p1 (r² + 2 y²) + 2 p2 x y
    fisheye     k1 to k4 instead: with θ = atan r, (x, y) θ / r (1 + k1 θ² + k2 θ⁴ + k3 θ⁶ + k4 θ⁸)
    """

    size: tuple[int, int]
    focal: tuple[float, float]
    centre: tuple[float, float]
    radial: tuple[float, ...] = ()
    tangential: tuple[float, float] = (0.0, 0.0)
    fisheye: tuple[float, ...] | None = None

    @property
    def distorted(self) -> bool:
        return self.fisheye is not None or any(self.radial) or any(self.tangential)

    @property
    def K(self) -> Tensor:
        """float64 (3, 3)"""
        (fx, fy), (cx, cy) = self.focal, self.centre
        return torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)

    def scaled(self, size: tuple[int, int]) -> Lens:
        """The same lens for pictures of another size."""
        y, x = size[0] / self.size[0], size[1] / self.size[1]
        focal, centre = (self.focal[0] * x, self.focal[1] * y), (self.centre[0] * x, self.centre[1] * y)
        return Lens(size, focal, centre, self.radial, self.tangential, self.fisheye)

    def distort(self, directions: Tensor) -> Tensor:
        """Where a lens with distortion sees undistorted directions: (..., 2), x / z and y / z, to the same."""
        square = directions.square().sum(-1, keepdim=True)
        bent = directions * self._stretch(square)
        x, y = directions.unbind(-1)
        (p1, p2), square = self.tangential, square[..., 0]
        tangential = (2 * p1 * x * y + p2 * (square + 2 * x * x), p1 * (square + 2 * y * y) + 2 * p2 * x * y)
        return bent + torch.stack(tangential, -1)

    def undistorted(self, image: Tensor) -> Tensor:
        """The picture that a lens with this `K` and no distortion takes, of the same size; bilinear.

        image  float (H, W, C)  0 where it shows nothing; what the distorted picture does not show becomes 0

        Where polynomials fold, so that one place of the picture would be seen in several directions, all from the fold
        outwards is left empty.
        """
        height, width = self.size
        rows, columns = (torch.arange(n, dtype=torch.float64) + 0.5 for n in (height, width))
        v, u = torch.meshgrid(rows, columns, indexing="ij")
        scale, centre = (torch.tensor(pair, dtype=torch.float64) for pair in (self.focal, self.centre))
        directions = (torch.stack((u, v), -1) - centre) / scale
        pixels = self.distort(directions) * scale + centre
        radius = directions.norm(dim=-1)
        pixels[radius >= self._fold(float(radius.max()))] = -10.0 * max(height, width)
        grid = (pixels / torch.tensor([width / 2, height / 2], dtype=torch.float64) - 1).to(image.dtype)
        planes = image.movedim(-1, 0)[None]
        sampled = torch.nn.functional.grid_sample(planes, grid[None], mode="bilinear", align_corners=False)
        return sampled[0].movedim(0, -1)

    def _stretch(self, square: Tensor) -> Tensor:
        """Distorted radius over undistorted radius, by the square of the latter."""
        if self.fisheye is not None:
            radius = square.sqrt().clamp(min=1e-12)
            theta = radius.atan()
            return theta / radius * _polynomial((1.0, *self.fisheye), theta.square())
        numerator, denominator = (1.0, *self.radial[:3]), (1.0, *self.radial[3:])
        return _polynomial(numerator, square) / _polynomial(denominator, square)

    def _fold(self, longest: float) -> float:
        """The radius up to `longest` from which the distorted radius no longer grows; infinity if there is none."""
        radius = torch.linspace(0, longest, _STEPS, dtype=torch.float64)
        bent = radius * self._stretch(radius.square())
        shrinks = (bent.diff() <= 0).nonzero()
        return float(radius[shrinks[0]]) if len(shrinks) else torch.inf


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    total = torch.zeros_like(x)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total
