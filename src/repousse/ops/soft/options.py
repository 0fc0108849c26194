"""The rules of soft rasterization."""

import math
from dataclasses import dataclass
from typing import Literal

_DISTANCES = ("hard", "euclidean", "barycentric")
_ALPHAS = ("hard", "sum", "prod")
_COLORS = ("hard", "softmax")


@dataclass(frozen=True)
class SoftOptions:
    """How far faces reach, and how those near a pixel share it (Liu et al., Soft Rasterizer, ICCV 2019).

    sigma       softness of borders, in squared units of half the image's shorter side: a border is about
                sqrt(sigma) wide
    gamma       softness of depth, as a part of far - near: how much farther away a face has to be to lose by a factor e
    distance    what a face's share D in a pixel falls with
                "euclidean"    distance d to its outline: D = 1 / (1 + exp(-+ d² / sigma)), - inside and + outside
                "barycentric"  the least barycentric m: D = 1 / (1 + exp(-m |m| / sigma)). Without a unit: large faces
                               reach farther than small ones
                "hard"         1 inside, 0 outside
    alpha       how shares make the mask
                "prod"         1 - product of (1 - D)
                "sum"          sum of D / number of faces
                "hard"         1 where any D >= 1/2: inside of a face
    color       how faces make colours
                "softmax"      the mean, weighted by D exp(zn / gamma) with zn = (far - z) / (far - near); the
                               background has the weight exp(eps / gamma)
                "hard"         the nearest face that covers the pixel centre
    dist_eps    a face is left out of pixels where its D is less than this
    eps         zn of the background
    near, far   camera depth; what lies outside at a pixel has no part in it

    Raises ValueError for rules that do not exist and numbers that cannot be.
    """

    sigma: float = 1e-5
    gamma: float = 1e-4
    distance: Literal["hard", "euclidean", "barycentric"] = "euclidean"
    alpha: Literal["hard", "sum", "prod"] = "prod"
    color: Literal["hard", "softmax"] = "softmax"
    dist_eps: float = 1e-4
    eps: float = 1e-3
    near: float = 0.1
    far: float = 100.0

    def __post_init__(self) -> None:
        for name, known in (("distance", _DISTANCES), ("alpha", _ALPHAS), ("color", _COLORS)):
            if getattr(self, name) not in known:
                raise ValueError(f"soft: `{name}` must be one of {known}, got {getattr(self, name)!r}.")
        for name in ("sigma", "gamma"):
            if not 1e-30 < getattr(self, name) < 1e30:
                raise ValueError(f"soft: `{name}` must be positive and finite, got {getattr(self, name)!r}.")
        if not 0 < self.dist_eps < 0.5:
            raise ValueError(f"soft: `dist_eps` is a share between 0 and 1/2, got {self.dist_eps!r}.")
        if not (math.isfinite(self.eps) and 0 < self.near < self.far < math.inf):
            raise ValueError(
                f"soft: `eps` must be finite and 0 < `near` < `far`, got {self.eps!r}, {self.near!r}, {self.far!r}."
            )

    @property
    def reach(self) -> float:
        """The squared distance (or barycentric) at which D = dist_eps."""
        return self.sigma * math.log(1 / self.dist_eps - 1)

    def rules(self, cull: int) -> list[int]:
        """What the kernels choose by."""
        return [_DISTANCES.index(self.distance), _ALPHAS.index(self.alpha), _COLORS.index(self.color), cull]

    def numbers(self) -> list[float]:
        """What the kernels compute with: 1 / sigma, reach, 1 / gamma per unit of depth, near, far, background depth."""
        depths = self.far - self.near
        background = self.far - self.eps * depths
        return [1 / self.sigma, self.reach, 1 / (self.gamma * depths), self.near, self.far, background]
