"""Cameras that are a little off: rigid corrections, found along with the surface or against a known one."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch

from repousse.apps.fit.frame import Frame
from repousse.camera import Camera
from repousse.data import Views
from repousse.geometry import Mesh
from repousse.optim import Pose, rotation_from_6d, rotation_to_6d
from repousse.render import silhouette

_BETAS = (0.9, 0.99)
_ALIGN_STEPS, _ALIGN_RATE, _LAST_RATE = 40, 2e-3, 0.05


class Corrections:
    """A small rigid motion for each camera, which starts as none, and the optimiser of all of them.

    camera  a batch of N, in a frame in which the object lies in about [-1, 1]³

    Pictures tell cameras and object only together: all of them can be turned, shifted and (further away and larger)
    scaled without changing any picture. `step` therefore takes from the corrections what they have in common, so that
    on average the cameras stay where they were given, and the object with them.
    """

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._eyes = camera.position.detach()
        self._pose = Pose(translation=torch.zeros(len(camera), 3))
        self._optimizer = torch.optim.Adam(self._pose.parameters(), lr=1.0, betas=_BETAS)  # each step sets the rate

    def camera(self, chosen: list[int] | None = None) -> Camera:
        """The corrected cameras, or some of them. Differentiable in the corrections."""
        camera = self._camera
        every = Camera(camera.world_to_camera @ self._pose.matrix(), camera.projection)
        return every if chosen is None else every[chosen]

    def begin(self) -> None:
        """Forget the gradients of the last step."""
        self._optimizer.zero_grad()

    def step(self, rate: float) -> None:
        """Follow the gradients, by about `rate` radians and lengths of the frame. Those not finite are no step."""
        parameters = list(self._pose.parameters())
        if any(p.grad is None or not bool(p.grad.isfinite().all()) for p in parameters):
            return
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.step()
        self._hold()

    def in_world(self, frame: Frame, camera: Camera) -> Camera:
        """The given cameras as they stand in the world, corrected. No gradients."""
        return _in_world(self._pose, frame, camera)

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        return {"pose": dict(deepcopy(self._pose.state_dict())), "optimizer": deepcopy(self._optimizer.state_dict())}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned."""
        self._pose.load_state_dict(state["pose"])
        self._optimizer.load_state_dict(deepcopy(state["optimizer"]))

    @torch.no_grad()
    def _hold(self) -> None:
        """Take away the mean rotation, the mean translation, and the part that moves all eyes away from the middle."""
        turns, shifts = rotation_from_6d(self._pose.rotation), self._pose.translation
        left, _, right = torch.linalg.svd(turns.mean(0).double())  # the nearest rotation: corrections are small
        turns = turns @ (left @ right).T.float()
        shifts = shifts - shifts.mean(0)
        eyes = self._eyes - self._eyes.mean(0)
        outward = (shifts * eyes).sum() / eyes.square().sum().clamp(min=1e-12)
        self._pose.rotation.copy_(rotation_to_6d(turns))
        self._pose.translation.copy_(shifts - outward * eyes)


def aligned(mesh: Mesh, views: Views, frame: Frame) -> Views:
    """Views whose cameras were moved until the silhouettes of `mesh` fit theirs, each by its own mask alone.

    mesh, views  in the world. Colours are not looked at, so that these can still be judged
    frame        in which the object has a longest side of 2

    For held-out pictures of uncertain cameras: their own errors say nothing about the mesh. A motion that no silhouette
    shows, such as the rotation of a ball, is left as it was.
    """
    inside, shape = frame.views(views), Mesh(frame.inside(mesh).positions.detach(), mesh.faces)
    pose = Pose(translation=torch.zeros(len(views), 3))
    optimizer = torch.optim.Adam(pose.parameters(), betas=_BETAS)
    area = inside.mask.sum((1, 2)).clamp(min=1)
    for i in range(_ALIGN_STEPS):
        optimizer.param_groups[0]["lr"] = _ALIGN_RATE * max(1 - i / _ALIGN_STEPS, _LAST_RATE)
        optimizer.zero_grad()
        mask = silhouette(shape, pose.applied(inside.camera), views.size, gradient="antialias")
        ((mask - inside.mask).square().sum((1, 2)) / area).sum().backward()
        optimizer.step()
    return replace(views, camera=_in_world(pose, frame, views.camera))


@torch.no_grad()
def _in_world(pose: Pose, frame: Frame, camera: Camera) -> Camera:
    """Cameras of the world before a scene that the poses move in the frame."""
    turns, shifts = rotation_from_6d(pose.rotation), frame.scale * pose.translation
    return Pose(turns, shifts, centre=frame.centre).applied(camera)
