"""No gradient from silhouettes: what is left is exact inside faces and blind to where they end."""

from dataclasses import dataclass

from torch import Tensor

from repousse.ops import Crossings, Fragments


@dataclass(frozen=True)
class Interior:
    """Leaves the image as it is. A mask rendered with it has no gradient at all."""

    uses_crossings = False

    def __call__(self, image: Tensor, fragments: Fragments, crossings: Crossings | None, positions: Tensor) -> Tensor:
        """Return `image`."""
        return image
