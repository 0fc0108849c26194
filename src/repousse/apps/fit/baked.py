"""Light as part of the texture, for programs that should show a fit as the pictures showed the object."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from repousse import ops
from repousse.apps.fit.holes import dilated, flat_charts
from repousse.geometry import Material, Mesh
from repousse.shading import Light, Points, lambert


@torch.no_grad()
def with_baked_light(mesh: Mesh, lights: Sequence[Light]) -> Mesh:
    """The mesh with a texture that gives off what its paint shows in `lights`, and reflects nothing.

    mesh  with one material that has a texture, "uv" and "normal", as `AppearanceStage.mesh` returns it

    glTF knows no light from everywhere, and programs light a model themselves: paint alone is what they should be
    given. This is the other choice: emission looks the same in all of them, whatever their light. Colours above 1 are
    clipped. ValueError for a mesh whose paint is not in a texture: glTF knows no emission of vertices.
    """
    paint = mesh.materials[0].base_color_texture if len(mesh.materials) == 1 else None
    if paint is None:
        raise ValueError("with_baked_light: the mesh has no texture; light can be baked into one only.")
    height, width, _ = paint.image.shape
    fragments = ops.rasterize(flat_charts(mesh), mesh.attributes["uv"].faces, (height, width))
    given = mesh.attributes["normal"]
    normal = torch.nn.functional.normalize(ops.interpolate(given.values, given.faces, fragments), dim=-1)
    place = ops.interpolate(mesh.positions, mesh.faces, fragments)
    points = Points(place, normal, paint.image[None, ..., :3], mesh=mesh, fragments=fragments)
    covered = (fragments.face_id >= 0)[0, ..., None]
    image = dilated(lambert(points, lights)[0].clamp(0, 1), covered)
    glow = Material("lit", (0.0, 0.0, 0.0, 1.0), emission=(1.0, 1.0, 1.0), emission_texture=replace(paint, image=image))
    return mesh.with_materials([glow])
