"""Derivatives of what lies behind, and the ops as torch's compiler and autograd see them."""

import pytest
import torch
from ops_everywhere import per_instruction_set
from ops_scenes import from_pixels
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import icosphere
from repousse.ops import interpolate, layers, rasterize, with_face_id

SIZE = (12, 10)
COUNT = 3
MESH = icosphere(1)
POSITIONS = Camera.orbit(3.0, 0.3, 0.2).project(MESH.positions, SIZE).contiguous()


def stack() -> tuple[Tensor, Tensor]:
    """Three overlapping triangles, one behind the other and tilted, the middle one clipped at the near plane."""
    corners = [[2, 2], [11, 3], [4, 11], [1, 4], [10, 1], [8, 12], [0, 9], [3, 1], [10, 8]]
    zeta = [0.2, 0.3, 0.25, 0.4, -0.1, 0.5, 0.9, 0.7, 0.8]
    w = torch.tensor([1.0, 2, 1.5, 0.8, 1.2, 1, 3, 2, 2.5])
    return from_pixels(corners, SIZE, zeta) * w[:, None], torch.arange(9).view(3, 3)


def pulled(positions: Tensor, faces: Tensor, layer: int, backend: str) -> Tensor:
    """A scalar that depends on every number of one layer."""
    found = layers(positions, faces, SIZE, COUNT, backend=backend)[layer]
    weight = torch.linspace(-1, 1, found.depth.numel(), dtype=positions.dtype).view_as(found.depth)
    return (found.bary[..., 0] * weight + found.bary[..., 1] * weight.square() + found.depth * weight.cos()).sum()


