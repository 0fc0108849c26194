"""What surrounds pictures in a fit needs nothing from the CPU either: see `test_fake_device`."""

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from test_fake_device import DEVICE, MESH, empty, there, twice
from torch import Tensor

import repousse as rp
from repousse import geometry, losses, metrics
from repousse.compat import neural_renderer as nr
from repousse.core import checks
from repousse.geometry.nearest import _by_comparing_all, nearest
from repousse.geometry.sampling import _chosen_faces
from repousse.ops import voxelize
from repousse.optim import AdamUniform

points, wireframe = (importlib.import_module(f"repousse.shading.{name}") for name in ("points", "wireframe"))
tangents = importlib.import_module("repousse.render.tangents")

PACKED = there(rp.pack([rp.icosphere(1), rp.cube()]))

checks._bounds.get(MESH.faces, None, lambda: (0, 41))  # looked at once, where numbers can be read


@pytest.fixture(autouse=True)
def _no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none on this device."""
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: nullcontext())


def positions(*batch: int) -> Tensor:
    return empty(*batch, 42, 3)


@pytest.mark.parametrize(
    "function",
    [
        lambda p: geometry.face_normals(p, MESH.faces),
        lambda p: geometry.vertex_normals(p, MESH.faces),
        lambda p: geometry.laplacian(p, MESH.topology, normalized=True),
        lambda p: geometry.laplacian(p, MESH.topology, geometry.cotangent_weights(p, MESH.topology)),
        lambda p: MESH.with_positions(p).normalized().positions,
        lambda p: MESH.with_positions(p).with_attribute("color", p.sigmoid(), MESH.faces).positions,
    ],
    ids=["face_normals", "vertex_normals", "laplacian", "cotangents", "normalized", "attributes"],
)
def test_geometry(function: Callable[[Tensor], Tensor]) -> None:
    """Fails if what is computed of positions needs the CPU."""
    twice(lambda: function(positions()).sum().backward())
    twice(lambda: function(positions(2)).sum().backward())


@pytest.mark.parametrize("mesh", [MESH, MESH.with_positions(torch.rand(2, 42, 3, device=DEVICE)), PACKED], ids=str)
def test_points_on_surfaces(mesh: rp.Mesh) -> None:
    """Fails if sampling, or looking for neighbours, needs the CPU."""

    def step() -> None:
        moved = mesh.with_positions(mesh.positions.detach().clone().requires_grad_())
        points = geometry.sample_surface(moved, 50).points
        losses.chamfer(points, torch.rand(1, 60, 3, device=DEVICE)).sum().backward()

    twice(step)


@pytest.mark.parametrize("name", ["laplacian", "normal_consistency", "edge_length", "smoothness"])
def test_losses_of_poses(name: str) -> None:
    """Fails if a loss of several poses needs the CPU."""
    twice(lambda: getattr(losses, name)(MESH.with_positions(positions(3))).sum().backward())


def test_figures() -> None:
    """Fails if a metric needs the CPU."""
    pictures = [torch.rand(2, 16, 16, 1, device=DEVICE) for _ in range(2)]
    for figure in (metrics.psnr, metrics.ssim, metrics.iou):
        twice(lambda figure=figure: figure(*pictures))
    clouds = [torch.rand(2, 30, 3, device=DEVICE) for _ in range(2)]
    twice(lambda: metrics.f_score(*clouds, 0.1))
    twice(lambda: metrics.compare(MESH, PACKED, samples=50))


def test_voxels() -> None:
    """Fails if filling a grid of known place needs the CPU."""
    for fill in ("none", "solid", "carve"):
        twice(lambda fill=fill: voxelize(positions(2), MESH.faces, (5, 6, 7), fill=fill))


def test_adam_uniform() -> None:
    """Fails if a step reads its gradient."""
    parameter = positions()
    optimiser = AdamUniform([parameter], lr=0.1)

    def step() -> None:
        parameter.square().sum().backward()
        optimiser.step()

    twice(step)


def test_the_older_renderers_camera_and_light() -> None:
    """Fails if transforms of the compatible renderer need the CPU. Its pictures do: they list covered pixels."""

    def step() -> None:
        seen = nr.look_at(positions(2), empty(2, 3))
        corners = nr.perspective(seen)[:, MESH.faces.long()]
        nr.lighting(corners, empty(2, 80, 2, 2, 2, 3), direction=(0, 1, 0)).sum().backward()

    twice(step)


# ---- what is computed in another way on a GPU gives the same ---------------------------------------------------------


def test_neighbours_by_comparing_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a GPU finds other neighbours than the tree on the CPU, or loses points between two parts."""
    monkeypatch.setattr(importlib.import_module("repousse.geometry.nearest"), "_MOST_PAIRS", 1000)
    generator = torch.Generator().manual_seed(0)
    points, targets = (torch.rand(1, n, 3, dtype=torch.float64, generator=generator) + 1000 for n in (130, 70))
    assert torch.equal(_by_comparing_all(points[0], targets[0]), nearest(points, targets)[0])


