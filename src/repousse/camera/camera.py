"""The camera: where it stands and what it sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from repousse.core.numbers import tensor_of

from . import conventions, matrices
from .arguments import Number, Vector, as_floats, check_batches, check_shape, check_size


@dataclass(frozen=True, eq=False)
class Camera:
    """One camera or a batch of them.

    >>> camera = Camera.look_at((0.0, 1.0, 3.0), fov=math.pi / 3)
    >>> camera.project(torch.zeros(1, 3), size=(64, 48)).shape
    torch.Size([1, 1, 4])

    world_to_camera  float (4, 4) or (B, 4, 4)  on column vectors; camera space: x right, y down, z forward
    projection       float (4, 4) or (B, 4, 4)  camera space to clip space **of a square picture**

    A camera knows no picture size. Its methods take `size` and multiply clip x by height / width, which keeps
    pixels square: what it sees from top to bottom never depends on the size, a wider picture shows more on
    both sides. Clip space: x right, y down, z in [0, w], w > 0 in front. Pixel centres are at (column + 0.5,
    row + 0.5), row 0 on top. Everything is differentiable in both matrices, and each constructor in all its
    arguments. Constructors do not look at values that lie on a GPU: it would have to be waited for.
    """

    world_to_camera: Tensor
    projection: Tensor

    def __post_init__(self) -> None:
        pose, lens = self.world_to_camera, self.projection
        for name, value in (("world_to_camera", pose), ("projection", lens)):
            if not isinstance(value, Tensor) or not value.dtype.is_floating_point:
                kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
                raise TypeError(f"Camera: `{name}` should be a floating tensor, got {kind}")
            check_shape("Camera", name, value, (4, 4))
        if pose.dtype != lens.dtype or pose.device != lens.device:
            raise ValueError(
                f"Camera: `world_to_camera` is {pose.dtype} on {pose.device}, `projection` {lens.dtype} on "
                f"{lens.device}; convert one of them"
            )
        check_batches(
            "Camera",
            world_to_camera=len(pose) if pose.ndim == 3 else None,
            projection=len(lens) if lens.ndim == 3 else None,
        )

    @classmethod
    def look_at(
        cls,
        eye: Vector,
        target: Vector = (0.0, 0.0, 0.0),
        up: Vector = (0.0, 1.0, 0.0),
        *,
        fov: Number | None = None,
        extent: Number | None = None,
        near: Number = 0.1,
        far: Number = 100.0,
    ) -> Camera:
        """A camera at `eye` that looks at `target`.

        eye, target, up  (3,) or (B, 3), sequences or tensors
        fov              full vertical field of view in radians, a number or (B,); default pi/4
        extent           instead of `fov`: an orthographic camera that sees this height, in world units
        near, far        camera z of the clipping planes

        Differentiable in all arguments. ValueError if eye and target coincide, if `up` is parallel to the
        view, or if fov, extent, near, far make no sense (see `perspective`, `orthographic`).
        """
        caller = "Camera.look_at"
        shape, lens = _lens(caller, fov, extent)
        eye, target, up, shape, near, far = as_floats(
            caller, eye=eye, target=target, up=up, fov=shape, near=near, far=far
        )
        return cls(matrices.look_at(eye, target, up), lens(shape, near=near, far=far))

    @classmethod
    def orbit(
        cls,
        distance: Number,
        elevation: Number = 0.0,
        azimuth: Number = 0.0,
        *,
        target: Vector = (0.0, 0.0, 0.0),
        fov: Number | None = None,
        extent: Number | None = None,
        near: Number = 0.1,
        far: Number = 100.0,
    ) -> Camera:
        """A camera on a sphere around `target`, upright with respect to +y.

        distance   radius, > 0; a number or (B,), like the angles
        elevation  radians; 0 is level, pi/2 is above the target (+y)
        azimuth    radians; 0 is on the +z side looking towards -z, pi/2 is on the +x side
        target     (3,) or (B, 3)
        fov, extent, near, far  as in `look_at`

        Differentiable in all arguments, at the poles too. ValueError for a distance that is not positive.
        """
        caller = "Camera.orbit"
        shape, lens = _lens(caller, fov, extent)
        distance, elevation, azimuth, target, shape, near, far = as_floats(
            caller,
            distance=distance,
            elevation=elevation,
            azimuth=azimuth,
            target=target,
            fov=shape,
            near=near,
            far=far,
        )
        pose = matrices.orbit(distance, elevation, azimuth, target=target)
        return cls(pose, lens(shape, near=near, far=far))

    @classmethod
    def from_opencv(
        cls,
        K: Tensor,
        R: Tensor,
        t: Tensor,
        size: tuple[int, int],
        *,
        near: Number = 0.1,
        far: Number = 100.0,
    ) -> Camera:
        """A calibrated camera: pixel ~ K (R X + t), as OpenCV and COLMAP write it.

        K          float (3, 3) or (B, 3, 3)  in pixels of a picture of `size`; the third row is (0, 0, 1)
        R          float (3, 3) or (B, 3, 3)  rotation, world to camera
        t          float (3,) or (B, 3)
        size       (height, width) of the picture that K refers to
        near, far  camera z of the clipping planes

        K counts in our pixels, whose centres are at + 0.5 (COLMAP's convention). If the calibration puts the
        centre of the first pixel at (0, 0), as OpenCV's own functions do, add 0.5 to K[0, 2] and K[1, 2].
        A picture of another size shows the same view, scaled to its height.

        Differentiable in K, R, t, near, far. ValueError for shapes, a third row that is not (0, 0, 1), or an
        R that is not a rotation.
        """
        return cls(*conventions.from_opencv("Camera.from_opencv", K, R, t, size, near, far))

    @classmethod
    def from_opengl(
        cls,
        camera_to_world: Tensor,
        K: Tensor,
        size: tuple[int, int],
        *,
        near: Number = 0.1,
        far: Number = 100.0,
    ) -> Camera:
        """A camera as NeRF, instant-ngp and Blender write it.

        camera_to_world  float (4, 4) or (B, 4, 4)  camera axes x right, y up, z backwards (OpenGL)
        K, size, near, far  as in `from_opencv`

        Differentiable in everything but `size`. ValueError as in `from_opencv`, and for a matrix that is more than a
        rotation and a translation.
        """
        caller = "Camera.from_opengl"
        R, t = conventions.opengl_to_opencv(caller, camera_to_world)
        return cls(*conventions.from_opencv(caller, K, R, t, size, near, far))

    def to_opencv(self, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """The inverse of `from_opencv`: K (B, 3, 3) in pixels of a picture of `size`, R (B, 3, 3), t (B, 3).

        Differentiable. ValueError for an orthographic camera.
        """
        pose, lens = self._matrices()
        return conventions.to_intrinsics("Camera.to_opencv", lens, size), pose[:, :3, :3], pose[:, :3, 3]

    def to_opengl(self) -> Tensor:
        """Camera to world, (B, 4, 4), camera axes x right, y up, z backwards: the inverse of `from_opengl`."""
        return conventions.to_opengl(self._matrices()[0])

    @staticmethod
    def stack(cameras: Sequence[Camera]) -> Camera:
        """One batch of all the cameras, in order; batches among them are laid end to end."""
        if not cameras:
            raise ValueError("Camera.stack: no cameras")
        pairs = [camera._matrices() for camera in cameras]
        return Camera(torch.cat([pose for pose, _ in pairs]), torch.cat([lens for _, lens in pairs]))

    def __len__(self) -> int:
        """Number of cameras; 1 for a camera without batch dimension."""
        return len(self._matrices()[0])

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Camera:
        """`camera[3]` is one camera without batch dimension; a slice, list, mask or index tensor gives a batch."""
        pose, lens = self._matrices()
        return Camera(pose[index], lens[index])

    def to(self, *target: torch.device | torch.dtype | str) -> Camera:
        """The same camera on another device, in another dtype, or both: `.to("cuda", torch.float64)`."""
        pose, lens = self.world_to_camera, self.projection
        for step in target:
            pose, lens = pose.to(step), lens.to(step)
        return Camera(pose, lens)

    @property
    def position(self) -> Tensor:
        """Where the camera stands in the world, (B, 3): the origin of its space."""
        pose = self._matrices()[0]
        return -matrices.solve(pose[:, :3, :3], pose[:, :3, 3])

    @property
    def eye(self) -> Tensor:
        """Where the lines of sight come from, homogeneous (B, 4): (position, 1), or for an orthographic camera
        (direction against its line of sight, 0). From a point p, `eye[:3] - eye[3] * p` leads towards it."""
        pose, lens = self._matrices()
        perspective = (lens[:, 3, :3] != 0).any(-1, keepdim=True)
        against = -torch.nn.functional.normalize(pose[:, 2, :3], dim=-1)
        return torch.cat((torch.where(perspective, self.position, against), perspective.to(pose.dtype)), -1)

    def to_camera(self, points: Tensor) -> Tensor:
        """Points (V, 3) or (B, V, 3) in camera space, (B, V, 3), where z is the depth. Differentiable."""
        pose = self._matrices()[0]
        points = self._batch("to_camera", "points", points, 3)
        return matrices.multiply(points, pose[:, :3, :3].mT) + pose[:, None, :3, 3]

    def project(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        """Points of the world in clip space.

        points  float (V, 3) or (B, V, 3)  a batch of one on either side serves all of the other
        size    (height, width)            of the picture; only its aspect matters

        Returns float (B, V, 4). Differentiable in `points` and in the camera. ValueError for shapes, a batch
        that does not match, another dtype or device.
        """
        matrix = matrices.multiply(self._projection("project", size), self._matrices()[0])
        points = self._batch("project", "points", points, 3)
        return matrices.multiply(points, matrix[:, :, :3].mT) + matrix[:, None, :, 3]

    def to_pixels(self, points: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Where points of the world appear in the picture.

        points  float (V, 3) or (B, V, 3)
        size    (height, width)

        Returns pixels float (B, V, 2), (column, row) with pixel centres at + 0.5, and depth float (B, V),
        camera z. Nothing is clipped; pixels of points behind a perspective camera (depth <= 0) mean nothing.
        Differentiable.
        """
        height, width = check_size("Camera.to_pixels", size)
        clip = self.project(points, size)
        half = tensor_of((width / 2, height / 2), clip.dtype, clip.device)
        return clip[..., :2] / clip[..., 3:] * half + half, self.to_camera(points)[..., 2]

    def unproject(self, pixels: Tensor, depth: Tensor, size: tuple[int, int]) -> Tensor:
        """The inverse of `to_pixels`: the points of the world at given pixels and depths.

        pixels  float (N, 2) or (B, N, 2)  (column, row), pixel centres at + 0.5
        depth   float (N,) or (B, N)       camera z, not the distance along the ray
        size    (height, width)

        Returns float (B, N, 3). Differentiable in everything.
        """
        height, width = check_size("Camera.unproject", size)
        pixels = self._batch("unproject", "pixels", pixels, 2)
        depth = self._batch("unproject", "depth", depth[..., None], 1)[..., 0]
        if depth.shape[1] != pixels.shape[1]:
            raise ValueError(f"Camera.unproject: {pixels.shape[1]} `pixels` but {depth.shape[1]} values of `depth`")
        u, v = (pixels / tensor_of((width / 2, height / 2), pixels.dtype, pixels.device) - 1).unbind(-1)
        # Clip row r of a point (x, y, z, 1) is lens[r] . (x, y, z, 1). With w = row 3, x and y solve
        # row 0 - u w = 0 and row 1 - v w = 0: two equations a0 x + a1 y + a2 z + a3 = 0, likewise with b.
        lens = self._projection("unproject", size)[:, None]
        a0, a1, a2, a3 = (lens[..., 0, :] - u[..., None] * lens[..., 3, :]).unbind(-1)
        b0, b1, b2, b3 = (lens[..., 1, :] - v[..., None] * lens[..., 3, :]).unbind(-1)
        a, b, det = a2 * depth + a3, b2 * depth + b3, a0 * b1 - a1 * b0
        x, y = (a1 * b - b1 * a) / det, (b0 * a - a0 * b) / det
        points = torch.stack(torch.broadcast_tensors(x, y, depth), -1)
        pose = self._matrices()[0]
        return matrices.solve(pose[:, :3, :3], (points - pose[:, None, :3, 3]).mT).mT

    def _matrices(self) -> tuple[Tensor, Tensor]:
        """Both matrices as (B, 4, 4)."""
        pose, lens = torch.broadcast_tensors(self.world_to_camera, self.projection)
        return (pose, lens) if pose.ndim == 3 else (pose[None], lens[None])

    def _projection(self, caller: str, size: tuple[int, int]) -> Tensor:
        """Camera space to clip space of a picture of this size, (B, 4, 4)."""
        height, width = check_size(f"Camera.{caller}", size)
        lens = self._matrices()[1]
        return torch.cat((lens[:, :1] * (height / width), lens[:, 1:]), 1)

    def _batch(self, caller: str, name: str, value: Tensor, channels: int) -> Tensor:
        """Checked against the camera, as (B or 1, N, channels)."""
        if value.ndim not in (2, 3) or value.shape[-1] != channels:
            wanted, got = ("", tuple(value.shape[:-1])) if channels == 1 else (f", {channels}", tuple(value.shape))
            raise ValueError(f"Camera.{caller}: `{name}` should be (N{wanted}) or (B, N{wanted}), got {got}")
        lens = self.projection
        if value.dtype != lens.dtype or value.device != lens.device:
            raise ValueError(
                f"Camera.{caller}: `{name}` is {value.dtype} on {value.device}, the camera {lens.dtype} on "
                f"{lens.device}; convert one of them with .to()"
            )
        value = value if value.ndim == 3 else value[None]
        check_batches(f"Camera.{caller}", camera=len(self), **{name: len(value)})
        return value


def _lens(caller: str, fov: Number | None, extent: Number | None) -> tuple[Number, Callable[..., Tensor]]:
    """The argument that shapes the view, and the function that makes a projection of it."""
    if extent is None:
        return math.pi / 4 if fov is None else fov, matrices.perspective
    if fov is not None:
        raise ValueError(f"{caller}: give `fov` (perspective) or `extent` (orthographic), not both")
    return extent, matrices.orthographic
