"""The first stage of a fit: the surface, from silhouettes and then from what the pictures show."""

import math
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from repousse.apps.fit.frame import Frame
from repousse.apps.fit.poses import Corrections
from repousse.camera import Camera
from repousse.data import Views
from repousse.geometry import Mesh
from repousse.optim import AdamUniform, LargeSteps, carried_state, carry_state, remesh
from repousse.render import render, silhouette
from repousse.shading import DEFAULT_LIGHTS, Light, SphericalHarmonics, lambert

_BETAS = (0.9, 0.99)  # short memory: large gradients of the start do not slow down the end
_COLOR_RATE, _LIGHT_RATE = 0.02, 0.01
_LAST_RATE = 0.05  # share of the rate that is left at the end
_LARGEST_PIXEL = 0.02  # of a picture of 128² that the object fills: edges are not longer where pixels are larger
_REMESH_UNTIL = 0.8  # share of a level after which its faces stay


@dataclass(frozen=True)
class Level:
    """A part of the coarse-to-fine schedule.

    scale  of the pictures
    edge   length that remeshing aims at, in pixels of the unscaled pictures
    steps  at most
    color  whether colours count, or silhouettes alone
    """

    scale: float
    edge: float
    steps: int
    color: bool = True


@dataclass(frozen=True)
class ShapeSettings:
    """How the surface is looked for.

    levels        from coarse to fine
    batch         pictures per step
    rate          longest step of a vertex, as a share of the length of edges
    strength      of `LargeSteps`: how far a step spreads
    gradient      estimator of the silhouettes' gradient. With "antialias", whose pictures are as soft as the masks,
                  silhouettes are a little better than with "boundary" (IoU + 0.0007, mean of eight sets) and shapes
                  worse (chamfer + 3 %). 4 samples per pixel gain 0.3 to 1.2 dB for four times the work
    shortest      edge that remeshing aims at, however small the pixels are
    remesh_every  steps
    seed          of the order of the pictures
    poses         how fast cameras are corrected, radians and lengths of the frame per step; 0: they are right
    """

    levels: tuple[Level, ...] = (Level(1, 2.5, 60, color=False), Level(1, 2.5, 180))
    batch: int = 8
    rate: float = 0.8
    strength: float = 4.0
    gradient: str = "boundary"
    shortest: float = 0.025
    remesh_every: int = 25
    seed: int = 0
    poses: float = 0.0


