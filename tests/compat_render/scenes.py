"""Scenes for the tests of this folder, and what the released code makes of them (float64, row 0 on top)."""

import gzip
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from released_forward import Forward, released_forward, sample
from torch import Tensor

from repousse.ops.kato.reference import released


class Expected(NamedTuple):
    """A batch: `seen` at the internal resolution; images at the final one, channels last."""

    seen: list[Forward]
    rgb: Tensor
    alpha: Tensor
    depth: Tensor


def teapot_file(shared_data: Path, folder: Path) -> Path:
    """The teapot of the released tests, unpacked."""
    target = folder / "teapot.obj"
    with gzip.open(shared_data / "meshes" / "teapot.obj.gz") as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    return target


def third_of_four(*tensors: Tensor) -> list[Tensor]:
    """A batch of four with the content at item 2 and zeros elsewhere, as in the released tests."""
    batches = [torch.zeros(4, *tensor.shape, dtype=tensor.dtype) for tensor in tensors]
    for batch, tensor in zip(batches, tensors, strict=True):
        batch[2] = tensor
    return batches


def soup(seed: int, batch: int = 2, count: int = 5) -> Tensor:
    """Overlapping counter-clockwise triangles (B, F, 3, 3), z from 1 to 4, partly off the image."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(batch, count, 1, 2, generator=generator) * 1.6 - 0.8
    spread = 0.15 + 0.5 * torch.rand(batch, count, 1, 1, generator=generator)
    xy = centre + spread * torch.randn(batch, count, 3, 2, generator=generator)
    z = 1 + 3 * torch.rand(batch, count, 3, 1, generator=generator)
    faces = torch.cat([xy, z], -1)
    a, b = faces[..., 1, :2] - faces[..., 0, :2], faces[..., 2, :2] - faces[..., 0, :2]
    clockwise = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0] < 0
    return torch.where(clockwise[..., None, None], faces.flip(2), faces)


def cubes(seed: int, batch: int, count: int, size: int) -> Tensor:
    """Random texture cubes (B, F, T, T, T, 3)."""
    return torch.rand(batch, count, size, size, size, 3, generator=torch.Generator().manual_seed(seed))


def draw(
    faces: Tensor,
    textures: Tensor,
    size: tuple[int, int],
    *,
    scale: int = 1,
    near: float = 0.1,
    far: float = 100.0,
    eps: float = 1e-4,
    background: tuple[float, float, float] = (0, 0, 0),
) -> Expected:
    """Draw as the released code does; `scale` 2 is its anti-aliasing."""
    internal = (size[0] * scale, size[1] * scale)
    seen, rgb = [], []
    for item in range(len(faces)):
        corners = faces[item].detach().double().numpy()
        seen.append(released_forward(corners, internal, near, far))
        colors = sample(textures[item].detach().double().numpy(), seen[-1], corners[..., 2], eps)
        rgb.append(np.where(seen[-1].face_id[..., None] >= 0, colors, background))
    images = (
        np.stack(rgb),
        ids(seen).numpy()[..., None] >= 0,
        np.stack([one.depth for one in seen])[..., None],
    )
    rgb, alpha, depth = (_shrink(torch.from_numpy(image.astype(float)), scale) for image in images)
    return Expected(seen, rgb, alpha[..., 0], depth[..., 0])


def ids(seen: list[Forward]) -> Tensor:
    return torch.from_numpy(np.stack([one.face_id for one in seen]))


def pull(faces: Tensor, face_id: Tensor, image: Tensor, grad: Tensor, eps: float) -> Tensor:
    """The released pseudo-gradient (B, F, 3, 3) of faces; image and grad (B, H, W, C) at internal size."""
    batch, count = faces.shape[:2]
    corners = torch.arange(3 * count).reshape(count, 3)
    points = faces[..., :2].detach().double().reshape(batch, 3 * count, 2)
    out = released(points, corners, face_id, image, grad, eps).reshape(batch, count, 3, 2)
    return torch.nn.functional.pad(out, (0, 1))


def enlarge(grad: Tensor, scale: int) -> Tensor:
    """The gradient (B, H, W, C) at the internal size of the mean over `scale` x `scale` pixels."""
    return grad.repeat_interleave(scale, 1).repeat_interleave(scale, 2) / scale**2


def is_well_conditioned(faces: Tensor, face_id: Tensor, image: Tensor, grad: Tensor, eps: float) -> bool:
    """Whether errors of 1e-7 in the corners change the pseudo-gradient by less than 2e-4 of its length.

    The released formula is not continuous: one pixel centre on an edge can change its result by half.
    """
    noise = torch.randn(faces.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    before = pull(faces, face_id, image, grad, eps)
    after = pull(faces.double() + 1e-7 * noise, face_id, image, grad, eps)
    return bool((after - before).norm() < 2e-4 * before.norm())


def distance(found: Tensor, expected: Tensor) -> float:
    """Length of the difference over the length of the expectation."""
    return float((found.double() - expected).norm() / expected.norm())


def _shrink(image: Tensor, scale: int) -> Tensor:
    batch, height, width, channels = image.shape
    return image.reshape(batch, height // scale, scale, width // scale, scale, channels).mean((2, 4))
