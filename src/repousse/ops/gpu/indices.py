"""Checks of indices on a GPU, which has to be waited for to see them."""

from torch import Tensor

from repousse.core import checks
from repousse.ops.gpu.capture import is_capturing


def check_indices(op: str, name: str, faces: Tensor, limit: int, holder: str) -> None:
    """Raises IndexError if int32 `faces` (F, 3) holds an index outside [0, limit). Waits once for each tensor.

    While a CUDA graph is captured nothing can be waited for. torch asks to run once what is then captured; that run
    has checked.
    """
    if len(faces) == 0 or is_capturing(faces):
        return
    least, greatest = checks.bounds(faces)
    if least < 0 or greatest >= limit:
        checks.check_indices_slowly(op, name, faces, limit, holder)
