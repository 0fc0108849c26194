"""A whole step of fitting shapes to pictures as torch's compiler, autocast and distributed training see it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as multiprocessing
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import repousse as rp
from repousse import losses

SIZE = (20, 24)
VIEWS = 4


class Fit(nn.Module):
    """A sphere whose vertices, texture and light are sought: from cameras and pictures to a loss."""

    def __init__(self, estimator: str = "boundary", device: str = "cpu") -> None:
        super().__init__()
        sphere = rp.icosphere(2).to(device)
        generator = torch.Generator().manual_seed(0)
        uv = torch.rand(len(sphere.positions), 2, generator=generator).to(device)
        self.mesh = sphere.with_attribute("uv", uv)
        self.mesh.topology  # noqa: B018  computed once, outside of graphs
        self.positions = nn.Parameter(sphere.positions.clone())
        self.image = nn.Parameter(torch.rand(8, 8, 3, generator=generator).to(device))
        self.light = nn.Parameter(torch.rand(9, 3, generator=generator).to(device))
        self.estimator = estimator

    def forward(self, camera: rp.Camera, target: Tensor) -> Tensor:
        material = rp.Material(base_color_texture=rp.Texture(self.image))
        mesh = self.mesh.with_positions(self.positions).with_materials([material])
        picture = rp.render(mesh, camera, SIZE, lights=[rp.SphericalHarmonics(self.light)], gradient=self.estimator)
        found = torch.cat([picture.color, picture.mask[..., None]], -1)
        return (found - target).square().mean() + 0.1 * losses.laplacian(mesh).mean()


def views() -> tuple[rp.Camera, Tensor]:
    camera = rp.Camera.orbit(3.0, azimuth=torch.linspace(0.0, 2.0, VIEWS))
    shape = rp.icosphere(2)
    shape = shape.with_positions(shape.positions * torch.tensor([1.2, 0.8, 1.0]))
    with torch.no_grad():
        picture = rp.render(shape, camera, SIZE)
    return camera, torch.cat([picture.color, picture.mask[..., None]], -1)


def loss_and_gradients(fit: Fit, step: Callable[..., Tensor], *frame: object) -> list[Tensor]:
    fit.zero_grad()
    loss = step(*frame)
    loss.backward()
    return [loss.detach(), *(parameter.grad.clone() for parameter in fit.parameters())]


@pytest.mark.parametrize("estimator", ["boundary", "antialias", "soft"])
def test_a_step_compiles_into_one_graph(estimator: str) -> None:
    """Breaks if anything between parameters and loss needs Python while it runs, or a second step a second graph."""
    fit, (camera, target) = Fit(estimator), views()
    torch.compiler.reset()
    compiled = torch.compile(fit, fullgraph=True, backend="aot_eager")
    optimizer = torch.optim.SGD(fit.parameters(), 0.1)
    for number in range(3):
        with torch.compiler.set_stance("default" if number == 0 else "fail_on_recompile"):
            found = loss_and_gradients(fit, compiled, camera, target)
        expected = loss_and_gradients(fit, fit, camera, target)
        for have, want in zip(found, expected, strict=True):
            torch.testing.assert_close(have, want, rtol=1e-4, atol=1e-6)
        optimizer.step()


def test_autocast_leaves_geometry_alone() -> None:
    """Breaks if a step under autocast computes pictures or their gradients in bfloat16."""
    fit, (camera, target) = Fit(), views()
    expected = loss_and_gradients(fit, fit, camera, target)

    def step(camera: rp.Camera, target: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):  # of the way forward only, as torch asks for
            return fit(camera, target)

    found = loss_and_gradients(fit, step, camera, target)
    for have, want in zip(found, expected, strict=True):
        assert have.dtype == torch.float32
        assert torch.equal(have, want)


def _train(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    fit, (camera, target) = Fit(), views()
    own = slice(rank * VIEWS // 2, (rank + 1) * VIEWS // 2)
    found = loss_and_gradients(fit, DistributedDataParallel(fit), camera[own], target[own])
    torch.save(found[1:], f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_find_the_gradients_of_one(tmp_path: Path) -> None:
    """Breaks if a step cannot run under DistributedDataParallel, or views shared among processes weigh differently."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(_train, (str(tmp_path),), nprocs=2)
    fit, (camera, target) = Fit(), views()
    expected = loss_and_gradients(fit, fit, camera, target)[1:]
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for one, two, want in zip(first, second, expected, strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one, want, rtol=1e-4, atol=1e-6)
