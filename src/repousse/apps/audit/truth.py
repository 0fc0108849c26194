"""The truth: how the picture changes whose pixels are integrals over their area."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from repousse.apps.audit.directions import Motion
from repousse.apps.audit.scenes import Scene
from repousse.camera import Camera
from repousse.geometry import Mesh

MOST_SAMPLES = 1024  # along the side of what is drawn at once: bounds the memory
TOLERANCE = 0.02  # of the strongest derivative: where coarse samplings differ by more, there are edges
FEW = 20000  # vertices: meshes with more are not drawn again for every few pixels


def window(camera: Camera, corner: Tensor, side: int, size: int) -> Camera:
    """The camera of a square piece of a square picture; its pixels are pixels of the picture.

    corner  (2,) or (B, 2)  row and column of the piece's first pixel
    side    of the piece, size of the picture, in pixels
    """
    return Camera(camera.world_to_camera, crop(corner, side, size) @ camera.projection)


def crop(corner: Tensor, side: int, size: int) -> Tensor:
    """From clip space of the picture to that of a piece of it: (4, 4) or (B, 4, 4). See `window`."""
    matrix = torch.zeros(*corner.shape[:-1], 4, 4)
    matrix[..., 0, 0] = matrix[..., 1, 1] = size / side
    matrix[..., 0, 3] = (size - side - 2 * corner[..., 1]) / side
    matrix[..., 1, 3] = (size - side - 2 * corner[..., 0]) / side
    matrix[..., 2, 2] = matrix[..., 3, 3] = 1
    return matrix


@torch.no_grad()
def integrated(scene: Scene, size: int, samples: int, mesh: Mesh | None = None, camera: Camera | None = None) -> Tensor:
    """The hard picture (size, size, 4), each pixel the mean of samples x samples; drawn piece by piece."""
    camera = scene.camera if camera is None else camera
    side = next(s for s in range(size, 0, -1) if size % s == 0 and (s * samples <= MOST_SAMPLES or s == 1))
    picture = torch.empty(size, size, 4)
    for row in range(0, size, side):
        for column in range(0, size, side):
            piece = window(camera, torch.tensor([row, column]), side, size)
            drawn = scene.draw(side, mesh=mesh, camera=piece, supersample=samples)[0]
            picture[row : row + side, column : column + side] = drawn
    return picture


@dataclass(frozen=True, eq=False)
class Sampling:
    """Where samples go: many into pixels that edges cross, few into the others.

    samples  per pixel along each side where edges are
    coarse   elsewhere
    side     of the pieces that get `samples`, in pixels
    corners  int64 (N, 2)  row and column of their first pixels
    """

    samples: int
    coarse: int
    side: int
    corners: Tensor

    @classmethod
    def find(cls, scene: Scene, motions: Sequence[Motion], size: int, samples: int, step: float) -> "Sampling":
        """Pixels are rough, and their neighbours with them, where two coarse samplings of the derivative disagree."""
        coarse = min(samples, max(2, samples // 6))
        rough = torch.zeros(size, size, dtype=torch.bool)
        for motion in motions[:: max(1, len(motions) // 4)]:
            one, other = (
                _difference(motion, step, lambda m, c, n=n: integrated(scene, size, n, m, c), scene)
                for n in (coarse, coarse + 3)
            )
            apart = (one - other).abs().amax(-1)
            rough |= apart > TOLERANCE * one.abs().max()
        rough = _max_pool(rough, 3, 1, 1)
        side = 2 if len(scene.mesh.positions) <= FEW else 32
        while size % side:
            side //= 2
        corners = _max_pool(rough, side, side, 0).nonzero() * side
        return cls(min(samples, max(coarse, MOST_SAMPLES // side)), coarse, side, corners)

    @torch.no_grad()
    def picture(self, scene: Scene, size: int, mesh: Mesh, camera: Camera) -> Tensor:
        """The integrated picture (size, size, 4)."""
        picture = integrated(scene, size, self.coarse, mesh, camera)
        at_once = max(1, min((MOST_SAMPLES // (self.side * self.samples)) ** 2, 2**20 // len(mesh.positions)))
        within = torch.arange(self.side)
        for corners in self.corners.split(at_once):
            pieces = window(camera, corners, self.side, size)
            drawn = scene.draw(self.side, mesh=mesh, camera=pieces, supersample=self.samples)
            rows, columns = (corners[:, k, None] + within for k in (0, 1))
            picture[rows[:, :, None], columns[:, None, :]] = drawn
        return picture


def derivative(
    scene: Scene,
    motions: Sequence[Motion],
    size: int,
    *,
    samples: int = 48,
    step: float = 0.08,
    done: Callable[[], None] = lambda: None,
) -> Tensor:
    """Central differences of the integrated picture along each motion: (M, size, size, 4).

    samples  per pixel along each side where edges are: one's place is known to about samples^-1.5 of a pixel
    step     in units of the motions, so in pixels where they are fastest. The derivative of a pixel jumps where a
             corner or the pixel's own border comes to lie on an edge: a long step blurs these jumps
    done     called after each motion
    """
    sampling = Sampling.find(scene, motions, size, samples, step)
    images = torch.empty(len(motions), size, size, 4)
    for image, motion in zip(images, motions, strict=True):
        image[:] = _difference(motion, step, lambda mesh, camera: sampling.picture(scene, size, mesh, camera), scene)
        done()
    return images


def _difference(motion: Motion, step: float, draw: Callable[[Mesh, Camera], Tensor], scene: Scene) -> Tensor:
    return (draw(*motion.moved(scene, step)) - draw(*motion.moved(scene, -step))) / (2 * step)


def _max_pool(mask: Tensor, side: int, stride: int, padding: int) -> Tensor:
    return torch.nn.functional.max_pool2d(mask[None, None].float(), side, stride, padding)[0, 0] > 0
