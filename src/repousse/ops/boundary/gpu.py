"""`boundary` on a GPU."""

from torch import Tensor

from repousse.ops import borders
from repousse.ops.boundary.gpu_crease_parts import find_crease_parts
from repousse.ops.boundary.gpu_creases import find_creases
from repousse.ops.boundary.gpu_gradient import add_parts
from repousse.ops.boundary.gpu_meetings import add_meetings
from repousse.ops.boundary.gpu_outline import Scene, most_pieces, outline, room_for
from repousse.ops.boundary.gpu_parts import find_parts
from repousse.ops.gpu.silhouettes import Silhouettes, find_silhouettes
from repousse.ops.gpu.sums import Sum, accumulate
from repousse.ops.intersections.gpu import find_candidates


def boundary(
    positions: Tensor,
    faces: Tensor,
    edges: Tensor,
    edge_faces: Tensor,
    consistent: Tensor,
    extra: Tensor,
    face_edges: Tensor,
    rasterized: Tensor,
    face_id: Tensor,
    depth: Tensor,
    facing: Tensor,
    ranges: Tensor | None,
    image: Tensor,
    grad: Tensor,
) -> Tensor:
    """Nothing waits for the device; working memory is of fixed size.

    For each piece of an edge inside a pixel there are 72 bytes, room for up to 8 pieces per edge or 4 per pixel of each
    image, whichever is less (a million at least); for each edge of each image 124 bytes. If that is too little, all of
    the gradient is NaN.
    """
    borders.check_faces("boundary", faces, rasterized)
    scene = Scene(positions, faces, edges, edge_faces, face_id, depth, facing, image, grad)
    silhouettes = find_silhouettes(edge_faces, consistent, extra, facing, len(face_id), ranges)
    creases, flat = find_creases(scene, face_edges, ranges)
    candidates = find_candidates(faces, face_id, image)

    def run(sums: list[Sum], mode: int) -> None:
        # One after the other, and again in deterministic mode, where this runs twice: so they share their memory.
        _add_silhouettes(scene, silhouettes, flat, sums[0], mode)
        _add_creases(scene, creases, flat, sums[0], mode)
        add_meetings(scene, face_edges, consistent, candidates, sums[0], mode)

    return accumulate([positions], run)[0]


def _add_silhouettes(scene: Scene, silhouettes: Silhouettes, flat: Tensor, total: Sum, mode: int) -> None:
    most = most_pieces(scene)
    lines = outline(scene, silhouettes, room_for(scene, most))
    add_parts(scene, lines, find_parts(scene, lines, flat, room_for(scene, 9 * most)), total, mode)


def _add_creases(scene: Scene, creases: Silhouettes, flat: Tensor, total: Sum, mode: int) -> None:
    lines = outline(scene, creases, room_for(scene, most_pieces(scene)))
    add_parts(scene, lines, find_crease_parts(scene, lines, flat), total, mode)
