"""The derivative images of an estimator, found by asking for one pixel's gradient after the other.

A gradient is J^T g: the derivative image J v along a motion v would take a forward pass of derivatives. Instead the
gradient of every single pixel and channel is taken and multiplied by all motions. Three ways, from cheap to dear:

lattice  pixels so far apart that no vertex serves two of them share a backward pass (meshes of small faces)
windows  every pixel has a copy of the mesh and a picture of its neighbourhood only (meshes of few vertices)
copies   every pixel has a copy of the mesh and the whole picture

The first two assume that an estimator is linear and looks at a pixel's surroundings only. `Derivative.additivity`
tells whether that is so: how far the gradient of a random loss is from what the derivative images make of it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from repousse.apps.audit.directions import Motion
from repousse.apps.audit.scenes import Scene
from repousse.apps.audit.truth import crop, window
from repousse.camera import Camera
from repousse.gradients import Estimator

Method = Literal["lattice", "windows", "copies"]
RADIUS = 4  # of a window, in pixels
REACH = 2.5  # pixels around a pixel whose edges may serve it
WIDEST = 24  # lattice, pixels: beyond that windows are cheaper
BATCH = 2**18  # vertices, or samples, of what is drawn at once
FEW, FEWEST = 2000, 400  # vertices of meshes that are drawn for every pixel: its window, the whole picture
ADDITIVE = 0.02


@dataclass(frozen=True, eq=False)
class Derivative:
    """What an estimator takes for the derivative of the picture.

    images      float (M, H, W, 4)
    additivity  relative difference between the gradient of a random loss and the same by `images`; 0 for an estimator
                that is linear
    method      how they were found
    """

    images: Tensor
    additivity: float
    method: Method

    @property
    def linear(self) -> bool:
        return self.additivity < ADDITIVE


@dataclass(frozen=True)
class _Camera(Camera):
    """A camera whose clip positions can be asked for their gradient."""

    offset: Tensor

    def project(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        return super().project(points, size) + self.offset


def probe(
    scene: Scene,
    estimator: str | Estimator,
    motions: Sequence[Motion],
    size: int,
    *,
    supersample: int = 1,
    near: Tensor | None = None,
) -> Derivative | None:
    """The derivative images of `estimator`, by the cheapest way that its additivity bears out.

    near  bool (H, W)  pixels near enough to the mesh to matter; the others are 0 unless the way is "copies"

    None where the mesh is too large for a copy per pixel and the estimator is not linear and local.
    """
    gradients = _Gradients(scene, estimator, motions, size, supersample)
    stride = _stride(scene, size)
    near = torch.ones(size, size, dtype=torch.bool) if near is None else near
    weights = torch.randn(1, size, size, 4, generator=torch.Generator().manual_seed(3))
    asked = gradients.whole(weights)
    ways: list[tuple[Method, Callable[[], Tensor]]] = []
    if stride <= min(WIDEST, size // 2):
        ways.append(("lattice", lambda: _lattice(gradients, near, stride)))
    if len(scene.mesh.positions) <= FEW:
        ways.append(("windows", lambda: _windows(gradients, near)))
    if len(scene.mesh.positions) <= FEWEST:
        ways.append(("copies", lambda: _copies(gradients)))
    found = None
    for method, images in ways:
        found = Derivative(*_checked(images(), weights[0], asked), method)
        if found.linear:
            break
    return found if found is not None and (found.linear or found.method == "copies") else None


def _checked(images: Tensor, weights: Tensor, asked: Tensor) -> tuple[Tensor, float]:
    told = (images * weights).sum((1, 2, 3))
    return images, ((told - asked).norm() / asked.norm().clamp(min=1e-12)).item()


class _Gradients:
    """Gradients of pictures of the scene, as derivatives along the motions."""

    def __init__(
        self, scene: Scene, estimator: str | Estimator, motions: Sequence[Motion], size: int, supersample: int
    ) -> None:
        self.scene, self.estimator, self.size, self.supersample = scene, estimator, size, supersample
        self.moves_vertices = [motion.positions is not None for motion in motions]
        nothing = torch.zeros_like(scene.mesh.positions)
        self.world = torch.stack([nothing if m.positions is None else m.positions for m in motions])
        self.clip = torch.stack([m.clip(scene) for m in motions])

    def picture(self, corners: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (B, side, side, 4) of the pieces at `corners` (B, 2), and what they are differentiable in: each
        one's vertices (B, V, 3) and what is added to their clip positions (B, V, 4)."""
        positions = self.scene.mesh.positions.expand(len(corners), -1, -1).contiguous().requires_grad_()
        offset = positions.new_zeros(*positions.shape[:2], 4).requires_grad_()
        piece = window(self.scene.camera, corners, side, self.size)
        camera = _Camera(piece.world_to_camera, piece.projection, offset)
        mesh = self.scene.mesh.with_positions(positions)
        picture = self.scene.draw(side, mesh=mesh, camera=camera, gradient=self.estimator, supersample=self.supersample)
        return picture, positions, offset

    def along(self, world: Tensor, clip: Tensor, vertices: Tensor | None = None) -> Tensor:
        """Gradients per vertex (..., V, 3) and (..., V, 4) as derivatives along the motions, (..., V, M)."""
        moved, projected = (
            (self.world, self.clip) if vertices is None else (self.world[:, vertices], self.clip[:, vertices])
        )
        return torch.einsum("...vc,mvc->...vm", world, moved) + torch.einsum("...vc,mvc->...vm", clip, projected)

    def whole(self, weights: Tensor) -> Tensor:
        """The derivative of sum(weights * picture) along each motion: (1, H, W, 4) -> (M,)."""
        picture, positions, offset = self.picture(torch.zeros(1, 2), self.size)
        world, clip = _grad(picture, positions, offset, weights)
        touched = _touched(world[0], clip[0])
        return self.along(world[0, touched], clip[0, touched], touched).sum(0)


