"""Make pictures of any mesh file."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from PIL import ImageColor
from rich.console import Console
from rich.progress import track
from torch import Tensor

from repousse import io
from repousse.apps.common import InputError, Result, Run, first_line, plural, require
from repousse.apps.info import load_with_notes
from repousse.apps.looks import LOOKS, LookName, with_dark_crevices
from repousse.apps.studio import Ground, LightName, lights_of, prepared
from repousse.camera import Camera, frame
from repousse.geometry import Mesh
from repousse.geometry.normals import doubled_areas
from repousse.render import render
from repousse.shading import Environment, Light

_ENDINGS = (".png", ".gif", ".mp4")


@dataclass(frozen=True)
class RenderModel:
    """Make a picture of any mesh file, a sheet of several views, or a turntable."""

    model: Annotated[Path, tyro.conf.Positional]
    """Mesh file: OBJ, PLY, STL, OFF, GLB or glTF, perhaps with .gz behind it."""
    out: Path | None = None
    """Picture to write; .gif or .mp4 makes a turntable. By default out/render/MODEL.png."""
    width: int = 800
    """Pixels."""
    height: int = 800
    """Pixels."""
    azimuth: float = 30.0
    """Where the camera stands, degrees around the model: 0 is its front (+z), 90 its left side (+x)."""
    elevation: float = 20.0
    """Height of the camera above the horizon, degrees."""
    fov: float = 30.0
    """Field of view from top to bottom, degrees; the camera steps back until everything is seen."""
    up: Literal["y", "z"] = "y"
    """Which axis of the file points upwards."""
    shader: LookName = "material"
    """How the surface is drawn."""
    light: LightName = "studio"
    """Which lights shine; they keep their place with respect to the camera."""
    environment: Path | None = None
    """Picture of surroundings all around (lat-long, twice as wide as high) that lights the model instead."""
    background: str = "white"
    """A colour (white, #ddeeff, ...), or transparent (PNG only)."""
    ground: bool = True
    """Let the model cast a shadow on the ground below it."""
    views: int = 1
    """Views from all around, put together in one sheet."""
    frames: int = 60
    """Pictures of a turntable."""
    fps: float = 20.0
    """Frames per second of a turntable."""
    supersample: int = 3
    """Samples per pixel along each side."""

    def __post_init__(self) -> None:
        require(not self.model.is_dir(), f"{self.model} is a folder, not a mesh file")
        for name in ("width", "height", "views", "frames", "supersample"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        most = 16384 // self.supersample
        require(max(self.width, self.height) <= most, f"width and height can be at most {most} with this supersample")
        require(-90 <= self.elevation <= 90, f"elevation must lie within -90..90 degrees, not {self.elevation:g}")
        require(1 <= self.fov <= 120, f"fov must lie within 1..120 degrees, not {self.fov:g}")
        require(0 < self.fps <= 50, f"fps must be above 0 and at most 50, not {self.fps:g}")
        ending = self.target.suffix.lower()
        require(ending in _ENDINGS, f"out must end in {', '.join(_ENDINGS)}, not {ending or 'nothing'!r}")
        require(self.views == 1 or ending == ".png", "several views make a sheet, which is a .png")
        if self.background == "transparent":
            require(ending == ".png", "only a .png can be transparent")
        else:
            _color(self.background)

    @property
    def target(self) -> Path:
        """The file to write."""
        name = self.model.name.removesuffix(".gz")
        return self.out or Path("out/render") / f"{Path(name).stem}.png"

    @property
    def turntable(self) -> bool:
        return self.target.suffix.lower() != ".png"


def render_model(settings: RenderModel) -> Result:
    """Make the picture of `settings.model`; what its reader warned of goes to stderr."""
    mesh, notes = load_with_notes(settings.model)
    for note in notes:
        Console(stderr=True).print(f"{settings.model.name}: {note}", style="yellow", markup=False, highlight=False)
    area = doubled_areas(mesh.positions, mesh.faces)
    require(bool(area.any()), f"{settings.model} cannot be seen: none of its faces has an area")
    target = settings.target
    run = Run("render", target.parent)
    mesh = prepared(mesh, settings.up)
    if LOOKS[settings.shader].lit:
        try:
            mesh = with_dark_crevices(mesh)
        except ImportError as error:
            Console(stderr=True).print(f"Crevices stay bright. {error}", markup=False, highlight=False)
    pictures = _pictures(settings, mesh)
    if not settings.turntable:
        sheet = _sheet(list(pictures))
        run.pngs({target.name.removesuffix(target.suffix): sheet})
    elif target.suffix.lower() == ".gif":
        run.gif(target.name, list(pictures), settings.fps)
    else:
        run.mp4(target.name, pictures, settings.fps)
    what = f"{plural(len(mesh.faces), 'face')} in {settings.width} x {settings.height} pixels"
    return run.done(what, faces=len(mesh.faces))


def _pictures(settings: RenderModel, mesh: Mesh) -> Iterator[Tensor]:
    """Pictures (H, W, 3 or 4), sRGB, one for each view or frame."""
    count = settings.frames if settings.turntable else settings.views
    azimuths = math.radians(settings.azimuth) + torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    size = (settings.height, settings.width)
    view = {"elevation": math.radians(settings.elevation), "fov": math.radians(settings.fov)}
    cameras = frame(mesh.positions, size, azimuth=azimuths if count > 1 else azimuths[0], **view)
    ground = Ground(mesh) if settings.ground and LOOKS[settings.shader].lit else None
    surroundings: list[Light] = []
    if settings.environment is not None:
        surroundings.append(_environment(settings.environment))
    steps = range(count)
    for i in track(steps, "rendering", console=Console(stderr=True), transient=True) if count > 1 else steps:
        camera = cameras[i : i + 1]
        lights = surroundings or lights_of(settings.light, float(azimuths[i]))
        yield _picture(settings, mesh, ground, camera, float(azimuths[i]), lights)


@torch.no_grad()
def _picture(
    settings: RenderModel, mesh: Mesh, ground: Ground | None, camera: Camera, azimuth: float, lights: list[Light]
) -> Tensor:
    size = (settings.height, settings.width)
    look = LOOKS[settings.shader]
    picture = render(
        mesh,
        camera,
        size,
        lights=lights,
        shader=look.shader,
        gradient=None,
        supersample=settings.supersample,
        smooth=settings.shader != "flat",
    )
    color, mask = picture.color[0], picture.mask[0, ..., None]
    if look.linear:
        color = io.linear_to_srgb(color / mask.clamp(min=1e-6)) * mask
    light = torch.ones_like(mask) if ground is None else ground.light(camera, azimuth, size)
    if settings.background == "transparent":  # the shadow is black, as thick as the light it takes away
        alpha = mask + (1 - mask) * (1 - io.linear_to_srgb(light))
        return torch.cat((color / alpha.clamp(min=1e-6), alpha), -1)
    background = torch.tensor(_color(settings.background))
    return color + (1 - mask) * background * io.linear_to_srgb(light)


def _environment(path: Path) -> Environment:
    require(path.is_file(), f"there is no file {path}")
    try:
        picture = io.load_image(path)[..., :3]
    except ValueError as error:
        raise InputError(f"{path} cannot be read as a picture: {first_line(error)}") from error
    return Environment(io.srgb_to_linear(picture.expand(-1, -1, 3)).contiguous())


def _sheet(pictures: list[Tensor]) -> Tensor:
    """Pictures side by side, in about as many rows as columns."""
    columns = math.ceil(math.sqrt(len(pictures)))
    blank = torch.zeros_like(pictures[0]) if pictures[0].shape[-1] == 4 else pictures[0][:1, :1].expand_as(pictures[0])
    full = pictures + [blank] * (-len(pictures) % columns)
    rows = [torch.cat(full[i : i + columns], 1) for i in range(0, len(full), columns)]
    return torch.cat(rows, 0)


def _color(name: str) -> tuple[float, ...]:
    try:
        return tuple(part / 255 for part in ImageColor.getrgb(name)[:3])
    except ValueError:
        require(False, f"background {name!r} is neither a colour, such as white or #ddeeff, nor transparent")
        raise
