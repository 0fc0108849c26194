"""Creases on a GPU: which edges they are, and what they and meetings of surfaces add to the gradient."""

from typing import Any

import pytest
import torch
from calls import Call
from calls_boundary import call, drawn
from calls_crossings import turned
from calls_intersections import crossed, shown
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_gpu import DEVICE
from ops_scenes import ORDINARY, Scene, pack, scenes
from test_contract_gpu import assert_agree, by_gpu, by_native
from torch import Tensor

from repousse.geometry import cube, icosphere, topology
from repousse.ops import Fragments
from repousse.ops.boundary.reference import _Scene

pytest.importorskip("triton", reason="needs Triton: pip install triton")

from repousse.ops.boundary.gpu_creases import find_creases
from repousse.ops.boundary.gpu_outline import Scene as Frames

pytestmark = pytest.mark.filterwarnings("ignore")  # the interpreter warns of lanes that are masked off


def expected_creases(fragments: Fragments, image: Tensor) -> tuple[set[tuple[int, int]], list[bool]]:
    """By the reference: (image, edge) of each, and whether shading is flat."""
    mesh, found, flat = topology(fragments.faces, fragments.positions.shape[-2]), set(), []
    for number in range(len(image)):
        scene = _Scene(mesh, fragments, image.double(), image.double(), number)
        found |= {(number, line.edge) for line in scene.creases()}
        flat.append(scene.flat)
    return found, flat


def found_creases(one: Call) -> tuple[set[tuple[int, int]], list[bool]]:
    arguments = [value.to(DEVICE) if isinstance(value, Tensor) else value for value in one.arguments]
    positions, faces, edges, edge_faces, _, _, face_edges, _, *picture, ranges, image, grad = arguments
    frames = Frames(positions, faces, edges, edge_faces, *picture, image, grad)
    creases, flat = find_creases(frames, face_edges, None if ranges is None else ranges.cpu())
    count = int(creases.count)
    rows = torch.stack([creases.images, creases.edges], 1)[:count].tolist()
    assert len({tuple(row) for row in rows}) == count, "an edge is listed twice"
    return {(image, edge) for image, edge in rows}, flat.bool().tolist()


def shaded(fragments: Fragments, noise: float, channels: int = 2) -> Call:
    """A picture whose faces have colours of their own, and pixels another one within them by `noise`."""
    one = call("", fragments, channels, flat=True)
    *rest, image, grad = one.arguments
    generator = torch.Generator().manual_seed(2)
    return one._replace(arguments=(*rest, image + noise * torch.rand(image.shape, generator=generator), grad))


@pytest.mark.parametrize("noise", [0.0, 0.3, 3.0])
@pytest.mark.parametrize(
    "fragments",
    [turned(cube(), 2, (17, 15)), turned(icosphere(1), 3, (14, 13)), turned(icosphere(2), 1, (16, 18))],
    ids=["cube", "80 faces", "320 faces"],
)
def test_creases_are_those_of_the_reference(fragments: Fragments, noise: float) -> None:
    """Fails if jumps are told from smooth shading differently, or an edge is marked in another image."""
    one = shaded(fragments, noise)
    expected, flat = expected_creases(fragments, one.arguments[-2])
    assert expected or noise
    assert found_creases(one) == (expected, flat)


def test_creases_of_packed_meshes() -> None:
    """Fails if marks of images overlap: one mesh is drawn twice, and edges of others come before."""
    apart = [turned(mesh, 1, (16, 17)) for mesh in (icosphere(1), cube(), icosphere(2))]
    positions, faces, ranges = pack([Scene(one.positions, one.faces, (16, 17)) for one in apart])
    fragments = drawn(positions, faces, (16, 17), torch.cat([ranges, ranges[1:2]]))
    one = shaded(fragments, 0.1)
    expected, flat = expected_creases(fragments, one.arguments[-2])
    assert {number for number, _ in expected} == {0, 1, 2, 3}
    assert found_creases(one) == (expected, flat)


@settings(max_examples=6)
@given(scenes(kinds=ORDINARY, max_faces=7), st.sampled_from([0.0, 0.2]))
def test_creases_of_any_triangles(scene: Scene, noise: float) -> None:
    """Fails as above, where faces cover one another."""
    fragments = drawn(*scene)
    one = shaded(fragments, noise)
    assert found_creases(one) == expected_creases(fragments, one.arguments[-2])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient(channels: int) -> None:
    """Fails if creases or meetings are looked at or differentiated differently from the CPU."""
    for fragments in (turned(cube(), 1, (11, 10)), shown(crossed(icosphere(1)), (9, 8), 2)):
        one = shaded(fragments, 0.3, channels)
        expected: Any = by_native(one)
        assert expected[0].any()
        assert_agree(one, by_gpu(one), expected, 1e-5)
