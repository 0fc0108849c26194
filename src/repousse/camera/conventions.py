"""Calibrated cameras as others write them: OpenCV and COLMAP, OpenGL (NeRF, Blender, instant-ngp)."""

import torch
from torch import Tensor

from repousse.core.numbers import tensor_of

from . import matrices
from .arguments import Number, as_floats, check_batches, check_shape, check_size, check_values


def from_opencv(
    caller: str, K: Tensor, R: Tensor, t: Tensor, size: tuple[int, int], near: Number, far: Number
) -> tuple[Tensor, Tensor]:
    """World-to-camera and projection matrices; see `Camera.from_opencv`."""
    height, width = check_size(caller, size)
    k, r, shift, front, back = as_floats(caller, K=K, R=R, t=t, near=near, far=far)
    for name, value, tail in (("K", k, (3, 3)), ("R", r, (3, 3)), ("t", shift, (3,))):
        check_shape(caller, name, value, tail)
    lengths = {"K": (k, 2), "R": (r, 2), "t": (shift, 1), "near": (front, 0), "far": (back, 0)}
    check_batches(caller, **{n: len(v) if v.ndim > single else None for n, (v, single) in lengths.items()})
    third = tensor_of((0.0, 0.0, 1.0), k.dtype, k.device)
    check_values(
        caller,
        ((k[..., 2, :] - third).abs() < 1e-6).all(-1),
        "the third row of `K` should be (0, 0, 1)",
        row=k[..., 2, :],
    )
    error = (r @ r.mT - torch.eye(3, dtype=r.dtype, device=r.device)).abs().amax((-2, -1))
    check_values(
        caller,
        (error < 1e-3) & (torch.linalg.det(r) > 0),
        "`R` is not a rotation (R R^T = 1, det R = 1); does it contain a scale or a mirrored axis?",
        R=r,
    )
    # Pixels to clip coordinates of a square picture: both axes in units of half the height.
    x = (2 * k[..., 0, :] - width * third) / height
    y = (2 * k[..., 1, :] - height * third) / height
    x0, x1, x2, y0, y1, y2, front, back = torch.broadcast_tensors(*x.unbind(-1), *y.unbind(-1), front, back)
    lens = matrices.pinhole((x0, x1, x2), (y0, y1, y2), front, back, caller)
    batch = torch.broadcast_shapes(r.shape[:-2], shift.shape[:-1])
    return matrices.join(r.expand(*batch, 3, 3), shift.expand(*batch, 3)), lens


def to_intrinsics(caller: str, projection: Tensor, size: tuple[int, int]) -> Tensor:
    """K (..., 3, 3) of a perspective projection (..., 4, 4), in pixels of a picture of `size`.

    ValueError for projections of another kind: orthographic ones have no K.
    """
    height, width = check_size(caller, size)
    last = tensor_of((0.0, 0.0, 1.0, 0.0), projection.dtype, projection.device)
    pinhole = (projection[..., 3, :] == last).all(-1) & (projection[..., :2, 3] == 0).all(-1)
    check_values(
        caller, pinhole, "only perspective cameras have a matrix K (clip w = z)", last_row=projection[..., 3, :]
    )
    third = tensor_of((0.0, 0.0, 1.0), projection.dtype, projection.device)
    x = (projection[..., 0, :3] * height + width * third) / 2
    y = (projection[..., 1, :3] * height + height * third) / 2
    return torch.stack((x, y, third.expand_as(x)), -2)


def opengl_to_opencv(caller: str, camera_to_world: Tensor) -> tuple[Tensor, Tensor]:
    """R (..., 3, 3) and t (..., 3), world to camera with x right, y down, z forward.

    camera_to_world  float (..., 4, 4)  of a camera whose x points right, y up, z **backwards**

    ValueError if it is not finite, or not a rotation and a translation.
    """
    (pose,) = as_floats(caller, camera_to_world=camera_to_world)
    check_shape(caller, "camera_to_world", pose, (4, 4))
    check_values(caller, pose.isfinite().flatten(-2).all(-1), "`camera_to_world` is not finite", matrix=pose)
    last = tensor_of((0.0, 0.0, 0.0, 1.0), pose.dtype, pose.device)
    check_values(
        caller,
        ((pose[..., 3, :] - last).abs() < 1e-6).all(-1),
        "the last row of `camera_to_world` should be (0, 0, 0, 1)",
        row=pose[..., 3, :],
    )
    axes = pose[..., :3, :3]
    error = (axes @ axes.mT - torch.eye(3, dtype=pose.dtype, device=pose.device)).abs().amax((-2, -1))
    check_values(
        caller,
        (error < 1e-3) & (torch.linalg.det(axes) > 0),
        "`camera_to_world` is not a rotation and a translation; does it contain a scale or a mirrored axis?",
        matrix=axes,
    )
    rotation = (axes * tensor_of((1.0, -1.0, -1.0), pose.dtype, pose.device)).mT
    return rotation, -(rotation @ pose[..., :3, 3:])[..., 0]


def to_opengl(world_to_camera: Tensor) -> Tensor:
    """The inverse of `opengl_to_opencv`, (..., 4, 4) to (..., 4, 4)."""
    rotation, shift = world_to_camera[..., :3, :3], world_to_camera[..., :3, 3:]
    axes = rotation.mT * tensor_of((1.0, -1.0, -1.0), world_to_camera.dtype, world_to_camera.device)
    return matrices.join(axes, -(rotation.mT @ shift)[..., 0])
