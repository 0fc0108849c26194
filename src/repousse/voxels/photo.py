"""The photo hull: what is left of the visual hull if everything goes that pictures contradict."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from repousse import ops
from repousse.camera import Camera
from repousse.geometry import Mesh

from .grid import VoxelGrid
from .hull import hull_distances, hull_surface
from .to_mesh import marching_cubes

_MOST_VIEWS = 48  # that are looked at
_PIXEL = 0.7  # cells, that pictures are made so coarse for
_REACH = 1  # pixels around the one that shows a cell, whose colours it may have
_DEEP = 1.6  # cells behind the surface in which a picture shows a cell's colour
_FEWEST = 3  # views that can contradict each other
_OUTLIERS = 6  # of so many views one may be wrong
_UNLIKE = 0.01  # difference of square roots of colours that counts
_SMALLEST = 0.002  # of the hull's volume: hollows smaller than that are noise
_MOST = 0.6  # of the hull's volume: more cannot be hollow, so the pictures are not of one matt surface, as where
_UNSETTLED = 0.15  # of the surface is contradicted, but needed by masks


def photo_hull(color: Tensor, mask: Tensor, camera: Camera, *, resolution: int = 64, grow: float = 0.0) -> Mesh:
    """The visual hull with its hollows: carved until the pictures that see a place agree about its colour.

    color       float (N, H, W, 3)  linear, premultiplied by the mask
    mask        float (N, H, W), camera, resolution, grow: see `visual_hull`

    Where a hull covers up a hollow, it lies in front of the surface, and pictures from several sides show different
    things there. Layer by layer, cells of the surface go whose pictures contradict each other (Kutulakos and Seitz
    2000, "A theory of shape by space carving"). They do if no colour is within the range of what each of them shows in
    the 3 × 3 pixels around the cell; of six pictures one may be wrong. So places without texture stay, and what is left
    encloses the object. A cell stays if a mask needs it.

    This takes the surface to be matt and the light to stand still. Hollows too small to tell them from noise are left
    alone, and so are those that would change the number of handles; if more goes than can be hollow, none of it does.
    Errors are those of `visual_hull`, and a ValueError for colours that do not fit the masks or are not finite. Not
    differentiable.
    """
    if color.shape != (*mask.shape, 3) or not bool(color.isfinite().all()):
        raise ValueError(
            f"photo_hull: `color` must be finite and (N, H, W, 3) for a `mask` (N, H, W), got {tuple(color.shape)} for "
            f"{tuple(mask.shape)}."
        )
    field = hull_distances(mask, camera, resolution)
    pictures = _Pictures.of(color.detach().cpu().float(), mask.detach().cpu().float(), camera.to("cpu"), field)
    full = (field.occupancy > -grow).numpy()
    rest, needed = _carved(field, full, pictures, grow)
    hollow = full & ~rest
    hull = hull_surface(field, grow)
    if hollow.sum() < _MOST * full.sum() and needed < _UNSETTLED:
        # Opened: what is thinner than three cells is the surface's own uncertainty.
        parts = _parts(ndimage.binary_opening(hollow))
        sizes = np.bincount(parts.ravel())[1:]
        for part in np.argsort(-sizes):
            if sizes[part] < _SMALLEST * full.sum():
                break
            less = _without(field, parts == part + 1, full)
            found = hull_surface(less, grow)
            if _handles(found) == _handles(hull):
                field, hull = less, found
    return hull.to(mask.device)


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Pictures as coarse as cells.

    mask           float (N, H, W)
    lowest         float (N, H, W, 3)  of the square roots of the colours within reach, and `highest`
    camera         of each
    """

    mask: Tensor
    lowest: Tensor
    highest: Tensor
    camera: Camera

    @staticmethod
    def of(color: Tensor, mask: Tensor, camera: Camera, field: VoxelGrid) -> "_Pictures":
        """Some of the pictures, smaller, but never larger than they are."""
        every = torch.linspace(0, len(mask) - 1, min(len(mask), _MOST_VIEWS)).round().long()
        camera, color, mask = camera[every].to(torch.float32), color[every], mask[every]
        height, width = mask.shape[1:]
        middle = (field.origin + field.cell * torch.tensor(field.shape) / 2).float()
        depth = camera.project(middle[None], (height, width))[:, 0, 3]
        pixels = height / 2 * camera.projection[:, 1, 1].abs() / depth * float(field.cell)  # per cell
        scale = min(1.0, 1 / (_PIXEL * float(pixels.median())))
        size = (max(8, round(height * scale)), max(8, round(width * scale)))
        both = torch.cat((color, mask[..., None]), -1).movedim(-1, 1)
        both = torch.nn.functional.interpolate(both, size, mode="bilinear", align_corners=False, antialias=True)
        mask = both[:, 3].clamp(0, 1)
        root = (both[:, :3] / mask[:, None].clamp(min=1e-3)).clamp(min=0).sqrt()
        highest, lowest = _highest(root), -_highest(-root)
        return _Pictures(mask, lowest.movedim(1, -1), highest.movedim(1, -1), camera)

    @property
    def inside(self) -> Tensor:
        """bool (N, H, W): all within reach is of the object."""
        return -_highest(-self.mask[:, None])[:, 0] > 0.999


