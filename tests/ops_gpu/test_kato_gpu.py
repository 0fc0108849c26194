"""The ops of Kato et al. on a GPU."""

import pytest
import torch
from calls_kato import EPS, balls, frame, triangles
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_gpu import gpu_kernels
from torch import Tensor

from repousse.geometry import topology
from repousse.gradients import Kato
from repousse.ops import kato
from repousse.ops.crossings import Crossings
from repousse.ops.kato import reference
from repousse.ops.rasterize import Fragments, rasterize

pytest.importorskip("triton", reason="needs Triton: pip install triton")
from repousse.ops.gpu import worklist


def off(found: Tensor, expected: Tensor) -> float:
    return float((found.cpu().double() - expected.double()).abs().max() / expected.abs().max())


@settings(max_examples=20)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(6, 12), st.sampled_from([1.0, 0.1, -3.0]))
def test_visible(height: int, width: int, count: int, low: float) -> None:
    """Fails if a pixel shows another face than on the CPU, or the order of operations differs in any weight."""
    corners = triangles(count, low)
    expected = kato.visible(corners, (height, width), 0.5, 4)
    with gpu_kernels() as device:
        found = kato.visible(corners.to(device), (height, width), 0.5, 4)
    assert all(torch.equal(one.cpu(), two) for one, two in zip(found, expected, strict=True))


def test_fewer_programs_than_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if programs lose work, or do it twice, when there is more than each of them takes at once."""
    monkeypatch.setattr(worklist, "_PROGRAMS", 2)
    screen, faces, face_id, _, image, grad, *_ = frame(0, 2, (20, 23), 2)
    corners = triangles(9, -3.0)
    expected = kato.visible(corners, (20, 23), 0.5, 4)[0], kato.released(screen, faces, face_id, image, grad)
    with gpu_kernels() as device:
        found = kato.visible(corners.to(device), (20, 23), 0.5, 4)[0]
        swept = kato.released(*(one.to(device) for one in (screen, faces, face_id, image, grad)))
    assert torch.equal(found.cpu(), expected[0])
    assert off(swept, expected[1]) < 1e-4


@pytest.mark.parametrize("level", [0, 1])
def test_from_crossings_equals_the_reference(level: int) -> None:
    """Fails if a sweep starts, ends or is stopped by a nearer surface at another pixel than the specification says."""
    screen, _, face_id, depth, image, grad, *found = frame(level, 2, (31, 26), 2)
    arguments = (screen, Crossings(*found), face_id, depth, image, grad)
    expected = reference.from_crossings(*arguments, EPS)
    with gpu_kernels() as device:
        moved = [one.to(device) for one in (screen, *found, face_id, depth, image, grad)]
        result = kato.from_crossings(moved[0], Crossings(*moved[1:6]), *moved[6:], eps=EPS)
    assert off(result, expected) < 1e-4


def test_what_does_not_belong_together_does_no_harm() -> None:
    """Fails if ids of faces, pixels or vertices of another frame are followed: a GPU has no check that waits."""
    screen, faces, face_id, depth, image, grad, *found = frame(0, 1, (12, 12), 1)
    inner, outer, ends, *rest = found
    others = face_id.where(face_id != 3, 10**6)
    with gpu_kernels() as device:
        scene = [one.to(device) for one in (depth, image, grad)]
        on_device = screen.to(device)
        swept = kato.released(on_device, faces.to(device), others.to(device), *scene[1:])
        columns = [column.to(device) for column in (inner + 144 * (inner % 2), outer, ends * 10**6, *rest)]
        pulled = kato.from_crossings(on_device, Crossings(*columns), face_id.to(device), *scene)
        with pytest.raises(IndexError, match="`faces` holds index"):
            kato.released(on_device, faces.to(device) + 3, face_id.to(device), *scene[1:])
    assert swept.isfinite().all() and swept.any()
    assert pulled.isfinite().all()


def test_through_the_estimator() -> None:
    """Fails if the gradient does not arrive at the vertices."""
    positions, faces = balls(0, 1)
    drawn = rasterize(positions, faces, (15, 18))
    pull = torch.randn(1, 15, 18, 1, generator=torch.Generator().manual_seed(0))

    def gradient(device: str) -> Tensor:
        leaf = positions.to(device).requires_grad_()
        fragments = Fragments(*(part.to(device) for part in drawn[:4]), leaf, faces.to(device), None)
        mask = (fragments.face_id >= 0).float()[..., None]
        image = Kato("released")(mask, fragments, topology(faces))
        return torch.autograd.grad((image * pull.to(device)).sum(), leaf)[0]

    expected = gradient("cpu")
    with gpu_kernels() as device:
        found = gradient(device)
    assert off(found, expected) < 1e-4
