"""Which surfaces a picture is made of: one where everything is opaque, several where light passes through."""

import warnings
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from repousse import ops
from repousse.geometry import Mesh
from repousse.render.appearance import Appearance, Backend
from repousse.shading.points import side_seen

Cull = Literal["back", "front"] | None
MAX_LAYERS = 64


@dataclass(frozen=True)
class Rasterizer:
    """All that `ops.rasterize` and `ops.layers` need, kept together."""

    mesh: Mesh
    positions: Tensor
    size: tuple[int, int]
    cull: Cull
    backend: Backend

    def surfaces(self) -> list[ops.Fragments]:
        """The surfaces that light reaches the camera from, nearest first; exactly one unless materials blend.

        Faces that alpha masks cut away, or that are culled, are skipped as if they were not there: what lies behind
        them is seen. A sample has a face in a later layer only if all earlier ones let light through.
        """
        modes = {material.alpha for material in self.mesh.materials}
        if modes <= {"opaque"} and not self._culls_by_material:
            return [
                ops.rasterize(
                    self.positions,
                    self.mesh.faces,
                    self.size,
                    ranges=self.mesh.ranges,
                    cull=self.cull,
                    backend=self.backend,
                )
            ]
        like, ids = self._enough_layers("blend" in modes)
        return [ops.with_face_id(like, face_id, backend=self.backend) for face_id in ids]

    @property
    def _culls_by_material(self) -> bool:
        return self.cull == "back" and any(material.double_sided for material in self.mesh.materials)

    def _enough_layers(self, blend: bool) -> tuple[ops.Fragments, list[Tensor]]:
        """The nearest depth layer, and the ids to show instead, of as many layers as it takes."""
        count = 4
        while True:
            nearest, ids, more = self._layers(count, blend)
            if not more:
                return nearest, ids
            if count == MAX_LAYERS:
                warnings.warn(
                    f"render: more than {MAX_LAYERS} transparent surfaces lie behind one another; what is behind "
                    "these is not drawn.",
                    stacklevel=4,
                )
                return nearest, ids
            count *= 2

    @torch.no_grad()
    def _layers(self, count: int, blend: bool) -> tuple[ops.Fragments, list[Tensor], bool]:
        """As above for `count` layers, and whether light comes from behind the last of them."""
        layers = ops.layers(
            self.positions,
            self.mesh.faces,
            self.size,
            count,
            ranges=self.mesh.ranges,
            cull=None if self._culls_by_material else self.cull,
            backend=self.backend,
        )
        reached = torch.ones_like(layers[0].face_id, dtype=torch.bool)
        seen = []
        for fragments in layers:
            look = Appearance(self.mesh, fragments, self.backend)
            alpha = torch.as_tensor(look.alpha).expand(*fragments.face_id.shape, 1)[..., 0]
            shows = (fragments.face_id >= 0) & (alpha > 0) & reached
            if self._culls_by_material:
                shows &= (side_seen(fragments, torch.int8)[..., 0] > 0) | look.double_sided[..., 0]
            seen.append(torch.where(shows, fragments.face_id, -1))
            reached &= ~(shows & (alpha >= 1)) if blend else ~shows
        more = bool((reached & (layers[-1].face_id >= 0)).any())
        ids = torch.stack(seen)
        ids = ids.gather(0, (ids < 0).to(torch.uint8).argsort(dim=0, stable=True))  # no gaps: what is seen comes first
        return layers[0], [face_id for i, face_id in enumerate(ids) if i == 0 or bool((face_id >= 0).any())], more
