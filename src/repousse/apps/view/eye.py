"""From where: the browser's camera in our terms, and the place it starts at.

The page has a world of its own, which is always y-up: the model is turned upright in it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from repousse.apps.view.model import Model, Up
from repousse.camera import Camera, frame, perspective

FOV = math.radians(30.0)
ELEVATION, AZIMUTH = math.radians(20.0), math.radians(30.0)
WINDOW = (10, 16)  # height and width, before a visitor's is known
_NEAREST = 1e-3

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Eye:
    """A camera as viser describes it.

    wxyz      unit quaternion, camera to page; camera axes are OpenCV's: x right, y down, z forward
    position  of the camera on the page
    fov       radians from top to bottom
    size      (height, width) of the picture in pixels
    """

    wxyz: Sequence[float]
    position: Sequence[float]
    fov: float
    size: tuple[int, int]

    def camera(self, model: Model, up: Up) -> Camera:
        """The same camera in the model's coordinates; its clipping planes enclose the model.

        up  the model's axis that points upwards
        """
        eye = torch.tensor([float(x) for x in self.position], dtype=torch.float64)
        page_to_camera = _matrix(self.wxyz).T
        pose = torch.eye(4, dtype=torch.float64)
        pose[:3, :3], pose[:3, 3] = page_to_camera @ axes(up).double(), -page_to_camera @ eye
        distance, reach = float(eye.norm()), 1.01 * model.radius
        near = max(distance - reach, _NEAREST * model.radius)
        return Camera(pose.float(), perspective(float(self.fov), near=near, far=distance + reach))


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
    """(3, 3), model to page: the model's right, up and backward directions as rows, seen from its front."""
    if up == "y":
        return torch.eye(3)
    return torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def standpoint(model: Model, up: Up, size: tuple[int, int]) -> tuple[Triple, Triple]:
    """Position and target, on the page, of a camera with `FOV` that shows all of the model as large as it fits.

    up    the model's axis that points upwards
    size  (height, width) of the picture
    """
    camera = frame(model.points @ axes(up).T, size, ELEVATION, AZIMUTH, fov=FOV)
    eye, forward = camera.position[0], camera.world_to_camera[..., 2, :3].reshape(3)
    target = eye - forward * (eye @ forward)  # the point of the line of sight that is nearest to the model's middle
    return _triple(eye), _triple(target)


def _triple(vector: Tensor) -> Triple:
    x, y, z = vector.tolist()
    return x, y, z
