"""Draw a mesh on a turntable."""

from dataclasses import dataclass
from pathlib import Path

import torch

from repousse.apps.common import Result, Run, Settings, load_mesh, require
from repousse.apps.views import turntable


@dataclass(frozen=True)
class Draw(Settings):
    """Draw a mesh from all around: a GIF of the turntable and a PNG of its first picture."""

    out: Path = Path("out/draw")
    elevation: float = 30.0
    """Height of the camera above the horizon, degrees."""
    step: float = 4.0
    """Degrees of azimuth between two frames; 4 makes 90 frames."""
    smooth: bool = False
    """Shade with normals of vertices instead of faces."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(-90 < self.elevation < 90, f"elevation must lie within -90..90 degrees, not {self.elevation:g}")
        require(0 < self.step <= 360, f"step must lie within 0..360 degrees, not {self.step:g}")


def draw(settings: Draw | None = None) -> Result:
    """Render the turntable of `settings.mesh`; writes turntable.gif and draw.png."""
    settings = settings or Draw()
    mesh = load_mesh(settings.mesh)
    run = Run("draw", settings.out)
    frames = turntable(mesh, settings, settings.elevation, settings.step, smooth=settings.smooth)
    run.gif("turntable.gif", frames)
    run.pngs({"draw": frames[0]})
    covered = torch.stack([(frame > 0).any(-1).double().mean() for frame in frames]).mean().item()
    outcome = f"{len(frames)} frames of {mesh.faces.shape[0]} faces, {100 * covered:.0f} % of the pixels covered"
    return run.done(outcome, frames=len(frames), faces=mesh.faces.shape[0], covered=covered)