def _carved(field: VoxelGrid, full: np.ndarray, pictures: _Pictures, grow: float) -> tuple[np.ndarray, float]:
    """bool (X, Y, Z), the cells of `full` that remain, and the share of its surface that only masks have kept."""
    whole, full = full, full.copy()
    kept = np.zeros_like(full)  # because masks need them
    gone = np.zeros_like(full)  # in the last layer
    inside = pictures.inside
    size = (pictures.mask.shape[1], pictures.mask.shape[2])
    centres = field.centres.float()
    for _ in range(max(field.shape)):
        surface = _surface_of(field, full, whole, grow)
        at_surface = _outermost(full) & ~kept
        cells = torch.from_numpy(at_surface).nonzero()
        removed = torch.from_numpy(gone).nonzero()
        points, needed = centres[tuple(cells.T)], torch.zeros(len(removed), dtype=torch.bool)
        lowest, highest = torch.full((2, len(pictures.mask), len(cells), 3), torch.nan)
        for number in range(len(pictures.mask)):
            camera = pictures.camera[number]
            clip = camera.project(surface.positions, size)
            fragments = ops.rasterize(clip, surface.faces, size)
            depth = ops.interpolate(clip[0, :, 3:], surface.faces, fragments)[0, ..., 0]
            covered = fragments.face_id[0] >= 0
            pixel, w = _pixels(camera, points, size)
            shown = covered.flatten()[pixel] & (w - depth.flatten()[pixel] < _DEEP * float(field.cell))
            shown &= inside[number].flatten()[pixel] & (w > 0)
            lowest[number, shown] = pictures.lowest[number].flatten(0, 1)[pixel[shown]]
            highest[number, shown] = pictures.highest[number].flatten(0, 1)[pixel[shown]]
            if len(removed):
                missing = _highest((inside[number] & ~covered)[None, None].float())[0, 0] > 0
                needed |= missing.flatten()[_pixels(camera, centres[tuple(removed.T)], size)[0]]
        back = tuple(removed[needed].T.numpy())
        full[back] = kept[back] = True
        wrong = tuple(cells[_contradicted(lowest, highest)].T.numpy())
        gone = np.zeros_like(full)
        gone[wrong] = True
        full &= ~gone
        if not gone.any():
            break
    return full, float((kept & _outermost(full)).sum() / max(1, _outermost(full).sum()))


def _outermost(full: np.ndarray) -> np.ndarray:
    return full & np.logical_not(ndimage.binary_erosion(full))


def _contradicted(lowest: Tensor, highest: Tensor) -> Tensor:
    """bool (M,): the ranges (N, M, 3) of the views, NaN where one does not see a cell, have nothing in common."""
    count = lowest[..., 0].isfinite().sum(0)
    spare = (count // _OUTLIERS).view(1, -1, 1).expand(1, -1, 3)
    low = (-lowest).nan_to_num(torch.inf).sort(0).values.gather(0, spare)[0]
    high = highest.nan_to_num(torch.inf).sort(0).values.gather(0, spare)[0]
    return (count >= _FEWEST) & ((-low - high).amax(-1) > _UNLIKE)


def _surface_of(field: VoxelGrid, full: np.ndarray, whole: np.ndarray, grow: float) -> Mesh:
    """Through the cells that remain, exact where nothing has gone."""
    occupancy = (0.5 + (field.occupancy + grow) / 4).clamp(0, 1)
    gone = whole & ~full
    beside = torch.from_numpy(ndimage.binary_dilation(gone))
    occupancy = torch.where(beside, occupancy.clamp(max=0.625), occupancy)
    return marching_cubes(field.with_occupancy(torch.where(torch.from_numpy(gone), 0.375, occupancy)))


def _without(field: VoxelGrid, part: np.ndarray, full: np.ndarray) -> VoxelGrid:
    """The distances with a part carved off, smoothed there by about a cell."""
    part = part | (ndimage.binary_dilation(part, iterations=4) & ~full)  # open to the outside
    away = np.asarray(ndimage.distance_transform_edt(~part)) - np.asarray(ndimage.distance_transform_edt(part))
    smooth = torch.from_numpy(ndimage.gaussian_filter(away.astype(np.float32), 1.0))
    return field.with_occupancy(torch.minimum(field.occupancy, smooth))


def _parts(cells: np.ndarray) -> np.ndarray:
    """int (X, Y, Z): number of the connected part of each cell, from 1; 0 outside."""
    parts = np.empty(cells.shape, np.int32)
    ndimage.label(cells, output=parts)
    return parts


def _handles(mesh: Mesh) -> int:
    """Euler characteristic: changes with handles and parts."""
    return len(mesh.positions) - len(mesh.topology.edges) + len(mesh.faces)


def _pixels(camera: Camera, points: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Number of the pixel that shows each point (M,), clamped to the picture, and its depth w."""
    place, _ = camera.to_pixels(points, size)
    column, row = place[0].nan_to_num().floor().long().unbind(-1)
    w = camera.project(points, size)[0, :, 3]
    return row.clamp(0, size[0] - 1) * size[1] + column.clamp(0, size[1] - 1), w


def _highest(image: Tensor) -> Tensor:
    """Of the pixels within reach; (N, C, H, W)."""
    return torch.nn.functional.max_pool2d(image, 2 * _REACH + 1, 1, _REACH)
