"""Calls of visibility and barycentrics."""

from collections.abc import Iterator

import torch
from calls import Call
from ops_scenes import KINDS, Scene, build, pack
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import icosphere


def spheres(count: int, level: int, size: tuple[int, int]) -> Scene:
    """A sphere of 20 * 4^level faces from `count` sides."""
    mesh = icosphere(level)
    views = [Camera.orbit(3.0, 0.1 + 0.4 * k, 0.3 * k).project(mesh.positions, size) for k in range(count)]
    return Scene(torch.cat([view.reshape(1, -1, 4) for view in views]), mesh.faces.to(torch.int32), size)


def soup(faces: int, spread: float, size: tuple[int, int]) -> Scene:
    """Triangles about the eye, many of them cut by several planes; a tenth of them has a twin."""
    g = torch.Generator().manual_seed(faces)
    corners = torch.rand(faces, 1, 4, generator=g) * 2 - 1 + spread * (torch.rand(faces, 3, 4, generator=g) * 2 - 1)
    corners[..., 3] += 0.4
    corners[: faces // 10] = corners[-(faces // 10) :]
    return Scene(corners.reshape(1, -1, 4), torch.arange(3 * faces, dtype=torch.int32).reshape(-1, 3), size)


def scenes(large: bool) -> Iterator[tuple[str, Scene]]:
    """What ids are exact for."""
    if large:
        yield "8 spheres", spheres(8, 4, (512, 512))
        yield "half-pixel faces", spheres(1, 8, (1024, 1024))
        yield "faces of all sizes about the eye", soup(20000, 0.3, (1080, 1920))
        yield "wide faces about the eye", soup(300, 3.0, (2000, 3000))
        yield "two faces that fill the image", build(["near", "wide"], 1, (4096, 16384))
        yield "all kinds of triangles", build(list(KINDS) * 50, 5, (700, 333), batch=5, shared=True)
        return
    yield "all kinds of triangles", build(list(KINDS), 3, (29, 31))
    yield "ties between small faces", build(["tiny", "small", "lattice", "copy"] * 8, 1, (16, 40), batch=2, shared=True)
    yield "one pixel", build(["large", "near"], 2, (1, 1))
    yield "wider than two tiles", build(["large", "beyond", "near"], 4, (5, 70))


def packed(large: bool) -> tuple[Tensor, Tensor, Tensor, tuple[int, int]]:
    """Packed meshes; the third image shows faces of the first two, the last one nothing."""
    times, size = (60, (400, 300)) if large else (1, (7, 35))
    parts = [build(["small", "near", "tiny", "large"] * times, 7, size), build(["tilted", "wide"] * times, 8, size)]
    positions, faces, ranges = pack(parts)
    return positions, faces, torch.cat([ranges, torch.tensor([[2, 3], [1, 0]])]), size


def calls(large: bool) -> Iterator[Call]:
    for label, scene in scenes(large):
        positions, faces, size = scene
        yield Call("visibility", label, (positions, faces, None, *size, 0))
        if not label.startswith("two"):
            yield from barycentrics(label, positions, faces, None, size)
    positions, faces, ranges, size = packed(large)
    for label, cull in (("packed", 1), ("packed, back sides", 2)):
        yield Call("visibility", label, (positions, faces, ranges, *size, cull))
    yield from barycentrics("packed", positions, faces, ranges, size)
    positions, faces, size = build(["large"], 0, (3, 2))
    yield Call("visibility", "no faces", (positions, faces[:0], None, *size, 0))
    yield Call("visibility", "no images", (positions[:0], faces, None, *size, 0))


def barycentrics(
    label: str, positions: Tensor, faces: Tensor, ranges: Tensor | None, size: tuple[int, int]
) -> Iterator[Call]:
    face_id, _ = torch.ops.repousse.visibility(positions, faces, ranges, *size, 0)
    g = torch.Generator().manual_seed(0)
    g_bary, g_depth = torch.randn(*face_id.shape, 2, generator=g), torch.randn(face_id.shape, generator=g)
    yield Call("barycentrics", label, (positions, faces, face_id))
    if "kinds" in label:
        yield Call("barycentrics_of", label, (positions, faces, face_id.flip(-1)))
    elif "ties" not in label:
        # Slivers among the unfriendly kinds have derivatives of any size. Sums of many pixels are no better than that.
        tolerance = 1e-4 if face_id.numel() > 10000 else 1e-5
        yield Call("barycentrics_backward", label, (positions, faces, face_id, g_bary, g_depth), tolerance)
