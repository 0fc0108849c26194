"""What a shader is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import Mesh, face_normals
from repousse.ops import Fragments, interpolate

if TYPE_CHECKING:
    from repousse.shading.lights import Light

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Points:
    """The surface points behind the samples of a picture.

    H and W count samples (pixels x supersampling). What is 0 where nothing is seen is marked *. Colours are linear.

    position     float (B, H, W, 3) *  world space
    normal       float (B, H, W, 3) *  world space, unit length, on the side of the viewer; bent by the normal map
    color        float (B, H, W, 3) *  base colour: material x texture x the mesh's "color"
    alpha        (B, H, W, 1)          likewise
    metallic     (B, H, W, 1)          see `Material`, as are the next three
    roughness    (B, H, W, 1)
    emission     (B, H, W, 3)
    occlusion    (B, H, W, 1)          share of ambient light that arrives
    mesh, camera, fragments            what was drawn, for shaders that need more than the above
    supersample  int                   samples per pixel along each side

    The material's quantities are numbers where the mesh has no material. Only the first three are needed to use a
    shader alone; those that need a camera say so. Differentiable in the mesh, its materials and the camera.
    """

    position: Tensor
    normal: Tensor
    color: Tensor
    alpha: Tensor | float = 1.0
    metallic: Tensor | float = 0.0
    roughness: Tensor | float = 1.0
    emission: Tensor | float = 0.0
    occlusion: Tensor | float = 1.0
    mesh: Mesh | None = None
    camera: Camera | None = None
    fragments: Fragments | None = None
    supersample: int = 1

    @property
    def covered(self) -> Tensor:
        """bool (B, H, W, 1): whether the sample sees the mesh. Without fragments: whether it has a normal."""
        if self.fragments is None:
            return (self.normal != 0).any(-1, keepdim=True)
        return (self.fragments.face_id >= 0)[..., None]

    @property
    def view(self) -> Tensor:
        """float (B, H, W, 3): unit vector from the point to the eye (orthographic: against the line of sight)."""
        eye = _given(self.camera, "camera").eye.to(self.position.dtype)[:, None, None]
        return torch.nn.functional.normalize(eye[..., :3] - eye[..., 3:] * self.position, dim=-1)

    @property
    def depth(self) -> Tensor:
        """float (B, H, W, 1): camera z; meaningless where nothing is seen."""
        row = _given(self.camera, "camera").world_to_camera[..., 2, :].to(self.position.dtype)
        row = row.view(-1, 1, 1, 4)
        return (self.position * row[..., :3]).sum(-1, keepdim=True) + row[..., 3:]

    @property
    def face_normal(self) -> Tensor:
        """float (B, H, W, 3) *: unit normal of the face itself, on the side of the viewer."""
        mesh, fragments = _given(self.mesh, "mesh"), _given(self.fragments, "fragments")
        precise = mesh.positions.dtype == torch.float64
        normal = face_normals_seen(mesh, fragments, "reference" if precise else "native")
        return normal * side_seen(fragments, normal.dtype)


# A shader turns points into colours (B, H, W, 3), under any number of lights; see `repousse.shading`.
Shader = Callable[[Points, "Sequence[Light]"], Tensor]


def face_normals_seen(mesh: Mesh, fragments: Fragments, backend: Literal["native", "reference"]) -> Tensor:
    """float (B, H, W, 3): outward unit normal of the face at each sample, 0 where there is none. Differentiable."""
    normals = face_normals(mesh.positions, mesh.faces)
    # Three equal corners: a gather whose gradient is summed by the native kernel, much faster than indexing.
    own = (_own_rows if mesh.faces.is_cpu else _kept_own_rows)(len(mesh.faces), mesh.faces.device)
    return interpolate(normals, own, fragments, backend=backend)


def _own_rows(count: int, device: torch.device) -> Tensor:
    """int32 (count, 3): the number of each face at its three corners."""
    return torch.arange(count, dtype=torch.int32, device=device)[:, None].expand(-1, 3).contiguous()


# On a GPU, which has to be waited for to check a new tensor of indices.
_kept_own_rows = lru_cache(maxsize=4)(torch.inference_mode(False)(_own_rows))


def side_seen(fragments: Fragments, dtype: torch.dtype) -> Tensor:
    """(B, H, W, 1): -1 where the sample shows a face that is turned away from the camera, else 1."""
    side = 1 - 2 * (fragments.facing < 0).to(dtype)
    ids = fragments.face_id.clamp(min=0).flatten(1).long()
    return side.expand(len(ids), -1).gather(1, ids).view(*fragments.face_id.shape, 1)


def _given(value: _T | None, name: str) -> _T:
    if value is None:
        raise ValueError(f"Points: this shader needs `{name}`. Use it in render(), or give Points(..., {name}=...).")
    return value
