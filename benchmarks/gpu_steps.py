"""What is timed on a GPU, and the bytes that each step cannot avoid to move."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import repousse as rp
from benchmarks import soft
from benchmarks.textured import SIZE, textured
from benchmarks.workloads import SPECS, Scene, Spec
from repousse.gradients import Boundary
from repousse.ops.boundary import boundary

WORKLOADS = SPECS | {
    spec.name: spec
    for spec in (
        Spec("E", images=64, subdivisions=4, size=512),
        Spec("F", images=1, subdivisions=8, size=2048, seed=5),
        Spec("G", images=8, subdivisions=6, size=1024),
        soft.SPEC,
    )
}

VISIBILITY = "visibility"
FIT = "silhouettes, forward + backward"

# Milliseconds in a captured graph on an H200, by workload and step.
GOALS = {("D", VISIBILITY): 0.15, ("C", VISIBILITY): 0.5, ("D", FIT): 0.5}


@dataclass(frozen=True)
class Step:
    """Something to time.

    moved  bytes that it has to read or write once, whatever its algorithm: inputs, outputs and, of pictures of a
           gradient, the pixels. Divided by the bandwidth of a copy it is the floor
    """

    name: str
    call: Callable[[], Any]
    moved: int


def steps(scene: Scene) -> Iterator[Step]:
    """The steps of a workload."""
    ops = torch.ops.repousse
    positions, faces, size, f = scene.positions, scene.faces, scene.size, scene.fragments
    given, seen, frame = _bytes(positions, faces), _bytes(f.face_id), _bytes(f.face_id, f.bary, f.depth)
    yield Step(VISIBILITY, lambda: ops.visibility(positions, faces, None, *size, 0), given + seen + _bytes(f.facing))
    yield Step("barycentrics", lambda: ops.barycentrics(positions, faces, f.face_id), given + frame)
    g_bary, g_depth = torch.rand_like(f.bary), torch.rand_like(f.depth)
    yield Step(
        "barycentrics, backward",
        lambda: ops.barycentrics_backward(positions, faces, f.face_id, g_bary, g_depth),
        given + _bytes(positions) + frame,
    )
    fused = (scene.colors, faces, positions, faces, f.face_id, f.bary)
    image = ops.interpolate(*fused)
    attributes = _bytes(scene.colors, faces, f.face_id)
    yield Step("interpolate, 3 channels", lambda: ops.interpolate(*fused), attributes + _bytes(f.bary, image))
    yield Step(
        "interpolate + positions, backward",
        lambda: ops.interpolate_backward(*fused, scene.g_image, True, True),
        attributes + _bytes(scene.colors, positions, positions, f.bary, scene.g_image),
    )
    yield from _estimated(scene, image)
    yield Step("crossing list", lambda: rp.crossings(positions, scene.topology, f), _bytes(scene.topology.edge_faces))
    if scene.spec.name == "D":
        yield from _textured(scene)
    if scene.spec.name == soft.WORKLOAD:
        yield from _soft(scene)


def _estimated(scene: Scene, image: Tensor) -> Iterator[Step]:
    """The default estimator on its own, and a whole step of fitting silhouettes."""
    positions, topology, f = scene.positions, scene.topology, scene.fragments
    leaf = positions.clone().requires_grad_()
    frame = f._replace(positions=positions)
    mask = (f.face_id >= 0).float()[..., None]
    g_mask = torch.rand_like(mask) - 0.5
    edges = _bytes(topology.edges, topology.edge_faces, topology.consistent, f.facing)
    seen = edges + _bytes(f.face_id, f.depth, positions)

    def gradient(picture: Tensor, g_picture: Tensor) -> Callable[[], Tensor]:
        return lambda: boundary(topology, frame, picture, g_picture)  # all that the estimator's backward pass does

    yield Step("boundary of a mask, backward", gradient(mask, g_mask), seen + _bytes(mask, g_mask))
    yield Step("boundary of 3 channels, backward", gradient(image, scene.g_image), seen + 2 * _bytes(image))

    def fit() -> tuple[Tensor, ...]:
        fragments = rp.rasterize(leaf, scene.faces, scene.size)
        drawn = Boundary()((fragments.face_id >= 0).float()[..., None], fragments, topology)
        return torch.autograd.grad((drawn - 0.5).square().sum(), (leaf,))

    # Ids, barycentrics and depth written, ids, depth, mask and its gradient written and read.
    passes = _bytes(scene.faces, positions, positions) + edges + _bytes(f.face_id, f.bary, f.depth) + 4 * _bytes(mask)
    yield Step(FIT, fit, passes)


def _textured(scene: Scene) -> Iterator[Step]:
    case = textured(scene.spec.images, scene.spec.size)
    device = scene.positions.device
    image, uv, derivatives = (value.to(device) for value in (case.image, case.uv, case.derivatives))
    g_color = case.g_color.to(device)
    inputs = image.flatten(0, 1), [0, SIZE, SIZE, 0, 0, 0], uv, None, derivatives, None
    given = _bytes(image, uv, derivatives, g_color)
    yield Step("texture, trilinear", lambda: rp.texture(image, uv, derivatives=derivatives), given)
    yield Step(
        "texture + uv, backward",
        lambda: torch.ops.repousse.texture_backward(*inputs, g_color, [True, True, False, False]),
        given + _bytes(image, uv),
    )


def _soft(scene: Scene) -> Iterator[Step]:
    # The picture and three numbers per pixel (of a mask one) written and read; its gradient read; others written.
    given, pixels = 2 * _bytes(scene.positions, scene.faces), _bytes(scene.fragments.depth)
    colors = 3 * 3 * 3 * 4 * len(scene.faces)
    moved = {soft.COLOR: given + colors + (2 * (4 + 3) + 4) * pixels, soft.MASK: given + (2 * (1 + 1) + 1) * pixels}
    for name, call in soft.steps(scene).items():
        yield Step(name, call, moved[name])


def _bytes(*tensors: Tensor) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
