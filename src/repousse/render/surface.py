"""From fragments to the points that shaders are given."""

import torch
from torch import Tensor

from repousse import ops
from repousse.camera import Camera
from repousse.geometry import Mesh, vertex_normals
from repousse.render.appearance import Appearance, Backend, usual_attribute
from repousse.shading.points import Points, face_normals_seen, side_seen


def surface(
    mesh: Mesh,
    camera: Camera,
    fragments: ops.Fragments,
    *,
    smooth: bool,
    supersample: int,
    backend: Backend,
    mipmaps: bool = True,
) -> Points:
    """The points seen; position, normal and colour are 0 where nothing is.

    smooth   interpolate the attribute "normal", or else the normals of the vertices
    mipmaps  see `Appearance`
    """
    position = ops.interpolate(mesh.positions, mesh.faces, fragments, backend=backend)
    look = Appearance(mesh, fragments, backend, mipmaps=mipmaps)
    if smooth:
        normal = torch.nn.functional.normalize(_smooth_normals(mesh, fragments, backend), dim=-1)
    else:
        normal = face_normals_seen(mesh, fragments, backend)
    color = look.base_color
    return Points(
        position=position,
        normal=look.bent(normal) * side_seen(fragments, normal.dtype),
        color=color[..., :3],
        alpha=look.alpha,
        metallic=look.metallic,
        roughness=look.roughness,
        emission=look.emission,
        occlusion=look.occlusion,
        mesh=mesh,
        camera=camera,
        fragments=fragments,
        supersample=supersample,
    )


def _smooth_normals(mesh: Mesh, fragments: ops.Fragments, backend: Backend) -> Tensor:
    given = usual_attribute(mesh, "normal")
    if given is None:
        values = vertex_normals(mesh.positions, mesh.faces)
    else:  # directions: files have them of any length
        values = torch.nn.functional.normalize(given.values, dim=-1)
    faces = mesh.faces if given is None else given.faces
    return ops.interpolate(values, faces, fragments, backend=backend)
