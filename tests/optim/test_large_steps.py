"""Differential coordinates against dense float64 algebra."""

import sys
import threading
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

import repousse as rp
from repousse.optim import LargeSteps

SOLVERS = ("cholespy", "scipy", "cg", "dense")
SolverName = Literal["cholespy", "scipy", "cg", "dense"]


def needs(solver: str) -> None:
    if solver == "cholespy":
        pytest.importorskip("cholespy")


def dense(faces: Tensor, count: int, strength: float) -> Tensor:
    """I + strength L, written down edge by edge."""
    matrix = torch.eye(count, dtype=torch.float64)
    sides = {frozenset((face[k], face[k - 1])) for face in faces.tolist() for k in range(3) if face[k] != face[k - 1]}
    for a, b in map(tuple, sides):
        matrix[a, a] += strength
        matrix[b, b] += strength
        matrix[a, b] -= strength
        matrix[b, a] -= strength
    return matrix


def meshes() -> dict[str, tuple[Tensor, int]]:
    sphere, sheet = rp.icosphere(2), rp.plane(4)
    apart = torch.cat([sphere.faces, sheet.faces + len(sphere.positions)])
    return {
        "closed": (sphere.faces, len(sphere.positions)),
        "open": (sheet.faces, len(sheet.positions)),
        "two parts and a vertex without faces": (apart, len(sphere.positions) + len(sheet.positions) + 1),
        "three faces at an edge": (torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4]]), 5),
    }


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", meshes())
@pytest.mark.parametrize("strength", [0.0, 19.0, 1e4])
def test_both_ways_match_dense_algebra(name: str, strength: float, solver: SolverName) -> None:
    """Breaks if an edge counts twice or not at all, or if a solver loses digits."""
    needs(solver)
    faces, count = meshes()[name]
    steps, matrix = LargeSteps(faces, count, strength, solver=solver), dense(faces, count, strength)
    assert steps.solver == solver
    x = torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(steps.to_differential(x), matrix @ x, rtol=1e-12, atol=1e-10 * (1 + strength))
    torch.testing.assert_close(steps.from_differential(x), torch.linalg.solve(matrix, x), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_is_rounded_once(solver: SolverName) -> None:
    """Breaks if sums or solves happen in float32, where strong smoothing costs most of the digits."""
    needs(solver)
    sphere = rp.icosphere(3)
    count = len(sphere.positions)
    steps, matrix = LargeSteps(sphere.faces, count, 1000.0, solver=solver), dense(sphere.faces, count, 1000.0)
    u = steps.to_differential(sphere.positions)
    assert u.dtype == torch.float32
    torch.testing.assert_close(u, (matrix @ sphere.positions.double()).float(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        steps.from_differential(u), torch.linalg.solve(matrix, u.double()).float(), rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_gradients(solver: SolverName) -> None:
    """Breaks if the backward pass is not the same solve, or a second derivative is lost."""
    needs(solver)
    steps = LargeSteps(*meshes()["two parts and a vertex without faces"], solver=solver)
    x = torch.randn(steps.vertex_count, 2, dtype=torch.float64, requires_grad=True)
    checks: dict[str, Any] = {"fast_mode": True}
    for method in (steps.to_differential, steps.from_differential):
        assert torch.autograd.gradcheck(method, x, **checks)
        assert torch.autograd.gradgradcheck(method, x, **checks)


@pytest.mark.parametrize("solver", SOLVERS)
def test_any_number_of_columns_and_poses(solver: SolverName) -> None:
    """Breaks if columns or poses are mixed up on the way into the solver and back."""
    needs(solver)
    steps = LargeSteps(*meshes()["open"], solver=solver)
    poses = torch.randn(4, steps.vertex_count, 5, dtype=torch.float64)
    for method in (steps.to_differential, steps.from_differential):
        together = method(poses)
        one_by_one = [torch.cat([method(pose[:, k : k + 1]) for k in range(5)], 1) for pose in poses]
        torch.testing.assert_close(together, torch.stack(one_by_one))
        assert method(poses[:, :, :0]).shape == (4, steps.vertex_count, 0)


def test_strides_do_not_matter() -> None:
    """Breaks if a transposed or expanded tensor reaches the solver's raw memory."""
    steps = LargeSteps(*meshes()["closed"])
    x = torch.randn(3, steps.vertex_count).t()
    assert torch.equal(steps.from_differential(x), steps.from_differential(x.contiguous()))
    (gradient,) = torch.autograd.grad(steps.from_differential(x.requires_grad_()).sum(), x)
    torch.testing.assert_close(gradient, torch.ones_like(gradient))  # L has zero column sums: translations pass


def test_a_solver_serves_several_threads() -> None:
    """Breaks if solves that run at the same time share working memory."""
    steps = LargeSteps(*meshes()["closed"])
    inputs = [torch.randn(steps.vertex_count, 3, dtype=torch.float64) for _ in range(4)]
    expected = [steps.from_differential(u) for u in inputs]
    wrong: list[int] = []

    def work(k: int) -> None:
        wrong.extend(k for _ in range(50) if not torch.equal(steps.from_differential(inputs[k]), expected[k]))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_without_cholespy_scipy_solves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if the optional package is needed, or its absence is not explained to who asked for it."""
    monkeypatch.setitem(sys.modules, "cholespy", None)
    faces, count = meshes()["closed"]
    assert LargeSteps(faces, count).solver == "scipy"
    with pytest.raises(ImportError, match=r"repousse\[fit\]"):
        LargeSteps(faces, count, solver="cholespy")


def test_without_memory_for_factors_gradients_are_conjugated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if a mesh whose factors do not fit cannot be optimised at all."""

    def too_large(matrix: object) -> None:
        raise MemoryError

    monkeypatch.setitem(sys.modules, "cholespy", None)
    monkeypatch.setattr("repousse.optim.solvers.linalg.splu", too_large)
    faces, count = meshes()["closed"]
    assert LargeSteps(faces, count).solver == "cg"
    with pytest.raises(MemoryError):
        LargeSteps(faces, count, solver="scipy")


def test_conjugate_gradients_say_when_they_fail() -> None:
    """Breaks if NaN runs through all iterations and comes back as a solution."""
    steps = LargeSteps(*meshes()["closed"], solver="cg")
    u = torch.zeros(steps.vertex_count, 3)
    assert torch.equal(steps.from_differential(u), u)
    u[0] = np.nan
    with pytest.raises(RuntimeError, match="finite"):
        steps.from_differential(u)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (torch.zeros(5, 3), ValueError, "of their own"),
        (torch.zeros(162, 3, dtype=torch.int64), TypeError, "float32 or float64"),
        (torch.zeros(162, 3, dtype=torch.float16), TypeError, "float32 or float64"),
        (torch.zeros(162), ValueError, "(162, C)"),
        (None, TypeError, "NoneType"),
    ],
)
def test_wrong_tensors_are_refused(bad: Any, error: type[Exception], message: str) -> None:
    """Breaks if a tensor of another mesh reaches the solver."""
    steps = LargeSteps(*meshes()["closed"])
    for method in (steps.to_differential, steps.from_differential):
        with pytest.raises(error) as caught:
            method(bad)
        assert message in str(caught.value)


def test_wrong_settings_are_refused() -> None:
    """Breaks if a matrix that is not positive definite is built."""
    faces, count = meshes()["closed"]
    for strength in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="strength"):
            LargeSteps(faces, count, strength)
    with pytest.raises(ValueError, match="solver"):
        LargeSteps(faces, count, solver="magic")  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="vertices"):
        LargeSteps(faces, 3)