@pytest.mark.parametrize("layer", range(COUNT))
def test_derivatives_are_finite_differences(layer: int) -> None:
    """Breaks if a layer's weights or depth are those of another layer's face, or do not follow the vertices."""
    positions, faces = stack()
    positions = positions.double().requires_grad_()
    (found,) = torch.autograd.grad(pulled(positions, faces, layer, "reference"), positions)
    ids = layers(positions, faces, SIZE, COUNT, backend="reference")[layer].face_id
    assert (ids >= 0).any() and found.abs().amax() > 1e-3
    step, slopes = 1e-5, torch.zeros_like(found)
    for at in range(found.numel()):
        shift = torch.zeros(found.numel(), dtype=torch.float64).index_fill(0, torch.tensor(at), step).view_as(found)
        ends = []
        for moved in (positions + shift, positions - shift):
            assert torch.equal(layers(moved, faces, SIZE, COUNT, backend="reference")[layer].face_id, ids)
            ends.append(pulled(moved.detach(), faces, layer, "reference"))
        slopes.view(-1)[at] = (ends[0] - ends[1]) / (2 * step)
    torch.testing.assert_close(found, slopes, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", range(COUNT))
def test_native_derivatives_are_those_of_the_reference(layer: int) -> None:
    """Breaks if the kernels' derivative is taken with another layer's ids, or depends on the number of threads."""
    positions, faces = stack()

    def native() -> tuple[Tensor, ...]:
        given = positions.clone().requires_grad_()
        return torch.autograd.grad(pulled(given, faces, layer, "native"), given)

    exact = positions.double().requires_grad_()
    (expected,) = torch.autograd.grad(pulled(exact, faces, layer, "reference"), exact)
    for isa, (found,) in per_instruction_set(native).items():
        assert (found - expected).norm() <= 1e-4 * expected.norm(), isa


def test_gradients_of_all_layers_add_up() -> None:
    """Breaks if layers that share one tensor of ids lose gradients when used together."""
    positions, faces = stack()
    positions.requires_grad_()
    (together,) = torch.autograd.grad(sum(pulled(positions, faces, n, "native") for n in range(COUNT)), positions)
    alone = [torch.autograd.grad(pulled(positions, faces, n, "native"), positions)[0] for n in range(COUNT)]
    torch.testing.assert_close(together, sum(alone))


def test_a_layer_can_be_interpolated_like_any_fragments() -> None:
    """Breaks if a layer is not what the other ops take: colours behind, with gradients."""
    positions, faces = stack()
    colors = torch.rand(9, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    positions.requires_grad_()
    for layer in layers(positions, faces, SIZE, COUNT):
        image = interpolate(colors, faces, layer)
        assert torch.equal((image != 0).any(-1), layer.face_id >= 0)
        gradients = torch.autograd.grad(image.sum(), (positions, colors))
        assert all(gradient.isfinite().all() for gradient in gradients) and gradients[1].any()


# ---- with_face_id ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", range(COUNT))
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_with_the_ids_of_a_layer_one_has_the_layer(layer: int, backend: str) -> None:
    """Breaks if weights and depth do not follow the ids to the bit, or ids of another type are misread."""
    positions, faces = stack()
    found = layers(positions, faces, SIZE, COUNT, backend=backend)
    moved = with_face_id(found[0], found[layer].face_id.long(), backend=backend)
    for name in ("face_id", "bary", "depth", "facing"):
        assert torch.equal(getattr(moved, name), getattr(found[layer], name)), name
    assert moved.face_id.dtype == torch.int32


def test_with_face_id_is_differentiable() -> None:
    """Breaks if the derivative is that of the faces seen before."""
    positions, faces = stack()
    positions.requires_grad_()
    front, middle, _ = layers(positions, faces, SIZE, COUNT)
    moved = with_face_id(front, middle.face_id)
    for name in ("bary", "depth"):
        expected, found = (
            torch.autograd.grad(getattr(f, name).square().sum(), positions, retain_graph=True)[0]
            for f in (middle, moved)
        )
        assert torch.equal(found, expected) and found.any()


def test_faces_that_do_not_cover_the_pixel_get_a_point_of_their_border() -> None:
    """Breaks if weights leave the face, or a face seen edge-on or behind the eye gives numbers that are not finite."""
    positions, _ = stack()
    behind = positions[:, :3] * torch.tensor([1.0, 1, -1, -1])
    positions = torch.cat([positions, positions[:, [0, 1, 1]], behind], 1)
    fragments = rasterize(positions, torch.arange(15).view(5, 3), SIZE)
    for face in range(5):
        moved = with_face_id(fragments, torch.full_like(fragments.face_id, face))
        third = 1 - moved.bary.sum(-1)
        assert moved.bary.isfinite().all() and moved.depth.isfinite().all()
        assert face == 4 or ((moved.bary >= 0).all() and (third >= -1e-5).all())


# ---- compiler --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("requires_grad", [False, True], ids=["plain", "requires_grad"])
@pytest.mark.parametrize("packed", [False, True], ids=["batch", "packed"])
def test_opcheck(packed: bool, requires_grad: bool) -> None:
    """Breaks if a schema, a fake kernel's shapes or strides, or the registration of a derivative is wrong."""
    ranges = torch.tensor([[0, 80], [20, 30]]) if packed else None
    positions = (POSITIONS[0] if packed else POSITIONS.repeat(2, 1, 1)).clone().requires_grad_(requires_grad)
    faces = MESH.faces.int()
    ids = rasterize(positions, faces, SIZE, ranges=ranges).face_id
    ops = torch.ops.repousse
    torch.library.opcheck(ops.layers.default, (positions, faces, ranges, *SIZE, 0, COUNT))
    torch.library.opcheck(ops.barycentrics_of.default, (positions, faces, ids))


def behind(positions: Tensor) -> Tensor:
    first, *_, last = layers(positions, MESH.faces, SIZE, COUNT)
    moved = with_face_id(first, torch.where(last.face_id >= 0, last.face_id, first.face_id))
    assert not first.face_id.requires_grad
    return (moved.depth * first.bary.sum(-1)).sum()


def test_layers_compile_into_one_graph() -> None:
    """Breaks if anything decides in Python on data, or what is compiled computes something else."""
    torch.compiler.reset()
    compiled = torch.compile(behind, fullgraph=True, backend="aot_eager")
    for positions in (POSITIONS, POSITIONS * torch.tensor([1.5, 1.0, 1.0, 1.0])):
        results = []
        for run in (compiled, behind):
            given = positions.clone().requires_grad_()
            value = run(given)
            results.append((value.detach(), *torch.autograd.grad(value, given)))
        for found, expected in zip(*results, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_second_derivatives_raise() -> None:
    """Breaks if a second derivative is silently 0 instead of not implemented."""
    positions = POSITIONS.clone().requires_grad_()
    (first,) = torch.autograd.grad(behind(positions), positions, create_graph=True)
    with pytest.raises(RuntimeError, match="second derivatives are not implemented"):
        first.square().sum().backward()


def test_the_reference_agrees_with_rasterize() -> None:
    """Breaks if the two references drift apart."""
    plain = rasterize(*stack(), SIZE, backend="reference")
    first = layers(*stack(), SIZE, 1, backend="reference")[0]
    for name in ("face_id", "bary", "depth", "facing"):
        assert torch.equal(getattr(plain, name), getattr(first, name)), name
