"""What soft rasterization costs: bumpy spheres of 20,480 faces, forward and backward."""

import torch
from torch import Tensor

import repousse as rp
from benchmarks.timing import Call, Series
from benchmarks.workloads import Scene, Spec, build

WORKLOAD = "S"
SPEC = Spec(WORKLOAD, images=4, subdivisions=5, size=512)
SIGMA = 1e-4
TITLE = f"{SPEC}, sigma {SIGMA:g}"
COLOR = "soft colours and mask, fwd + bwd"
MASK = "soft mask, fwd + bwd"


def series(counts: list[int]) -> list[Series]:
    """The steps for each number of threads."""
    return [Series(steps(build(SPEC)), count) for count in counts]


def steps(scene: Scene) -> dict[str, Call]:
    """Pictures and masks of a scene, forward and backward."""
    options = rp.SoftOptions(sigma=SIGMA)
    positions = scene.positions.clone().requires_grad_()
    colors = scene.colors[scene.faces.long()].requires_grad_()
    g_image = torch.cat((scene.g_image, scene.g_image[..., :1]), -1)

    def color() -> tuple[Tensor, ...]:
        image = rp.soft(positions, scene.faces, colors, scene.size, options)
        return torch.autograd.grad(image, (positions, colors), g_image)

    def mask() -> tuple[Tensor, ...]:
        image = rp.soft(positions, scene.faces, None, scene.size, options)
        return torch.autograd.grad(image, (positions,), g_image[..., :1])

    return {COLOR: color, MASK: mask}
