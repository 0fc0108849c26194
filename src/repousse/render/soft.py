"""Pictures drawn by the soft rasterizer instead of the exact one."""

import torch
from torch import Tensor

from repousse import ops
from repousse.camera import Camera
from repousse.geometry import Mesh
from repousse.render.visible import Cull, Rasterizer


def at_corners(fragments: ops.Fragments) -> ops.Fragments:
    """Fragments whose "pixels" are the corners of faces, (B, N, 3), so that whatever is done at pixels is done there.

    Row i is the i-th face of each image; images of packed meshes with fewer faces than N end in empty rows. Nothing
    flows back through these barycentrics: a corner stays a corner.
    """
    batch, device = len(fragments.face_id), fragments.face_id.device
    if fragments.ranges is None:
        ids = torch.arange(len(fragments.faces), device=device).expand(batch, -1)
    else:
        number = torch.arange(int(fragments.ranges[:, 1].max()) if batch else 0, device=device)
        first, count = fragments.ranges.to(device, non_blocking=True).unbind(-1)
        ids = torch.where(number < count[:, None], first[:, None] + number, -1)
    face_id = ids.to(torch.int32)[..., None].expand(-1, -1, 3).contiguous()
    positions = fragments.positions.detach()
    bary = torch.eye(3, 2, dtype=positions.dtype, device=device).expand(*face_id.shape, 2).contiguous()
    return fragments._replace(face_id=face_id, bary=bary, depth=torch.zeros_like(bary[..., 0]), positions=positions)


def draw_softly(
    scene: Rasterizer, camera: Camera, options: ops.SoftOptions, colors: Tensor | None, background: Tensor | None
) -> Tensor:
    """The picture (B, H, W, C + 1), mask last.

    colors      (B, N, 3, C)  of the corners, as of `at_corners`; None: only the mask
    background  (C,) or (B, C)

    Raises ValueError for materials that let light through, and if only some of those that are culled are double-sided.
    """
    mesh = scene.mesh
    if any(material.alpha != "opaque" for material in mesh.materials):
        names = ", ".join(repr(material.name) for material in mesh.materials if material.alpha != "opaque")
        raise ValueError(
            f"render: Soft does not draw transparent or masked materials ({names}). Make them opaque, or choose "
            "another gradient."
        )
    return ops.soft(
        scene.positions,
        mesh.faces,
        colors,
        scene.size,
        options,
        depth=_depth(mesh, camera, scene.positions),
        background=background,
        ranges=mesh.ranges,
        cull=_cull(scene),
        backend=scene.backend,
    )


def _cull(scene: Rasterizer) -> Cull:
    both_sides = [material.double_sided for material in scene.mesh.materials]
    if scene.cull != "back" or not any(both_sides):
        return scene.cull
    if all(both_sides):
        return None
    raise ValueError(
        "render: Soft culls the back of all faces or of none, and only some of the materials are double-sided. "
        'Leave out cull="back", or choose another gradient.'
    )


def _depth(mesh: Mesh, camera: Camera, positions: Tensor) -> Tensor:
    """Camera z of the vertices, (B, V), or (V,) of packed meshes."""
    if mesh.vertex_ranges is None:
        return camera.to_camera(mesh.positions)[..., 2].expand(positions.shape[:-1])
    lengths = mesh.vertex_ranges[:, 1].to(positions.device, non_blocking=True)
    row = camera.world_to_camera[..., 2, :].expand(len(lengths), 4)
    row = row.repeat_interleave(lengths, 0, output_size=len(mesh.positions))
    return (mesh.positions * row[:, :3]).sum(-1) + row[:, 3]
