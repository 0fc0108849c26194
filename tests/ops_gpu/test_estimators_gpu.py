"""Estimators on top of lists of places: on a GPU they give the same pictures and gradients."""

import math

import pytest
import torch
from ops_gpu import gpu_kernels
from torch import Tensor

from repousse.geometry import icosphere, topology, torus
from repousse.gradients import Antialias, Edge, Estimator, Kato
from repousse.ops import Fragments, rasterize

pytest.importorskip("triton", reason="needs Triton: pip install triton")

SIZE = (37, 44)


def scene(packed: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """Two images of a sphere that a torus cuts: silhouettes, hidden edges, lines where surfaces meet."""
    parts = [torus(resolution=(9, 6)), icosphere(1)]
    vertices = torch.cat([part.positions * scale for part, scale in zip(parts, (1.0, 0.6), strict=True)])
    faces = torch.cat([parts[0].faces, parts[1].faces + len(parts[0].positions)]).int()
    images = []
    for angle in (0.4, 1.3):
        c, s = math.cos(angle), math.sin(angle)
        x, y, z = (vertices @ torch.tensor([[1, 0, 0], [0, c, -s], [0, s, c]])).unbind(1)
        w = 2 + z
        images.append(torch.stack([1.5 * x, 1.5 * y, (0.5 + 0.3 * z) * w, w], 1))
    if not packed:
        return torch.stack(images), faces, None
    count = len(faces)
    ranges = torch.tensor([[0, count], [count, count]])
    return torch.cat(images), torch.cat([faces, faces + len(vertices)]), ranges


def shown(estimator: Estimator, fragments: Fragments, device: str) -> list[Tensor]:
    """The picture, and the gradients of its colours and of positions."""
    generator = torch.Generator().manual_seed(5)
    colors = torch.rand(len(fragments.faces) + 1, 3, generator=generator)[fragments.face_id.long()]
    weights = torch.randn(colors.shape, generator=generator).to(device)
    colors = colors.to(device).requires_grad_()
    positions = fragments.positions.to(device).requires_grad_()
    edges = topology(fragments.faces).to(device)
    there = Fragments(*(value.to(device) if isinstance(value, Tensor) else None for value in fragments))
    there = there._replace(ranges=fragments.ranges, positions=positions, faces=edges.faces)
    picture = estimator(colors, there, edges)
    (picture * weights).sum().backward()
    assert positions.grad is not None and colors.grad is not None
    return [picture.detach().cpu(), colors.grad.cpu(), positions.grad.cpu()]


@pytest.mark.parametrize("packed", [False, True], ids=["batch", "packed"])
@pytest.mark.parametrize("estimator", [Antialias(), Edge(), Kato()], ids=["antialias", "edge", "kato"])
def test_pictures_and_gradients_are_those_of_the_cpu(estimator: Estimator, packed: bool) -> None:
    """Fails if a list differs, or what is made of it needs tensors on the CPU."""
    positions, faces, ranges = scene(packed)
    fragments = rasterize(positions, faces, SIZE, ranges=ranges)
    expected = shown(estimator, fragments, "cpu")
    assert expected[2].abs().max() > 0
    with gpu_kernels() as device:
        found = shown(estimator, fragments, device)
    for have, want in zip(found, expected, strict=True):
        torch.testing.assert_close(have, want, rtol=0, atol=1e-5 * float(want.abs().max()))
