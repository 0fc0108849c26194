"""The exact derivative of pixel-integrated images.

A pixel of a hard image shows what lies at its centre; the value it stands for is the mean of the image L over its
area. The derivative of that mean has two parts (Reynolds' transport theorem): what changes inside faces, which
interpolation and shading pass on already, and what moving discontinuities sweep over,

    d/dt ∫_p L dA  =  ∫_p dL/dt dA  +  Σ_e ∫_(e ∩ p) (L_in - L_out) (n · v) ds,

where e are the visible borders of surfaces, n their normals on the screen, and v the velocities of their points.
`Boundary` computes the second part from the vertices of the edges themselves, with jumps taken from the pixels beside
them. A gradient step by it lowers the loss of the antialiased image, whatever the tessellation.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from repousse.geometry import Topology
from repousse.ops import Fragments
from repousse.ops.boundary import boundary, check_frame


@dataclass(frozen=True)
class Boundary:
    """Silhouettes move by their exact derivative; the image itself stays as it is.

    Each silhouette edge is cut where it leaves a pixel and where another one crosses it. A piece counts if nothing
    nearer begins between it and the pixel outside, and carries the difference of the image across it.

    Has no parameters. Cost: the number of edges, to find the silhouettes, then their length in pixels.

    On a GPU working memory has a fixed size, and a tangle that needs more gets a gradient of NaN: see
    `repousse.ops.boundary.boundary`.
    """

    def __call__(self, image: Tensor, fragments: Fragments, topology: Topology) -> Tensor:
        """Return `image` (B, H, W, C), with a gradient for `fragments.positions` ((B, V, 4), or (V, 4) if packed).

        The gradient of `image` itself passes unchanged.

        Raises ValueError if `image` has other pixels than `fragments`, or `topology` other faces.
        """
        check_frame(topology, fragments, image)
        return _Boundary.apply(
            image,
            fragments.positions,
            topology.faces,
            topology.edges,
            topology.edge_faces,
            topology.consistent,
            topology.extra,
            topology.face_edges,
            fragments.face_id,
            fragments.bary.detach(),
            fragments.depth.detach(),
            fragments.facing,
            None if fragments.faces is topology.faces else fragments.faces,  # torch.compile wants each tensor once
            fragments.ranges,
        )


class _Boundary(Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, positions: Tensor, *frame: Tensor | None) -> Tensor:
        ctx.save_for_backward(image, positions, *frame)
        return image.view_as(image)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        image, positions, *frame = ctx.saved_tensors
        g_positions = None
        if ctx.needs_input_grad[1]:
            topology, (face_id, bary, depth, facing, faces, ranges) = Topology(*frame[:6]), frame[6:]
            faces = topology.faces if faces is None else faces
            fragments = Fragments(face_id, bary, depth, facing, positions, faces, ranges)
            g_positions = boundary(topology, fragments, image, grad)
        return grad, g_positions, *(None,) * len(frame)
