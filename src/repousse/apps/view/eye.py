"""From where: the browser's camera in our terms, and the place it starts at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from repousse.apps.view.model import Model, Up
from repousse.camera import Camera, frame

FOV = math.radians(30.0)
ELEVATION, AZIMUTH = math.radians(20.0), math.radians(30.0)
_NEAREST = 1e-3

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Eye:
    """A camera as viser describes it.

    wxyz      unit quaternion, camera to world; camera axes are OpenCV's: x right, y down, z forward
    position  of the camera in the world
    fov       radians from top to bottom
    size      (height, width) of the picture in pixels
    """

    wxyz: Sequence[float]
    position: Sequence[float]
    fov: float
    size: tuple[int, int]

    def camera(self, radius: float) -> Camera:
        """The same camera; its clipping planes enclose a sphere of `radius` around the origin."""
        rotation = _matrix(self.wxyz)  # columns: the camera's axes in the world
        eye = torch.tensor([float(x) for x in self.position], dtype=torch.float64)
        pose = torch.eye(4, dtype=torch.float64)
        pose[:3, :3], pose[:3, 3] = rotation.T, -rotation.T @ eye
        distance, reach = float(eye.norm()), 1.01 * radius
        near = max(distance - reach, _NEAREST * radius)
        lens = Camera.look_at((0.0, 0.0, 1.0), fov=float(self.fov), near=near, far=distance + reach).projection
        return Camera(pose.float(), lens)


def _matrix(wxyz: Sequence[float]) -> Tensor:
    """Rotation matrix (3, 3) of a quaternion, float64."""
    w, x, y, z = torch.nn.functional.normalize(torch.tensor([float(q) for q in wxyz], dtype=torch.float64), dim=0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row) for row in rows])


def axes(up: Up) -> Tensor:
    """(3, 3): the world's right, up and backward directions as rows, seen from the front."""
    if up == "y":
        return torch.eye(3)
    return torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def standpoint(model: Model, up: Up, size: tuple[int, int]) -> tuple[Triple, Triple]:
    """Eye and target of a camera with `FOV` from where all of the model is seen, as large as it fits, a bit from above.

    up    the axis that points upwards
    size  (height, width) of the picture
    """
    upright = axes(up)
    camera = frame(model.points @ upright.T, size, ELEVATION, AZIMUTH, fov=FOV)
    eye, forward = camera.position[0], camera.world_to_camera[..., 2, :3].reshape(3)
    target = eye + forward * -(eye @ forward)  # the point of the line of sight that is nearest to the origin
    return _triple(eye @ upright), _triple(target @ upright)


def _triple(vector: Tensor) -> Triple:
    x, y, z = vector.tolist()
    return x, y, z
