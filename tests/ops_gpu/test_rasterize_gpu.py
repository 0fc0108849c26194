"""Visibility, barycentrics and layers on a GPU against the kernels for the CPU: scenes of any kind, and derivatives."""

import importlib
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_gpu import gpu_kernels, needs_device
from ops_scenes import KINDS, Scene, build, scenes, seeds
from torch import Tensor

from repousse.ops import Fragments, layers, library, rasterize, with_face_id

Side = Literal["back", "front"] | None
pytest.importorskip("triton", reason="needs Triton: pip install triton")
pytestmark = pytest.mark.filterwarnings("ignore")  # faces that are not finite are reported on the CPU


def on_both(scene: Scene, count: int = 0, cull: Side = None) -> list[list[Fragments]]:
    """What the CPU finds, and what the GPU does: layers, or what is nearest if `count` is 0."""

    def find(positions: Tensor, faces: Tensor) -> list[Fragments]:
        if count:
            return layers(positions, faces, scene.size, count, cull=cull)
        return [rasterize(positions, faces, scene.size, cull=cull)]

    expected = find(scene.positions, scene.faces)
    with gpu_kernels() as device:
        return [expected, find(scene.positions.to(device), scene.faces.to(device))]


def assert_same(expected: list[Fragments], found: list[Fragments]) -> None:
    for want, got in zip(expected, found, strict=True):
        assert torch.equal(got.facing.cpu(), want.facing)
        assert torch.equal(got.face_id.cpu(), want.face_id)
        torch.testing.assert_close(got.bary.cpu(), want.bary, rtol=0, atol=1e-5, equal_nan=True)
        torch.testing.assert_close(got.depth.cpu(), want.depth, rtol=0, atol=1e-5, equal_nan=True)


@settings(deadline=None, max_examples=12)
@given(scenes(max_batch=1, max_faces=6), st.sampled_from([None, "back", "front"]))
def test_any_scene(scene: Scene, cull: Side) -> None:
    """Breaks if any step rounds, orders or overflows differently than on the CPU."""
    assert_same(*on_both(scene, cull=cull))


@settings(deadline=None, max_examples=6)
@given(scenes(max_batch=1, max_faces=6), st.integers(2, 4))
def test_layers_of_any_scene(scene: Scene, count: int) -> None:
    """Breaks if keys are handed on wrongly from layer to layer, or a clipped face counts twice."""
    assert_same(*on_both(scene, count))


@pytest.mark.parametrize("seed", range(2))
def test_coordinates_of_any_size(seed: int) -> None:
    """Breaks if clipping over- or underflows, or a corner that lies on a plane is taken to be outside."""
    g = torch.Generator().manual_seed(seed)
    exponents = torch.rand(40, 3, 4 if seed else 1, generator=g) * 76 - 38
    corners = (torch.rand(40, 3, 4, generator=g) * 2 - 1) * 10**exponents
    corners[..., 3] = corners[..., 3].abs()
    corners[:20, 0, 2] = corners[:20, 0, 3]
    corners[10:30, 1, 0] = -64 * corners[10:30, 1, 3]
    corners[15:, 2, 2] = 0
    faces = torch.arange(120, dtype=torch.int32).reshape(-1, 3)
    expected, found = on_both(Scene(corners.reshape(1, -1, 4), faces, (20, 30)))
    assert (expected[0].face_id >= 0).any()
    assert_same(expected, found)


@needs_device
@settings(deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=300), seeds, st.integers(1, 900), st.integers(1, 900))
def test_any_large_scene(kinds: list[str], seed: int, height: int, width: int) -> None:
    """Breaks as above, where programs run at the same time."""
    scene = build(kinds, seed, (height, width), batch=1 + seed % 3, shared=seed % 2 == 0)
    assert_same(*on_both(scene))
    assert_same(*on_both(scene, 1 + seed % 7))


def test_indices_out_of_range_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if a kernel trusts an index that nothing has checked: while a graph is captured nothing can be."""
    positions, _, size = build(["large"] * 2, 3, (9, 9))
    faces = torch.tensor([[0, 1, 2], [3, 4, 999999999], [-5, 1, 2]], dtype=torch.int32)
    with gpu_kernels() as device:
        positions, faces = positions.to(device), faces.to(device)
        with pytest.raises(IndexError, match="999999999"):
            rasterize(positions, faces, size)
        monkeypatch.setattr(importlib.import_module("repousse.ops.rasterize.gpu"), "check_indices", lambda *_: None)
        seen, facing = library.gpu_kernel("visibility")(positions, faces, None, *size, 0)
        face_id = torch.tensor([[[-1, 0, 1, 2, 3, 2**31 - 1, -(2**31)]]], dtype=torch.int32, device=device)
        bary, depth = library.gpu_kernel("barycentrics_of")(positions, faces, face_id)
        gradients = library.gpu_kernel("barycentrics_backward")(positions, faces, face_id, bary, depth).cpu()
    assert seen.unique().tolist() == [-1, 0]
    assert facing[0, 1:].tolist() == [0, 0]
    assert (bary[0, 0].abs().sum(-1) > 0).tolist() == [False, True, False, False, False, False, False]
    assert (gradients[0, 3:] == 0).all() and (gradients[0, :3] != 0).any()


def test_other_ids_on_the_same_fragments() -> None:
    """Breaks if `with_face_id` waits for a check, or pixels outside of their face differ from those of the CPU."""
    scene = build(["large", "near", "wide", "tilted"], 5, (12, 20))
    expected, found = (f[0] for f in on_both(scene))
    with gpu_kernels():
        found = with_face_id(found, found.face_id.flip(-1))
    assert_same([with_face_id(expected, expected.face_id.flip(-1))], [found])


@needs_device
def test_ids_that_do_not_exist() -> None:
    """Breaks if `with_face_id` hands on what it has not checked: other ops would read beyond the faces."""
    positions, faces, size = build(["large"] * 2, 3, (9, 9))
    with gpu_kernels() as device:
        found = rasterize(positions.to(device), faces.to(device), size)
        wrong = torch.where(found.face_id == 1, 2**31 - 1, -7)
        assert (with_face_id(found, wrong).face_id == -1).all()


@pytest.mark.parametrize("kinds", [["large", "small", "tilted"], ["near", "large", "near"]])
def test_derivatives(kinds: list[str]) -> None:
    """Breaks if autograd is not given the kernel's derivative, or that of whole or clipped faces is wrong."""
    scene = build(kinds, 4, (11, 40), batch=2)
    gradients = []
    expected = rasterize(*scene)
    g = torch.Generator().manual_seed(1)
    pulls = torch.randn(expected.bary.shape, generator=g), torch.randn(expected.depth.shape, generator=g)

    def gradient(positions: Tensor, faces: Tensor, pull_bary: Tensor, pull_depth: Tensor) -> Tensor:
        positions.requires_grad_()
        found = rasterize(positions, faces, scene.size)
        (found.bary * pull_bary).sum().add((found.depth * pull_depth).sum()).backward()
        assert positions.grad is not None
        return positions.grad.cpu()

    gradients.append(gradient(scene.positions.clone(), scene.faces, *pulls))
    with gpu_kernels() as device:
        tensors = (tensor.to(device) for tensor in (scene.positions.clone(), scene.faces, *pulls))
        gradients.append(gradient(*tensors))
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=1e-5 * float(gradients[0].abs().max()))
