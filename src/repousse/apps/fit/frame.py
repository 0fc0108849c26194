"""The frame a fit works in: the object about the origin, with a longest side of 2."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.data import Views
from repousse.geometry import Mesh


@dataclass(frozen=True, eq=False)
class Frame:
    """Where the frame lies in the world: world = centre + scale * frame. No rotation, so lights are the same in both.

    centre  float32 (3,)
    scale   > 0
    """

    centre: Tensor
    scale: float

    @staticmethod
    def of(mesh: Mesh) -> "Frame":
        """The frame in which the mesh is `mesh.normalized()`."""
        low, high = mesh.positions.amin(0), mesh.positions.amax(0)
        return Frame((low + high) / 2, float((high - low).max()) / 2)

    def inside(self, mesh: Mesh) -> Mesh:
        """A mesh of the world, in the frame."""
        return mesh.with_positions((mesh.positions - self.centre) / self.scale)

    def outside(self, mesh: Mesh) -> Mesh:
        """A mesh in the frame, in the world."""
        return mesh.with_positions(mesh.positions * self.scale + self.centre)

    def views(self, views: Views) -> Views:
        """Views of the world, whose cameras see the same in the frame."""
        return replace(views, camera=self._camera(views.camera))

    def _camera(self, camera: Camera) -> Camera:
        # R (c + s y) + t = s (R y + (R c + t) / s): camera space shrinks by s, and the projection undoes that.
        pose = camera.world_to_camera.clone()
        pose[..., :3, 3] = (pose[..., :3, :3] @ self.centre + pose[..., :3, 3]) / self.scale
        unit = torch.tensor([self.scale, self.scale, self.scale, 1.0])
        return Camera(pose, camera.projection * unit)
