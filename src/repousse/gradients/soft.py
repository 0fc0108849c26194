"""The soft rasterizer of Liu, Li, Chen and Li (Soft Rasterizer, ICCV 2019).

Where other estimators leave the picture as it is and choose its derivative, this one draws another picture, whose exact
derivative is of use: faces fade out across their borders, so a pixel next to a face changes as the face comes nearer,
and colours are a weighted mean of all faces at a pixel, so a hidden face has a share too.
"""

from dataclasses import dataclass

from torch import Tensor

from repousse.geometry import Topology
from repousse.ops import Fragments, SoftOptions


@dataclass(frozen=True)
class Soft(SoftOptions):
    """Draws colours and mask softly, in `render` and `silhouette`. See `SoftOptions` for its rules.

    The defaults are those of the released code but for near and far, which are those of `Camera`. sigma = 1e-5 keeps
    borders about two pixels wide at 512²; to fit shapes, larger ones (1e-4) reach farther. `render` shades the corners
    of faces and mixes those colours.
    """

    def __call__(self, image: Tensor, fragments: Fragments, topology: Topology) -> Tensor:
        """Raises TypeError: from a hard image nothing can be known about the faces that it does not show."""
        raise TypeError(
            "Soft draws pictures of its own and has no gradient for a hard one. Use render(..., gradient=Soft(...)) "
            "or silhouette(..., gradient=Soft(...)), or call repousse.soft with colours for each face."
        )
