"""The derivative by edges that are seen: the kernel against the reference, under every setting."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_everywhere import everywhere, same_bits
from ops_scenes import KINDS, Scene, build, pack, scenes, seeds
from torch import Tensor

from repousse.geometry import cube, icosphere, topology
from repousse.ops import Fragments, interpolate, rasterize
from repousse.ops.boundary import boundary, reference

pytestmark = pytest.mark.filterwarnings("ignore")  # faces that are not finite are reported by a warning
CHANNELS = 2


def draws(fragments: Fragments, seed: int, flat: bool) -> tuple[Tensor, Tensor]:
    """An image, of one colour per face or smooth on each face, and a gradient of the loss by it."""
    generator = torch.Generator().manual_seed(seed)
    size = fragments.face_id.shape
    if flat:
        image = torch.rand(len(fragments.faces) + 1, CHANNELS, generator=generator)[fragments.face_id.long()]
    else:
        colors = torch.rand(fragments.positions.shape[-2], CHANNELS, generator=generator)
        image = interpolate(colors, fragments.faces, fragments)
    return image, torch.randn(*size, CHANNELS, generator=generator)


def assert_near(found: Tensor, expected: Tensor) -> None:
    scale = expected.abs().max().clamp(min=1e-6)
    torch.testing.assert_close(found.double() / scale, expected / scale, rtol=0, atol=2e-5)


@settings(deadline=None, max_examples=40)
@given(scenes(), seeds, st.booleans())
def test_the_kernel_is_the_reference(scene: Scene, seed: int, flat: bool) -> None:
    """Breaks if an edge is judged, clipped, cut, looked at or differentiated differently on any instruction set."""
    fragments, edges = rasterize(*scene), topology(scene.faces)
    image, grad = draws(fragments, seed, flat)
    (found,) = everywhere(lambda: (boundary(edges, fragments, image, grad),))
    assert_near(found, reference.boundary(edges, fragments, image, grad))


@pytest.mark.parametrize("mesh", [cube(), icosphere(1), icosphere(2)], ids=["cube", "80 faces", "320 faces"])
@pytest.mark.parametrize("flat", [False, True], ids=["smooth", "flat"])
def test_solids(mesh, flat: bool) -> None:
    """Breaks as above where many faces meet, are small, or hide one another."""
    generator = torch.Generator().manual_seed(1)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator))[0]
    places = torch.cat([mesh.positions @ turn * 0.6, mesh.positions * 0.5 + 0.3])
    clip = torch.cat(
        [places * torch.tensor([0.8, 0.8, -0.3]) + torch.tensor([0, 0, 0.5]), torch.ones(len(places), 1)], 1
    )
    faces = torch.cat([mesh.faces, mesh.faces + len(mesh.positions)])
    edges, fragments = topology(faces), rasterize(clip[None], faces, (22, 19))
    image, grad = draws(fragments, 3, flat)
    found = boundary(edges, fragments, image, grad)
    assert_near(found, reference.boundary(edges, fragments, image, grad))
    assert found.any()


@settings(deadline=None, max_examples=10)
@given(st.lists(st.sampled_from(KINDS), min_size=2, max_size=9), seeds, st.integers(2, 5))
def test_a_batch_is_its_images_one_by_one(kinds: list[str], seed: int, batch: int) -> None:
    """Breaks if images share state or pixel indices are not offset."""
    scene = build(kinds, seed, (21, 34), batch, shared=True)
    edges, fragments = topology(scene.faces), rasterize(*scene)
    image, grad = draws(fragments, seed, True)
    together = boundary(edges, fragments, image, grad)
    for one in range(batch):
        part = slice(one, one + 1)
        alone = boundary(edges, rasterize(scene.positions[part], scene.faces, scene.size), image[part], grad[part])
        assert same_bits(together[part], alone)


@settings(deadline=None, max_examples=10)
@given(st.lists(scenes(max_batch=1, max_faces=5), min_size=1, max_size=3), seeds)
def test_packed_meshes_are_treated_as_if_separate(parts: list[Scene], seed: int) -> None:
    """Breaks if an edge is walked in another image than that of its first face."""
    size = parts[0].size
    positions, faces, ranges = pack(parts)
    edges, fragments = topology(faces), rasterize(positions, faces, size, ranges=ranges)
    image, grad = draws(fragments, seed, True)
    (found,) = everywhere(lambda: (boundary(edges, fragments, image, grad),))
    assert_near(found, reference.boundary(edges, fragments, image, grad))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2, 2), (3, 33)])
def test_images_without_room(size: tuple[int, int]) -> None:
    """Breaks if pixels outside of the image are read: every neighbour may be missing."""
    scene = build(list(KINDS), 5, size)
    edges, fragments = topology(scene.faces), rasterize(*scene)
    image, grad = draws(fragments, 2, True)
    (found,) = everywhere(lambda: (boundary(edges, fragments, image, grad),))
    assert_near(found, reference.boundary(edges, fragments, image, grad))


def test_edges_without_length() -> None:
    """Breaks if an edge whose ends fall on one point, a pixel's centre, divides by its length."""
    corner = [[-0.5, -0.5, 0.1, 1], [0.5, -0.5, 0.2, 1], [-0.5, 0.5, 0.3, 1]]
    positions = torch.tensor([[*corner, [-0.5, -0.5, 0.2, 1]]]) + torch.tensor([1 / 16, 1 / 16, 0, 0])
    faces = torch.tensor([[0, 1, 2], [0, 3, 1]], dtype=torch.int32)
    edges, fragments = topology(faces), rasterize(positions, faces, (16, 16))
    image, grad = draws(fragments, 1, False)
    found = boundary(edges, fragments, image, grad)
    assert found.isfinite().all()
    assert_near(found, reference.boundary(edges, fragments, image, grad))


def test_what_does_not_belong_together() -> None:
    """Breaks if bad input reaches the kernel."""
    scene = build(list(KINDS), 0, (8, 9))
    edges, fragments = topology(scene.faces), rasterize(*scene)
    image, grad = draws(fragments, 0, True)
    with pytest.raises(ValueError, match=r"`image` must be \(B, H, W, C\) with \(B, H, W\) = \(1, 8, 9\)"):
        boundary(edges, fragments, image[:, :4], grad)
    with pytest.raises(ValueError, match="describes 1 faces"):
        boundary(topology(scene.faces[:1]), fragments, image, grad)
    with pytest.raises(ValueError, match="built from other faces"):
        boundary(topology(scene.faces.roll(1, 0)), fragments, image, grad)
    with pytest.raises(ValueError, match="`grad`"):
        boundary(edges, fragments, image, grad[..., :1])
