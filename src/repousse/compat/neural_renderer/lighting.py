"""Light of `neural_renderer`: flat shading by an ambient and a directional light, baked into textures."""

import torch
from torch import Tensor

from repousse.compat.neural_renderer.tensors import (
    ArrayLike,
    check_batch,
    float_tensor,
    tensor_like,
    vectors_like,
)
from repousse.compat.neural_renderer.transforms import unit


def lighting(
    faces: ArrayLike,
    textures: ArrayLike,
    intensity_ambient: ArrayLike = 0.5,
    intensity_directional: ArrayLike = 0.5,
    color_ambient: ArrayLike = (1, 1, 1),
    color_directional: ArrayLike = (1, 1, 1),
    direction: ArrayLike = (0, 1, 0),
) -> Tensor:
    """Texture cubes times the light that falls on their faces, as a new tensor.

    faces                  (B, F, 3, 3)        corners of the faces in world space
    textures               (B, F, T, T, T, 3)  any range; light multiplies it and nothing is clamped
    intensity_ambient      number or (B,)
    intensity_directional  number or (B,)
    color_ambient          (3,) or (B, 3)
    color_directional      (3,) or (B, 3)
    direction              (3,), (B, 3) or (B, F, 3): towards the light; not normalised

    light = intensity_ambient color_ambient + intensity_directional color_directional max(0, n . direction), n
    = unit((v0 - v1) x (v2 - v1)): the negative of the right-hand normal, because the camera of this module
    mirrors the world. A face without area gets ambient light only.

    Differentiable in every argument that is a tensor. The released PyTorch port overwrote `textures`; this
    does not.
    """
    faces = float_tensor(faces, "lighting: `faces`")
    textures = float_tensor(textures, "lighting: `textures`")
    if faces.ndim != 4 or faces.shape[2:] != (3, 3):
        raise ValueError(
            f"lighting: `faces` must be (batch, faces, 3, 3), but is {tuple(faces.shape)}. "
            "Make it from vertices and indices with vertices_to_faces."
        )
    if textures.ndim != 6 or textures.shape[5] != 3:
        raise ValueError(f"lighting: `textures` must be (batch, faces, T, T, T, 3), but is {tuple(textures.shape)}.")
    if textures.shape[1] != faces.shape[1]:
        raise ValueError(f"lighting: {textures.shape[1]} texture cubes are given for {faces.shape[1]} faces.")
    check_batch(textures, faces, "lighting: `textures`")

    ambient = _intensity(intensity_ambient, faces) * vectors_like(color_ambient, faces, "lighting: `color_ambient`")
    directional = _intensity(intensity_directional, faces) * vectors_like(
        color_directional, faces, "lighting: `color_directional`"
    )
    v0, v1, v2 = faces.unbind(dim=2)
    normals = unit(torch.linalg.cross(v0 - v1, v2 - v1, dim=-1))
    cosine = torch.relu((normals * _direction(direction, faces)).sum(dim=-1, keepdim=True))
    light = ambient[:, None] + directional[:, None] * cosine
    return textures * light[:, :, None, None, None].to(textures)


def _intensity(value: ArrayLike, like: Tensor) -> Tensor:
    intensity = tensor_like(value, like)
    if intensity.ndim > 1:
        raise ValueError(f"lighting: an intensity must be a number or (batch,), but is {tuple(intensity.shape)}.")
    check_batch(intensity.reshape(-1), like, "lighting: an intensity")
    return intensity.reshape(-1, 1)


def _direction(value: ArrayLike, faces: Tensor) -> Tensor:
    direction = tensor_like(value, faces)
    if direction.ndim == 3 and direction.shape[1:] == faces.shape[1:3]:
        check_batch(direction, faces, "lighting: `direction`")
        return direction
    return vectors_like(direction, faces, "lighting: `direction`")[:, None]
