"""Shapes from silhouettes, start to finish: `python -m benchmarks.shape_fit [MODEL ...]`.

From a ball, or for the torus from a squashed torus, each shape is found again from the masks of 24 views of 128 x 128
pixels: large steps in `AdamUniform`, remeshed coarse to fine. Printed are the distance to the truth relative to the
diagonal of its bounding box, the overlap of the silhouettes in views that were not used, folds, and CPU time.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import repousse as rp
from repousse.optim import AdamUniform, LargeSteps, carried_state, carry_state, remesh, tangles

_SIZE = (128, 128)


@dataclass(frozen=True)
class Settings:
    """How a shape is fitted. Lengths are for shapes whose bounding box has 2 as longest side.

    strength      of `LargeSteps`
    rate          learning rate over edge length
    coarse, fine  edge length at the beginning, and from step `ramp` on; it shrinks steadily in between
    steps         in all
    remesh_every  steps from one remeshing to the next
    gradient      name of an estimator
    """

    strength: float = 3.0
    rate: float = 0.8
    coarse: float = 0.2
    fine: float = 0.05
    ramp: int = 120
    steps: int = 200
    remesh_every: int = 10
    gradient: str = "antialias"

    def edge_length(self, step: int) -> float:
        """The target at a step."""
        return self.coarse * (self.fine / self.coarse) ** min(step / self.ramp, 1)


def fit(start: rp.Mesh, camera: rp.Camera, masks: Tensor, settings: Settings) -> rp.Mesh:
    """The mesh whose silhouettes are `masks` (N, H, W)."""
    found = remesh(start.positions, start.faces, settings.coarse)
    mesh = rp.Mesh(found.positions, found.faces)
    steps, u = _differential(mesh, settings)
    optimiser = AdamUniform([u], lr=settings.rate * settings.coarse)
    for i in range(settings.steps):
        if i and i % settings.remesh_every == 0:
            edge_length = settings.edge_length(i)
            kept = carried_state(optimiser, u)
            found = remesh(mesh.positions, mesh.faces, edge_length, carried=kept, passes=1)
            mesh = rp.Mesh(found.positions, found.faces)
            old, (steps, u) = u, _differential(mesh, settings)
            carry_state(optimiser, old, u, found.carried)
            optimiser.param_groups[0]["lr"] = settings.rate * edge_length
        posed = mesh.with_positions(steps.from_differential(u))
        rendered = rp.silhouette(posed, camera, _SIZE, gradient=settings.gradient)
        optimiser.zero_grad()
        (rendered - masks).square().mean().backward()
        optimiser.step()
        mesh = mesh.with_positions(steps.from_differential(u.detach()))
    return mesh


def _differential(mesh: rp.Mesh, settings: Settings) -> tuple[LargeSteps, Tensor]:
    steps = LargeSteps(mesh.faces, len(mesh.positions), settings.strength)
    return steps, steps.to_differential(mesh.positions).requires_grad_()


def views(count: int, turn: float = 0.0) -> rp.Camera:
    """Cameras spread evenly over a sphere (a Fibonacci spiral)."""
    number = torch.arange(count) + 0.5
    elevation = 0.85 * torch.asin(1 - 2 * number / count)
    return rp.Camera.orbit(4.0, elevation, turn + number * math.pi * (3 - 5**0.5), fov=math.radians(32))


def bowl() -> rp.Mesh:
    """A thick bowl, open at the top."""
    ball = rp.icosphere(5)
    x, y, z = ball.positions.unbind(1)
    polar, around = torch.acos(y.clamp(-1, 1)), torch.atan2(x, z)
    fold = polar - math.pi / 2  # the upper half of the ball is turned in and becomes the inner side
    radius, angle = 0.9 + 0.1 * torch.tanh(fold / 0.15), math.pi / 2 + fold.abs()
    points = [radius * angle.sin() * around.sin(), radius * angle.cos(), radius * angle.sin() * around.cos()]
    return ball.with_positions(torch.stack(points, 1)).normalized()


def scenes(models: Sequence[Path]) -> dict[str, tuple[rp.Mesh, rp.Mesh]]:
    """Truth and start by name."""
    squashed = rp.torus(0.6, 0.15, (24, 12))
    squashed = squashed.with_positions(squashed.positions * torch.tensor([1.2, 1.0, 0.9]) + 0.05)
    found = {"torus": (rp.torus(), squashed), "bowl": (bowl(), rp.icosphere(3))}
    for path in models:
        found[path.name] = (rp.io.load(path).normalized(), rp.icosphere(3))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Shapes from silhouettes, start to finish.")
    parser.add_argument("models", nargs="*", type=Path, help="further shapes: closed meshes of genus 0")
    parser.add_argument("--save", type=Path, help="folder for the results as PLY files")
    parser.add_argument("--gradient", default=Settings.gradient)
    arguments = parser.parse_args()
    table = Table("shape", "faces", "distance", "overlap, other views", "folds", "CPU s")
    used, others = views(24), views(16, turn=1.0)
    for name, (truth, start) in scenes(arguments.models).items():
        masks = rp.silhouette(truth, used, _SIZE, gradient=None, supersample=4)
        before = time.process_time()
        mesh = fit(start, used, masks, Settings(gradient=arguments.gradient))
        seconds = time.process_time() - before
        compared = rp.metrics.compare(mesh, truth, generator=torch.Generator().manual_seed(0))
        diagonal = (truth.positions.amax(0) - truth.positions.amin(0)).norm()
        shown, wanted = (rp.silhouette(one, others, _SIZE, gradient=None, supersample=4) for one in (mesh, truth))
        table.add_row(
            name,
            str(len(mesh.faces)),
            f"{float(compared.chamfer / diagonal):.2%}",
            f"{float(rp.metrics.iou(shown, wanted).mean()):.4f}",
            str(tangles(mesh.positions, mesh.faces)),
            f"{seconds:.1f}",
        )
        if arguments.save:
            arguments.save.mkdir(parents=True, exist_ok=True)
            rp.io.save(arguments.save / f"{name}.ply", mesh)
    Console().print(table)


if __name__ == "__main__":
    main()
