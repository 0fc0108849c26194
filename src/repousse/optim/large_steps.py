"""Coordinates in which a mesh can take large steps (Nicolet, Jacobson and Jakob 2021)."""

from typing import Any, Literal

import torch
from torch import Tensor

from repousse.core.checks import describe
from repousse.geometry import laplacian, topology
from repousse.optim.solvers import Solver, factorise


class LargeSteps:
    """Differential coordinates u = (I + strength L) x of a mesh: a step in u moves neighbours along.

    >>> steps = LargeSteps(mesh.faces, len(mesh.positions))
    >>> u = steps.to_differential(mesh.positions).requires_grad_()
    >>> optimiser = AdamUniform([u], lr=0.01)
    >>> loss = compare(mesh.with_positions(steps.from_differential(u)))   # and so on

    L is the uniform Laplacian, (L x)_i = sum over the neighbours j of x_i - x_j. The silhouette's gradient is large on
    a few vertices and zero on the others; a step along it tangles the mesh. In u the same gradient becomes
    (I + strength L)^-1 dx, which is smooth: the whole neighbourhood moves, and no penalty that would shrink the result
    is needed. strength 0 leaves everything as it is.

    faces         int (F, 3)
    vertex_count  number of vertices
    strength      >= 0: how far a step spreads, about sqrt(strength) edges. 19 is the paper's; 10 to 100 is usual
    solver        "cholespy": sparse Cholesky factors, the fastest by far (extra `fit`);
                  "scipy": sparse LU factors;
                  "cg": conjugate gradients, no factors, for meshes whose factors do not fit into memory;
                  "dense": the whole inverse, on the device of the faces, which takes 8 bytes per pair of vertices;
                  None: on a GPU "dense" for up to 8192 vertices; else the first of the others that there is, and "cg"
                  where memory does not suffice for the factors

    Any mesh will do: open, in several parts, with edges of many faces. Factors are computed once, in float64, and
    every solve is done in float64 whatever the dtype of the tensors. All but "dense" work on the CPU; tensors on other
    devices are copied there and back for a solve. The numbers are the same in every run with the same solver.
    """

    def __init__(
        self,
        faces: Tensor,
        vertex_count: int,
        strength: float = 19.0,
        *,
        solver: Literal["cholespy", "scipy", "cg", "dense"] | None = None,
    ) -> None:
        if not 0 <= strength < float("inf"):
            raise ValueError(f"LargeSteps: `strength` must be a number >= 0, got {strength}.")
        self.topology = topology(faces, vertex_count)
        self.vertex_count = vertex_count
        self.strength = float(strength)
        self._solver = factorise(self.topology.edges, vertex_count, self.strength, solver)

    @property
    def solver(self) -> str:
        """Which solver is in use."""
        return self._solver.name

    def to_differential(self, positions: Tensor) -> Tensor:
        """u = (I + strength L) x.

        positions  float32 or float64 (V, C) or (B, V, C)

        Returns u like `positions`. Differentiable, any number of times.
        """
        self._check("to_differential", "positions", positions)
        # The sum over neighbours is computed in float64: u is a small difference of what strength has made large.
        wide = positions.double()
        return (wide - self.strength * laplacian(wide, self.topology)).to(positions.dtype)

    def from_differential(self, u: Tensor) -> Tensor:
        """x = (I + strength L)^-1 u.

        u  float32 or float64 (V, C) or (B, V, C)

        Returns positions like `u`. Differentiable, any number of times: the matrix is symmetric, so the backward pass
        is the same solve.
        """
        self._check("from_differential", "u", u)
        return _Solve.apply(u, self._solver)

    def __repr__(self) -> str:
        return f"LargeSteps({self.vertex_count} vertices, strength={self.strength:g}, solver={self.solver!r})"

    def _check(self, method: str, name: str, rows: Tensor) -> None:
        owner = f"LargeSteps.{method}"
        wanted = f"float32 or float64 ({self.vertex_count}, C) or (B, {self.vertex_count}, C)"
        if not isinstance(rows, Tensor) or rows.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"{owner}: `{name}` must be {wanted}, got {describe(rows)}.")
        if rows.ndim not in (2, 3) or rows.shape[-2] != self.vertex_count:
            raise ValueError(
                f"{owner}: `{name}` must be {wanted}, got {describe(rows)}. Other vertices need a LargeSteps of "
                "their own."
            )
        if rows.device != self.topology.faces.device:
            raise ValueError(
                f"{owner}: `{name}` lies on {rows.device} but `faces` on {self.topology.faces.device}. Move one."
            )


class _Solve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, solver: Solver) -> Tensor:
        ctx.solver = solver
        columns = u.detach().movedim(-2, 0).reshape(u.shape[-2], -1)
        rows = solver.solve(columns.double()).to(u.dtype)
        return rows.reshape(u.movedim(-2, 0).shape).movedim(0, -2).contiguous()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        return _Solve.apply(grad, ctx.solver), None