def _grad(picture: Tensor, positions: Tensor, offset: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    if not picture.requires_grad:
        return torch.zeros_like(positions), torch.zeros_like(offset)
    found = torch.autograd.grad(picture, (positions, offset), weights, retain_graph=True, allow_unused=True)
    world, clip = found
    return torch.zeros_like(positions) if world is None else world, torch.zeros_like(offset) if clip is None else clip


def _touched(world: Tensor, clip: Tensor) -> Tensor:
    """Indices of the vertices that have a gradient."""
    return ((world != 0).any(-1) | (clip != 0).any(-1)).nonzero()[:, 0]


def _stride(scene: Scene, size: int) -> int:
    """So far apart are pixels whose gradients share no vertex."""
    mesh = scene.mesh
    places = scene.camera.to_pixels(mesh.positions, (size, size))[0][0]
    corners = places[mesh.faces.long()]
    longest = (corners - corners.roll(1, 1)).norm(dim=-1).max().item()
    rings = 2 if scene.smooth else 1  # a vertex's normal depends on its neighbours
    return math.ceil(2 * (rings * longest + REACH))


def _lattice(gradients: _Gradients, near: Tensor, stride: int) -> Tensor:
    size, count = gradients.size, len(gradients.world)
    places = gradients.scene.camera.to_pixels(gradients.scene.mesh.positions, (size, size))[0][0].flip(
        -1
    )  # row, column
    picture, positions, offset = gradients.picture(torch.zeros(1, 2), size)
    images = torch.zeros(size, size, 4, count)
    for row in range(min(stride, size)):
        for column in range(min(stride, size)):
            chosen = torch.zeros_like(near)
            chosen[row::stride, column::stride] = near[row::stride, column::stride]
            if not chosen.any():
                continue
            start = torch.tensor([row, column])
            steps = (size - 1 - start) // stride
            for channel in range(4):
                weights = torch.zeros_like(picture)
                weights[0, ..., channel] = chosen.float()
                world, clip = _grad(picture, positions, offset, weights)
                touched = _touched(world[0], clip[0])
                cell = ((places[touched] - start - 0.5) / stride).round().long().clamp(min=0)
                pixel = torch.minimum(cell, steps) * stride + start
                values = gradients.along(world[0, touched], clip[0, touched], touched)
                images[:, :, channel].index_put_((pixel[:, 0], pixel[:, 1]), values, accumulate=True)
    return images.permute(3, 0, 1, 2)


def _windows(gradients: _Gradients, near: Tensor) -> Tensor:
    side = 2 * RADIUS + 1
    images = torch.zeros(gradients.size, gradients.size, 4, len(gradients.world))
    for pixels in _batches(near.nonzero(), gradients, side):
        corners = pixels - RADIUS
        picture, positions, offset = gradients.picture(corners, side)
        to_clip = crop(corners, side, gradients.size)
        for channel in range(4):
            weights = torch.zeros_like(picture)
            weights[:, RADIUS, RADIUS, channel] = 1
            world, clip = _grad(picture, positions, offset, weights)
            images[pixels[:, 0], pixels[:, 1], channel] = gradients.along(world, clip @ to_clip).sum(1)
    return images.permute(3, 0, 1, 2)


def _copies(gradients: _Gradients) -> Tensor:
    size = gradients.size
    images = torch.zeros(size, size, 4, len(gradients.world))
    for pixels in _batches(torch.ones(size, size).nonzero(), gradients, size):
        picture, positions, offset = gradients.picture(torch.zeros(len(pixels), 2), size)
        for channel in range(4):
            weights = torch.zeros_like(picture)
            weights[torch.arange(len(pixels)), pixels[:, 0], pixels[:, 1], channel] = 1
            world, clip = _grad(picture, positions, offset, weights)
            images[pixels[:, 0], pixels[:, 1], channel] = gradients.along(world, clip).sum(1)
    return images.permute(3, 0, 1, 2)


def _batches(pixels: Tensor, gradients: _Gradients, side: int) -> Iterator[Tensor]:
    samples = (side * gradients.supersample) ** 2
    yield from pixels.split(max(1, BATCH // max(samples, len(gradients.scene.mesh.positions))))
