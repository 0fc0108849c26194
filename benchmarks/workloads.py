"""The scenes whose cost is measured: bumpy spheres, from many small pictures to one with a million faces."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

import repousse as rp

COVERAGE = 0.61  # share of covered pixels in every workload, so that costs per pixel can be compared
_TOLERANCE = 0.01
_DISTANCE = 3.0
_FOV = 2 * math.atan(1 / 2.473)


@dataclass(frozen=True)
class Spec:
    """`images` pictures of size x size pixels, each of an icosphere split `subdivisions` times."""

    name: str
    images: int
    subdivisions: int
    size: int
    seed: int = 0

    @property
    def faces(self) -> int:
        """Faces per image."""
        return 20 * 4**self.subdivisions

    def __str__(self) -> str:
        return f"{self.name}: {self.images} x {self.faces} faces @{self.size}²"


SPECS = {
    spec.name: spec
    for spec in (
        Spec("A", images=64, subdivisions=3, size=128),
        Spec("B", images=16, subdivisions=4, size=256),
        Spec("C", images=1, subdivisions=8, size=1024, seed=5),
        Spec("D", images=8, subdivisions=4, size=512),
    )
}
TINY = Spec("64²", images=1, subdivisions=2, size=64, seed=11)


@dataclass(frozen=True, eq=False)
class Scene:
    """A workload in memory, with what each measured step takes from the steps before it.

    positions   float32 (B, V, 4)     clip space
    faces       int32 (F, 3)          shared by the images
    colors      float32 (V, 3)        attributes, shared by the images
    fragments                         what `rasterize` makes of them
    g_image     float32 (B, H, W, 3)  a gradient of an interpolated picture
    """

    spec: Spec
    positions: Tensor
    faces: Tensor
    colors: Tensor
    fragments: rp.Fragments
    g_image: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.spec.size, self.spec.size

    @property
    def coverage(self) -> float:
        """Share of the pixels that show a face."""
        return (self.fragments.face_id >= 0).double().mean().item()

    def to(self, device: str) -> "Scene":
        """The workload on another device."""
        positions, faces, f = self.positions.to(device), self.faces.to(device), self.fragments
        face_id, bary, depth, facing = (value.to(device) for value in (f.face_id, f.bary, f.depth, f.facing))
        fragments = rp.Fragments(face_id, bary, depth, facing, positions, faces, None)
        return Scene(self.spec, positions, faces, self.colors.to(device), fragments, self.g_image.to(device))

    @cached_property
    def topology(self) -> rp.Topology:
        """Edges of the mesh, for the crossing list."""
        return rp.Mesh(self.positions[0, :, :3], self.faces).topology


def build(spec: Spec) -> Scene:
    """Make the scene of a workload: the same numbers on every machine, up to rounding.

    Raises RuntimeError if its coverage is not the one that all workloads share.
    """
    random = torch.Generator().manual_seed(spec.seed)
    sphere = rp.icosphere(spec.subdivisions)
    camera = rp.Camera.look_at((0.0, 0.0, _DISTANCE), fov=_FOV)
    posed = torch.stack([_bumpy(sphere.positions, random) for _ in range(spec.images)])
    size = spec.size, spec.size
    positions = camera.project(posed, size).float().contiguous()
    scene = Scene(
        spec,
        positions,
        sphere.faces,
        colors=torch.rand(positions.shape[1], 3, generator=random),
        fragments=rp.rasterize(positions, sphere.faces, size),
        g_image=torch.randn(spec.images, *size, 3, generator=random),
    )
    if abs(scene.coverage - COVERAGE) > _TOLERANCE:
        raise RuntimeError(f"workload {spec}: {scene.coverage:.3f} of the pixels are covered, not {COVERAGE}.")
    return scene


def _bumpy(sphere: Tensor, random: torch.Generator) -> Tensor:
    """The unit sphere (V, 3) with six waves across it, at a random rotation."""
    waves = torch.randn(6, 3, generator=random)
    phases = 2 * math.pi * torch.rand(6, generator=random)
    height = 1 + 0.03 * torch.sin(3 * sphere @ waves.T + phases).sum(1, keepdim=True)
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=random))
    rotation = q * r.diagonal().sign()
    rotation = rotation * torch.linalg.det(rotation).sign()
    return (sphere * height) @ rotation.T
