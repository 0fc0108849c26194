"""How good a fit is, in numbers."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from repousse import metrics
from repousse.geometry import Mesh, face_normals, inspect
from repousse.io import linear_to_srgb
from repousse.render import Picture, render
from repousse.shading import Light

if TYPE_CHECKING:
    from repousse.data import Views

_BEST = 99.0  # decibels of pictures that are equal: JSON knows no infinity
_FOLD = math.cos(math.radians(150))
_SAMPLES = 100_000
_SAMPLES_ALONG = 1024


@torch.no_grad()
def shown(mesh: Mesh, lights: Sequence[Light], views: "Views", index: int) -> Picture:
    """The mesh as picture `index` would show it: smooth normals, black background, up to 16 samples per pixel."""
    height, width = views.mask.shape[1:]
    samples = min(4, max(2, _SAMPLES_ALONG // max(height, width)))
    camera = views.camera[index : index + 1]
    return render(mesh, camera, (height, width), lights=lights, gradient=None, supersample=samples, smooth=True)


def evaluate(mesh: Mesh, lights: Sequence[Light], views: "Views", truth: Mesh | None = None) -> dict[str, Any]:
    """Figures of a fit.

    mesh    as fitted
    lights  it was fitted in
    views   pictures to compare with: held-out ones for an honest judgement
    truth   the mesh that was to be found, in the same place, if it is known

    Returns by name
        views            number of pictures; all figures of pictures are means over them
        silhouette_iou   pixels in both silhouettes / pixels in either, at a coverage of one half
        psnr             decibels over the whole pictures, sRGB, on black: the background counts, silhouettes too
        psnr_object      decibels over the pixels that the pictures' masks cover
        ssim             structural similarity of the whole pictures
        per_view         a list with `name`, `silhouette_iou`, `psnr`, `psnr_object`, `ssim` of each
        mesh             `vertices`, `faces`, `components`, `watertight`, `folded_edges` (two faces meet at less than 30
                         degrees: the sign of tangles) and `problems`, in words
        chamfer          with a truth: mean distance to the nearest point, averaged over both directions, and
        chamfer_percent  of the diagonal of the truth's bounding box; 100,000 random points on each surface, so that
                         even equal surfaces are about 1/2 sqrt(area / 100000) apart
        f_score          shares that lie within 1 % of the longest side of the truth, harmonic mean
        normal_consistency  mean |cos| of the angle between normals of nearest points
    """
    rows = [_compared(mesh, lights, views, index) for index in range(len(views))]
    found: dict[str, Any] = {"views": len(rows)}
    for name in ("silhouette_iou", "psnr", "psnr_object", "ssim"):
        found[name] = sum(row[name] for row in rows) / len(rows)
    found["mesh"] = _inspected(mesh)
    if truth is not None:
        found |= _distances(mesh, truth)
    found["per_view"] = rows
    return found


def _compared(mesh: Mesh, lights: Sequence[Light], views: "Views", index: int) -> dict[str, Any]:
    picture = shown(mesh, lights, views, index)
    mask = views.mask[index : index + 1]
    ours, theirs = eyes(picture.color), eyes(views.color[index : index + 1])
    row: dict[str, Any] = {"name": views.names[index]}
    row["silhouette_iou"] = float(metrics.iou(picture.mask, mask))
    row["psnr"] = min(_BEST, float(metrics.psnr(ours, theirs)))
    row["psnr_object"] = min(_BEST, float(metrics.psnr(ours, theirs, mask=mask)))
    row["ssim"] = float(metrics.ssim(ours, theirs)) if min(ours.shape[1:3]) > 10 else math.nan
    return row


def eyes(color: Tensor) -> Tensor:
    """Linear colours as screens show them: sRGB in [0, 1]."""
    return linear_to_srgb(color.clamp(0, 1))


def _inspected(mesh: Mesh) -> dict[str, Any]:
    found = inspect(mesh)
    normals = face_normals(mesh.positions.detach(), mesh.faces)
    neighbours = mesh.topology.edge_faces[mesh.topology.hinge_edges].long()
    cosine = (normals[neighbours[:, 0]] * normals[neighbours[:, 1]]).sum(-1)
    return {
        "vertices": found.vertices,
        "faces": found.faces,
        "components": found.components,
        "watertight": found.watertight,
        "folded_edges": int((cosine < _FOLD).sum()),
        "problems": list(found.problems()),
    }


def _distances(mesh: Mesh, truth: Mesh) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    found = metrics.compare(mesh, truth, samples=_SAMPLES, generator=generator)
    used = truth.positions[truth.faces.unique().long()]
    chamfer = float(found.chamfer)
    return {
        "chamfer": chamfer,
        "chamfer_percent": 100 * chamfer / float((used.amax(0) - used.amin(0)).norm()),
        "f_score": float(found.f_score),
        "normal_consistency": float(found.normal_consistency),
    }
