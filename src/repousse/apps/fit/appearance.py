"""The second stage of a fit: paint and light of a surface whose shape is known."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from repousse.apps.common import InputError, first_line, require
from repousse.apps.fit.light import estimated_light, light_of
from repousse.apps.fit.paint import Paint, TexturePaint, VertexPaint, painted, vertex_colors
from repousse.apps.fit.samples import Samples, SampleStore
from repousse.geometry import Mesh, vertex_normals
from repousse.geometry.unwrap import unwrap
from repousse.io import linear_to_srgb
from repousse.shading import Light

if TYPE_CHECKING:
    from repousse.data import Views

_PADDING = 4
_SMALLEST, _LARGEST = 128, 4096
_TEXELS_PER_PIXEL = 2.5  # along a side
_ROUGH = 0.1  # of sRGB: larger differences count linearly
_LIGHT_RATE, _LIGHT_HELD = 0.004, 1e-2


@dataclass(frozen=True)
class AppearanceSettings:
    """How paint and light are looked for.

    texture        "uv": in a texture, laid out by `unwrap` unless the mesh has "uv"; "vertices": on the vertices
    resolution     texels along each side; 0: as fine as the pictures show them, at most 4096
    light          whether light is told apart from paint; otherwise the paint shows the object as it was lit
    steps          of Adam, after the pictures have been projected onto the surface
    learning_rate  of the colours, before these are squeezed by a sigmoid
    """

    texture: Literal["uv", "vertices"] = "uv"
    resolution: int = 0
    light: bool = True
    steps: int = 150
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        require(self.texture in ("uv", "vertices"), f'texture is "uv" or "vertices", not {self.texture!r}')
        require(
            self.resolution == 0 or 16 <= self.resolution <= _LARGEST,
            f"resolution must be 0 or lie within 16..{_LARGEST}, not {self.resolution}",
        )
        require(self.steps >= 0, f"steps must not be negative, but is {self.steps}")
        require(self.learning_rate > 0, f"learning_rate must be positive, not {self.learning_rate:g}")


class AppearanceStage:
    """Finds colours and light of `mesh` that show what `views` show; a `Stage`. The mesh keeps its shape.

    The pictures are matt paint times the light of `SphericalHarmonics`, of mean 1: what the eye cannot tell, a dark
    surface in bright light from a bright one in dim light, is decided that way. Pixels near silhouettes, the picture's
    or the mesh's, are left out. First the pictures are averaged on the surface, and the light is guessed from how
    these colours change with the normal (`estimated_light`); then Adam minimises

        mean of  cos(slant) huber(srgb(paint light) - srgb(picture))  +  0.01 |light - guess|²

    over some pictures in each step. What no picture shows has the colours of its neighbourhood. Shadows and
    reflections become part of the paint.

    Nothing is computed before the first step, or before what has been found is asked for.
    """

    title = "appearance"

    def __init__(self, mesh: Mesh, views: "Views", settings: AppearanceSettings | None = None) -> None:
        self.settings = settings or AppearanceSettings()
        self.steps = self.settings.steps
        self._given, self._views = mesh, views
        self._begun: _Begun | None = None

    def step(self, i: int) -> dict[str, float]:
        """One step of Adam; the loss is the mean over its pictures' pixels."""
        now = self._ready()
        progress = i / max(self.steps, 1)
        for group, rate in zip(now.optimizer.param_groups, (self.settings.learning_rate, _LIGHT_RATE), strict=True):
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        seen = Samples.joined([now.store[index] for index in self._chosen(now.store, i)])
        if not len(seen):
            return {"color": 0.0}
        now.optimizer.zero_grad()
        loss = _difference(now.paint, now.light, seen)
        (loss + _LIGHT_HELD * (now.light - now.guess).square().mean()).backward()
        now.optimizer.step()
        return {"color": loss.item()}

    def state(self) -> dict[str, Any]:
        """All that is needed to go on; nothing before the first step."""
        if self._begun is None:
            return {}
        now, uv = self._begun, self._begun.store.mesh.attributes.get("uv")
        return {
            "logits": now.paint.logits.detach().clone(),
            "drawn": now.paint.drawn.clone() if isinstance(now.paint, TexturePaint) else None,
            "uv": None if uv is None else (uv.values.clone(), uv.faces.clone()),
            "light": now.light.detach().clone(),
            "guess": now.guess.clone(),
            "optimizer": _copied(now.optimizer.state_dict()),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned."""
        if not state:
            self._begun = None
            return
        mesh = _bare(self._given)
        if state["uv"] is not None:
            mesh = mesh.with_attribute("uv", *state["uv"])
        colors = state["logits"].sigmoid()
        paint: Paint = VertexPaint(colors) if state["drawn"] is None else TexturePaint(colors, state["drawn"])
        with torch.no_grad():
            paint.logits.copy_(state["logits"])
        self._begun = _Begun(SampleStore(mesh, self._views), paint, state["light"], state["guess"])
        self._begun.optimizer.load_state_dict(_copied(state["optimizer"]))

    def mesh(self) -> Mesh:
        """The mesh with its paint: a material with a texture, or the attribute "color"."""
        now = self._ready()
        return now.paint.on(now.store.mesh)

    def lights(self) -> list[Light]:
        """The light that the pictures were taken in."""
        return [light_of(self._ready().light.detach())]

    def _ready(self) -> "_Begun":
        if self._begun is None:
            self._begun = _begin(self._given, self._views, self.settings)
        return self._begun

    def _chosen(self, store: SampleStore, i: int) -> list[int]:
        """Some pictures; each comes once before any comes again."""
        count, at_once = len(self._views), store.at_once()
        rounds = max(1, count // at_once)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(i // rounds)).tolist()
        return order[i % rounds :: rounds]


class _Begun:
    """What is computed before the first step, and changes with each."""

    def __init__(self, store: SampleStore, paint: Paint, light: Tensor, guess: Tensor) -> None:
        self.store, self.paint, self.guess = store, paint, guess.clone()
        self.light = light.clone().requires_grad_()
        self.optimizer = torch.optim.Adam([{"params": [paint.logits]}, {"params": [self.light]}], lr=1.0)


def _begin(mesh: Mesh, views: "Views", settings: AppearanceSettings) -> _Begun:
    """Project the pictures onto the surface and guess the light."""
    mesh = _bare(mesh)
    resolution = settings.resolution or _resolution(views)
    if settings.texture == "uv" and "uv" not in mesh.attributes:
        try:
            mesh = unwrap(mesh, resolution=resolution, padding=_PADDING)
        except ImportError as error:
            raise InputError(f'{first_line(error)}; or choose texture "vertices"') from error
    store = SampleStore(mesh, views)
    lit, seen = vertex_colors(mesh, store, None)
    light = torch.zeros(8, 3)
    if settings.light:
        light = estimated_light(mesh.positions[seen], mesh.attributes["normal"].values[seen], lit[seen])
    colors, _ = vertex_colors(mesh, store, light)
    paint: Paint = VertexPaint(colors)
    if settings.texture == "uv":
        paint = painted(mesh, store, light, colors, resolution)
    return _Begun(store, paint, light, light)


def _bare(mesh: Mesh) -> Mesh:
    """The shape with smooth normals, and "uv" if there is one."""
    charts = {name: attribute for name, attribute in mesh.attributes.items() if name == "uv"}
    bare = Mesh(mesh.positions.detach(), mesh.faces, charts)
    return bare.with_attribute("normal", vertex_normals(bare.positions, bare.faces))


def _resolution(views: "Views") -> int:
    """A power of two at which texels are smaller than half a pixel.

    A convex surface has four times the area of its mean shadow (Cauchy), and charts fill two thirds of the square.
    """
    shadow = float(views.mask.sum((1, 2)).quantile(0.75))
    side = _TEXELS_PER_PIXEL * math.sqrt(4 * shadow / 0.66)
    return min(max(2 ** round(math.log2(max(side, 1))), _SMALLEST), _LARGEST)


def _difference(paint: Paint, light: Tensor, seen: Samples) -> Tensor:
    """Mean difference of the pixels as the eye sees it, (), weighted by the slant."""
    shown = (paint.at(seen) * (1 + seen.sky[..., 1:] @ light)).mean(1).clamp(0, 1)
    apart = (linear_to_srgb(shown) - linear_to_srgb(seen.color.clamp(0, 1))).abs()
    small = apart.clamp(max=_ROUGH)
    each = (small * (apart - small / 2)).mean(-1)
    return (each * seen.weight).sum() / seen.weight.sum().clamp(min=1e-9)


def _copied(value: Any) -> Any:
    """The same dicts, lists and tuples of copied tensors."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return type(value)(_copied(one) for one in value) if isinstance(value, list | tuple) else value
