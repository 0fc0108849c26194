"""What the operations that look for borders of surfaces share: the mesh must be the drawn one, and they list places."""

import torch
from torch import Tensor
from torch.utils.weak import WeakIdRef

from repousse.core.remembered import Remembered, version
from repousse.geometry import Topology
from repousse.ops.gpu.capture import is_capturing
from repousse.ops.rasterize import Fragments

Rows = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def check_topology(caller: str, topology: Topology, fragments: Fragments) -> None:
    """Raise ValueError if the topology has another number of faces than what was drawn."""
    described, drawn = topology.faces.shape[0], fragments.faces.shape[0]
    if described != drawn:
        raise ValueError(
            f"{caller}: `topology` describes {described} faces, but {drawn} were rasterized. Build it from the same "
            "faces."
        )


def check_faces(caller: str, faces: Tensor, rasterized: Tensor) -> None:
    """Raise ValueError if the topology was built from other faces than those drawn."""
    if faces.data_ptr() == rasterized.data_ptr() or is_capturing(faces):
        return

    def equal() -> bool:
        return torch.equal(faces, rasterized)

    # On a GPU comparing waits for it: done once for each pair.
    if not (equal() if faces.is_cpu else _equal.get(rasterized, (WeakIdRef(faces), version(faces)), equal)):
        raise ValueError(f"{caller}: `topology` was built from other faces than those that were rasterized.")


_equal = Remembered()


def empty_rows(like: Tensor, count: int) -> Rows:
    """Room for as many places: two pixels, the pair of vertices or faces there, offset and axis."""
    return (
        like.new_empty((count,), dtype=torch.int64),
        like.new_empty((count,), dtype=torch.int64),
        like.new_empty((count, 2), dtype=torch.int32),
        like.new_empty((count,), dtype=torch.float32),
        like.new_empty((count,), dtype=torch.int8),
    )
