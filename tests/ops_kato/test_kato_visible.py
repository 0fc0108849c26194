"""What pixels show by the released rules: the kernel against the transcription, and the rules themselves."""

import pytest
import torch
from torch import Tensor

from repousse.core import native
from repousse.ops import kato
from repousse.ops.kato import reference

BACKENDS = pytest.mark.parametrize("visible", [kato.visible, reference.visible], ids=["native", "reference"])


def scene(seed: int, low: float = 1.0) -> Tensor:
    """Faces (2, 9, 3, 3) of either orientation, some partly off the image, depths from `low` to 5."""
    generator = torch.Generator().manual_seed(seed)
    xy = torch.rand(2, 9, 3, 2, generator=generator) * 3 - 1.5
    z = low + (5 - low) * torch.rand(2, 9, 3, 1, generator=generator)
    return torch.cat([xy, z], -1)


def triangle(*corners: tuple[float, float], z: float = 2.0) -> Tensor:
    return torch.tensor([[[(x, y, z) for x, y in corners]]])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("low", [1.0, -3.0], ids=["before the camera", "around it"])
@pytest.mark.parametrize("size", [(17, 17), (70, 31)])
def test_native_equals_reference(size, low, threads):
    """Breaks if the kernel's box, bands of rows or depth test lose a pixel of any face."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for seed in range(10):
            found, expected = (visible(scene(seed, low), size, 1.5, 4) for visible in (kato.visible, reference.visible))
            assert torch.equal(found[0], expected[0])
            assert torch.allclose(found[1], expected[1], atol=1e-6)
            assert (found[0] >= 0).any()
    finally:
        torch.set_num_threads(before)


def test_bits_are_the_same_on_every_instruction_set():
    """Breaks if a build fuses multiplications and additions, which moves borders."""
    results = []
    for isa in native.instruction_sets():
        with native.use_isa(isa):
            results.append(kato.visible(scene(3), (40, 40), 1.5, 4))
    assert all(torch.equal(a, b) for found in results for a, b in zip(found, results[0], strict=True))


@BACKENDS
def test_a_face_holds_its_whole_border(visible):
    """Breaks if a centre on an edge is given to one side only, or corners are rounded."""
    halves = [triangle((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5)), triangle((-0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
    for half in halves:  # the diagonal runs through 8 centres
        assert (visible(half, (16, 16), 0.1, 100)[0] == 0).sum() == 36
    for order in (halves, halves[::-1]):  # and shows the first face
        assert (visible(torch.cat(order, 1), (16, 16), 0.1, 100)[0] == 0).sum() == 36
    c = 6 / 21  # the sides run through centres that are no binary fractions
    square = torch.cat([triangle((-c, -c), (c, -c), (c, c)), triangle((-c, -c), (c, c), (-c, c))], 1)
    assert (visible(square, (21, 21), 0.1, 100)[0] >= 0).sum() == 7**2
    for beyond, columns in ((1e-4, 7), (-1e-4, 8)):  # 0.0008 pixel to either side of the centre of column 8
        x = 1 / 16 + beyond
        assert (visible(triangle((x, -9), (9, 0), (x, 9)), (16, 16), 0.1, 100)[0][0, 8] == 0).sum() == columns


@BACKENDS
def test_what_is_not_seen(visible):
    """Breaks if clockwise, flat or broken faces appear, or faces that lie in a plane of the camera."""
    seen = triangle((-0.9, -0.9), (0.9, -0.9), (0, 0.9))
    flat = triangle((-0.9, -0.9), (0, 0), (0.9, 0.9))
    broken = seen.clone()
    broken[..., 1, 0] = torch.nan
    far = seen.clone()
    far[..., 1, 0] = torch.inf
    for hidden in (seen.flip(2), flat, broken, far):
        assert (visible(hidden, (16, 16), 0.1, 100)[0] == -1).all()
    for near, far in ((2, 100), (0.1, 2)):
        assert (visible(seen, (16, 16), near, far)[0] == -1).all()
    assert (visible(seen, (16, 16), 1.999, 2.001)[0] == 0).any()


@BACKENDS
def test_a_floor_that_reaches_behind_the_camera(visible):
    """Breaks if corners behind the camera put a face where it is not: a floor has its horizon at y = 0."""
    floor = torch.tensor([[[-30.0, -1, 40], [0, -1, -40], [30, -1, 40]]])
    corners = torch.cat([floor[..., :2] / floor[..., 2:], floor[..., 2:]], -1)[None]
    ids, bary = visible(torch.cat([corners, corners.flip(2)], 1), (16, 16), 0.5, 39)
    assert (ids[0, :8] == -1).all()
    assert (ids[0, 9:, 8] >= 0).all()
    shares = torch.cat([bary, 1 - bary.sum(-1, keepdim=True)], -1)[0, 9:, 8]
    kind = ids[0, 9:, 8].unique()
    assert len(kind) == 1  # one side of the floor
    places = shares @ (floor[0] if kind == 0 else floor[0].flip(0))
    rows = torch.arange(9, 16)
    assert torch.allclose(places[:, 1] / places[:, 2], (15 - 2 * rows) / 16, atol=1e-5)


def test_the_operator():
    """Breaks if shapes, types or the schema that torch.compile sees are off, or gradients are promised."""
    corners = scene(0).requires_grad_()
    ids, bary = kato.visible(corners, (8, 12), 0.1, 100)
    assert (ids.dtype, ids.shape, bary.shape) == (torch.int32, (2, 8, 12), (2, 8, 12, 2))
    assert not bary.requires_grad
    torch.library.opcheck(torch.ops.repousse.kato_visible.default, (corners, 8, 12, 0.1, 100.0))
    assert (kato.visible(torch.zeros(1, 0, 3, 3), (2, 2), 0.1, 100)[0] == -1).all()
    assert kato.visible(torch.zeros(0, 2, 3, 3), (2, 2), 0.1, 100)[0].shape == (0, 2, 2)
    with pytest.raises(ValueError, match="corners"):
        kato.visible(torch.zeros(1, 3, 3), (2, 2), 0.1, 100)
