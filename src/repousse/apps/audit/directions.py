"""Ways to move a scene: its vertices, the whole of it, or the camera."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from repousse.apps.audit.scenes import Scene
from repousse.apps.audit.shapes import cross_matrix, rotation
from repousse.camera import Camera
from repousse.geometry import Mesh

Group = Literal["vertices", "rigid", "camera"]
GROUPS: tuple[Group, ...] = ("vertices", "rigid", "camera")


@dataclass(frozen=True, eq=False)
class Motion:
    """A direction of the derivative; a step of 1 moves what is seen by about a pixel where it moves most.

    positions  float (V, 3) or None  change of the vertices
    pose, lens float (4, 4) or None  change of the camera's world_to_camera and projection

    A change of the camera must reach the picture through clip space alone, so that `clip` says all about it.
    """

    group: Group
    name: str
    positions: Tensor | None = None
    pose: Tensor | None = None
    lens: Tensor | None = None

    def moved(self, scene: Scene, step: float) -> tuple[Mesh, Camera]:
        """Mesh and camera of the scene after `step`."""
        mesh, camera = scene.mesh, scene.camera
        if self.positions is not None:
            mesh = mesh.with_positions(mesh.positions + step * self.positions)
        pose = camera.world_to_camera if self.pose is None else camera.world_to_camera + step * self.pose
        lens = camera.projection if self.lens is None else camera.projection + step * self.lens
        return mesh, Camera(pose, lens)

    def clip(self, scene: Scene) -> Tensor:
        """What the camera's change does to the vertices in clip space, (V, 4)."""
        pose, lens = scene.camera.world_to_camera, scene.camera.projection
        change = torch.zeros_like(lens)
        if self.pose is not None:
            change = change + lens @ self.pose
        if self.lens is not None:
            change = change + self.lens @ pose
        return scene.mesh.positions @ change[:, :3].T + change[:, 3]


def motions(scene: Scene, size: int, *, count: int = 4, seed: int = 0) -> list[Motion]:
    """`count` smooth random motions of the vertices (and as many of white noise if the scene's vertices are few),
    six rigid motions, and seven of the camera: focal length, three shifts and three turns."""
    generator = torch.Generator().manual_seed(seed)
    places = scene.mesh.positions
    found = [Motion("vertices", f"waves {i}", positions=_waves(places, generator)) for i in range(count)]
    if scene.white:
        white = [torch.randn(places.shape, generator=generator) for _ in range(count)]
        found += [Motion("vertices", f"noise {i}", positions=noise) for i, noise in enumerate(white)]
    axes = torch.eye(3)
    for name, axis in zip("xyz", axes, strict=True):
        found.append(Motion("rigid", f"shift {name}", positions=axis.expand_as(places)))
        found.append(Motion("rigid", f"turn {name}", positions=places @ cross_matrix(axis).T))
    pose, lens = scene.camera.world_to_camera, scene.camera.projection
    focal = torch.cat([lens[:2], torch.zeros_like(lens[2:])])
    found.append(Motion("camera", "focal length", lens=focal))
    for name, axis in zip("xyz", axes, strict=True):
        for kind, turn, shift in (("shift", 0 * axis, axis), ("turn", axis, 0 * axis)):
            twist = torch.zeros(4, 4)
            twist[:3, :3], twist[:3, 3] = cross_matrix(turn), shift
            found.append(Motion("camera", f"{kind} {name}", pose=twist @ pose))
    return [_per_pixel(motion, scene, size) for motion in found]


def displaced(scene: Scene) -> Mesh:
    """The scene's mesh elsewhere, a few pixels away: what an optimisation would look for."""
    turn = rotation(torch.tensor([0.06, 0.1, -0.08]))
    moved = scene.mesh.positions @ turn.T + torch.tensor([0.07, -0.05, 0.04])
    waves = _waves(scene.mesh.positions, torch.Generator().manual_seed(99))
    return scene.mesh.with_positions(moved + 0.06 * waves / waves.norm(dim=1).max())


def _waves(places: Tensor, generator: torch.Generator, count: int = 6) -> Tensor:
    """A smooth random field at `places` (V, 3): waves of half to twice the extent of [-1, 1]."""
    frequency = torch.randn(count, 3, generator=generator)
    length = 1 + 3 * torch.rand(count, 1, generator=generator)
    frequency = frequency / frequency.norm(dim=1, keepdim=True) * (2 * math.pi / length)
    phase = 2 * math.pi * torch.rand(count, generator=generator)
    strength = torch.randn(count, 3, generator=generator)
    return torch.sin(places @ frequency.T + phase) @ strength


def _per_pixel(motion: Motion, scene: Scene, size: int) -> Motion:
    """The motion scaled so that nothing moves by more than a pixel per unit."""
    ends = []
    for step in (-1e-3, 1e-3):
        mesh, camera = motion.moved(scene, step)
        ends.append(camera.to(torch.float64).to_pixels(mesh.positions.double(), (size, size))[0])
    fastest = ((ends[1] - ends[0]) / 2e-3).norm(dim=-1).max().item()
    parts = (motion.positions, motion.pose, motion.lens)
    return Motion(motion.group, motion.name, *(None if part is None else part / fastest for part in parts))
