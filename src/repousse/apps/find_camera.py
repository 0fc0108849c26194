"""Find where a silhouette was photographed from."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from repousse.apps.common import Result, Run, Settings, load_mesh, optimize, require, require_estimator
from repousse.apps.views import orbit
from repousse.camera import Camera
from repousse.geometry import Mesh
from repousse.losses import pyramid
from repousse.optim import Schedule, Stage, far_to_near
from repousse.render import render, silhouette

FAR_TO_NEAR = "far-to-near"


@dataclass(frozen=True)
class FindCamera(Settings):
    """Move a camera that looks at the mesh until the silhouette matches one seen from an unknown place.

    The released example minimises the squared error of the pixels by one estimator. Here pictures are compared at all
    scales, and the estimator changes on the way.
    """

    out: Path = Path("out/find-camera")
    elevation: float = 30.0
    """Height of the sought camera above the horizon, degrees."""
    azimuth: float = -165.0
    """Direction of the sought camera, degrees; 0 is +z, 90 is +x."""
    start: tuple[float, float, float] = (6.0, 10.0, -14.0)
    """Where the search begins."""
    steps: int = 270
    """Steps of Adam."""
    learning_rate: float = 0.15
    """How far Adam moves the camera in its first step, as part of its distance."""
    gradient: str = FAR_TO_NEAR
    """Estimator of the silhouette's gradient: far-to-near (kato-released, then boundary), or any single one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gradient != FAR_TO_NEAR:
            require_estimator(self.gradient)
        require(self.steps >= 2, f"steps must be at least 2, not {self.steps}")
        require(self.learning_rate > 0, f"learning_rate must be positive, not {self.learning_rate:g}")
        require(math.hypot(self.start[0], self.start[2]) > 0, "start must not lie straight above the origin")

    def schedule(self) -> Schedule:
        """Which estimator when, with learning rates in world units."""
        if self.gradient == FAR_TO_NEAR:
            return far_to_near(self.distance * self.learning_rate / 0.15, steps=self.steps)
        return Schedule((Stage(self.gradient, self.steps, self.distance * self.learning_rate),))


class Search:
    """Cameras that look at the origin and move until each sees the sought silhouette. They do not affect one another.

    eye   float (N, 3)  where they are
    best  float (N, 3)  where each was when most pixels agreed
    loss  float (N,)    mean squared error of the pixels there
    """

    def __init__(self, mesh: Mesh, target: Tensor, start: Tensor, schedule: Schedule, *, fov: float, supersample: int):
        """Look for the mask `target` (S, S) from `start` (N, 3); `fov` in radians."""
        self.mesh, self.target, self.schedule, self.fov, self.supersample = mesh, target, schedule, fov, supersample
        self.eye = start.detach().clone().requires_grad_()
        self.best, self.loss = start.detach().clone(), torch.full((len(start),), math.inf)
        self._optimizer = torch.optim.Adam([self.eye], betas=(0.9, 0.99))

    def step(self, i: int) -> Tensor:
        """Move once; returns what was seen before, (N, S, S)."""
        if self.schedule.begins(i):
            self._optimizer = torch.optim.Adam([self.eye], betas=(0.9, 0.99))
        self._optimizer.param_groups[0]["lr"] = self.schedule.learning_rate(i)
        self._optimizer.zero_grad()
        seen = self.mask(self.eye, self.schedule(i))
        self._remember(seen.detach())
        target = self.target.expand_as(seen)
        loss = pyramid(seen, target, levels=max(1, (min(target.shape[1:]) - 1).bit_length()))
        if loss.requires_grad:  # "interior" has no gradient
            loss.sum().backward()
            self._optimizer.step()
        return seen.detach()

    def mask(self, eye: Tensor, gradient: object = None) -> Tensor:
        """What is seen from (N, 3): (N, S, S)."""
        size = (self.target.shape[0], self.target.shape[1])
        camera = Camera.look_at(eye, fov=self.fov)
        return silhouette(self.mesh, camera, size, gradient=gradient, supersample=self.supersample)  # type: ignore[arg-type]

    @torch.no_grad()
    def _remember(self, seen: Tensor) -> None:
        loss = (seen - self.target).square().mean((1, 2))
        self.best = torch.where((loss < self.loss)[:, None], self.eye, self.best)
        self.loss = torch.minimum(loss, self.loss)


def find_camera(settings: FindCamera | None = None) -> Result:
    """Minimise the difference of masks over the camera's position; writes a film and pictures."""
    settings = settings or FindCamera()
    size = (settings.size, settings.size)
    mesh = load_mesh(settings.mesh)
    run = Run("find-camera", settings.out)
    sought = orbit(settings, settings.elevation, settings.azimuth)
    fov = math.radians(settings.fov)
    target = silhouette(mesh, sought, size, gradient=None, supersample=settings.supersample)[0]
    start = torch.tensor([settings.start])
    search = Search(mesh, target, start, settings.schedule(), fov=fov, supersample=settings.supersample)
    before = search.mask(start)[0]
    frames: list[Tensor] = []

    def step(i: int) -> tuple[float, bool]:
        seen = search.step(i)[0]
        if i % 4 == 0:
            frames.append(_compare(seen, target))
        return (seen - target).square().mean().item(), False

    losses = optimize(run.title, settings.steps, step)
    after = search.mask(search.best)[0]
    found = Camera.look_at(search.best, fov=fov)
    picture = render(mesh, found, size, gradient=None, supersample=settings.supersample)
    frames += [_compare(after, target)] * 10
    run.gif("search.gif", frames)
    run.pngs({"before": before, "after": after, "target": target, "found": picture.color[0]})

    degrees, percent = errors(search.best[0], sought.position[0])
    outcome = f"{degrees:.3f} degrees and {percent:.3f} % of the distance off after {len(losses)} steps"
    return run.done(outcome, degrees=degrees, percent=percent, steps=len(losses), loss=search.loss.item())


def errors(found: Tensor, truth: Tensor) -> tuple[float, float]:
    """Angle between two eyes seen from the origin in degrees, difference of their distances in percent."""
    found, truth = found.double(), truth.double()
    angle = torch.atan2(torch.linalg.cross(found, truth).norm(), found.dot(truth))
    return math.degrees(angle.item()), 100 * (found.norm() / truth.norm() - 1).abs().item()


def _compare(mask: Tensor, target: Tensor) -> Tensor:
    """A frame (H, W, 3): red is the sought silhouette alone, blue the present one alone, white is both."""
    return torch.stack([target, torch.minimum(mask, target), mask], dim=-1) * 0.9
