"""What is timed on each workload: every native step alone, and the ways they are used together."""

import torch
from torch import Tensor

import repousse as rp
from benchmarks.textured import SIZE, textured
from benchmarks.timing import Call
from benchmarks.workloads import Scene
from repousse.geometry.topology import topology
from repousse.gradients import Boundary, Kato
from repousse.ops import texture

EMPTY = "empty frame"
FILL = "fill_ of the same tensors"
RASTERIZE = "visibility + barycentrics"
INTERPOLATE = "interpolate, 3 channels"
BACKWARD = "interpolate + positions, backward"
DERIVATIVES = "derivatives of interpolate, 2 channels"
DERIVATIVES_BACKWARD = "derivatives of interpolate, backward"
TEXTURE = "texture, trilinear"
TEXTURE_BACKWARD = "texture + uv, backward"
CROSSINGS = "crossing list"
BOUNDARY = "boundary of a mask, fwd + bwd"
BOUNDARY_COLORS = "boundary of 3 channels, fwd + bwd"
KATO = "Kato crossings, fwd + bwd"
KATO_RELEASED = "Kato released, fwd + bwd"
TOPOLOGY = "topology"
API = "rasterize + interpolate, fwd + bwd"

# Steps that use one thread whatever they are offered.
SERIAL = (FILL, TOPOLOGY)


def steps(scene: Scene) -> dict[str, Call]:
    """The steps of a workload by name.

    They are called as a user calls them, so outputs are allocated anew by each call. glibc keeps blocks of up
    to 32 MiB, which all outputs of A-D are; how many pages a step had to ask for is written to the results.
    """
    found = _forward_steps(scene) | _backward_steps(scene) | _boundary_steps(scene)
    if scene.spec.name == "A":
        found[KATO] = _kato(scene, Kato())
        found[KATO_RELEASED] = _kato(scene, Kato(mode="released"))
    if scene.spec.name == "D":
        found |= _texture_steps(scene)
    if scene.spec.name == "C":
        found[TOPOLOGY] = lambda: topology(scene.faces)
    return found


def _forward_steps(scene: Scene) -> dict[str, Call]:
    positions, faces, size, colors = scene.positions, scene.faces, scene.size, scene.colors
    fragments, edges = scene.fragments, scene.topology
    face_id, bary, depth = (torch.empty_like(output) for output in fragments[:3])
    # One vertex, because none would be a batch without memory; no face: the kernels clear and write.
    point, no_faces = positions[:, :1].contiguous(), faces[:0]
    ops, uv_inputs = torch.ops.repousse, _uv_inputs(scene)
    return {
        EMPTY: lambda: rp.rasterize(point, no_faces, size),
        FILL: lambda: (face_id.fill_(-1), bary.fill_(0), depth.fill_(0)),
        RASTERIZE: lambda: rp.rasterize(positions, faces, size),
        "visibility": lambda: ops.visibility(positions, faces, None, *size, 0),
        "barycentrics": lambda: ops.barycentrics(positions, faces, fragments.face_id),
        INTERPOLATE: lambda: rp.interpolate(colors, faces, fragments),
        DERIVATIVES: lambda: ops.interpolate_derivatives(*uv_inputs),
        CROSSINGS: lambda: rp.crossings(positions, edges, fragments),
    }


def _backward_steps(scene: Scene) -> dict[str, Call]:
    faces, size, fragments, g_image = scene.faces, scene.size, scene.fragments, scene.g_image
    positions, colors = scene.positions.clone().requires_grad_(), scene.colors.clone().requires_grad_()
    inputs = scene.colors, faces, scene.positions, faces, fragments.face_id, fragments.bary
    backward = torch.ops.repousse.interpolate_backward

    def api() -> tuple[Tensor, ...]:
        image = rp.interpolate(colors, faces, rp.rasterize(positions, faces, size))
        return torch.autograd.grad(image, (positions, colors), g_image)

    uv_inputs, of_derivatives = _uv_inputs(scene), torch.ops.repousse.interpolate_derivatives_backward
    g_steps = torch.stack([g_image[..., :2], g_image[..., 1:]], -1)
    return {
        BACKWARD: lambda: backward(*inputs, g_image, True, True),
        DERIVATIVES_BACKWARD: lambda: of_derivatives(*uv_inputs, g_steps, True, True),
        API: api,
    }


def _boundary_steps(scene: Scene) -> dict[str, Call]:
    """What the default estimator costs above visibility: of masks, and of colours and their gradient."""
    edges, positions = scene.topology, scene.positions.clone().requires_grad_()
    fragments = scene.fragments._replace(positions=positions)
    image, g_mask = rp.interpolate(scene.colors, scene.faces, scene.fragments), _g_mask(scene)

    def mask() -> tuple[Tensor, ...]:
        return torch.autograd.grad(Boundary()(_mask(fragments), fragments, edges), (positions,), g_mask)

    def colors() -> tuple[Tensor, ...]:
        return torch.autograd.grad(Boundary()(image, fragments, edges), (positions,), scene.g_image)

    return {BOUNDARY: mask, BOUNDARY_COLORS: colors}


def _texture_steps(scene: Scene) -> dict[str, Call]:
    """As many and as large pictures as the workload has, but every pixel shows the texture."""
    case = textured(scene.spec.images, scene.spec.size)
    inputs = case.image.flatten(0, 1), [0, SIZE, SIZE, 0, 0, 0], case.uv, None, case.derivatives, None
    backward = torch.ops.repousse.texture_backward
    return {
        TEXTURE: lambda: texture(case.image, case.uv, derivatives=case.derivatives),
        TEXTURE_BACKWARD: lambda: backward(*inputs, case.g_color, [True, True, False, False]),
        "texture + uv + derivatives, backward": lambda: backward(*inputs, case.g_color, [True, True, True, False]),
    }


def _uv_inputs(scene: Scene) -> tuple[Tensor, ...]:
    """Arguments for derivatives of two channels, as texture coordinates have."""
    uv = scene.colors[:, :2].contiguous()
    return uv, scene.faces, scene.positions, scene.faces, scene.fragments.face_id


def _kato(scene: Scene, estimator: Kato) -> Call:
    """A silhouette and its gradient, from positions to positions."""
    faces, size, edges = scene.faces, scene.size, scene.topology
    positions = scene.positions.clone().requires_grad_()
    g_mask = _g_mask(scene)

    def call() -> tuple[Tensor, ...]:
        fragments = rp.rasterize(positions, faces, size)
        image = estimator(_mask(fragments), fragments, edges)
        return torch.autograd.grad(image, (positions,), g_mask)

    return call


def _g_mask(scene: Scene) -> Tensor:
    """As if each shape had to move by a quarter of the picture: large areas have to appear and to vanish."""
    mask = _mask(scene.fragments)
    return mask - mask.roll(scene.size[1] // 4, dims=2)


def _mask(fragments: rp.Fragments) -> Tensor:
    return (fragments.face_id >= 0).float()[..., None]
