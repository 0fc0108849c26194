"""From triangles to cells: which cells of a grid a surface touches, and which lie inside it."""

import warnings
from typing import Literal

import torch
from torch import Tensor

from repousse.core import checks, native
from repousse.ops import library
from repousse.ops.voxelize import reference

__all__ = ["Fill", "voxelize"]

Fill = Literal["none", "solid", "carve"]
_FARTHEST = 2**16  # cells; lattice coordinates then fit into 29 bits
_MOST_CELLS = 4096  # along an axis


def voxelize(
    positions: Tensor,
    faces: Tensor,
    size: tuple[int, int, int],
    *,
    fill: Fill = "solid",
    backend: Literal["native", "reference"] = "native",
) -> Tensor:
    """Find the cells of a grid that a surface fills.

    >>> cells = voxelize(positions, sphere.faces, (64, 64, 64))
    >>> cells.shape
    torch.Size([1, 64, 64, 64])

    positions  float (B, V, 3)  x, y, z in cells: cell (i, j, k) is the cube from (i, j, k) to (i + 1, j + 1, k + 1)
    faces      int   (F, 3)
    size       cells along x, y and z, at most 4096 each
    fill       "none"   the surface: each cell that a face touches. A face that only meets the border of a cell
                        touches it, so one that lies between two layers marks both
               "solid"  each cell whose centre lies inside. Thin parts may vanish: the volume is right on average
               "carve"  the surface, and each cell that it hides from view along all six axis directions. For
                        surfaces that bound nothing (many holes, faces drawn from both sides); fills bowls and pipes
    backend    "native", or "reference" for the slow implementation in PyTorch (for grids up to 128 cells)

    Returns bool (B, X, Y, Z). Positions are rounded to 1/4096 cell; after that all decisions are exact, and the same
    for any number of threads and instruction set. Faces may reach beyond the grid and count there.
    A face with a corner that is not finite is left out, with a warning; one without area is the segment or the point
    that it is. On a GPU, where a warning or an error would have to wait for the device, there is none, and faces that
    reach too far are left out as well.

    "solid" decides by six rays from each centre along the axes; a ray says "inside" if it leaves the surface more
    often than it enters it, or the reverse. For closed surfaces wound consistently all six agree, and parts that
    overlap unite; single faces wound the other way change nothing unless parts overlap. Where rays disagree because
    the surface is open, four of six decide. Of faces with the same three vertices, as in models drawn from both sides,
    the first counts. `reference.inside` states the rule.

    Not differentiable: the result does not depend on `positions` as far as autograd is concerned, whether they require
    a gradient or not.

    TypeError and ValueError for arguments of the wrong kind or shape and positions farther than 65536 cells from the
    origin; IndexError for faces without vertices.
    """
    _check(positions, size, fill)
    faces = checks.as_index("voxelize", "faces", faces)
    checks.same_device("voxelize", positions=positions, faces=faces)
    if backend not in ("native", "reference"):
        raise ValueError(f'voxelize: `backend` must be "native" or "reference", got {backend!r}.')
    if backend == "reference":
        checks.check_indices_slowly("voxelize", "faces", faces, positions.shape[1], "positions")
        find = reference.inside if fill == "solid" else reference.surface
        points = _snap(positions, faces)
        grids = [find(pose, faces, size) for pose in points]
        found = torch.stack(grids) if grids else torch.empty((0, *size), dtype=torch.bool)
    else:
        found = (_inside if fill == "solid" else _surface)(positions, faces, *size)
    return found | _hidden(found) if fill == "carve" else found


def _check(positions: Tensor, size: tuple[int, int, int], fill: str) -> None:
    if not isinstance(positions, Tensor) or not positions.is_floating_point():
        raise TypeError(f"voxelize: `positions` must be a float tensor (B, V, 3), got {checks.describe(positions)}.")
    if positions.dim() != 3 or positions.shape[2] != 3:
        raise ValueError(f"voxelize: `positions` must be (B, V, 3), got {checks.describe(positions)}.")
    if len(size) != 3 or not all(1 <= cells <= _MOST_CELLS for cells in size):
        raise ValueError(f"voxelize: `size` must be three numbers of cells from 1 to {_MOST_CELLS}, got {size}.")
    if fill not in ("none", "solid", "carve"):
        raise ValueError(f'voxelize: `fill` must be "none", "solid" or "carve", got {fill!r}.')


def _snap(positions: Tensor, faces: Tensor) -> Tensor:
    """int32 (B, V, 3) in units of 1/4096 cell; vertices that are not finite are `reference.ABSENT`."""
    positions = positions.detach()
    finite = positions.isfinite().all(-1, keepdim=True)
    exact = torch.where(finite, positions.double(), 0.0)
    reach = float(exact.abs().max()) if exact.numel() else 0.0
    if reach > _FARTHEST:
        raise ValueError(
            f"voxelize: `positions` reach {reach:.3g} cells from the origin, at most {_FARTHEST} are possible. "
            "Are they in cells, not in world units? Else cut off what lies so far outside the grid."
        )
    if not finite.all():
        missing = ~finite[:, faces.long(), 0].all(-1)
        if missing.any():
            warnings.warn(f"voxelize: {int(missing.sum())} faces are not finite and were left out.", stacklevel=2)
    snapped = (exact * reference.UNITS).round().to(torch.int32)
    return torch.where(finite, snapped, reference.ABSENT).contiguous()


def _hidden(surface: Tensor) -> Tensor:
    """Cells with the surface before and behind them along each of the last three axes."""
    hidden = torch.ones_like(surface)
    for dim in (-3, -2, -1):
        count = surface.shape[dim]
        index = torch.arange(count, device=surface.device).view(-1, *[1] * (-1 - dim))
        cells = surface.to(torch.uint8)
        first = cells.argmax(dim, keepdim=True)
        last = count - 1 - cells.flip(dim).argmax(dim, keepdim=True)
        hidden &= surface.any(dim, keepdim=True) & (first <= index) & (index <= last)
    return hidden


def _run(kernel: str, positions: Tensor, faces: Tensor, size: tuple[int, int, int]) -> Tensor:
    checks.check_indices("voxelize", "faces", faces, positions.shape[1], "positions")
    points = _snap(positions, faces)
    out = _empty(positions, faces, *size)
    status = native.kernel(kernel, "pllpliiiip")(
        points.data_ptr(),
        *points.shape[:2],
        faces.data_ptr(),
        faces.shape[0],
        *size,
        native.threads(),
        out.data_ptr(),
    )
    checks.check_status("voxelize", status)
    return out


def _surface_cpu(positions: Tensor, faces: Tensor, x: int, y: int, z: int) -> Tensor:
    return _run("rp_voxelize_surface", positions, faces, (x, y, z))


def _inside_cpu(positions: Tensor, faces: Tensor, x: int, y: int, z: int) -> Tensor:
    return _run("rp_voxelize_inside", positions, faces, (x, y, z))


def _empty(positions: Tensor, faces: Tensor, x: int, y: int, z: int) -> Tensor:
    return positions.new_empty((positions.shape[0], x, y, z), dtype=torch.bool)


_surface = library.define(
    "voxelize_surface(Tensor positions, Tensor faces, SymInt x, SymInt y, SymInt z) -> Tensor", _surface_cpu, _empty
)
library.not_differentiable("voxelize_surface")
_inside = library.define(
    "voxelize_inside(Tensor positions, Tensor faces, SymInt x, SymInt y, SymInt z) -> Tensor", _inside_cpu, _empty
)
library.not_differentiable("voxelize_inside")
