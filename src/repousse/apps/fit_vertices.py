"""Push the vertices of a mesh until its silhouette is a given shape."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from repousse.apps.common import (
    InputError,
    Result,
    Run,
    Settings,
    load_mesh,
    load_picture,
    optimize,
    require,
    require_estimator,
)
from repousse.apps.views import orbit, turntable
from repousse.render import render, silhouette


@dataclass(frozen=True)
class FitVertices(Settings):
    """Move every vertex until the silhouette from one side is a square, or the white of a picture."""

    out: Path = Path("out/fit-vertices")
    reference: Path | None = None
    """Wanted silhouette, white on black; without it, a centred square of half the picture's size."""
    elevation: float = 0.0
    """Height of the camera above the horizon, degrees."""
    azimuth: float = 90.0
    """Direction of the camera, degrees; 0 is +z, 90 is +x."""
    steps: int = 300
    """Steps of Adam."""
    learning_rate: float = 1e-3
    """How far Adam moves a vertex per step."""
    gradient: str = "kato"
    """Estimator of the silhouette's gradient: kato or kato-released."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_estimator(self.gradient)
        require(self.steps >= 1, f"steps must be at least 1, not {self.steps}")
        require(self.learning_rate > 0, f"learning_rate must be positive, not {self.learning_rate:g}")


def fit_vertices(settings: FitVertices | None = None) -> Result:
    """Minimise sum (mask - reference)^2 over the vertices; writes pictures, films and the mesh."""
    settings = settings or FitVertices()
    size = (settings.size, settings.size)
    mesh = load_mesh(settings.mesh)
    target = _target(settings)
    run = Run("fit-vertices", settings.out)
    camera = orbit(settings, settings.elevation, settings.azimuth)
    positions = mesh.positions.clone().requires_grad_()
    optimizer = torch.optim.Adam([positions], lr=settings.learning_rate)
    frames: list[Tensor] = []

    def mask() -> Tensor:
        moved, samples = mesh.with_positions(positions), settings.supersample
        return silhouette(moved, camera, size, gradient=settings.gradient, supersample=samples)[0]

    def step(i: int) -> tuple[float, bool]:
        optimizer.zero_grad()
        seen = mask()
        loss = (seen - target).square().sum()
        loss.backward()
        optimizer.step()
        if i % 4 == 0:
            frames.append(_compare(seen.detach(), target))
        return loss.item(), False

    with torch.no_grad():
        before = mask()
    losses = optimize(run.title, settings.steps, step)
    with torch.no_grad():
        after = mask()
    frames += [_compare(after, target)] * 10
    fitted = mesh.with_positions(positions.detach())

    run.gif("fit.gif", frames)
    run.gif("turntable.gif", turntable(fitted, settings, 30.0, 8.0), fps=12)
    with torch.no_grad():
        picture = render(fitted, camera, size, gradient=None, supersample=settings.supersample)
    run.pngs({"before": before, "after": after, "target": target, "shaded": picture.color[0]})
    run.mesh("mesh.obj", fitted)
    iou_before, iou_after = _iou(before, target), _iou(after, target)
    outcome = f"silhouette IoU {iou_before:.4f} before, {iou_after:.4f} after {len(losses)} steps"
    return run.done(outcome, iou_before=iou_before, iou=iou_after, steps=len(losses))


def _target(settings: FitVertices) -> Tensor:
    if settings.reference is not None:
        target = load_picture(settings.reference, settings.size).mean(-1)
        if target.max() <= 0.5:
            raise InputError(f"{settings.reference} shows no white shape: nothing to fit")
        return target
    target = torch.zeros(settings.size, settings.size)
    quarter = settings.size // 4
    target[quarter : settings.size - quarter, quarter : settings.size - quarter] = 1
    return target


def _iou(mask: Tensor, target: Tensor) -> float:
    """Intersection over union of two masks, binary at one half."""
    a, b = mask > 0.5, target > 0.5
    return ((a & b).sum() / (a | b).sum().clamp(min=1)).item()


def _compare(mask: Tensor, target: Tensor) -> Tensor:
    """A frame (H, W, 3): the target in warm grey, the silhouette in white, their overlap bright."""
    ground = target[..., None] * torch.tensor([0.75, 0.35, 0.15])
    ink = torch.tensor([1.0, 0.95, 0.85]) * (0.45 + 0.55 * target[..., None])
    return ground * (1 - mask[..., None]) + ink * mask[..., None]
