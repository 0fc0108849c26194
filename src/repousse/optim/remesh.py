"""Remeshing: edges of the wanted length, on the same surface."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from repousse.core.checks import describe
from repousse.geometry.checks import check_device, check_rows, checked_faces
from repousse.optim.collapse import collapse
from repousse.optim.flip import flip
from repousse.optim.relax import relax
from repousse.optim.split import split
from repousse.optim.surface import Surface, irregular_vertices

_LONGEST, _SHORTEST = 4 / 3, 4 / 5  # halving an edge, or merging its ends, then brings it nearer to the target


class Remeshed(NamedTuple):
    """What `remesh` returns.

    positions  (V', 3)   dtype and device as given
    faces      (F', 3)   dtype and device as given
    carried    (V', ...) like each of those given
    """

    positions: Tensor
    faces: Tensor
    carried: tuple[Tensor, ...]


@torch.no_grad()
def remesh(
    positions: Tensor,
    faces: Tensor,
    edge_length: float | Tensor,
    *,
    carried: Sequence[Tensor] = (),
    passes: int = 3,
    smoothing: float = 0.5,
) -> Remeshed:
    """Bring the edges of a mesh towards a length: split, collapse, flip, relax (Botsch and Kobbelt 2004).

    >>> finer = remesh(mesh.positions, mesh.faces, 0.05, carried=[colors])
    >>> mesh = Mesh(finer.positions, finer.faces)

    positions    float (V, 3)
    faces        int (F, 3)
    edge_length  target, in units of `positions`: a number, or float (V,) for one that varies over the surface
    carried      tensors (V, ...) of floats: colours, moments of an optimiser. They become the mean of both ends at a
                 new vertex, what lies at the kept place where vertices merge, and what lies under a vertex that moves
    passes       how often all four steps are done. 1 keeps up with an optimisation, 3 settle a large change
    smoothing    in [0, 1], how far vertices move along the surface towards the middle of their neighbours; 0: not

    Edges longer than 4/3 of the target are halved, those shorter than 4/5 merged to a vertex where nothing stands
    against it, edges are flipped towards six neighbours per vertex, and vertices move along the surface. What holds:

    * a closed manifold stays closed and a manifold of the same genus, part by part; borders stay borders, with their
      corners (turns of more than 45 degrees) where they were;
    * no step turns a face over or makes one without area, so a surface without folds gets none. Surfaces that touch
      or come close are not kept apart;
    * where the mesh is no manifold (edges of three faces, fans that meet at a vertex) its vertices stay;
    * vertices without faces, and faces that name a vertex twice, are dropped;
    * the same input gives the same output, bit by bit.

    The new vertices lie on the old surface, or above it where merging would take volume away; curved surfaces still
    lose a little (a torus of 20 edges around its tube 1 % of its volume), which the next steps of an optimisation make
    up for.

    Not differentiable: the result is detached. Computed on the CPU in float64. TypeError, ValueError, IndexError for
    arguments that are no mesh or lengths that are not positive; ValueError if it takes more than 20 million faces.
    """
    check_rows("remesh", "positions", positions, "V, 3", channels=3)
    if positions.ndim != 2:
        raise ValueError(f"remesh: `positions` must be (V, 3), got {describe(positions)}. Remesh poses one by one.")
    count = len(positions)
    index = checked_faces("remesh", faces, count, f"`positions` has {count} vertices")
    check_device("remesh", "positions", positions, faces)
    _check_options(passes, smoothing)
    columns = [_column("positions", positions, count), _target(edge_length, count)]
    columns += [_column(f"carried[{k}]", tensor, count) for k, tensor in enumerate(carried)]
    corners = index.cpu().numpy().astype(np.int64)
    corners = corners[(corners != np.roll(corners, 1, 1)).all(1)]
    if not len(corners):
        raise ValueError("remesh: every face names a vertex twice. Give a mesh that has a surface.")
    surface = Surface(np.concatenate(columns, 1), corners, irregular_vertices(corners, count))
    surface.compact()
    for _ in range(passes):
        split(surface, _LONGEST)
        collapse(surface, _SHORTEST, _LONGEST)
        flip(surface)
        if smoothing:
            relax(surface, smoothing)
    return _result(surface, positions, faces, carried)


def _check_options(passes: int, smoothing: float) -> None:
    if passes < 1:
        raise ValueError(f"remesh: `passes` must be at least 1, got {passes}.")
    if not 0 <= smoothing <= 1:
        raise ValueError(f"remesh: `smoothing` must be in [0, 1], got {smoothing}.")


def _column(name: str, tensor: Tensor, count: int) -> np.ndarray:
    """A tensor (V, ...) as float64 (V, C)."""
    if not isinstance(tensor, Tensor) or not tensor.dtype.is_floating_point:
        raise TypeError(f"remesh: `{name}` must be a tensor of floats ({count}, ...), got {describe(tensor)}.")
    if tensor.ndim < 1 or len(tensor) != count:
        raise ValueError(f"remesh: `{name}` must have one row for each of {count} vertices, got {describe(tensor)}.")
    if not bool(tensor.isfinite().all()):
        raise ValueError(f"remesh: `{name}` holds numbers that are not finite. They would spread to other vertices.")
    return tensor.detach().to("cpu", torch.float64).reshape(count, -1).numpy()


def _target(edge_length: float | Tensor, count: int) -> np.ndarray:
    """The target as float64 (V, 1)."""
    lengths = torch.as_tensor(edge_length).detach().to("cpu", torch.float64)
    if lengths.shape not in ((), (count,)):
        raise ValueError(f"remesh: `edge_length` must be a number or ({count},), got {describe(lengths)}.")
    if not bool((lengths.isfinite() & (lengths > 0)).all()):
        raise ValueError("remesh: `edge_length` must be positive and finite.")
    return lengths.expand(count).unsqueeze(1).numpy()


def _result(surface: Surface, positions: Tensor, faces: Tensor, carried: Sequence[Tensor]) -> Remeshed:
    rows = torch.from_numpy(surface.rows)
    widths = [tensor[0].numel() for tensor in carried]
    columns = rows[:, 4:].split(widths, 1) if widths else ()
    return Remeshed(
        rows[:, :3].to(positions.device, positions.dtype, copy=True),
        torch.from_numpy(surface.faces).to(faces.device, faces.dtype),
        tuple(
            column.to(old.device, old.dtype, copy=True).reshape(len(rows), *old.shape[1:])
            for column, old in zip(columns, carried, strict=True)
        ),
    )
