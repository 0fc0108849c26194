"""All parts together: a shape from its silhouettes."""

import math

import torch

import repousse as rp
from repousse.geometry import Mesh, inspect
from repousse.optim import AdamUniform, LargeSteps, carried_state, carry_state, remesh, tangles


def test_a_ball_becomes_another_shape() -> None:
    """Breaks if gradient, large steps, optimiser and remeshing do not work together, as in docs/optim.md."""
    ball = rp.icosphere(4)
    waist = 0.5 + 0.4 * ball.positions[:, 1:2].square() - 0.1 * ball.positions[:, :1]
    truth = ball.with_positions(ball.positions * torch.cat([waist, torch.ones_like(waist), waist], 1))
    angle = torch.arange(8) * math.pi / 4
    camera = rp.Camera.orbit(4.0, 0.5 * torch.sin(2.6 * angle), angle, fov=0.6)
    masks = rp.silhouette(truth, camera, (64, 64), gradient=None, supersample=4)

    mesh = Mesh(ball.positions, ball.faces)
    u, optimiser = torch.empty(0), None
    for edge_length in (0.25, 0.25, 0.12, 0.12):
        kept = carried_state(optimiser, u) if optimiser else ()
        found = remesh(mesh.positions, mesh.faces, edge_length, carried=kept)
        mesh = Mesh(found.positions, found.faces)
        steps = LargeSteps(mesh.faces, len(mesh.positions), 3.0)
        old, u = u, steps.to_differential(mesh.positions).requires_grad_()
        if optimiser is None:
            optimiser = AdamUniform([u], lr=1.0)
        else:
            carry_state(optimiser, old, u, found.carried)
        optimiser.param_groups[0]["lr"] = 0.8 * edge_length
        for _ in range(30):
            rendered = rp.silhouette(
                mesh.with_positions(steps.from_differential(u)), camera, (64, 64), gradient="antialias"
            )
            optimiser.zero_grad()
            (rendered - masks).square().mean().backward()
            optimiser.step()
        mesh = mesh.with_positions(steps.from_differential(u.detach()))

    shown = rp.silhouette(mesh, camera, (64, 64), gradient=None, supersample=4)
    assert rp.metrics.iou(shown, masks).mean() > 0.98
    assert inspect(mesh).watertight and tangles(mesh.positions, mesh.faces) == 0
    compared = rp.metrics.compare(mesh, truth, samples=20_000, generator=torch.Generator().manual_seed(0))
    assert compared.chamfer < 0.02 * (truth.positions.amax(0) - truth.positions.amin(0)).norm()
