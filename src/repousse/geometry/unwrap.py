"""Laying a surface out flat, for a texture."""

import math

import numpy as np
import torch

from repousse.geometry.mesh import Mesh

_FILLED = 0.65  # of the square, by the charts: what xatlas reaches on common shapes


def unwrap(mesh: Mesh, *, resolution: int = 1024, padding: int = 4) -> Mesh:
    """The mesh with the attribute "uv": its surface cut into charts, laid out in the unit square without overlap.

    >>> unwrap(icosphere(3))  # doctest: +SKIP
    Mesh(642 vertices, 1280 faces, uv)

    mesh        one mesh, (V, 3)
    resolution  texels along each side of the texture that is meant, >= 16
    padding     texels between charts. The first log2(padding) mipmaps do not mix charts, if the gaps are filled with
                the colours at the charts' borders

    Positions and faces stay as they are: the cuts are in the attribute's own index, so they are no edges of the shape.
    Charts have about the same scale, and v goes up as everywhere. The same mesh gets the same charts each time. Faces
    without area cover nothing of the texture. Not differentiable. Done by xatlas on the CPU: about 70 us per face.

    ImportError without xatlas; ValueError for several meshes or poses, positions that are not finite, and a surface
    without area.
    """
    try:
        import xatlas
    except ImportError as error:
        raise ImportError("unwrap needs xatlas: pip install repousse[fit]") from error
    if mesh.positions.ndim != 2 or mesh.ranges is not None:
        raise ValueError("unwrap: this is more than one mesh; unwrap them one by one.")
    if resolution < 16 or not 0 <= padding <= resolution // 8:
        raise ValueError(
            f"unwrap: `resolution` should be at least 16 and `padding` at most an eighth of it, not {resolution} and "
            f"{padding}."
        )
    positions = mesh.positions.detach().cpu().double()
    if not positions.isfinite().all():
        raise ValueError("unwrap: there are positions that are not finite (NaN or infinite).")
    corners = positions[mesh.faces.cpu().long()]
    area = (
        float(torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1).sum()) / 2
    )
    if area == 0:
        raise ValueError("unwrap: all faces are without area; there is nothing to lay out.")

    # xatlas takes lengths below 1e-8 or so for nothing: the area it sees is always 1.
    scaled = (positions - corners.mean((0, 1))) / math.sqrt(area)
    atlas = xatlas.Atlas()
    atlas.add_mesh(scaled.float().numpy(), mesh.faces.cpu().numpy().astype(np.uint32))
    packing = xatlas.PackOptions()
    packing.padding = padding
    packing.bilinear = True
    packing.texels_per_unit = resolution * math.sqrt(_FILLED)  # without a resolution, all goes on one page
    atlas.generate(pack_options=packing)
    _, faces, uv = atlas[0]
    # xatlas divides by the width and the height of its page; texels should stay square.
    longest = max(atlas.width, atlas.height)
    uv = uv * np.array([atlas.width / longest, atlas.height / longest], dtype=np.float32)
    device = mesh.positions.device
    values = torch.from_numpy(uv.astype(np.float32)).to(device=device, dtype=mesh.positions.dtype)
    return mesh.with_attribute("uv", values, torch.from_numpy(faces.astype(np.int32)).to(device))
