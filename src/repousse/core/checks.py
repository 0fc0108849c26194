"""Checks that several layers share. Errors say what was asked, what arrived and what to do."""

import torch
from torch import Tensor

from repousse.core import native
from repousse.core.remembered import Remembered


def describe(value: object) -> str:
    """A short description of an argument, for error messages."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)} on {value.device}"
    return f"{type(value).__name__}"


def as_float32(op: str, name: str, value: Tensor) -> Tensor:
    """`value` as contiguous float32 for a native kernel.

    Half precision (what autocast produces) is widened. float64 is refused: silently losing half of the digits would
    make a comparison with the float64 reference meaningless.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{op}: `{name}` must be a float32 tensor, got {describe(value)}.")
    if value.dtype != torch.float32:
        if value.dtype not in (torch.float16, torch.bfloat16):
            slow = ', or ask for the float64 implementation with backend="reference"' * (value.dtype == torch.float64)
            raise TypeError(f"{op}: `{name}` must be float32, got {describe(value)}. Convert it with .float(){slow}.")
        value = value.float()
    return value.contiguous()


def as_index(op: str, name: str, value: Tensor) -> Tensor:
    """`value` (F, 3) as contiguous int32."""
    if not isinstance(value, Tensor) or value.dim() != 2 or value.shape[1] != 3:
        raise ValueError(f"{op}: `{name}` must be an integer tensor (F, 3), got {describe(value)}.")
    if value.dtype != torch.int32:
        if value.dtype != torch.int64:
            raise TypeError(f"{op}: `{name}` must be int32 or int64, got {describe(value)}.")
        most = torch.iinfo(torch.int32)
        value = value.clamp(most.min, most.max).to(torch.int32)  # what is out of range must not wrap into it
    return value.contiguous()


def same_device(op: str, **tensors: Tensor) -> None:
    """Raises ValueError unless all tensors are on one device, and that is one with kernels: the CPU or a GPU."""
    if all(tensor.is_cpu for tensor in tensors.values()):  # this is called for every picture
        return
    first, *_ = tensors
    for name, tensor in tensors.items():
        if tensor.device != tensors[first].device:
            raise ValueError(
                f"{op}: `{first}` is on {tensors[first].device} but `{name}` on {tensor.device}. "
                "Move all inputs to one device."
            )
        if not (tensor.is_cpu or tensor.is_cuda or tensor.is_meta):
            raise ValueError(
                f"{op}: `{name}` is on {tensor.device}, but there are kernels for the CPU and for GPUs of NVIDIA and "
                "AMD only. Move all inputs with .cpu() first."
            )


def index_error(op: str, name: str, faces: Tensor, face: int, limit: int, holder: str) -> IndexError:
    """The error for a face whose indices do not exist."""
    row = faces[face].tolist()
    bad = next(index for index in row if not 0 <= index < limit)
    return IndexError(
        f"{op}: `{name}` holds index {bad} but `{holder}` has {limit} rows (face {face}). "
        "Was the mesh loaded with another topology?"
    )


def check_indices(op: str, name: str, faces: Tensor, limit: int, holder: str) -> None:
    """Raises IndexError if int32 `faces` (F, 3) on the CPU holds an index outside [0, limit)."""
    find = native.function("rp_find_bad_face", "pll")
    face = find(faces.data_ptr(), faces.shape[0], limit)
    if face >= 0:
        raise index_error(op, name, faces, face, limit, holder)


_bounds = Remembered()


def bounds(indices: Tensor) -> tuple[int, int]:
    """The least and the greatest entry of a tensor that is not empty; on a GPU found once for each tensor."""

    def find() -> tuple[int, int]:
        least, greatest = indices.aminmax()
        return int(least), int(greatest)

    return find() if indices.is_cpu else _bounds.get(indices, None, find)


def check_indices_slowly(op: str, name: str, faces: Tensor, limit: int, holder: str) -> None:
    """`check_indices` without the native library, for the reference implementations."""
    bad = ((faces < 0) | (faces >= limit)).any(1).nonzero()
    if len(bad):
        raise index_error(op, name, faces, int(bad[0]), limit, holder)


def check_status(op: str, status: int) -> None:
    """Raises MemoryError for the status -1 of a kernel."""
    if status == -1:
        raise MemoryError(f"{op}: not enough memory for the working buffers of this call.")
