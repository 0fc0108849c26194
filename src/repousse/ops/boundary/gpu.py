"""`boundary` on a GPU."""

from torch import Tensor

from repousse.ops import borders
from repousse.ops.boundary.gpu_crease_parts import find_crease_parts
from repousse.ops.boundary.gpu_creases import find_creases
from repousse.ops.boundary.gpu_gradient import add_parts
from repousse.ops.boundary.gpu_meetings import add_meetings
from repousse.ops.boundary.gpu_outline import Scene, most_pieces, outline, room_for
from repousse.ops.boundary.gpu_parts import find_parts
from repousse.ops.gpu.silhouettes import find_silhouettes
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
    borders.check_faces("boundary", faces, rasterized)
    scene = Scene(positions, faces, edges, edge_faces, face_id, depth, facing, image, grad)
    most = most_pieces(scene)
    silhouettes = find_silhouettes(edge_faces, consistent, extra, facing, len(face_id), ranges)
    lines = outline(scene, silhouettes, room_for(scene, most))
    creases, flat = find_creases(scene, face_edges, ranges)
    crease_lines = outline(scene, creases, room_for(scene, most))
    crease_parts = find_crease_parts(scene, crease_lines, flat)
    candidates = find_candidates(faces, face_id, image)
    parts = find_parts(scene, lines, flat, room_for(scene, 9 * most))

    def run(sums: list[Sum], mode: int) -> None:
        add_parts(scene, lines, parts, sums[0], mode)
        add_parts(scene, crease_lines, crease_parts, sums[0], mode)
        add_meetings(scene, face_edges, consistent, candidates, sums[0], mode)

    return accumulate([positions], run)[0]
