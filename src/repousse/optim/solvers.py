"""Solvers of (I + strength L) x = u, with L the uniform Laplacian of a mesh: symmetric, positive definite, sparse."""

import importlib
from typing import Any, Literal, Protocol

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import linalg
from torch import Tensor

_TOLERANCE = 1e-12  # relative residual at which conjugate gradients stop
_MOST_DENSE = 8192  # vertices; their inverse takes 0.5 GB

Array = np.ndarray
Name = Literal["cholespy", "scipy", "cg", "dense"]
NAMES: tuple[Name, ...] = ("cholespy", "scipy", "cg", "dense")


class Solver(Protocol):
    """The inverse of one matrix."""

    name: str

    def solve(self, right: Tensor) -> Tensor:
        """float64 (V, C) to float64 (V, C), on the device of the argument."""
        ...


def factorise(edges: Tensor, vertex_count: int, strength: float, solver: Name | None) -> Solver:
    """The solver asked for; with None, dense for a small mesh on a GPU, else the first of cholespy (if installed),
    scipy, cg that fits into memory.

    edges  int (E, 2), each once

    ImportError if cholespy is asked for and not installed, MemoryError if the factors of the solver asked for do not
    fit.
    """
    if solver not in (*NAMES, None):
        known = ", ".join(f'"{name}"' for name in NAMES)
        raise ValueError(f"LargeSteps: `solver` must be {known} or None, got {solver!r}.")
    matrix = _matrix(edges.cpu().numpy(), vertex_count, strength)
    if solver == "dense" or (solver is None and not edges.is_cpu and vertex_count <= _MOST_DENSE):
        return _Dense(matrix, edges.device)
    if solver in ("cholespy", None):
        try:
            return _Cholesky(matrix)
        except ImportError as error:
            if solver:
                raise ImportError(
                    'LargeSteps: solver "cholespy" needs the package cholespy: pip install "repousse[fit]".'
                ) from error
        except (MemoryError, RuntimeError):  # cholespy reports lack of memory as a RuntimeError
            if solver:
                raise
            return _ConjugateGradients(matrix)
    if solver in ("scipy", None):
        try:
            return _LU(matrix)
        except MemoryError:
            if solver:
                raise
    return _ConjugateGradients(matrix)


def _matrix(edges: Array, vertex_count: int, strength: float) -> sparse.csc_array:
    first, second = edges.astype(np.int32).T
    weights = np.full(2 * len(edges), -strength)
    ends = np.concatenate([first, second]), np.concatenate([second, first])
    off_diagonal = sparse.coo_array((weights, ends), shape=(vertex_count, vertex_count)).tocsc()
    return (off_diagonal + sparse.diags_array(1 - off_diagonal.sum(axis=0), format="csc")).tocsc()


class _Dense:
    """The inverse written down, where the mesh lies: a solve is one product, which waits for nothing."""

    name = "dense"

    def __init__(self, matrix: sparse.csc_array, device: torch.device) -> None:
        factor = torch.linalg.cholesky(torch.from_numpy(matrix.toarray()).to(device))
        self._inverse = torch.cholesky_inverse(factor)

    def solve(self, right: Tensor) -> Tensor:
        return self._inverse @ right


class _OnCPU:
    """Solvers of numpy arrays."""

    def solve(self, right: Tensor) -> Tensor:
        return torch.from_numpy(self._solve(right.cpu().numpy())).to(right.device)

    def _solve(self, right: Array) -> Array:
        raise NotImplementedError


class _Cholesky(_OnCPU):
    """cholespy's factors. It computes them in float64 in any case, and its float64 solve is as fast as its float32."""

    name = "cholespy"

    def __init__(self, matrix: sparse.csc_array) -> None:
        cholespy: Any = importlib.import_module("cholespy")  # an optional package, without type stubs
        indices = matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32)
        count = len(indices[0]) - 1
        self._factors = cholespy.CholeskySolverD(count, *indices, matrix.data, cholespy.MatrixType.CSC)

    def _solve(self, right: Array) -> Array:
        right = np.ascontiguousarray(right, dtype=np.float64)
        solution = np.empty_like(right)
        if right.size:
            self._factors.solve(right, solution)
        return solution


class _LU(_OnCPU):
    """scipy's factors (SuperLU)."""

    name = "scipy"

    def __init__(self, matrix: sparse.csc_array) -> None:
        self._factors = linalg.splu(matrix)

    def _solve(self, right: Array) -> Array:
        return self._factors.solve(np.ascontiguousarray(right, dtype=np.float64)) if right.size else right.copy()


class _ConjugateGradients(_OnCPU):
    """Conjugate gradients, preconditioned by the diagonal (Hestenes and Stiefel 1952); all columns at once.

    The condition number is at most 1 + 2 strength times the highest valence, so some hundred iterations suffice.
    """

    name = "cg"

    def __init__(self, matrix: sparse.csc_array) -> None:
        self._matrix = matrix.tocsr()
        self._inverse_diagonal = 1 / matrix.diagonal()[:, None]

    def _solve(self, right: Array) -> Array:
        """RuntimeError if the residual does not come down, which takes numbers that are not finite."""
        solution = np.zeros(right.shape)
        residual = np.array(right, dtype=np.float64)
        goal = _TOLERANCE * np.linalg.norm(residual, axis=0)
        direction = self._inverse_diagonal * residual
        energy = (residual * direction).sum(0)
        for _ in range(10 * len(right) + 100):
            if (np.linalg.norm(residual, axis=0) <= goal).all():
                return solution
            image = self._matrix @ direction
            curvature = (direction * image).sum(0)
            step = energy / np.where(curvature > 0, curvature, 1)  # 0 in columns that are solved
            solution += step * direction
            residual -= step * image
            preconditioned = self._inverse_diagonal * residual
            before, energy = energy, (residual * preconditioned).sum(0)
            direction = preconditioned + energy / np.where(before > 0, before, 1) * direction
        raise RuntimeError("LargeSteps: conjugate gradients did not converge. Are all coordinates finite?")
