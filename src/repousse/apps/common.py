"""What the applications share: settings, the mesh, the optimisation loop, pictures to write."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from repousse import gradients, io
from repousse.geometry import Mesh, teapot


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one line."""


@dataclass(frozen=True)
class Settings:
    """Settings of every application. Angles are in degrees: these are the flags of the command line."""

    mesh: Path | None = None
    """Mesh file; scaled so that its longest side is 2. Without it, the bundled teapot."""
    out: Path = Path("out")
    """Folder the results are written to."""
    size: int = 256
    """Width and height of the pictures in pixels."""
    supersample: int = 2
    """Samples per pixel along each side."""
    distance: float = 2.732
    """Distance of the camera from the origin."""
    fov: float = 60.0
    """Field of view, degrees."""

    def __post_init__(self) -> None:
        for name in ("size", "supersample"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        require(self.distance > 0, f"distance must be positive, not {self.distance:g}")
        require(0 < self.fov < 180, f"fov must lie between 0 and 180 degrees, not {self.fov:g}")


@dataclass(frozen=True)
class Result:
    """What an application did.

    title     the application's name
    outcome   one sentence with the measured numbers
    numbers   the same as data
    written   files, the most telling picture first
    seconds   wall time
    """

    title: str
    outcome: str
    numbers: dict[str, float]
    written: list[Path]
    seconds: float

    def __str__(self) -> str:
        names = ", ".join(str(path) for path in self.written)
        return f"{self.title}: {self.outcome} ({self.seconds:.1f} s). Wrote {names}"


@dataclass
class Run:
    """A running application: the clock, the folder, the files written so far."""

    title: str
    folder: Path
    written: list[Path] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write to {self.folder}: {error.strerror}") from error

    def pngs(self, images: dict[str, Tensor]) -> None:
        """Write pictures by name: (H, W, 3) or (H, W), clipped to [0, 1]."""
        for name, image in images.items():
            io.save_png(self._path(f"{name}.png"), image)

    def gif(self, name: str, frames: list[Tensor], fps: float = 20) -> None:
        """Write pictures (H, W, 3) or (H, W), clipped to [0, 1]."""
        io.save_gif(self._path(name), torch.stack(frames), fps=fps)

    def mp4(self, name: str, frames: Iterable[Tensor], fps: float) -> None:
        """Write pictures (H, W, 3) with even sides, clipped to [0, 1], as they come."""
        try:
            io.save_mp4(self._path(name), frames, fps=fps)
        except ImportError as error:
            raise InputError(first_line(error)) from error

    def mesh(self, name: str, mesh: Mesh) -> None:
        io.save(self._path(name), mesh)

    def done(self, outcome: str, **numbers: float) -> Result:
        return Result(self.title, outcome, numbers, self.written, time.perf_counter() - self.started)

    def _path(self, name: str) -> Path:
        path = self.folder / name
        self.written.append(path)
        return path


def require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


def require_estimator(name: str) -> None:
    try:
        gradients.estimator(name)
    except ValueError as error:
        raise InputError(first_line(error)) from error


def load_mesh(path: Path | None, resolution: int | None = None) -> Mesh:
    """The mesh of `path`, centred and scaled to a longest side of 2; the bundled teapot if there is none."""
    if path is None:
        return (teapot() if resolution is None else teapot(resolution)).normalized()
    require(path.is_file(), f"there is no file {path}")
    try:
        return io.load(path).normalized()
    except Exception as error:  # whatever a damaged file makes a parser raise, the user wants one line
        raise InputError(f"{path} cannot be read as a mesh: {first_line(error)}") from error


def load_picture(path: Path, size: int) -> Tensor:
    """(size, size, 3) float in [0, 1], scaled to fit."""
    require(path.is_file(), f"there is no file {path}")
    try:
        picture = io.load_image(path)[..., :3]
    except Exception as error:
        raise InputError(f"{path} cannot be read as a picture: {first_line(error)}") from error
    planes = picture.expand(*picture.shape[:2], 3).movedim(-1, 0)[None]
    scaled = torch.nn.functional.interpolate(planes, (size, size), mode="bilinear", antialias=True)
    return scaled[0].movedim(0, -1).contiguous()


def optimize(title: str, steps: int, step: Callable[[int], tuple[float, bool]]) -> list[float]:
    """Call `step(i)` until it says it is done; show a bar; return the losses.

    step  returns (loss, done)

    Ctrl-C ends the loop early and is no error: the caller writes what it has.
    """
    losses: list[float] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=steps, note="")
        try:
            for i in range(steps):
                loss, done = step(i)
                losses.append(loss)
                progress.update(task, advance=1, note=f"loss {loss:.4g}")
                if done:
                    break
        except KeyboardInterrupt:
            progress.console.print(f"{title}: stopped after {len(losses)} steps, writing what there is")
    return losses


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
