"""Checks of positions, values and faces; each error says what was asked, what arrived and what to do."""

from collections.abc import Sequence

import torch
from torch import Tensor

from repousse.core.checks import bounds
from repousse.geometry.material import Material

_MOST_ROWS = 2**31 - 1  # faces are int32


def check_rows(owner: str, name: str, rows: Tensor, shape: str, channels: int | None = None) -> None:
    """Floats (V, C) or (B, V, C), not empty; `shape` names the axes of the first form."""
    if not isinstance(rows, Tensor):
        kind = type(rows).__name__
        raise TypeError(f"{owner}: `{name}` is of type {kind}. Give a tensor: torch.as_tensor({name}).")
    if not rows.dtype.is_floating_point:
        raise TypeError(f"{owner}: `{name}` has dtype {rows.dtype}. Give floats: {name}.float().")
    if rows.ndim not in (2, 3) or channels not in (None, rows.shape[-1]):
        raise ValueError(f"{owner}: `{name}` must be ({shape}) or (B, {shape}) but is {tuple(rows.shape)}.")
    if not rows.numel() or rows.shape[-2] > _MOST_ROWS:
        raise ValueError(
            f"{owner}: `{name}` has shape {tuple(rows.shape)} but must hold at least one row, "
            "at most 2^31 - 1, and at least one column."
        )


def checked_faces(owner: str, faces: Tensor, count: int, holder: str) -> Tensor:
    """Faces as contiguous int32, all indices in [0, count); `holder` says in words who has these rows."""
    if not isinstance(faces, Tensor):
        kind = type(faces).__name__
        raise TypeError(f"{owner}: `faces` is of type {kind}. Give a tensor: torch.as_tensor(faces).")
    if faces.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"{owner}: `faces` has dtype {faces.dtype}. Give int32 or int64: faces.int().")
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(
            f"{owner}: `faces` must be (F, 3) but is {tuple(faces.shape)}. Split polygons into triangles first."
        )
    if not len(faces):
        raise ValueError(f"{owner}: `faces` is empty. Give at least one triangle.")
    lowest, highest = bounds(faces)
    if lowest < 0 or highest >= count:
        bad = (faces < 0) | (faces >= count)
        face = int(bad.any(dim=1).nonzero()[0])
        advice = "Was the mesh loaded with another topology?"
        if lowest == 1 and highest == count:
            advice = "Indices count from 0; those of OBJ files count from 1."
        index = int(faces[face][bad[face]][0])
        raise IndexError(f"{owner}: `faces` holds index {index} but {holder} (face {face}). {advice}")
    return faces.to(torch.int32).contiguous()


def checked_ranges(owner: str, name: str, ranges: Tensor, count: int, noun: str) -> Tensor:
    """Rows (first, number) as int64 on the CPU, inside [0, count)."""
    if not isinstance(ranges, Tensor) or ranges.is_floating_point():
        raise TypeError(f"{owner}: `{name}` must be an integer tensor (B, 2). pack() makes it.")
    if ranges.ndim != 2 or ranges.shape[1] != 2 or not len(ranges):
        raise ValueError(
            f"{owner}: `{name}` must be (B, 2) with rows (first, number) but is {tuple(ranges.shape)}. pack() makes it."
        )
    ranges = ranges.to("cpu", torch.int64)
    outside = (ranges[:, 0] < 0) | (ranges[:, 1] < 1) | (ranges.sum(dim=1) > count)
    if outside.any():
        row = int(outside.nonzero()[0])
        raise ValueError(
            f"{owner}: `{name}` holds (first, number) = {tuple(ranges[row].tolist())} in row {row} "
            f"but the mesh has {count} {noun}. pack() makes ranges that fit."
        )
    return ranges


def check_single(owner: str, positions: Tensor) -> None:
    """One pose: what a packed mesh is made of."""
    if positions.ndim != 2:
        raise ValueError(
            f"{owner}: packed meshes have `positions` (V, 3) but got {tuple(positions.shape)}. "
            "Give the poses as meshes of their own."
        )


def check_device(owner: str, name: str, tensor: Tensor, faces: Tensor) -> None:
    if tensor.device != faces.device:
        raise ValueError(
            f"{owner}: `{name}` lies on {tensor.device} but `faces` on {faces.device}. "
            f"Move one: {name}.to({str(faces.device)!r})."
        )


def checked_material_id(
    owner: str, materials: Sequence[Material], material_id: Tensor | None, faces: Tensor
) -> Tensor | None:
    """int32 (F,) with every entry the index of a material; None if there are no materials."""
    for material in materials:
        if not isinstance(material, Material):
            raise TypeError(f"{owner}: `materials` holds a {type(material).__name__}. Give Material(...) objects.")
    if material_id is None:
        return torch.zeros(len(faces), dtype=torch.int32, device=faces.device) if materials else None
    if not materials:
        raise ValueError(f"{owner}: `material_id` is given but `materials` is empty. Give both, or neither.")
    if not isinstance(material_id, Tensor) or material_id.is_floating_point() or material_id.shape != faces.shape[:1]:
        got = f"{material_id.dtype} {tuple(material_id.shape)}" if isinstance(material_id, Tensor) else material_id
        raise ValueError(f"{owner}: `material_id` must be an integer tensor ({len(faces)},), one per face, not {got}.")
    lowest, highest = bounds(material_id)
    if lowest < 0 or highest >= len(materials):
        wrong = lowest if lowest < 0 else highest
        raise IndexError(f"{owner}: `material_id` holds {wrong} but there are {len(materials)} materials.")
    return material_id.to(faces.device, torch.int32).contiguous()
