"""The nearest faces of each pixel on a GPU: visibility that keeps several keys of a pixel in order."""

from torch import Tensor

from repousse.ops.rasterize.gpu import nearest_faces


def layers(
    positions: Tensor, faces: Tensor, ranges: Tensor | None, height: int, width: int, cull: int, count: int
) -> tuple[Tensor, Tensor]:
    return nearest_faces("layers", positions, faces, ranges, height, width, cull, count)