class ShapeStage:
    """Moves and remeshes `start` until it looks like `views`; a `Stage`.

    Each step draws some views with the mesh's vertex colours in light of spherical harmonics and minimises

        sum (mask - mask_i)² / sum mask_i   +   sum |color - color_i| / sum mask_i

    over the positions, in the coordinates of `LargeSteps` with `AdamUniform`, and over colours and light with Adam.
    Silhouettes get their gradient from an estimator; colours pull at the surface wherever what they show moves when it
    moves, and so find hollows that no silhouette shows. Views without colours (see `has_colors`) leave the second term
    away.

    views     in a frame in which the object lies in about [-1, 1]³
    start     closed surface of the right genus, which is kept. In the same frame
    settings  see `ShapeSettings`

    With `ShapeSettings.poses`, the cameras get `Corrections`, which minimise the same loss in the same steps: a surface
    found with wrong cameras has taken up their errors.

    A level ends early once its loss has stopped falling.
    """

    title = "shape"

    def __init__(self, views: Views, start: Mesh, settings: ShapeSettings | None = None) -> None:
        self.settings = settings or ShapeSettings()
        self._views = views
        self._colored = has_colors(views)
        self._corrections = Corrections(views.camera) if self.settings.poses else None
        self.steps = sum(level.steps for level in self.settings.levels)
        self._pixel = min(pixel_size(views), _LARGEST_PIXEL)
        self._pictures: dict[float, Views] = {}
        self._generator = torch.Generator().manual_seed(self.settings.seed)
        self._order: list[int] = []
        self._level, self._since = -1, 0  # the level and the number of its steps so far
        self._losses: list[float] = []  # of the level
        light = torch.zeros(9, 3)
        light[0] = math.sqrt(4 * math.pi)  # as bright as colours say
        self._begin(start.positions.detach().float(), start.faces, torch.full((len(start.positions), 3), 0.5), light)

    def step(self, i: int) -> dict[str, float]:
        """One step of the optimisers; the losses are means over the pixels of the object."""
        self._advance()
        level = self.settings.levels[self._level]
        share = self._since / level.steps
        if self._since % self.settings.remesh_every == 0 and (share < _REMESH_UNTIL or not self._since):
            self._remesh(self._edge(level), passes=1 if self._since else 3)
        last = self._level == len(self.settings.levels) - 1
        fall = 0.5 * (1 + math.cos(math.pi * share)) if last else 1.0
        rate = self.settings.rate * self._edge(level)
        self._shape.param_groups[0]["lr"] = rate * (_LAST_RATE + (1 - _LAST_RATE) * fall)
        if self._corrections is not None:
            self._corrections.begin()
        losses = self._losses_of(self._batch(level), level.color and self._colored)
        loss = torch.stack(list(losses.values())).sum()
        self._shape.zero_grad()
        self._paint.zero_grad()
        loss.backward()
        if self._finite():
            self._shape.step()
            self._paint.step()
            if self._corrections is not None:
                self._corrections.step(self.settings.poses * (_LAST_RATE + (1 - _LAST_RATE) * fall))
        self._since += 1
        self._losses.append(loss.item())
        if last and self._settled():
            self.steps = i + 1
        return {name: value.item() for name, value in losses.items()}

    def state(self) -> dict[str, Any]:
        """Coordinates, faces, colours, light, both optimisers, and where in the schedule they are."""
        return {
            "steps": self.steps,
            "u": self._u.detach().clone(),
            "faces": self._faces.clone(),
            "colors": self._colors.detach().clone(),
            "light": self._light.detach().clone(),
            "shape": deepcopy(self._shape.state_dict()),
            "paint": deepcopy(self._paint.state_dict()),
            "order": list(self._order),
            "generator": self._generator.get_state(),
            "place": [self._level, self._since],
            "losses": list(self._losses),
            "poses": None if self._corrections is None else self._corrections.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned."""
        self.steps = state["steps"]
        self._begin(None, state["faces"], state["colors"].clone(), state["light"].clone(), u=state["u"].clone())
        self._shape.load_state_dict(deepcopy(state["shape"]))
        self._paint.load_state_dict(deepcopy(state["paint"]))
        self._order = list(state["order"])
        self._generator.set_state(state["generator"])
        self._level, self._since = state["place"]
        self._losses = list(state["losses"])
        if self._corrections is not None:
            self._corrections.restore(state["poses"])

    def mesh(self) -> Mesh:
        """With colours, if the views have any."""
        mesh = Mesh(self._large.from_differential(self._u.detach()), self._faces)
        return mesh.with_attribute("color", self._colors.detach().clamp(0, 1)) if self._colored else mesh

    def lights(self) -> list[Light]:
        """The light found along with the colours."""
        return [SphericalHarmonics(self._light.detach().clone())] if self._colored else list(DEFAULT_LIGHTS)

    def views(self) -> Views:
        """The pictures, with their cameras as they were found to stand."""
        if self._corrections is None:
            return self._views
        with torch.no_grad():
            return replace(self._views, camera=self._corrections.camera())

    def corrected(self, camera: Camera, frame: Frame) -> Camera:
        """The cameras of all views as they were given in the world, corrected; `frame` is what the stage works in."""
        return camera if self._corrections is None else self._corrections.in_world(frame, camera)

    def _begin(
        self, positions: Tensor | None, faces: Tensor, colors: Tensor, light: Tensor, u: Tensor | None = None
    ) -> None:
        """Take up a mesh, by its positions or by u."""
        self._large = LargeSteps(faces, len(colors), self.settings.strength)
        if u is None:
            assert positions is not None
            u = self._large.to_differential(positions)
        self._u = u.requires_grad_()
        self._faces, self._colors, self._light = faces, colors.requires_grad_(), light.requires_grad_()
        self._connected = Mesh(u.detach(), faces)  # whose topology the steps share
        self._shape = AdamUniform([self._u], 1.0, _BETAS)  # each step sets the rate
        groups = [{"params": [self._colors], "lr": _COLOR_RATE}, {"params": [self._light], "lr": _LIGHT_RATE}]
        self._paint = torch.optim.Adam(groups)

    def _edge(self, level: Level) -> float:
        return max(level.edge * self._pixel, self.settings.shortest)

    def _remesh(self, length: float, passes: int) -> None:
        """Give the surface edges of that length; colours and optimisers go on."""
        positions = self._large.from_differential(self._u.detach())
        moments = carried_state(self._shape, self._u), carried_state(self._paint, self._colors)
        carried = (self._colors.detach(), *moments[0], *moments[1])
        found = remesh(positions, self._faces, length, carried=carried, passes=passes)
        self._faces = found.faces
        self._connected = Mesh(found.positions, found.faces)
        self._large = LargeSteps(found.faces, len(found.positions), self.settings.strength)
        u = self._large.to_differential(found.positions).requires_grad_()
        colors, rest = found.carried[0].requires_grad_(), found.carried[1:]
        carry_state(self._shape, self._u, u, rest[: len(moments[0])])
        carry_state(self._paint, self._colors, colors, rest[len(moments[0]) :])
        self._u, self._colors = u, colors

    def _advance(self) -> None:
        """Go on to the next level if this one has ended."""
        levels = self.settings.levels
        ended = self._level < 0 or self._since >= levels[self._level].steps
        if self._level + 1 < len(levels) and (ended or self._settled()):
            if self._level >= 0:
                self.steps -= levels[self._level].steps - self._since
            self._level, self._since, self._losses = self._level + 1, 0, []

    def _settled(self) -> bool:
        """Whether the mean loss has stopped falling, over two spans in which every view came several times."""
        span = max(20, 4 * math.ceil(len(self._views) / self.settings.batch))
        if len(self._losses) < 2 * span:
            return False
        before, after = sum(self._losses[-2 * span : -span]), sum(self._losses[-span:])
        return after > 0.998 * before

    def _batch(self, level: Level) -> Views:
        """The next pictures; each comes once before any comes again."""
        if level.scale not in self._pictures:
            self._pictures[level.scale] = self._views if level.scale == 1 else self._views.resized(level.scale)
        count = min(self.settings.batch, len(self._views))
        if len(self._order) < count:
            self._order = torch.randperm(len(self._views), generator=self._generator).tolist()
        chosen, self._order = self._order[:count], self._order[count:]
        views = self._pictures[level.scale][chosen]
        if self._corrections is None:
            return views
        lens = views.camera.projection
        return replace(views, camera=Camera(self._corrections.camera(chosen).world_to_camera, lens))

    def _losses_of(self, views: Views, colored: bool) -> dict[str, Tensor]:
        positions = self._large.from_differential(self._u)
        mesh = self._connected.with_positions(positions)
        area = views.mask.sum().clamp(min=1)
        gradient = self.settings.gradient
        if not colored:
            mask = silhouette(mesh, views.camera, views.size, gradient=gradient)
            return {"silhouette": (mask - views.mask).square().sum() / area}
        lights = [SphericalHarmonics(self._light)]
        picture = render(
            mesh.with_attribute("color", self._colors),
            views.camera,
            views.size,
            lights=lights,
            shader=lambert,
            gradient=gradient,
            smooth=True,
        )
        return {
            "silhouette": (picture.mask - views.mask).square().sum() / area,
            "color": (picture.color - views.color).abs().sum() / area,
        }

    def _finite(self) -> bool:
        found = (self._u.grad, self._colors.grad, self._light.grad)
        return all(gradient is None or bool(gradient.isfinite().all()) for gradient in found)


def has_colors(views: Views) -> bool:
    """Whether the pictures show more than the masks do: silhouettes alone are of one colour."""
    inside = views.color[views.mask > 0.99]
    return len(inside) > 0 and float(inside.std(0).max()) > 0.01


def pixel_size(views: Views) -> float:
    """How long a pixel is at the origin, in world units; the mean over the views."""
    camera = views.camera
    middle = torch.zeros(1, 3)
    aside = 1e-2 * camera.world_to_camera.expand(len(camera), 4, 4)[:, None, 0, :3]
    shift = camera.to_pixels(aside, views.size)[0] - camera.to_pixels(middle, views.size)[0]
    return float(1e-2 / shift.norm(dim=-1).mean())
