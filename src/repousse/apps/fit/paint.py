"""Colours of a surface as parameters: on its vertices, or in a texture."""

from typing import Protocol

import torch
from torch import Tensor

from repousse import ops
from repousse.apps.fit.holes import dilated, filled_texels, filled_vertices
from repousse.apps.fit.samples import Samples, SampleStore
from repousse.geometry import Material, Mesh, Texture

_LIMIT = 0.002  # colours to begin with stay so far away from 0 and 1, where the sigmoid is flat
_TRUSTED = 0.02  # samples that it takes to believe them half
MATERIAL = Material("fitted", roughness=1.0)


class Paint(Protocol):
    """What has a colour at every place of a surface.

    logits  float, requires grad: sigmoid of it is a colour, so colours stay within 0 and 1
    """

    logits: Tensor

    def at(self, seen: Samples) -> Tensor:
        """Colours (P, S, 3) at the samples. Differentiable in `logits`."""
        ...

    def on(self, mesh: Mesh) -> Mesh:
        """The mesh with these colours."""
        ...


class VertexPaint:
    """One colour for each vertex, (V, 3)."""

    def __init__(self, colors: Tensor) -> None:
        self.logits = _logits(colors)

    def at(self, seen: Samples) -> Tensor:
        return at_vertices(self.logits.sigmoid(), seen)

    def on(self, mesh: Mesh) -> Mesh:
        return mesh.with_attribute("color", self.logits.detach().sigmoid()).with_materials([MATERIAL])


class TexturePaint:
    """A square texture for the mesh's attribute "uv".

    image  float (R, R, 3)      to begin with
    drawn  bool (R, R, 1)       texels that have a colour of their own; the others get those of texels near by
    """

    def __init__(self, image: Tensor, drawn: Tensor) -> None:
        self.logits, self.drawn = _logits(image), drawn

    def at(self, seen: Samples) -> Tensor:
        return in_texture(self.logits.sigmoid(), seen)

    def on(self, mesh: Mesh) -> Mesh:
        image = dilated(self.logits.detach().sigmoid(), self.drawn)
        material = Material(MATERIAL.name, base_color_texture=Texture(image, ("clamp", "clamp")), roughness=1.0)
        return mesh.with_materials([material])


def at_vertices(values: Tensor, seen: Samples) -> Tensor:
    """Values (V, C) of the vertices at the samples, (P, S, C). Differentiable in `values`."""
    corners, shares = seen.corners.flatten(0, 1), seen.shares.flatten(0, 1)
    found = torch.nn.functional.embedding_bag(corners, values, per_sample_weights=shares, mode="sum")
    return found.unflatten(0, seen.corners.shape[:2])


def in_texture(image: Tensor, seen: Samples) -> Tensor:
    """A texture (R, R, C) at the samples, (P, S, C). Differentiable in `image`."""
    return ops.texture(image, seen.uv[None], derivatives=seen.steps[None], wrap="clamp")[0]


def spread(values: Tensor, seen: Samples, shape: tuple[int, ...]) -> Tensor:
    """The transpose of `at_vertices`, shape (V, C), or of `in_texture`, shape (R, R, C), applied to (P, S, C)."""
    with torch.enable_grad():
        zeros = torch.zeros(shape, requires_grad=True)
        found = at_vertices(zeros, seen) if len(shape) == 2 else in_texture(zeros, seen)
        (sums,) = torch.autograd.grad((found * values).sum(), zeros)
    return sums


@torch.no_grad()
def averaged(store: SampleStore, light: Tensor | None, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean colours that the pictures give vertices (V, 3) or texels (R, R, 3), and the weights behind them, (..., 1).

    light  coefficients (8, 3) of a light that colours are divided by

    A sample counts for what it is interpolated from, by its share: sum(share color) / sum(share).
    """
    sums = torch.zeros(*shape[:-1], 4)
    for index in range(len(store.views)):
        seen = store[index]
        if not len(seen):
            continue
        color = seen.color if light is None else seen.color / (1 + seen.sky[..., 1:] @ light).mean(1).clamp(min=0.05)
        both = torch.cat((color, torch.ones_like(color[:, :1])), -1) * seen.weight[:, None]
        sums += spread(both[:, None].expand(*seen.shares.shape[:2], 4), seen, sums.shape)
    weight = sums[..., 3:]
    return sums[..., :3] / weight.clamp(min=1e-9), weight


def painted(mesh: Mesh, store: SampleStore, light: Tensor, colors: Tensor, resolution: int) -> TexturePaint:
    """A texture that shows the pictures; where no picture shows the surface, `colors` (V, 3) of its vertices."""
    image, weight = averaged(store, light, (resolution, resolution, 3))
    base, covered = filled_texels(mesh, colors, resolution)
    return TexturePaint(torch.lerp(base, image, weight / (weight + _TRUSTED)), covered | (weight > _TRUSTED))


def vertex_colors(mesh: Mesh, store: SampleStore, light: Tensor | None) -> tuple[Tensor, Tensor]:
    """Colours (V, 3) of the vertices, those of vertices that are never seen from their neighbours; bool (V): seen."""
    colors, weight = averaged(store, light, (len(mesh.positions), 3))
    seen = weight[:, 0] > 1e-3
    return filled_vertices(mesh, colors, seen), seen


def _logits(colors: Tensor) -> Tensor:
    return torch.logit(colors.detach().clamp(_LIMIT, 1 - _LIMIT)).contiguous().requires_grad_()
