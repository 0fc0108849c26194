"""Make a set of pictures with cameras of any model."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from rich.console import Console
from rich.progress import track
from torch import Tensor

from repousse import io
from repousse.apps.coffee_pot import coffee_pot
from repousse.apps.common import InputError, Result, Run, first_line, plural, require
from repousse.apps.info import load_with_notes
from repousse.apps.studio import lights_of, prepared
from repousse.camera import Camera
from repousse.data import Views, save_views
from repousse.geometry import Mesh
from repousse.render import Picture, render
from repousse.shading import Light, SphericalHarmonics, lambert, pbr

_COLUMNS = 8  # of the sheet
_TURN = math.pi * (3 - math.sqrt(5))  # from one point of a Fibonacci spiral to the next


@dataclass(frozen=True)
class RenderViews:
    """Make a set of pictures with cameras, masks, depth and normals of any model: something to fit."""

    model: Annotated[Path | None, tyro.conf.Positional] = None
    """Mesh file; scaled so that its longest side is 2. Without it, the bundled coffee pot."""
    out: Path = Path("out/views")
    """Folder the set is written to."""
    views: int = 24
    """Pictures to learn from: transforms_train.json."""
    test: int = 6
    """Pictures from other sides to judge by: transforms_test.json."""
    size: int = 128
    """Width and height of the pictures in pixels."""
    elevations: tuple[float, ...] = ()
    """Heights of rings of cameras above the horizon, degrees; by default they are spread all over a sphere."""
    fov: float = 40.0
    """Field of view, degrees; the cameras step back until everything is seen."""
    up: Literal["y", "z"] = "y"
    """Which axis of the file points upwards."""
    light: Literal["soft", "studio"] = "soft"
    """Soft light from everywhere, or lamps that stand still and cast shadows."""
    glossy: bool = False
    """Draw materials with their highlights instead of matt."""
    supersample: int = 4
    """Samples per pixel along each side."""

    def __post_init__(self) -> None:
        require(self.model is None or not self.model.is_dir(), f"{self.model} is a folder, not a mesh file")
        for name, least in (("views", 2), ("test", 0), ("size", 4), ("supersample", 1)):
            require(getattr(self, name) >= least, f"{name} must be at least {least}, not {getattr(self, name)}")
        require(self.size * self.supersample <= 16384, "size times supersample can be at most 16384")
        require(1 <= self.fov <= 120, f"fov must lie within 1..120 degrees, not {self.fov:g}")
        for angle in self.elevations:
            require(-90 <= angle <= 90, f"elevations must lie within -90..90 degrees, not {angle:g}")


def render_views(settings: RenderViews | None = None) -> Result:
    """Write the set, the model in the set's coordinates (model.glb) and a sheet of all pictures (views.png).

    The same model and settings give the same bytes.
    """
    settings = settings or RenderViews()
    mesh = prepared(_model(settings.model), settings.up)
    run = Run("views", settings.out)
    counts = {"train": settings.views, "test": settings.test} if settings.test else {"train": settings.views}
    for path in sorted(settings.out.glob("transforms*.json")):
        known = path.stem.removeprefix("transforms_") in counts
        require(known, f"{settings.out} holds another set of views ({path.name}); choose another folder")
    sheet: list[Tensor] = []
    for split, count in counts.items():
        camera = _cameras(settings, mesh, count, between=split == "test")
        pictures = _pictures(settings, mesh, camera, split)
        mask = pictures.mask.clamp(0, 1)
        require(bool((mask.flatten(1).amax(1) > 0).all()), "the model has no face that could be seen")
        views = Views(pictures.color.clamp(min=0), mask, camera, tuple(f"{number:03d}" for number in range(count)))
        try:
            path = save_views(settings.out, views, split=split, depth=pictures.depth, normal=pictures.normal)
        except OSError as error:
            raise InputError(f"cannot write to {settings.out}: {error.strerror or first_line(error)}") from error
        run.written.append(path)
        sheet += list(io.linear_to_srgb(views.color + (1 - mask[..., None])))
    run.pngs({"views": _sheet(sheet)})
    run.mesh("model.glb", mesh)
    outcome = f"{plural(len(sheet), 'picture')} of {settings.size} x {settings.size} pixels"
    return run.done(outcome, pictures=len(sheet), faces=len(mesh.faces))


def _model(path: Path | None) -> Mesh:
    if path is not None:
        return load_with_notes(path)[0]
    try:
        return coffee_pot()
    except ImportError as error:
        raise InputError(f"the bundled model needs scikit-image, or name a mesh file ({first_line(error)})") from error


def _cameras(settings: RenderViews, mesh: Mesh, count: int, between: bool) -> Camera:
    """Cameras around the mesh, all at the same distance; `between`: at other places than without."""
    number = torch.arange(count, dtype=torch.float64)
    if settings.elevations:
        rings = torch.tensor(settings.elevations, dtype=torch.float64)
        ring = number.long() % len(rings)
        elevation = torch.deg2rad(rings[ring])
        # Rings are turned against each other, so that cameras do not stand above one another.
        azimuth = 2 * math.pi * (number + 0.5 * between) / count
    else:
        elevation = torch.asin(1 - (2 * number + 1) / count)
        azimuth = _TURN * number + math.pi / 2 * between
    low, high = mesh.positions.amin(0).double(), mesh.positions.amax(0).double()
    middle, radius = (low + high) / 2, float((mesh.positions.double() - (low + high) / 2).norm(dim=1).max())
    distance = 1.05 * radius / math.sin(math.radians(settings.fov) / 2)
    return Camera.orbit(
        distance,
        elevation,
        azimuth,
        target=middle,
        fov=math.radians(settings.fov),
        near=distance - 1.02 * radius,
        far=distance + 1.02 * radius,
    ).to(torch.float32)


@torch.no_grad()
def _pictures(settings: RenderViews, mesh: Mesh, camera: Camera, split: str) -> Picture:
    parts = []
    title = f"rendering {split}"
    for number in track(range(len(camera)), title, console=Console(stderr=True), transient=True):
        picture = render(
            mesh,
            camera[number : number + 1],
            (settings.size, settings.size),
            lights=_lights(settings.light),
            shader=pbr if settings.glossy else lambert,
            gradient=None,
            supersample=settings.supersample,
            smooth=True,
        )
        parts.append(picture)
    return Picture(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _lights(name: Literal["soft", "studio"]) -> list[Light]:
    """Lights that stand still in the world."""
    if name == "studio":
        return lights_of("studio", 0.0)
    sky = torch.zeros(9, 3)
    sky[0] = torch.tensor([2.35, 2.30, 2.25])  # on average 0.65 from every direction
    sky[1] = torch.tensor([0.42, 0.45, 0.50])  # more from above, bluish
    sky[2] = torch.tensor([0.36, 0.32, 0.28])  # and from the front, warm
    sky[3] = torch.tensor([-0.34, -0.28, -0.22])  # left
    sky[7] = torch.tensor([-0.10, -0.10, -0.10])
    return [SphericalHarmonics(sky)]


def _sheet(pictures: list[Tensor]) -> Tensor:
    """Pictures (H, W, 3) side by side."""
    columns = min(_COLUMNS, len(pictures))
    full = pictures + [torch.ones_like(pictures[0])] * (-len(pictures) % columns)
    return torch.cat([torch.cat(full[i : i + columns], 1) for i in range(0, len(full), columns)], 0)
