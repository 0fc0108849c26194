"""Cameras and gathers of `neural_renderer`, in its own conventions.

World to camera: x right, y up, z into the screen. This is left-handed, so a right-handed mesh appears
mirrored, as in the released code. Angles are in degrees. Everything works on any device, in the dtype of the
vertices, and is differentiable in every floating-point argument that is a tensor.
"""

import math
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from repousse.compat.neural_renderer.tensors import (
    ArrayLike,
    check_batch,
    check_vertices,
    float_tensor,
    tensor_like,
    vectors_like,
)

NORM_FLOOR = 1e-5  # a vector shorter than this is not stretched to length 1


def unit(vectors: Tensor) -> Tensor:
    """Vectors (..., 3) divided by their length, or by 1e-5 where they are shorter: no NaN at 0."""
    return functional.normalize(vectors, dim=-1, eps=NORM_FLOOR)


def cross(a: ArrayLike, b: ArrayLike) -> Tensor:
    """Cross product of 3-vectors, (..., 3) x (..., 3) -> (..., 3), broadcast. Differentiable in both."""
    a = float_tensor(a, "cross: `a`")
    b = tensor_like(b, a)
    if a.ndim == 0 or b.ndim == 0 or a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"cross: both must end in 3 coordinates, but are {tuple(a.shape)} and {tuple(b.shape)}.")
    return torch.linalg.cross(a, b, dim=-1)


def look_at(vertices: ArrayLike, eye: ArrayLike, at: ArrayLike | None = None, up: ArrayLike | None = None) -> Tensor:
    """Vertices (B, V, 3) as seen from `eye` when looking at `at`: camera space, z forward.

    eye  (3,) or (B, 3)  position of the camera; tensors, arrays, lists, lists of 0-d tensors
    at   likewise        default: the origin
    up   likewise        default: (0, 1, 0); parallel to the viewing direction it collapses the picture

    >>> look_at(torch.tensor([[[1.0, 0.0, 0.0]]]), eye=(0, 0, -2))
    tensor([[[1., 0., 2.]]])

    Differentiable in all four. ValueError for shapes that do not fit together.
    """
    vertices = float_tensor(vertices, "look_at: `vertices`")
    check_vertices(vertices, "look_at")
    eye = vectors_like(eye, vertices, "look_at: `eye`")
    target = vectors_like((0, 0, 0) if at is None else at, vertices, "look_at: `at`")
    up = vectors_like((0, 1, 0) if up is None else up, vertices, "look_at: `up`")
    return _to_camera(vertices, eye, target - eye, up)


def look(
    vertices: ArrayLike, eye: ArrayLike, direction: ArrayLike | None = None, up: ArrayLike | None = None
) -> Tensor:
    """Vertices (B, V, 3) as seen from `eye` when looking along `direction`: camera space, z forward.

    eye        (3,) or (B, 3)
    direction  likewise; need not have length 1; default (0, 0, 1)
    up         likewise; default (0, 1, 0)

    Two defects of the released code are gone: the default direction of the PyTorch port, (0, 1, 0), is
    parallel to `up` and shows nothing, so Chainer's is used; and one direction may serve a batch of any size.
    Differentiable in all four. ValueError for shapes that do not fit together.
    """
    vertices = float_tensor(vertices, "look: `vertices`")
    check_vertices(vertices, "look")
    eye = vectors_like(eye, vertices, "look: `eye`")
    direction = vectors_like((0, 0, 1) if direction is None else direction, vertices, "look: `direction`")
    up = vectors_like((0, 1, 0) if up is None else up, vertices, "look: `up`")
    return _to_camera(vertices, eye, direction, up)


def _to_camera(vertices: Tensor, eye: Tensor, direction: Tensor, up: Tensor) -> Tensor:
    z = unit(direction)
    x = unit(torch.linalg.cross(*torch.broadcast_tensors(up, z), dim=-1))
    y = unit(torch.linalg.cross(*torch.broadcast_tensors(z, x), dim=-1))
    rotation = torch.stack(torch.broadcast_tensors(x, y, z), dim=1)
    return (vertices - eye[:, None]) @ rotation.mT


