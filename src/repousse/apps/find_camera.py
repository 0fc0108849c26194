"""Find where a silhouette was photographed from."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from repousse.apps.common import Result, Run, Settings, load_mesh, optimize, require, require_estimator
from repousse.apps.views import orbit
from repousse.camera import Camera
from repousse.render import render, silhouette


@dataclass(frozen=True)
class FindCamera(Settings):
    """Move a camera that looks at the mesh until the silhouette matches one seen from an unknown place.

    The released example stops when the loss falls below a number that depends on the picture's size. Here
    the step of Adam is divided by `decay` whenever the loss has not fallen for `patience` steps, and the
    search ends when the step is below `tolerance` of the distance.
    """

    out: Path = Path("out/find-camera")
    elevation: float = 30.0
    """Height of the sought camera above the horizon, degrees."""
    azimuth: float = -165.0
    """Direction of the sought camera, degrees; 0 is +z, 90 is +x."""
    start: tuple[float, float, float] = (6.0, 10.0, -14.0)
    """Where the search begins."""
    steps: int = 1000
    """Steps of Adam at most."""
    learning_rate: float = 0.1
    """How far Adam moves the camera per step."""
    decay: float = 2.0
    """What the step is divided by when the loss stalls."""
    patience: int = 10
    """Steps without a lower loss that count as a stall."""
    tolerance: float = 2e-4
    """The search ends when the step falls below this part of the distance."""
    gradient: str = "kato"
    """Estimator of the silhouette's gradient: kato or kato-released."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_estimator(self.gradient)
        require(self.steps >= 1, f"steps must be at least 1, not {self.steps}")
        require(self.learning_rate > 0, f"learning_rate must be positive, not {self.learning_rate:g}")
        require(self.decay > 1, f"decay must be above 1, not {self.decay:g}")
        require(self.patience >= 1, f"patience must be at least 1, not {self.patience}")
        require(math.hypot(self.start[0], self.start[2]) > 0, "start must not lie straight above the origin")


def find_camera(settings: FindCamera | None = None) -> Result:
    """Minimise sum (mask - reference)^2 over the camera's position; writes a film and pictures."""
    settings = settings or FindCamera()
    size = (settings.size, settings.size)
    mesh = load_mesh(settings.mesh)
    run = Run("find-camera", settings.out)
    sought = orbit(settings, settings.elevation, settings.azimuth)
    eye = torch.tensor(settings.start, requires_grad=True)
    optimizer = torch.optim.Adam([eye], lr=settings.learning_rate)
    frames: list[Tensor] = []

    def camera_at(place: Tensor) -> Camera:
        return Camera.look_at(place, fov=math.radians(settings.fov))

    def mask(camera: Camera, gradient: str | None) -> Tensor:
        return silhouette(mesh, camera, size, gradient=gradient, supersample=settings.supersample)[0]

    with torch.no_grad():
        target = mask(sought, None)
        before = mask(camera_at(eye), None)
    best, best_eye, stalled = math.inf, eye.detach().clone(), 0

    def step(i: int) -> tuple[float, bool]:
        nonlocal best, best_eye, stalled
        optimizer.zero_grad()
        seen = mask(camera_at(eye), settings.gradient)
        loss = (seen - target).square().sum()
        if i % 4 == 0:
            frames.append(_compare(seen.detach(), target))
        stalled += 1
        if loss.item() < best:
            best, best_eye, stalled = loss.item(), eye.detach().clone(), 0
        elif stalled >= settings.patience:
            stalled = 0
            optimizer.param_groups[0]["lr"] /= settings.decay
        loss.backward()
        optimizer.step()
        return loss.item(), optimizer.param_groups[0]["lr"] < settings.tolerance * best_eye.norm().item()

    losses = optimize(run.title, settings.steps, step)
    with torch.no_grad():
        after = mask(camera_at(best_eye), None)
        picture = render(mesh, camera_at(best_eye), size, gradient=None, supersample=settings.supersample)
    frames += [_compare(after, target)] * 10
    run.gif("search.gif", frames)
    run.pngs({"before": before, "after": after, "target": target, "found": picture.color[0]})

    degrees, percent = _errors(best_eye, sought.position[0])
    outcome = f"{degrees:.3f} degrees and {percent:.3f} % of the distance off after {len(losses)} steps"
    return run.done(outcome, degrees=degrees, percent=percent, steps=len(losses), loss=best)


def _errors(found: Tensor, truth: Tensor) -> tuple[float, float]:
    """Angle between two eyes seen from the origin in degrees, difference of their distances in percent."""
    found, truth = found.double(), truth.double()
    angle = torch.atan2(torch.linalg.cross(found, truth).norm(), found.dot(truth))
    return math.degrees(angle.item()), 100 * (found.norm() / truth.norm() - 1).abs().item()


def _compare(mask: Tensor, target: Tensor) -> Tensor:
    """A frame (H, W, 3): red is the sought silhouette alone, blue the present one alone, white is both."""
    return torch.stack([target, torch.minimum(mask, target), mask], dim=-1) * 0.9
