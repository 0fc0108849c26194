"""The truth: how the picture changes whose pixels are integrals over their area."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from repousse.apps.audit.directions import Motion
from repousse.apps.audit.scenes import Scene
from repousse.camera import Camera
from repousse.geometry import Mesh

MOST_SAMPLES = 1024  # along the side of what is drawn at once: bounds the memory


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


def derivative(
    scene: Scene,
    motions: Sequence[Motion],
    size: int,
    *,
    samples: int = 32,
    step: float = 0.15,
    done: Callable[[], None] = lambda: None,
) -> Tensor:
    """Central differences of the integrated picture along each motion: (M, size, size, 4).

    samples  per pixel along each side: an edge's place is known to about samples^-1.5 of a pixel
    step     in units of the motions, so in pixels where they are fastest
    done     called after each motion
    """
    images = torch.empty(len(motions), size, size, 4)
    for image, motion in zip(images, motions, strict=True):
        after, before = (integrated(scene, size, samples, *motion.moved(scene, sign * step)) for sign in (1, -1))
        image[:] = (after - before) / (2 * step)
        done()
    return images
