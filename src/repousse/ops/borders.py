"""What the operations that look for borders of surfaces share: the mesh must be the drawn one, and they list places."""

import torch
from torch import Tensor
from torch.utils.weak import TensorWeakRef, WeakTensorKeyDictionary

from repousse.geometry import Topology
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
    if faces.data_ptr() == rasterized.data_ptr():
        return
    if not (_equal_once if faces.is_cuda else torch.equal)(faces, rasterized):
        raise ValueError(f"{caller}: `topology` was built from other faces than those that were rasterized.")


# Drawn faces that have been found equal to others: those, and the versions of both then.
_equal: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def _equal_once(faces: Tensor, rasterized: Tensor) -> bool:
    """torch.equal, which waits for a GPU: done once for each pair of tensors, and again if one of them changes.

    While a CUDA graph is captured nothing can be waited for: what was not compared before is taken to be equal.
    """
    versions = [None if tensor.is_inference() else tensor._version for tensor in (faces, rasterized)]
    known = _equal.get(rasterized)
    if known is not None and known[0]() is faces and known[1] == versions:
        return True
    if faces.is_cuda and torch.cuda.is_current_stream_capturing():
        return True
    if not torch.equal(faces, rasterized):
        return False
    _equal[rasterized] = TensorWeakRef(faces), versions
    return True


def empty_rows(like: Tensor, count: int) -> Rows:
    """Room for as many places: two pixels, the pair of vertices or faces there, offset and axis."""
    return (
        like.new_empty((count,), dtype=torch.int64),
        like.new_empty((count,), dtype=torch.int64),
        like.new_empty((count, 2), dtype=torch.int32),
        like.new_empty((count,), dtype=torch.float32),
        like.new_empty((count,), dtype=torch.int8),
    )
