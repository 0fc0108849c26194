"""The visual hull: the largest shape that agrees with all silhouettes (Laurentini 1994)."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from repousse import ops
from repousse.camera import Camera
from repousse.geometry import Mesh
from repousse.geometry.components import component_labels

from .from_mesh import Box
from .grid import VoxelGrid
from .to_mesh import marching_cubes

_CELLS_AT_ONCE = 2**18
_COARSE = 40  # cells along the longest side while looking for bounds and wrong masks
_OUTLIERS = 0.15  # the share of the masks that may be wrong
_NEAR = 3.0  # cells; beyond that from the surface, distances do not matter
_THIN = 0.05  # coverage of a pixel by something thin that is more than noise
_CONTRADICTION = 0.01  # how much of the others' masks a wrong mask leaves uncovered
_LOOKS = 16  # pictures that are looked at to find that out
_MARGIN = 2  # coarse cells left around the object
_SMALLEST = 0.01  # volume of a part that is kept, as a share of the largest part's


def visual_hull(
    mask: Tensor,
    camera: Camera,
    *,
    resolution: int = 64,
    bounds: Box | None = None,
    grow: float = 0.0,
    robust: bool = True,
) -> Mesh:
    """The shape that is left of a box if everything is cut away that a mask does not show.

    >>> visual_hull(views.mask, views.camera)
    Mesh(9114 vertices, 18224 faces)

    mask        float (N, H, W)  share of each pixel that shows the object; the outline is where it is 0.5
    camera      one for each mask
    resolution  cells along the longest side of the bounds, 4 to 1024
    bounds      (low, high), two corners of a box; by default found from masks and cameras, with some room
    grow        what is kept around the hull, in cells: about 0.5 saves parts thinner than a cell, and closes such holes
    robust      leave out masks that contradict the others: what they cut away is seen in most other pictures

    Where the frame cuts off a mask, it says nothing about what lies outside of the picture; otherwise nothing does.
    Distances to the outlines are interpolated, so the surface is smooth and accurate to a fraction of a cell. Parts
    with less than 1 % of the volume of the largest one are dropped, as are cavities, which no silhouette can show.
    Watertight, world units, float32; holes through the object stay open if a mask shows them and they are wider than
    about two cells.

    Takes about 20 bytes per cell, and up to 100 MB while a mask is looked at. Not differentiable.

    TypeError or ValueError for masks that do not fit the cameras, are not finite, or are empty, for fewer than two
    masks without bounds, and if masks and cameras have nothing in common: the message says what may be wrong.
    """
    field = hull_distances(mask, camera, resolution, bounds, robust)
    return hull_surface(field, grow).to(mask.device)


def hull_distances(
    mask: Tensor, camera: Camera, resolution: int, bounds: Box | None = None, robust: bool = True
) -> VoxelGrid:
    """Signed distances of the cells' centres to the hull's surface, in cells, positive inside; see `visual_hull`."""
    mask = _checked(mask, camera, resolution, bounds)
    camera = camera.to("cpu", torch.float64)
    distances = _Outlines(mask.detach().cpu().float(), camera)
    used = list(range(len(mask)))
    if bounds is None:
        box = _search(distances, used)
    else:
        low, high = (torch.as_tensor(corner, dtype=torch.float64).cpu() for corner in bounds)
        if not (low.shape == high.shape == (3,) and bool((low < high).all()) and bool((high - low).isfinite().all())):
            raise ValueError(
                f"visual_hull: `bounds` must be (low, high), three numbers each, low < high, got {bounds}."
            )
        box = low, high
    if robust:
        used = _trusted(distances, box)
        if bounds is None and len(used) < len(mask):
            box = _search(distances, used)
    return distances.carve(box, resolution, used, 0)


def hull_surface(field: VoxelGrid, grow: float) -> Mesh:
    """Where such distances are `-grow`, without parts that are too small to count; ValueError if that is nowhere."""
    hull = _surface(field, grow)
    if hull is None:
        raise ValueError(
            "visual_hull: the masks have nothing in common within the bounds. Do masks and cameras belong together, "
            "and are the cameras' conventions right?"
        )
    return _without_crumbs(hull)


class _Outlines:
    """Signed distances to the outlines of masks, on the pictures and in space."""

    def __init__(self, mask: Tensor, camera: Camera) -> None:
        self.mask = mask
        self.camera = camera
        self.size = mask.shape[1], mask.shape[2]
        border = (mask[:, 0], mask[:, -1], mask[..., 0], mask[..., -1])
        cut = torch.stack([side.amax(1) >= 0.5 for side in border]).any(0)
        self.outside = torch.where(cut, torch.inf, -torch.inf)  # what lies outside of each picture

    def carve(
        self, box: tuple[Tensor, Tensor], resolution: int, used: list[int], wrong: int, enough: int = 1
    ) -> VoxelGrid:
        """Distances to the hull's surface, in cells, positive inside, on a grid over the box.

        wrong   how many of the masks `used` may disagree at each cell
        enough  how many of them must say something about a cell, or it is outside

        The distance of a cell is the least over the masks, or the (wrong + 1)-th least.
        """
        low, high = box
        cell = float((high - low).max()) / resolution
        x, y, z = (max(2, int(np.ceil(side / cell - 1e-6))) for side in (high - low).tolist())
        grid = VoxelGrid(torch.zeros(x, y, z), low, cell)
        count = x * y * z
        least = torch.full((wrong + 1, count), torch.inf)
        seen = torch.zeros(count, dtype=torch.int32)
        for number in used:
            outline = signed_distance(self.mask[number])
            for start in range(0, count, _CELLS_AT_ONCE):
                # What is cut away by far stays so, and only cells near the surface shape it.
                part = start + (least[wrong, start : start + _CELLS_AT_ONCE] > -_NEAR).nonzero()[:, 0]
                distance = self._sample(outline, number, _centres(grid, part)) / cell
                seen[part] += distance < torch.inf
                for rank in range(wrong + 1):  # the smallest ones, in order
                    known = least[rank, part]
                    least[rank, part], distance = torch.minimum(known, distance), torch.maximum(known, distance)
        field = torch.where(seen >= enough, least[wrong], -torch.inf).clamp(-1e3, 1e3)
        return grid.with_occupancy(field.view(x, y, z))

    def compared(self, hull: Mesh, number: int) -> tuple[Tensor, Tensor]:
        """Silhouette and mask in a picture, bool (H, W)."""
        camera = self.camera[number].to(torch.float32)
        face = ops.rasterize(camera.project(hull.positions, self.size), hull.faces, self.size).face_id[0]
        return face >= 0, signed_distance(self.mask[number]) > 0

    def coverage(self, field: VoxelGrid, used: list[int]) -> float:
        """The share of masks that the hull covers, on average over some of `used`."""
        hull = _surface(field, 0.5)
        if hull is None:
            return 0.0
        some = used[:: max(1, len(used) // _LOOKS)]
        pairs = [self.compared(hull, number) for number in some]
        shares = [float((silhouette & mask).sum() / mask.sum().clamp(min=1)) for silhouette, mask in pairs]
        return sum(shares) / len(shares)

    def _sample(self, outline: Tensor, number: int, points: Tensor) -> Tensor:
        """(M,) float32 distances in world units; infinite where the picture says nothing."""
        height = self.size[0]
        clip = self.camera[number].project(points, self.size)[0]
        w = clip[:, 3]
        place = clip[:, :2] / torch.where(w > 0, w, 1)[:, None]
        shown = (w > 0) & (place.abs() <= 1).all(-1)
        values = torch.nn.functional.grid_sample(
            outline[None, None], place.float()[None, None], align_corners=False, padding_mode="border"
        )[0, 0, 0]
        pixel = 2 * w / (height * self.camera[number].projection[1, 1].abs())  # its side in the world, at this depth
        return torch.where(shown, values * pixel.float(), self.outside[number])


def signed_distance(mask: Tensor) -> Tensor:
    """Distance of each pixel centre to the outline in pixels, positive inside; float32 (H, W), like `mask`.

    Between two pixels the outline is where their coverage says. Parts less than about two pixels thick are thickened by
    one on either side: in another view they may be broad, and many views that each place them a fraction of a pixel
    wrong would leave nothing. Beyond all pixels of a mask that is 0 or 1 everywhere.
    """
    share: np.ndarray = mask.numpy()
    some, most = share >= _THIN, share >= 0.5
    body = most & _grown(np.asarray(ndimage.binary_opening(most)))  # three pixels thick, and its corners
    thin = some & ~_grown(body)
    bridge = some & _grown(thin, 2)  # to the body
    share = np.where(_grown(thin) | bridge, 1, share)
    inside: np.ndarray = share >= 0.5
    far = float(sum(mask.shape))
    if inside.all() or not inside.any():
        return torch.full_like(mask, far if inside.all() else -far)

    def beyond(region: np.ndarray, cover: np.ndarray) -> np.ndarray:
        """How far the outline is from pixels in `region`, whose own kind covers them by `cover`."""
        found = ndimage.distance_transform_edt(region, return_indices=True)
        assert isinstance(found, tuple)
        distance, nearest = found
        return distance - 1.5 + cover + cover[tuple(nearest)]

    signed = np.where(inside, beyond(inside, share), -beyond(~inside, 1 - share))
    return torch.from_numpy(signed.astype(np.float32))


def _grown(region: np.ndarray, pixels: int = 1) -> np.ndarray:
    return np.asarray(ndimage.binary_dilation(region, np.ones((3, 3)), iterations=pixels))


def _centres(grid: VoxelGrid, index: Tensor) -> Tensor:
    """Middles of the cells with these numbers (M,), float64 (M, 3)."""
    _, y, z = grid.shape
    lattice = torch.stack((index // (y * z), index // z % y, index % z), -1)
    return grid.origin + grid.cell * (lattice + 0.5)


def _search(distances: _Outlines, used: list[int]) -> tuple[Tensor, Tensor]:
    """A box around what nearly all masks agree on."""
    middle, radius = _gathering(distances, used)
    wrong = int(_OUTLIERS * len(used))
    box = middle - radius, middle + radius
    for _ in range(12):
        field = distances.carve((middle - radius, middle + radius), _COARSE, used, wrong, enough=(len(used) + 1) // 2)
        cells = (field.occupancy > -1).nonzero()
        if not len(cells):
            break
        low, high = cells.amin(0), cells.amax(0) + 1
        sides = torch.tensor(field.shape)
        corner, cell = field.origin, field.cell
        box = corner + cell * (low - _MARGIN).clamp(min=0), corner + cell * torch.minimum(high + _MARGIN, sides)
        cut = bool((low == 0).any() or (high == sides).any())
        extent = float((high - low).max())
        if cut and extent > 0.3 * _COARSE:
            radius = radius * 1.5
        elif extent < 0.5 * _COARSE:  # too coarse to tell
            middle, radius = (box[0] + box[1]) / 2, (box[1] - box[0]).max() / 2
        else:
            break
    else:  # an object that few masks limit
        return box
    if len(cells):
        return box
    raise ValueError(
        "visual_hull: the masks have nothing in common. Do masks and cameras belong together, and are the cameras' "
        "conventions right? Give `bounds` if the object is small in the pictures."
    )


def _gathering(distances: _Outlines, used: list[int]) -> tuple[Tensor, Tensor]:
    """The point nearest to the lines of sight through the middles of the masks, and how far masks reach around it."""
    rows, columns = (torch.arange(n, dtype=torch.float64) + 0.5 for n in distances.size)
    system, right = torch.zeros(3, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    extents: list[float] = []
    for number in used:
        mask = distances.mask[number].double()
        total = mask.sum()
        middle = torch.stack(((mask.sum(0) * columns).sum() / total, (mask.sum(1) * rows).sum() / total))
        shown = (mask >= 0.5).nonzero()
        extents.append(float((shown.amax(0) - shown.amin(0) + 1).double().norm()) / 2 if len(shown) else 1.0)
        ends = distances.camera[number].unproject(
            middle.expand(2, 2), torch.tensor([1.0, 2.0], dtype=torch.float64), distances.size
        )[0]
        along = torch.nn.functional.normalize(ends[1] - ends[0], dim=0)
        across = torch.eye(3, dtype=torch.float64) - along[:, None] * along
        system += across
        right += across @ ends[0]
    point = torch.linalg.lstsq(system, right[:, None], driver="gelsd").solution[:, 0]
    w = distances.camera[used].project(point[None], distances.size)[:, 0, 3]
    lens = distances.camera[used].projection[:, 1, 1].abs() * distances.size[0] / 2
    reach = torch.tensor(extents, dtype=torch.float64) * w.abs() / lens
    return point, 1.2 * reach.clamp(max=3 * reach.median()).max()


def _trusted(distances: _Outlines, box: tuple[Tensor, Tensor]) -> list[int]:
    """The masks that do not contradict the others.

    Suspects are those that overlap least with what all but a few masks agree on. A view that alone looks into a
    hollow is one too, but what it cuts away no other mask needs; what a wrong mask cuts away leaves others uncovered.
    """
    every = list(range(len(distances.mask)))
    wrong = int(_OUTLIERS * len(every))
    hull = _surface(distances.carve(box, _COARSE, every, wrong), 0.0) if wrong else None
    if hull is None:
        return every
    overlap = torch.zeros(len(every))
    for number in every:
        silhouette, mask = distances.compared(hull, number)
        overlap[number] = (silhouette & mask).sum() / (silhouette | mask).sum().clamp(min=1)
    middle = overlap.median()
    limit = middle - torch.maximum(5 * (overlap - middle).abs().median(), torch.tensor(0.1))
    suspects = [number for number in overlap.argsort().tolist()[:wrong] if overlap[number] < limit]
    trusted = [number for number in every if number not in suspects]
    field = distances.carve(box, _COARSE, trusted, 0)
    covered = distances.coverage(field, trusted)
    for number in reversed(suspects):
        cut = distances.carve(box, _COARSE, [number], 0)
        both = field.with_occupancy(torch.minimum(field.occupancy, cut.occupancy))
        share = distances.coverage(both, trusted)
        if share > covered - _CONTRADICTION:
            trusted, field, covered = sorted([*trusted, number]), both, share
    return trusted


def _surface(field: VoxelGrid, grow: float) -> Mesh | None:
    """Where the distance is `-grow` cells; None if that is nowhere."""
    occupancy = (0.5 + (field.occupancy + grow) / 4).clamp(0, 1)
    return marching_cubes(field.with_occupancy(occupancy)) if bool((occupancy > 0.5).any()) else None


def _without_crumbs(mesh: Mesh) -> Mesh:
    """The parts of a closed mesh that enclose a notable volume."""
    label = component_labels(len(mesh.positions), mesh.faces.long())[mesh.faces[:, 0].long()]
    a, b, c = mesh.positions.double()[mesh.faces.long()].unbind(1)
    middle = mesh.positions.double().mean(0)
    volume = torch.zeros(int(label.max()) + 1, dtype=torch.float64)
    volume.index_add_(0, label, ((a - middle) * torch.linalg.cross(b - middle, c - middle)).sum(-1))
    faces = mesh.faces[(volume >= _SMALLEST * volume.max())[label]]
    kept, index = faces.unique(return_inverse=True)
    return Mesh(mesh.positions[kept.long()], index.int())


def _checked(mask: Tensor, camera: Camera, resolution: int, bounds: Box | None) -> Tensor:
    if not isinstance(mask, Tensor) or not mask.is_floating_point() or mask.ndim != 3 or 0 in mask.shape:
        got = f"{mask.dtype} {tuple(mask.shape)}" if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"visual_hull: `mask` must be a float tensor (N, H, W), got {got}.")
    if not isinstance(camera, Camera) or len(camera) != len(mask):
        got = f"{len(camera)} of them" if isinstance(camera, Camera) else type(camera).__name__
        raise ValueError(f"visual_hull: `camera` must be {len(mask)} cameras, one for each mask, got {got}.")
    if not isinstance(resolution, int) or not 4 <= resolution <= 1024:
        raise ValueError(f"visual_hull: `resolution` must be a whole number from 4 to 1024, got {resolution!r}.")
    if bounds is None and len(mask) < 2:
        raise ValueError("visual_hull: one mask does not say how far away the object is; give `bounds` or more masks.")
    if not mask.isfinite().all():
        raise ValueError("visual_hull: the masks hold values that are not finite.")
    empty = (mask.flatten(1).amax(1) < _THIN).nonzero()
    if len(empty):
        raise ValueError(f"visual_hull: mask {int(empty[0])} is empty; leave out masks without the object.")
    return mask
