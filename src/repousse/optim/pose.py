"""Rigid motions as parameters: rotations without poles or constraints, lengths of the size of the scene.

A rotation is held as two vectors, six numbers, which Gram-Schmidt turns into an orthonormal frame (Zhou et al., On the
Continuity of Rotation Representations in Neural Networks, CVPR 2019): the map to rotations is continuous and onto, so
descent meets neither the poles of angles nor the double cover of quaternions.
"""

import torch
from torch import Tensor, nn

from repousse.camera import Camera
from repousse.core.numbers import tensor_of
from repousse.geometry.vectors import unit


def rotation_from_6d(six: Tensor) -> Tensor:
    """Two vectors, float (..., 6), to the rotation (..., 3, 3) whose first two rows they span.

    The first row is the first vector's direction, the second that of the second vector without its part along the
    first, the third their cross product. Differentiable; no rotation if the two are parallel or one is 0.
    """
    first = unit(six[..., :3])
    second = unit(six[..., 3:] - (six[..., 3:] * first).sum(-1, keepdim=True) * first)
    return torch.stack((first, second, torch.linalg.cross(first, second)), -2)


def rotation_to_6d(rotation: Tensor) -> Tensor:
    """The first two rows of rotations (..., 3, 3): (..., 6). `rotation_from_6d` gives the rotation back."""
    return rotation[..., :2, :].flatten(-2)


class Pose(nn.Module):
    """Rigid motions of a scene, or of cameras before it, to be optimised.

    >>> pose = Pose(centre=(0.0, 0.5, 0.0), length=2.0)
    >>> optimizer = torch.optim.Adam(pose.parameters(), lr=0.02)
    >>> mask = silhouette(mesh, pose.applied(camera), (64, 64))

    rotation     float (3, 3) or (B, 3, 3)   where to start; default: no rotation
    translation  float (3,) or (B, 3)        where to start, in world units; default: none
    centre       (3,)                        what is rotated about: the middle of the object
    length       > 0                         what counts as far: the size of the object, or a camera's distance

    A point x goes to R (x - centre) + centre + translation. The parameters are `rotation` (B, 6), see
    `rotation_from_6d`, and `translation` (B, 3) in units of `length`: a step of the same size then turns and shifts the
    picture by about as much, which is what one learning rate needs. A rotation about a far origin would shift it, too.

    ValueError for shapes and batches that do not match, a matrix that is no rotation, and a length that is not
    positive.
    """

    centre: Tensor

    def __init__(
        self,
        rotation: Tensor | None = None,
        translation: Tensor | None = None,
        *,
        centre: Tensor | tuple[float, float, float] = (0.0, 0.0, 0.0),
        length: float = 1.0,
    ) -> None:
        super().__init__()
        turn = torch.eye(3) if rotation is None else rotation.detach().float()
        shift = torch.zeros(3) if translation is None else translation.detach().float()
        middle = torch.as_tensor(centre, dtype=torch.float32).detach()
        if turn.shape[-2:] != (3, 3) or turn.dim() > 3 or shift.shape[-1:] != (3,) or shift.dim() > 2:
            raise ValueError(
                "Pose: `rotation` must be (3, 3) or (B, 3, 3) and `translation` (3,) or (B, 3), got "
                f"{tuple(turn.shape)} and {tuple(shift.shape)}."
            )
        if turn.dim() == 3 and shift.dim() == 2 and len(turn) != len(shift):
            raise ValueError(f"Pose: {len(turn)} rotations for {len(shift)} translations; give one, or as many.")
        if middle.shape != (3,):
            raise ValueError(f"Pose: `centre` must be (3,), got {tuple(middle.shape)}.")
        if not 0 < length < float("inf"):
            raise ValueError(f"Pose: `length` must be positive, got {length}.")
        off = (turn @ turn.mT - torch.eye(3, device=turn.device)).abs().amax((-2, -1))
        if not bool(((off < 1e-3) & (torch.linalg.det(turn) > 0)).all()):
            raise ValueError("Pose: `rotation` holds a matrix that is no rotation (R R^T = 1, det R = 1).")
        count = max(len(one) if one.dim() > single else 1 for one, single in ((turn, 2), (shift, 1)))
        self.length = length
        self.rotation = nn.Parameter(rotation_to_6d(turn).expand(count, 6).clone())
        self.translation = nn.Parameter((shift / length).expand(count, 3).clone())
        self.register_buffer("centre", middle.to(turn.device))

    def matrix(self) -> Tensor:
        """float (B, 4, 4), acting on column vectors. Differentiable in both parameters."""
        turn = rotation_from_6d(self.rotation)
        shift = self.centre - (turn @ self.centre) + self.length * self.translation
        last = tensor_of((0.0, 0.0, 0.0, 1.0), turn.dtype, turn.device).expand(len(turn), 1, 4)
        return torch.cat((torch.cat((turn, shift[..., None]), -1), last), -2)

    def applied(self, camera: Camera) -> Camera:
        """What the camera sees of the moved scene, as a camera (batch B) before the unmoved one.

        camera  one, or a batch of 1 or B; with B = 1 the same motion is applied to every camera

        ValueError if both are batches of different length.
        """
        motion = self.matrix()
        if len(motion) > 1 and len(camera) not in (1, len(motion)):
            raise ValueError(f"Pose: {len(motion)} poses for {len(camera)} cameras; give one of either, or as many.")
        with torch.autocast(motion.device.type, enabled=False):
            return Camera(camera.world_to_camera @ motion.to(camera.world_to_camera.dtype), camera.projection)
