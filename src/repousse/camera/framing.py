"""Cameras that show all of something."""

import math

import torch
from torch import Tensor

from .camera import Camera


def frame(
    points: Tensor,
    size: tuple[int, int],
    elevation: Tensor | float = 0.0,
    azimuth: Tensor | float = 0.0,
    *,
    fov: float = math.radians(30.0),
    margin: float = 0.08,
) -> Camera:
    """A perspective camera, upright with respect to +y, that shows all points as large as they fit.

    >>> camera = frame(mesh.positions, (480, 640), elevation=0.3, azimuth=0.5)  # doctest: +SKIP

    points     float (V, 3)
    size       (height, width) of the picture; only its aspect matters
    elevation  radians, as in `Camera.orbit`
    azimuth    radians; with a tensor (B,) all cameras get the same distance and look at the same height of the axis
               through the middle of the points, so that a turntable neither jumps nor changes its size
    fov        radians from top to bottom
    margin     part of the picture left free on each side

    Not differentiable. ValueError if all points are one, or if there are none.
    """
    if points.ndim != 2 or points.shape[-1] != 3 or not len(points) or not points.isfinite().all():
        raise ValueError(f"frame: `points` should be finite and (V, 3) with V > 0, got {tuple(points.shape)}.")
    points = points.detach().double().cpu()
    low, high = points.amin(0), points.amax(0)
    middle, radius = (low + high) / 2, float((high - low).norm()) / 2
    if radius == 0:
        raise ValueError("frame: all points are the same; there is nothing to fill a picture with.")
    azimuths = torch.as_tensor(azimuth, dtype=torch.float64)
    elevations = torch.as_tensor(elevation, dtype=torch.float64)
    azimuths, elevations = torch.broadcast_tensors(azimuths, elevations)
    slope = math.tan(fov / 2) * (1 - 2 * margin)
    limits = torch.tensor([slope * size[1] / size[0], slope], dtype=torch.float64)

    # Seen along the axes of each camera, the distance at which a point touches the border is linear in its offset.
    # With the target fixed this is exact; moving the target to the middle of what is seen takes a few rounds.
    target, distance = middle, radius
    for _ in range(8):
        camera = Camera.orbit(1.0, elevations.reshape(-1), azimuths.reshape(-1), target=target, fov=fov)
        x, y, z = camera.to_camera(points).unbind(-1)
        z = z - 1  # along the line of sight, from the target
        distance = float(torch.maximum(x.abs() / limits[0], y.abs() / limits[1]).sub(z).amax())
        seen = torch.stack((x, y), -1) / (z + distance)[..., None]
        offset = (seen.amax(1) + seen.amin(1)) / 2 * distance
        down = offset[:, 1].mean() / torch.cos(elevations.reshape(-1)).mean().clamp(min=0.2)
        move = torch.stack((torch.zeros(()), -down.float(), torch.zeros(()))).double()
        if azimuths.ndim == 0:  # one picture: sideways, too
            right = camera.world_to_camera[0, 0, :3]
            move = move + right * offset[0, 0]
        target = target + move
    near = max(distance - 3 * radius, distance * 1e-2)
    angles = (elevations.float(), azimuths.float())
    center = (float(target[0]), float(target[1]), float(target[2]))
    return Camera.orbit(distance, *angles, target=center, fov=fov, near=near, far=distance + 30 * radius)