def perspective(vertices: ArrayLike, angle: ArrayLike = 30.0) -> Tensor:
    """Camera space (B, V, 3) to the screen: x and y in [-1, 1] inside the picture, z unchanged.

    angle  half of the field of view in degrees; a number, or a tensor () or (B,)

    >>> perspective(torch.tensor([[[1.0, 2.0, 10.0]]]), angle=45.0)
    tensor([[[ 0.1000,  0.2000, 10.0000]]])

    Vertices behind the camera are divided by their negative z and those at z = 0 by zero, as released.
    Differentiable in both; the PyTorch port cut the gradient of `angle`.
    """
    vertices = float_tensor(vertices, "perspective: `vertices`")
    check_vertices(vertices, "perspective")
    angle = tensor_like(angle, vertices)
    if angle.ndim > 1:
        raise ValueError(f"perspective: `angle` must be a number or (batch,), but is {tuple(angle.shape)}.")
    angle = angle.reshape(-1, 1)
    check_batch(angle, vertices, "perspective: `angle`")
    width = torch.tan(angle * (math.pi / 180))
    x, y, z = vertices.unbind(dim=2)
    return torch.stack(torch.broadcast_tensors(x / z / width, y / z / width, z), dim=2)


def projection(
    vertices: ArrayLike,
    K: ArrayLike,
    R: ArrayLike,
    t: ArrayLike,
    dist_coeffs: ArrayLike | None,
    orig_size: ArrayLike,
    eps: float = 1e-9,
) -> Tensor:
    """World space (B, V, 3) through a calibrated camera (OpenCV) to the screen: x right, y up, camera z.

    K            (B, 3, 3) or (3, 3)          intrinsics, in pixels of the original picture
    R            (B, 3, 3) or (3, 3)          rotation; the camera has x right, y down, z forward
    t            (B, 1, 3), (B, 3) or (3,)    translation: camera = R v + t
    dist_coeffs  (B, 5) or (5,)               (k1, k2, p1, p2, k3); None for none
    orig_size    number or (B,)               side of the original, square picture in pixels
    eps          added to z before the division

    Differentiable in every argument. The gradient is finite on the optical axis too, where the released code
    gives NaN.
    """
    vertices = float_tensor(vertices, "projection: `vertices`")
    check_vertices(vertices, "projection")
    intrinsics = _matrices_like(K, vertices, "K")
    rotation = _matrices_like(R, vertices, "R")
    distortion = _distortion_like(dist_coeffs, vertices)
    size = tensor_like(orig_size, vertices)
    if size.ndim > 2 or (size.ndim == 2 and size.shape[1] != 1):
        raise ValueError(f"projection: `orig_size` must be a number or (batch,), but is {tuple(size.shape)}.")
    size = size.reshape(-1, 1)
    check_batch(size, vertices, "projection: `orig_size`")

    camera = vertices @ rotation.mT + _translation_like(t, vertices)
    x, y, z = camera.unbind(dim=2)
    distorted = _distort(x / (z + eps), y / (z + eps), distortion)
    pixel = torch.stack([*distorted, torch.ones_like(distorted[0])], dim=2) @ intrinsics.mT
    u, v = pixel[..., 0], size - pixel[..., 1]
    return torch.stack(torch.broadcast_tensors(2 * u / size - 1, 2 * v / size - 1, z), dim=2)