class Elsewhere(Tensor):
    """A tensor on the CPU that says it is not."""

    is_cpu: Any = False


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_gradient_that_is_not_finite_elsewhere(dtype: torch.dtype) -> None:
    """Fails if AdamUniform steps in another way on a GPU, or a bad gradient moves or spoils anything there."""
    results = []
    for kind in (Tensor, Elsewhere):
        parameter = torch.tensor([[1.0, 2, 3]], dtype=dtype).requires_grad_()
        optimiser = AdamUniform([parameter], lr=0.1)
        for slope in (2.0, -1.0, float("nan"), 0.5):
            parameter.grad = torch.tensor([[slope, 1, 0]], dtype=dtype).as_subclass(kind)
            if kind is Tensor and slope != slope:
                optimiser.state[parameter]["step"] += 1
                continue
            optimiser.step()
        results.append(parameter.detach().clone())
    torch.testing.assert_close(results[1], results[0], rtol=8 * torch.finfo(dtype).eps, atol=0)


def test_faces_drawn_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a GPU draws other faces, or adds up floats, which it may not do under deterministic algorithms."""

    def whole(areas: Tensor, dim: int) -> Tensor:
        assert not areas.is_floating_point()
        return areas.as_subclass(Tensor).cumsum(dim).as_subclass(Elsewhere)

    monkeypatch.setattr(Elsewhere, "cumsum", whole, raising=False)
    generator = torch.Generator().manual_seed(0)
    areas = torch.rand(40, dtype=torch.float64, generator=generator)
    areas[[0, 7, 29, 39]] = 0
    draws = torch.rand(2, 500, dtype=torch.float64, generator=generator)
    runs = [(0, 30), (30, 10)]
    assert torch.equal(_chosen_faces(areas.as_subclass(Elsewhere), runs, draws), _chosen_faces(areas, runs, draws))


def test_indices_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a picture makes new tensors of indices, which a GPU has to be waited for to check."""
    seen: list[Tensor] = []

    def note(values: Tensor, faces: Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(faces)
        return rp.interpolate(values, faces, *args, **kwargs)

    for module in (points, wireframe):
        monkeypatch.setattr(module, "interpolate", note)
    fragments = rp.rasterize(empty(1, 42, 4).detach(), MESH.faces, (4, 4))
    shown = points.Points(*[empty(1, 4, 4, 3)] * 3, mesh=MESH, fragments=fragments)
    mesh = MESH.with_attribute("uv", empty(42, 2).detach())
    monkeypatch.setattr(tangents, "_distinct", lambda *_: (torch.zeros(80, 3, dtype=torch.int64, device=DEVICE), 42))
    for _ in range(2):
        assert shown.face_normal.shape == wireframe.wireframe(shown, (), base=lambda given, lights: given.color).shape
        seen.append(tangents.tangents(mesh)[1])
    assert [faces.dtype for faces in seen] == [torch.int32] * len(seen)
    half = len(seen) // 2
    assert half >= 3
    assert all(first is second for first, second in zip(seen[:half], seen[half:], strict=True))
