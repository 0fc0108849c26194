"""Losses inside torch.compile."""

import functools

import pytest
import torch

from repousse import losses
from repousse.geometry import cube, icosphere, pack

MESH_LOSSES = (
    losses.laplacian,
    functools.partial(losses.laplacian, weights="cotangent"),
    losses.normal_consistency,
    losses.edge_length,
    functools.partial(losses.smoothness, edges="released"),
)
PICTURE_LOSSES = (losses.l1, losses.l2, losses.huber, losses.ssim, losses.pyramid, losses.iou)


def assert_compiles(run, given):
    given = given.requires_grad_()
    torch.compiler.reset()
    found, expected = torch.compile(run, fullgraph=True, backend="aot_eager")(given), run(given)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, given)[0] for loss in (found, expected)))


@pytest.mark.parametrize("packed", [False, True])
def test_mesh_losses(packed):
    """Breaks if a loss asks for the value of a tensor, which a graph does not have."""
    mesh = pack([icosphere(1), cube()]) if packed else icosphere(1)
    mesh.topology.hinges  # noqa: B018  found once, outside of the graph

    def run(positions):
        moved = mesh.with_positions(positions)
        return sum(loss(moved).sum() for loss in MESH_LOSSES)

    generator = torch.Generator().manual_seed(0)
    assert_compiles(run, mesh.positions + 0.1 * torch.randn(mesh.positions.shape, generator=generator))


def test_picture_losses():
    """Breaks if a loss looks into the mask to decide what to do."""
    image, target, mask = torch.rand(3, 2, 20, 18, 1, generator=torch.Generator().manual_seed(0)).unbind(0)
    assert_compiles(lambda given: sum(loss(given, target, mask=mask).sum() for loss in PICTURE_LOSSES), image)
