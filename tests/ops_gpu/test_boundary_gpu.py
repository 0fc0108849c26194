"""The derivative by edges that are seen, on a GPU: as an estimator, and where its lists could go wrong."""

from typing import Any

import pytest
import torch
from calls import Call
from calls_boundary import call, drawn, squares
from calls_crossings import fan, turned
from ops_gpu import gpu_kernels
from ops_scenes import KINDS, Scene, build
from test_contract_gpu import assert_agree, by_gpu, by_native, deterministic_algorithms
from torch import Tensor

from repousse.geometry import icosphere, topology
from repousse.gradients import Boundary
from repousse.ops import Fragments

pytest.importorskip("triton", reason="needs Triton: pip install triton")

from repousse.ops.boundary import gpu, gpu_parts
from repousse.ops.boundary.gpu_pixels import PixelLists

pytestmark = pytest.mark.filterwarnings("ignore")  # the interpreter warns of lanes that are masked off


def band(size: tuple[int, int], rise: float, thickness: float) -> Fragments:
    """A face across the whole image, `thickness` pixels high in the middle, before a wall on its right half."""
    height, width = size
    corners = torch.tensor([[-2.0, 2.0], [width + 2, 2 + rise], [width + 2, 2 + rise + thickness]])
    wall = torch.tensor([[width / 2, -1.0], [2.0 * width, -1.0], [width / 2, 3.0 * height]])
    xy = torch.cat([corners, wall]) / torch.tensor([width / 2, height / 2]) - 1
    z = torch.tensor([0.3, 0.3, 0.3, 0.6, 0.6, 0.6])
    return drawn(torch.cat([xy, z[:, None], torch.ones(6, 1)], 1)[None], torch.arange(6).reshape(2, 3), size)


def estimated(fragments: Fragments, image: Tensor, grad: Tensor, device: str) -> Tensor:
    """The gradient by positions that the estimator gives."""
    positions = fragments.positions.to(device).requires_grad_()
    found = [part.to(device) for part in fragments[:4]]
    there = Fragments(found[0], found[1], found[2], found[3], positions, fragments.faces.to(device), fragments.ranges)
    described = topology(there.faces)
    (gradient,) = torch.autograd.grad(
        (Boundary()(image.to(device), there, described) * grad.to(device)).sum(), positions
    )
    return gradient.cpu()


@pytest.mark.parametrize(
    "fragments",
    [turned(icosphere(1), 2, (14, 15)), fan((12, 10)), squares((9, 12))],
    ids=["sphere", "non-manifold", "borders of pixels"],
)
def test_the_estimator(fragments: Fragments) -> None:
    """Fails if the estimator calls the op with what only a CPU has, or another gradient arrives at the positions."""
    *_, image, grad = call("", fragments).arguments
    expected = estimated(fragments, image, grad, "cpu")
    with gpu_kernels() as device:
        found = estimated(fragments, image, grad, device)
    assert expected.any()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("seed", range(3))
def test_unfriendly_triangles(seed: int) -> None:
    """Fails if an edge is judged, clipped, cut, looked at or differentiated differently from the CPU."""
    kinds = [KINDS[(5 * seed + 3 * index) % len(KINDS)] for index in range(6)]
    scene: Scene = build(kinds, seed, (8 + 3 * seed, 12 - seed), 1 + seed % 2, shared=seed == 1)
    one = call("", drawn(*scene), 2, flat=seed == 2)
    assert_agree(one, by_gpu(one), by_native(one), 1e-5)


@pytest.mark.parametrize(
    ("kinds", "seed", "size"),
    [
        (["lattice", "sliver", "sliver", "lattice"], 7, (8, 10)),
        (["tilted", "copy", "tilted", "sliver"], 21, (7, 9)),
    ],
    ids=["surfaces that end before the inner pixel", "common vertices and equal depths"],
)
def test_outlines_that_cross(kinds: list[str], seed: int, size: tuple[int, int]) -> None:
    """Fails if it matters not how deep outlines between an edge and the pixels beside it lie, or whose they are."""
    one = call("", drawn(*build(kinds, seed, size, shared=True)), 1)
    assert_agree(one, by_gpu(one), by_native(one), 1e-5)


@pytest.mark.parametrize(("rise", "thickness"), [(3.0, 0.4), (0.4, 0.1)], ids=["aliased", "never seen"])
def test_long_lines(rise: float, thickness: float) -> None:
    """Fails if the parts of a line that many programs look at lose their neighbours, from which they take colours."""
    one = call("", band((6, 300), rise, thickness))
    expected = by_native(one)
    assert expected[0].any()
    assert_agree(one, by_gpu(one), expected, 1e-5)


def test_neighbours_at_equal_distances() -> None:
    """Fails if, of two parts as far away, another one lends its colour than on the CPU."""
    step = [[0.0, 2.25], [8, 2.25], [0, 6], [8, 6]]  # its upper edge is cut into eight equal pieces
    speck = [[4.1, 1.2], [4.9, 1.2], [4.6, 1.95]]  # hides what lies behind the fifth
    wall = [[-9.0, -9], [30, -9], [-9, 30]]
    xy = torch.tensor(step + speck + wall) / 4 - 1
    z = torch.tensor([0.3] * 4 + [0.5] * 3 + [0.7] * 3)
    faces = torch.tensor([[0, 1, 2], [1, 3, 2], [4, 5, 6], [7, 8, 9]])
    one = call("", drawn(torch.cat([xy, z[:, None], torch.ones(10, 1)], 1)[None], faces, (8, 8)), 1)
    assert_agree(one, by_gpu(one), by_native(one), 1e-5)


@pytest.mark.parametrize("deterministic", [False, True], ids=["atomics", "deterministic"])
@pytest.mark.parametrize("what", ["pieces", "parts"])
def test_too_little_room_is_told(what: str, deterministic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if lists that overflow write outside of their memory, or give a gradient that looks like one."""
    one = call("", squares((11, 14)))
    edges = one.arguments[2].shape[0]

    def room(scene: Any, most: int) -> int:
        is_of_parts = most > 2 * edges * (11 + 14 + 1)
        return 5 if is_of_parts == (what == "parts") else most

    monkeypatch.setattr(gpu, "room_for", room)
    torch.use_deterministic_algorithms(deterministic)
    try:
        (found,) = by_gpu(one)
    finally:
        torch.use_deterministic_algorithms(False)
    assert found.isnan().all()


def test_the_order_of_lists_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if results depend on the order in which atomics have put the pieces of a pixel into its list."""
    one: Call = call("", turned(icosphere(1), 1, (7, 8)), 1)
    expected = by_gpu(one)
    link = gpu_parts.link_pieces

    def turn_round(*arguments: Any) -> PixelLists:
        lists = link(*arguments)
        first, following = lists.first.tolist(), lists.following.tolist()
        turned_round = list(following)
        for pixel, piece in enumerate(first):
            before = -1
            while piece >= 0:
                turned_round[piece], before, piece = before, piece, following[piece]
            first[pixel] = before
        return PixelLists(lists.first.new_tensor(first), lists.following.new_tensor(turned_round))

    monkeypatch.setattr(gpu_parts, "link_pieces", turn_round)
    with deterministic_algorithms():
        assert_agree(one, by_gpu(one), expected, 1e-6)
