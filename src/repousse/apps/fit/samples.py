"""What the pictures show of a surface that does not move: worked out once, looked at in every step."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from repousse import ops
from repousse.apps.fit.light import sky
from repousse.geometry import Mesh
from repousse.shading.points import side_seen

if TYPE_CHECKING:
    from repousse.data import Views

SUPERSAMPLE = 2
_INSIDE = 0.999  # of a pixel of the mask
_BESIDE = 0.05  # trust in pixels beside an outline
_STEEP = 5.0  # times as far apart as the places of neighbouring pixels usually are: a gap


@dataclass(frozen=True, eq=False)
class Samples:
    """The pixels of a picture that lie inside both silhouettes, its own and the mesh's; S samples each.

    Where only one of the two covers a pixel, colours belong to something else than the surface that is drawn there.

    color    float (P, 3)     linear, of the pixels
    weight   float (P,)       trust: a shape that is a little wrong shifts what is seen at a slant most, and mixes up
                              what lies on both sides of an outline. So it is the cosine of the angle at which the
                              pixel sees the surface, and little beside outlines, be they against the background or
                              against another part of the mesh
    sky      float (P, S, 9)  see `light.sky`
    uv       float (P, S, 2), and `steps` float (P, S, 2, 2), its derivatives by the sample's column and row; empty
             without "uv"
    corners  int64 (P, S, 3)  vertices of the face seen, and `shares` float (P, S, 3), their barycentrics
    """

    color: Tensor
    weight: Tensor
    sky: Tensor
    uv: Tensor
    steps: Tensor
    corners: Tensor
    shares: Tensor

    def __len__(self) -> int:
        """Number of pixels."""
        return len(self.color)

    @staticmethod
    def joined(several: "list[Samples]") -> "Samples":
        """The pixels of all of them."""
        if len(several) == 1:
            return several[0]
        columns = zip(*(vars(one).values() for one in several), strict=True)
        return Samples(*(torch.cat(parts) for parts in columns))


@torch.no_grad()
def samples(mesh: Mesh, views: "Views", index: int) -> Samples:
    """What picture `index` of `views` shows of `mesh`, which has the attribute "normal"."""
    height, width = views.mask.shape[1:]
    size = (height * SUPERSAMPLE, width * SUPERSAMPLE)
    camera = views.camera[index : index + 1]
    fragments = ops.rasterize(camera.project(mesh.positions, size), mesh.faces, size)
    covered = _by_pixel(fragments.face_id[..., None])[..., 0] >= 0
    inside = covered.all(-1) & (views.mask[index].flatten() > _INSIDE)

    def kept(image: Tensor) -> Tensor:
        return _by_pixel(image)[inside]

    given = mesh.attributes["normal"]
    normals = ops.interpolate(given.values, given.faces, fragments)
    normal = kept(torch.nn.functional.normalize(normals, dim=-1) * side_seen(fragments, normals.dtype))
    eye, places = camera.eye[0], ops.interpolate(mesh.positions, mesh.faces, fragments)
    towards = eye[:3] - eye[3] * kept(places)
    cosine = (normal * torch.nn.functional.normalize(towards, dim=-1)).sum(-1).clamp(min=0).mean(-1)
    if "uv" in mesh.attributes:
        charts = mesh.attributes["uv"]
        uv, steps = ops.interpolate(charts.values, charts.faces, fragments, derivatives=True)
        uv, steps = kept(uv), kept(steps.flatten(-2)).unflatten(-1, (2, 2))
    else:
        uv, steps = normal.new_empty(0), normal.new_empty(0)
    shares = kept(fragments.bary)
    return Samples(
        color=views.color[index].flatten(0, 1)[inside],
        weight=cosine * torch.where(_beside_outlines(places, inside), _BESIDE, 1)[inside],
        sky=sky(normal),
        uv=uv,
        steps=steps,
        corners=mesh.faces.long()[kept(fragments.face_id[..., None])[..., 0].long()],
        shares=torch.cat((shares, 1 - shares.sum(-1, keepdim=True)), -1),
    )


def _beside_outlines(places: Tensor, inside: Tensor) -> Tensor:
    """bool (H W): the pixel has a neighbour that is not inside, or whose surface lies far away from its own.

    places  (1, sH, sW, 3)  positions on the surface
    inside  bool (H W)
    """
    _, height, width, _ = places.shape
    grid = inside.view(height // SUPERSAMPLE, width // SUPERSAMPLE)
    middle = _by_pixel(places).mean(1).view(*grid.shape, 3)
    beside = torch.zeros_like(grid)
    for axis in (0, 1):
        count = grid.shape[axis] - 1
        near, far = (slice(0, count), slice(1, None))
        pick = (lambda part: (part,)) if axis == 0 else (lambda part: (slice(None), part))
        both = grid[pick(near)] & grid[pick(far)]
        apart = (middle[pick(far)] - middle[pick(near)]).norm(dim=-1)
        usual = apart[both].median() if bool(both.any()) else apart.new_zeros(())
        outline = ~both | (apart > _STEEP * usual)
        beside[pick(near)] |= outline
        beside[pick(far)] |= outline
    return beside.flatten()


def _by_pixel(image: Tensor) -> Tensor:
    """(1, sH, sW, C) as (H W, s², C)."""
    _, height, width, channels = image.shape
    blocks = image.view(height // SUPERSAMPLE, SUPERSAMPLE, width // SUPERSAMPLE, SUPERSAMPLE, channels)
    return blocks.transpose(1, 2).reshape(-1, SUPERSAMPLE**2, channels)


class SampleStore:
    """The samples of all pictures, kept as long as they fit into memory and worked out again where they do not.

    most  samples that are kept, at about 130 bytes each
    """

    def __init__(self, mesh: Mesh, views: "Views", most: int = 2**22) -> None:
        self.mesh, self.views, self._most = mesh, views, most
        self._kept: dict[int, Samples] = {}
        self._count = 0

    def __getitem__(self, index: int) -> Samples:
        if index in self._kept:
            return self._kept[index]
        found = samples(self.mesh, self.views, index)
        count = len(found) * SUPERSAMPLE**2
        if self._count + count <= self._most:
            self._kept[index] = found
            self._count += count
        return found

    def at_once(self, wanted: int = 2**17) -> int:
        """How many pictures have about so many pixels together, by the first of them."""
        return max(1, min(len(self.views), math.ceil(wanted / SUPERSAMPLE**2 / max(1, len(self[0])))))
