"""Estimators: interchangeable backward passes over one exact forward pass.

An estimator is a callable `(image, fragments, topology) -> image`. It gives the silhouettes of a shaded image a
gradient with respect to `fragments.positions`; what lies inside faces has its gradient already. `Soft` is an
exception: it stands where estimators do, but `render` draws by it.
"""

from typing import Protocol

from torch import Tensor

from repousse.geometry import Topology
from repousse.gradients.antialias import Antialias
from repousse.gradients.boundary import Boundary
from repousse.gradients.edge import Edge
from repousse.gradients.interior import Interior
from repousse.gradients.kato import Kato
from repousse.gradients.soft import Soft
from repousse.ops import Fragments

__all__ = ["Antialias", "Boundary", "Edge", "Estimator", "Interior", "Kato", "Soft", "estimator", "names"]


class Estimator(Protocol):
    """What `render(gradient=...)` takes."""

    def __call__(self, image: Tensor, fragments: Fragments, topology: Topology) -> Tensor:
        """The image (B, H, W, C), with a gradient for `fragments.positions`; `topology` is of `fragments.faces`."""
        ...


_NAMES: dict[str, Estimator] = {
    "boundary": Boundary(),
    "antialias": Antialias(),
    "edge": Edge(),
    "kato": Kato(),
    "kato-released": Kato(mode="released"),
    "interior": Interior(),
    "soft": Soft(),
}


def estimator(choice: "str | Estimator") -> Estimator:
    """The estimator of a name, one of `names()`; estimators pass through.

    Raises ValueError for other names, TypeError for what cannot be called.
    """
    if not isinstance(choice, str):
        if not callable(choice):
            raise TypeError(f"gradient must be a name ({sorted(_NAMES)}) or an estimator, not {choice!r}.")
        return choice
    if choice not in _NAMES:
        raise ValueError(f"gradient {choice!r} is not known; choose one of {sorted(_NAMES)} or pass an estimator.")
    return _NAMES[choice]


def names() -> tuple[str, ...]:
    """The names that `estimator` knows."""
    return tuple(_NAMES)
