"""Recover the colours of a mesh from one picture of it."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from repousse.apps.common import Result, Run, Settings, load_mesh, load_picture, optimize, require
from repousse.apps.views import turntable
from repousse.camera import Camera
from repousse.geometry import Mesh
from repousse.render import Renderer
from repousse.shading import Ambient

ALL_AROUND = Ambient(1.0)
GROUND = 0.3  # grey, so that black is seen to be a colour


@dataclass(frozen=True)
class FitTexture(Settings):
    """Find the colours of the vertices that make the mesh look like one picture.

    The picture is drawn from the mesh with a known pattern of colours, so that the answer is known too; or
    it is any picture you give, of which the mesh takes on the part that it covers. Seen from one fixed side
    by an orthographic camera, lit from everywhere.
    """

    out: Path = Path("out/fit-texture")
    reference: Path | None = None
    """Picture to take the colours from; without it, the mesh drawn with a known pattern."""
    elevation: float = 0.0
    """Height of the camera above the horizon, degrees."""
    azimuth: float = 0.0
    """Direction of the camera, degrees; 0 is +z, 90 is +x."""
    resolution: int = 24
    """Fineness of the bundled teapot: colours live on vertices."""
    steps: int = 300
    """Steps of Adam."""
    learning_rate: float = 0.1
    """Step of Adam, before the colours are squeezed by tanh."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.steps >= 1, f"steps must be at least 1, not {self.steps}")
        require(self.resolution >= 1, f"resolution must be at least 1, not {self.resolution}")
        require(self.learning_rate > 0, f"learning_rate must be positive, not {self.learning_rate:g}")


def fit_texture(settings: FitTexture | None = None) -> Result:
    """Minimise sum (color - reference)^2 over the vertices' colours; writes films and pictures."""
    settings = settings or FitTexture()
    mesh = load_mesh(settings.mesh, settings.resolution)
    reference = None if settings.reference is None else load_picture(settings.reference, settings.size)
    run = Run("fit-texture", settings.out)
    elevation, azimuth = math.radians(settings.elevation), math.radians(settings.azimuth)
    camera = Camera.orbit(settings.distance, elevation, azimuth, extent=2.0)

    size, samples = (settings.size, settings.size), settings.supersample
    renderer = Renderer(size, lights=ALL_AROUND, gradient=None, supersample=samples, background=GROUND)

    with torch.no_grad():
        known = renderer(painted(mesh, pattern(mesh.positions)), camera)
    covered = (known.mask[0] > 0)[..., None]
    target = known.color[0]
    if reference is not None:
        target = torch.lerp(torch.tensor(GROUND), reference, known.mask[0][..., None])

    parameters = torch.zeros(mesh.positions.shape[0], 3, requires_grad=True)
    optimizer = torch.optim.Adam([parameters], lr=settings.learning_rate, betas=(0.5, 0.999))
    frames: list[Tensor] = []

    def loss_now() -> tuple[Tensor, Tensor]:
        seen = renderer(painted(mesh, torch.tanh(parameters)), camera).color[0]
        return ((seen - target) * covered).square().sum(), seen.detach()

    def step(i: int) -> tuple[float, bool]:
        optimizer.zero_grad()
        loss, seen = loss_now()
        loss.backward()
        optimizer.step()
        if i < 20 or i % 8 == 0:  # most happens at the beginning
            frames.append(seen)
        return loss.item(), False

    with torch.no_grad():
        before = loss_now()[0].item()
    losses = optimize(run.title, settings.steps, step)
    with torch.no_grad():
        loss, after = loss_now()
    fitted = painted(mesh, torch.tanh(parameters.detach()))

    run.gif("fit.gif", [*frames, *[after] * 10])
    around = turntable(fitted, settings, 30.0, 8.0, lights=ALL_AROUND, background=GROUND)
    run.gif("turntable.gif", around, fps=12)
    run.pngs({"after": after, "target": target})
    run.mesh("mesh.ply", fitted)
    ratio = before / max(loss.item(), 1e-12)
    outcome = f"texture loss {before:.1f} before, {loss.item():.3g} after {len(losses)} steps: down by {ratio:.0f}x"
    return run.done(outcome, loss_before=before, loss=loss.item(), ratio=ratio, steps=len(losses))


def painted(mesh: Mesh, colors: Tensor) -> Mesh:
    """`mesh` with `colors` (V, 3) on its vertices."""
    return mesh.with_attribute("color", colors)


def pattern(positions: Tensor) -> Tensor:
    """Colours (V, 3) in [0, 0.95] for positions (V, 3): blue diamonds and a copper band on cream."""
    x, y, z = positions.unbind(-1)
    around = x + 0.5 * z
    diamonds = torch.sigmoid(8 * (torch.cos(9 * around + 12 * y) * torch.cos(9 * around - 12 * y) - 0.2))
    band = torch.sigmoid(60 * (0.035 - (y - 0.02).abs()))
    cream, blue, copper = torch.tensor([[0.95, 0.90, 0.78], [0.10, 0.22, 0.60], [0.85, 0.45, 0.25]])
    colors = torch.lerp(cream, blue, diamonds[:, None])
    return torch.lerp(colors, copper, band[:, None])
