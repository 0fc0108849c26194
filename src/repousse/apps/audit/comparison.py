"""Scores: how far an estimator is from the truth."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from repousse import ops
from repousse.apps.audit.directions import GROUPS, Group, Motion
from repousse.apps.audit.scenes import Scene
from repousse.gradients import Estimator
from repousse.render import silhouette

CHANNELS = {"color": slice(0, 3), "mask": slice(3, 4)}


@dataclass(frozen=True)
class Score:
    """cosine = <a, b> / (|a| |b|) and error = |a - b| / |b| of what is estimated, a, and the truth, b.

    The cosine is 0 where one of them is 0.
    """

    cosine: float
    error: float


def score(estimated: Tensor, truth: Tensor) -> Score:
    """Of two tensors of one shape, taken as vectors. Without any truth, the error is 0 or infinite."""
    a, b = estimated.double().flatten(), truth.double().flatten()
    product = a.norm() * b.norm()
    cosine = (a @ b / product).item() if product > 0 else 0.0
    difference = (a - b).norm()
    error = (difference / b.norm()).item() if b.any() else (0.0 if difference == 0 else float("inf"))
    return Score(cosine, error)


def image_scores(images: Tensor, truth: Tensor, motions: Sequence[Motion]) -> dict[Group, dict[str, Score]]:
    """Scores of derivative images (M, H, W, 4), for each group of motions, of colour and of mask."""
    return {
        group: {name: score(images[chosen][..., part], truth[chosen][..., part]) for name, part in CHANNELS.items()}
        for group in GROUPS
        if (chosen := [i for i, motion in enumerate(motions) if motion.group == group])
    }


def loss_derivatives(
    scene: Scene, estimator: str | Estimator, motions: Sequence[Motion], size: int, target: Tensor, supersample: int = 1
) -> Tensor:
    """d/dtheta of 0.5 |picture - target|² along each motion, (M,), as an optimisation would see it.

    target  float (H, W, 4)
    """
    theta = torch.zeros(len(motions), requires_grad=True)
    picture = moved_picture(scene, estimator, motions, theta, size, supersample)
    loss = 0.5 * (picture - target).square().sum()
    (gradient,) = torch.autograd.grad(loss, theta)
    return gradient


def moved_picture(
    scene: Scene, estimator: str | Estimator, motions: Sequence[Motion], theta: Tensor, size: int, supersample: int = 1
) -> Tensor:
    """The picture (H, W, 4) after the motions by `theta` (M,), differentiable in theta."""
    positions, pose, lens = scene.mesh.positions, scene.camera.world_to_camera, scene.camera.projection
    for amount, motion in zip(theta.unbind(), motions, strict=True):
        if motion.positions is not None:
            positions = positions + amount * motion.positions
        if motion.pose is not None:
            pose = pose + amount * motion.pose
        if motion.lens is not None:
            lens = lens + amount * motion.lens
    mesh = scene.mesh.with_positions(positions)
    camera = type(scene.camera)(pose, lens)
    return scene.draw(size, mesh=mesh, camera=camera, gradient=estimator, supersample=supersample)[0]


def true_loss_derivatives(images: Tensor, picture: Tensor, target: Tensor) -> Tensor:
    """The same for the integrated picture (H, W, 4), whose derivative images (M, H, W, 4) are the truth."""
    return (images * (picture - target)).sum((1, 2, 3))


def cost(scene: Scene, estimator: str | Estimator, size: int, repeats: int = 7) -> float:
    """CPU milliseconds of a mask, forward and backward, beyond those of visibility; the least of `repeats`."""
    positions = scene.mesh.positions.clone().requires_grad_()
    mesh = scene.mesh.with_positions(positions)
    weights = torch.randn(1, size, size, generator=torch.Generator().manual_seed(0))

    def visibility() -> None:
        with torch.no_grad():
            ops.rasterize(scene.camera.project(positions, (size, size)), mesh.faces, (size, size))

    def everything() -> None:
        mask = silhouette(mesh, scene.camera, (size, size), gradient=estimator)
        if mask.requires_grad:
            torch.autograd.grad(mask, positions, weights, allow_unused=True)

    return max(0.0, 1e3 * (_seconds(everything, repeats) - _seconds(visibility, repeats)))


def _seconds(work: Callable[[], None], repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats + 1):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best
