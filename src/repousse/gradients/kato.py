"""The gradient of Kato, Ushiku and Harada (Neural 3D Mesh Renderer, CVPR 2018).

A hard image does not change while an edge moves between two pixel centres, and jumps when it passes one: its derivative
is zero almost everywhere. Kato et al. replace the jump by a ramp. Let an edge cross a row of pixels at x0, and let a
pixel at distance d along the row change from I(x0) to I(x1) once the edge has moved that far; then

    dI/dx = (I(x1) - I(x0)) / d    if that change would lower the loss, else 0,

and likewise along columns for y. Every pixel whose colour ought to be the other side's pulls on the edge, the farther
the weaker. It is a search direction, not a derivative: it sees targets that the exact derivative, which lives in the
pixels next to the edge, is blind to, and in exchange its length means nothing.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from repousse.geometry import Topology
from repousse.ops import Crossings, Fragments, crossings, kato
from repousse.ops.kato import reference


@dataclass(frozen=True)
class Kato:
    """Distant pixels pull on edges with weight 1 / distance; the image itself stays as it is.

    mode  "crossings"  (default) only edges where the visible surface ends pull: silhouettes and occlusion borders, from
                       the crossing list
          "released"   every edge of every visible front face, as the released code does, number by number
    eps   added to each distance, in units of half the image (the released renderer uses 1e-3)

    The two differ where they should. As released,
    (1) edges between two faces of one surface pull as well: a pixel far outside that ought to be covered pulls on
        every visible edge of its row, while "crossings" lets it pull on the silhouette alone;
    (2) inside, only pixels of the one face at the border push it back, while "crossings" counts the surface up to its
        other end, so covered pixels that ought to be empty act at any distance;
    (3) the sweep runs on through nearer surfaces, while "crossings" leaves out pixels that a nearer surface covers;
    (4) a face that no pixel next to its edge shows is not pulled outwards, so finely tessellated outlines lose most
        of their gradient, while the crossing list finds them;
    (5) an edge counts along rows and columns, while a crossing counts on the edge's dominant axis only.
    Cost: "released" grows with the number of visible edges, "crossings" with the length of the outline. Edges with an
    end behind the camera do not pull in either mode.

    Channels are summed before asking whether the loss would fall, so mask and colours act together if given together.
    """

    mode: Literal["crossings", "released"] = "crossings"
    eps: float = 1e-3

    def __post_init__(self) -> None:
        if self.mode not in ("crossings", "released"):
            raise ValueError(f'Kato: `mode` must be "crossings" or "released", got {self.mode!r}.')
        if not self.eps > 0:
            raise ValueError(f"Kato: `eps` must be positive, got {self.eps}.")

    def __call__(self, image: Tensor, fragments: Fragments, topology: Topology) -> Tensor:
        """Return `image` (B, H, W, C), with a gradient for `fragments.positions` ((B, V, 4), or (V, 4) if packed).

        The gradient of `image` itself passes unchanged. The gradient of float64 positions is computed by the slow
        reference.

        Raises ValueError if `image` has other pixels than `fragments`, or `topology` other faces.
        """
        positions = fragments.positions
        kato.check_frame(positions, fragments.face_id, image)
        if positions.dtype in (torch.float16, torch.bfloat16):  # from autocast; too coarse to say where an edge is
            positions = positions.float()
        ndc = _screen(positions)
        if self.mode == "released":
            if positions.dim() == 2:
                raise ValueError('Kato: mode "released" does not take packed meshes; use mode "crossings".')
            return _Released.apply(image, ndc, fragments.faces, fragments.face_id, self.eps)
        backend = "reference" if ndc.dtype == torch.float64 else "native"
        found = crossings(fragments.positions, topology, fragments, backend=backend)
        return _FromCrossings.apply(image, ndc, fragments.face_id, fragments.depth.detach(), self.eps, *found)


def _screen(positions: Tensor) -> Tensor:
    """x to the right and y up in [-1, 1] on the image; NaN, and without gradient, behind the camera or at infinity."""
    x, y, _, w = positions.unbind(-1)
    visible = (w > torch.finfo(w.dtype).tiny) & positions.isfinite().all(-1)
    r = 1 / torch.where(visible, w, torch.ones_like(w))
    ndc = torch.stack([x * r, -y * r], -1)
    return torch.where(visible[..., None], ndc, torch.full_like(ndc, torch.nan))


def _sweeps(ndc: Tensor) -> Any:
    """float64 positions come from the reference rasterizer; their gradient comes from the reference, too."""
    return reference if ndc.dtype == torch.float64 else kato


class _Released(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, ndc: Tensor, faces: Tensor, face_id: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(image, ndc, faces, face_id)
        ctx.eps = eps
        return image.view_as(image)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        image, ndc, faces, face_id = ctx.saved_tensors
        g_ndc = None
        if ctx.needs_input_grad[1]:
            g_ndc = _sweeps(ndc).released(ndc, faces, face_id, image, grad, ctx.eps)
        return grad, g_ndc, None, None, None


class _FromCrossings(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: Tensor, ndc: Tensor, face_id: Tensor, depth: Tensor, eps: float, *crossings: Tensor
    ) -> Tensor:
        ctx.save_for_backward(image, ndc, face_id, depth, *crossings)
        ctx.eps = eps
        return image.view_as(image)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        image, ndc, face_id, depth, *crossings = ctx.saved_tensors
        g_ndc = None
        if ctx.needs_input_grad[1]:
            g_ndc = _sweeps(ndc).from_crossings(ndc, Crossings(*crossings), face_id, depth, image, grad, ctx.eps)
        return grad, g_ndc, *(None,) * (3 + len(crossings))