def _distort(x: Tensor, y: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
    k1, k2, p1, p2, k3 = coefficients[:, :, None].unbind(dim=1)
    r2 = x * x + y * y  # no square root: its derivative at 0 is infinite
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


def _matrices_like(value: ArrayLike, like: Tensor, name: str) -> Tensor:
    matrices = tensor_like(value, like)
    if matrices.ndim == 2:
        matrices = matrices[None]
    if matrices.ndim != 3 or matrices.shape[1:] != (3, 3):
        raise ValueError(f"projection: `{name}` must be (batch, 3, 3) or (3, 3), but is {tuple(matrices.shape)}.")
    check_batch(matrices, like, f"projection: `{name}`")
    return matrices


def _translation_like(value: ArrayLike, like: Tensor) -> Tensor:
    translation = tensor_like(value, like)
    if translation.ndim == 1:
        translation = translation[None]
    if translation.ndim == 2:
        translation = translation[:, None]
    if translation.ndim != 3 or translation.shape[1:] != (1, 3):
        raise ValueError(
            f"projection: `t` must be (batch, 1, 3), (batch, 3) or (3,), but is {tuple(translation.shape)}."
        )
    check_batch(translation, like, "projection: `t`")
    return translation


def _distortion_like(value: ArrayLike | None, like: Tensor) -> Tensor:
    coefficients = like.new_zeros(1, 5) if value is None else tensor_like(value, like)
    if coefficients.ndim == 1:
        coefficients = coefficients[None]
    if coefficients.ndim != 2 or coefficients.shape[1] != 5:
        raise ValueError(
            "projection: `dist_coeffs` must be (batch, 5) or (5,), that is (k1, k2, p1, p2, k3), "
            f"but is {tuple(coefficients.shape)}."
        )
    check_batch(coefficients, like, "projection: `dist_coeffs`")
    return coefficients


def get_points_from_angles(
    distance: ArrayLike, elevation: ArrayLike, azimuth: ArrayLike, degrees: bool = True
) -> tuple[float, float, float] | np.ndarray | Tensor:
    """Where a camera stands that sees the origin from these angles.

    Azimuth 0 is on -z and 90 on +x; elevation rises towards +y. Numbers give a tuple (x, y, z); arrays (...)
    give an array (..., 3), as soon as one argument is a tensor the result is one and is differentiable.
    Shapes broadcast.

    >>> get_points_from_angles(2.0, 90.0, 0.0)[1]
    2.0
    """
    given = (distance, elevation, azimuth)
    tensors = [value for value in given if isinstance(value, Tensor)]
    if tensors:
        exact = [value for value in tensors if value.is_floating_point()]
        like = exact[0] if exact else tensors[0].to(torch.get_default_dtype())
        return _spherical([tensor_like(value, like) for value in given], degrees)
    if all(isinstance(value, Real) for value in given):
        x, y, z = _spherical([torch.from_numpy(np.array(value, np.float64)) for value in given], degrees).tolist()
        return x, y, z
    plain: list[Any] = [value if isinstance(value, Real) else np.asarray(value) for value in given]
    dtype = np.promote_types(np.result_type(*plain), np.float32)
    return _spherical([torch.from_numpy(np.array(value, dtype)) for value in plain], degrees).numpy()


def _spherical(values: list[Tensor], degrees: bool) -> Tensor:
    distance, elevation, azimuth = torch.broadcast_tensors(*values)
    if degrees:
        elevation, azimuth = torch.deg2rad(elevation), torch.deg2rad(azimuth)
    across = distance * torch.cos(elevation)
    return torch.stack(
        [across * torch.sin(azimuth), distance * torch.sin(elevation), -across * torch.cos(azimuth)], dim=-1
    )


def vertices_to_faces(vertices: ArrayLike, faces: ArrayLike) -> Tensor:
    """Corners of every face: vertices (B, V, 3) and faces int (B, F, 3), or (F, 3) for all, -> (B, F, 3, 3).

    Differentiable in `vertices`. IndexError if a face names a vertex that does not exist (negative ones
    included), TypeError for faces that are not integers.
    """
    vertices = float_tensor(vertices, "vertices_to_faces: `vertices`")
    check_vertices(vertices, "vertices_to_faces")
    index = torch.as_tensor(faces, device=vertices.device)
    if index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
        raise TypeError(f"vertices_to_faces: `faces` must hold integers, not {index.dtype}.")
    if index.ndim == 2:
        index = index[None]
    if index.ndim != 3 or index.shape[2] != 3:
        raise ValueError(f"vertices_to_faces: `faces` must be (batch, faces, 3), but is {tuple(index.shape)}.")
    check_batch(index, vertices, "vertices_to_faces: `faces`")
    if index.numel() > 0:
        low, high = (int(bound) for bound in torch.aminmax(index))
        if low < 0 or high >= vertices.shape[1]:
            raise IndexError(
                f"vertices_to_faces: `faces` holds index {low if low < 0 else high}, but there are "
                f"{vertices.shape[1]} vertices. Was the mesh loaded with another topology?"
            )
    batch = max(vertices.shape[0], index.shape[0])
    flat = index.long().reshape(index.shape[0], -1, 1).expand(batch, -1, 3)
    return vertices.expand(batch, -1, -1).gather(1, flat).reshape(batch, -1, 3, 3)
