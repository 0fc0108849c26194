"""The whole line from mesh to gradient, with the kernels for GPUs in every place."""

from typing import Any

import pytest
import torch
from ops_gpu import gpu_kernels
from torch import Tensor

import repousse as rp

pytest.importorskip("triton", reason="needs Triton: pip install triton")

SIZE = (11, 14)


def drawn(device: str, packed: bool, textured: bool, **settings: Any) -> list[Tensor]:
    """The picture's parts, then the gradients of positions and, if there is one, of the texture."""
    mesh = rp.pack([rp.cube(1.0), rp.torus(resolution=(5, 4))]) if packed else rp.torus(resolution=(5, 4))
    image = torch.rand(16, 16, 3, generator=torch.Generator().manual_seed(6)).to(device).requires_grad_()
    if textured:
        mesh = mesh.with_materials([rp.Material(base_color_texture=rp.Texture(image), roughness=0.4)])
    mesh = mesh.to(device)
    positions = mesh.positions.clone().requires_grad_()
    camera = rp.Camera.orbit(2.6, 0.4, torch.tensor([0.2, 2.0])).to(device)
    picture = rp.render(mesh.with_positions(positions), camera, SIZE, **settings)
    weights = torch.rand(picture.color.shape, generator=torch.Generator().manual_seed(7)).to(device)
    ((picture.color * weights).sum() + (picture.mask * weights[..., 0]).sum() + picture.depth.mean()).backward()
    assert positions.grad is not None
    found = [*picture, positions.grad, *([image.grad] if image.grad is not None else [])]
    return [part.detach().cpu() for part in found]


@pytest.mark.parametrize(
    ("packed", "textured", "settings"),
    [
        (False, False, {}),
        (True, True, {"shader": rp.pbr, "smooth": True, "cull": "back"}),
        (True, False, {"gradient": "soft"}),
        (False, False, {"gradient": "antialias", "supersample": 2, "background": (1.0, 0.5, 0.0)}),
    ],
    ids=["plain", "textured", "soft", "antialias"],
)
def test_pictures_and_gradients_are_those_of_the_cpu(packed: bool, textured: bool, settings: dict[str, Any]) -> None:
    """Fails if kernels disagree on what they hand to one another, or something between them needs the CPU."""
    expected = drawn("cpu", packed, textured, **settings)
    assert expected[5].abs().max() > 0 and len(expected) == 6 + textured
    with gpu_kernels() as device:
        found = drawn(device, packed, textured, **settings)
    for number, (have, want) in enumerate(zip(found, expected, strict=True)):
        if not want.is_floating_point():
            assert torch.equal(have, want)
            continue
        difference = (have - want).abs().max() / want.abs().max()
        assert difference < 2e-5, f"{number}: {difference}"
