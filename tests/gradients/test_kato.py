"""Kato's gradient: where it pulls, and the kernel against the float64 reference."""

from typing import Any

import pytest
import torch
from gradients_scenes import clip, distance, random_scene, rectangle
from ops_everywhere import per_instruction_set
from ops_scenes import build
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import icosphere, topology
from repousse.gradients import Kato
from repousse.gradients.kato import _screen
from repousse.ops import crossings, kato, rasterize
from repousse.ops.kato import reference
from repousse.render import silhouette

SIZE = (24, 30)
MODES = pytest.mark.parametrize("mode", ["crossings", "released"])


def mask_gradient(positions: Tensor, faces: Tensor, pull: Tensor, mode: Any) -> Tensor:
    """dloss/d(x, y) in clip space, y down, of a mask whose loss has the derivative `pull` (H, W)."""
    positions = positions[None].clone().requires_grad_()
    fragments = rasterize(positions, faces, (pull.shape[0], pull.shape[1]))
    mask = (fragments.face_id >= 0).float()[..., None]
    image = Kato(mode)(mask, fragments, topology(faces))
    return torch.autograd.grad((image[0, ..., 0] * pull).sum(), positions)[0][0, :, :2]


# ---- directions ------------------------------------------------------------------------------------------------------

# A square of pixels 8..15 x 8..15; corners: upper left, upper right, lower right, lower left.
SQUARE, FACES = rectangle(8.2, 8.3, 16.1, 16.2)
# Wanted pixels (rows, columns) beside it; the two corners of the edge they pull on; coordinate; sign of the gradient:
# against the direction in which the edge has to go.
SIDES = [
    pytest.param((slice(9, 15), slice(20, 26)), (1, 2), 0, -1, id="right"),
    pytest.param((slice(9, 15), slice(2, 6)), (0, 3), 0, 1, id="left"),
    pytest.param((slice(19, 23), slice(9, 15)), (2, 3), 1, -1, id="below"),
    pytest.param((slice(1, 5), slice(9, 15)), (0, 1), 1, 1, id="above"),
]


@MODES
@pytest.mark.parametrize(("where", "corners", "coordinate", "sign"), SIDES)
def test_a_wanted_square_pulls_the_nearest_edge(where, corners, coordinate: int, sign: int, mode: Any) -> None:
    """Breaks if a direction is reversed or mixed up with another, or distant pixels do not pull."""
    pull = torch.zeros(SIZE)
    pull[where] = -1  # the loss falls where these pixels are covered
    found = mask_gradient(clip(SQUARE, SIZE), FACES, pull, mode)
    assert (found[list(corners), coordinate].sign() == sign).all()
    assert not found[:, 1 - coordinate].any()
    if mode == "crossings":  # as released the diagonal between the two faces is pulled as well
        others = [corner for corner in range(4) if corner not in corners]
        assert not found[others].any()


@MODES
@pytest.mark.parametrize(("where", "corners", "coordinate", "sign"), SIDES)
def test_a_wanted_square_repels_once_it_is_unwanted(where, corners, coordinate: int, sign: int, mode: Any) -> None:
    """Breaks if pixels that are empty and should be empty pull, or covered ones that should be empty do not push."""
    pull = torch.zeros(SIZE)
    pull[where] = 1  # empty, and right so
    assert not mask_gradient(clip(SQUARE, SIZE), FACES, pull, mode).any()
    rows, columns = (slice(9, 15), slice(12, 15)) if coordinate == 0 else (slice(12, 15), slice(9, 15))
    pull = torch.zeros(SIZE)
    pull[rows, columns] = 1  # covered, but should not be
    found = mask_gradient(clip(SQUARE, SIZE), FACES, pull, mode)
    nearest, farthest = ([1, 2], [0, 3]) if coordinate == 0 else ([2, 3], [0, 1])
    assert (found[nearest, coordinate] > 0).all()  # left, or up: out of these pixels
    if mode == "crossings":
        assert (found[farthest, coordinate] < 0).all()
        assert found[nearest, coordinate].sum() > -found[farthest, coordinate].sum()


@MODES
def test_the_farther_the_weaker(mode: Any) -> None:
    """Breaks if the pull is not 1 / distance, whatever the distance."""
    found = []
    for column in (20, 24, 29):
        pull = torch.zeros(SIZE)
        pull[12, column] = -1
        found.append(mask_gradient(clip(SQUARE, SIZE), FACES, pull, mode)[1:3, 0])
        # Corner and row: the edge turns about its other corner, so half the lever in the middle.
        lever = (torch.tensor([16.2, 8.3]) - 12.5).abs() / (16.2 - 8.3)
        expected = -1 / ((column + 0.5 - 16.1) * 2 / SIZE[1] / lever + 1e-3)
        if mode == "crossings":
            torch.testing.assert_close(found[-1], expected, rtol=1e-3, atol=0)
    assert (found[0] < found[1]).all() and (found[1] < found[2]).all() and (found[2] < 0).all()


@pytest.mark.parametrize(("columns", "slope", "pulled"), [(slice(15, 19), 1.0, False), (slice(22, 28), -1.0, True)])
def test_what_a_nearer_surface_covers_does_not_pull(columns: slice, slope: float, pulled: bool) -> None:
    """Breaks if an edge is pulled to where it would not be seen, or what lies beyond that is forgotten."""
    far, faces = rectangle(4.2, 8.3, 10.1, 16.2)
    near, _ = rectangle(14.2, 4.3, 20.1, 20.2)
    positions = torch.cat([clip(far, SIZE, 0.8), clip(near, SIZE, 0.2)])
    faces = torch.cat([faces, faces + 4])
    fragments = rasterize(positions[None], faces, SIZE)
    colors = torch.tensor([0.0, 0.3, 0.3, 1.0, 1.0])[fragments.face_id.long() + 1][..., None]
    pull = torch.zeros(1, *SIZE, 1)
    pull[0, 9:15, columns] = slope  # either way the loss would fall if these pixels showed the far surface
    ndc = _screen(positions[None])
    found = crossings(positions[None], topology(faces), fragments)
    gradient = kato.from_crossings(ndc, found, fragments.face_id, fragments.depth, colors, pull)[0]
    assert (gradient[1:3, 0] < 0).all() if pulled else not gradient[:4].any()


def test_a_silhouette_over_another_surface_pulls() -> None:
    """Breaks if only borders with the background count, not those of one surface before another."""
    near, faces = rectangle(8.2, 8.3, 16.1, 16.2)
    far, _ = rectangle(1.2, 1.3, 28.1, 22.2)
    positions = torch.cat([clip(near, SIZE, 0.2), clip(far, SIZE, 0.8)])
    faces = torch.cat([faces, faces + 4])
    fragments = rasterize(positions[None], faces, SIZE)
    image = (fragments.face_id < 2).float()[..., None] * (fragments.face_id >= 0)[..., None]
    pull = torch.zeros(1, *SIZE, 1)
    pull[0, 9:15, 20:26] = -1  # these show the far surface and ought to show the near one
    found = crossings(positions[None], topology(faces), fragments)
    gradient = kato.from_crossings(_screen(positions[None]), found, fragments.face_id, fragments.depth, image, pull)[0]
    assert (gradient[1:3, 0] < 0).all() and not gradient[[0, 3, 4, 5, 6, 7]].any()


@MODES
def test_channels_are_summed_before_asking(mode: Any) -> None:
    """Breaks if channels decide one by one: what one gains and another loses is no gain."""
    positions = clip(SQUARE, SIZE)[None].requires_grad_()
    fragments = rasterize(positions, FACES, SIZE)
    mask = (fragments.face_id >= 0).float()[..., None].expand(-1, -1, -1, 2)
    pull = torch.zeros(1, *SIZE, 2)
    pull[0, 9:15, 20:26] = torch.tensor([-1.0, 1.0])
    image = Kato(mode)(mask, fragments, topology(FACES))
    assert not torch.autograd.grad((image * pull).sum(), positions)[0].any()


def test_eps_limits_the_pull() -> None:
    """Breaks if eps is not what bounds a pixel's pull."""
    scene = random_scene(3, SIZE)
    ndc = _screen(scene.positions)
    fragments = rasterize(scene.positions, scene.faces, SIZE)
    found = crossings(scene.positions, topology(scene.faces), fragments)
    image, grad = scene.pull + 0.5, scene.pull.flip(1)
    sizes = [
        kato.from_crossings(ndc, found, fragments.face_id, fragments.depth, image, grad, eps).norm()
        for eps in (1e-4, 1e-2, 1.0, 100.0)
    ]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.1 * sizes[0]


# ---- the kernel against the reference --------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:rasterize")
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [(17, 29), (33, 12), (1, 40), (40, 3)])
def test_native_equals_reference(size: tuple[int, int], channels: int) -> None:
    """Breaks if the kernel drops, doubles or misplaces a pull: occlusion, faces off the image, shared vertices, corners
    behind the camera; or if threads change its bits."""
    for seed in range(4):
        kinds = ["large", "small", "tilted", "near", "small", "large"]
        positions, faces, _ = build(kinds, seed, size, batch=2, shared=seed % 2 == 0)
        assert_native_equals_reference(positions, faces, size, channels, seed)


@pytest.mark.parametrize("size", [(20, 31), (64, 64)])
def test_native_equals_reference_for_packed_meshes(size: tuple[int, int]) -> None:
    """Breaks if vertices of packed meshes are looked up per image."""
    meshes = [build(["large", "tilted", "small"][: n + 1], n, size) for n in range(3)]
    first = torch.tensor([0, 1, 3])
    positions = torch.cat([mesh.positions[0] for mesh in meshes])
    faces = torch.cat([mesh.faces + 3 * int(f) for mesh, f in zip(meshes, first, strict=True)])
    assert_native_equals_reference(positions, faces, size, 2, 0, torch.stack([first, torch.tensor([1, 2, 3])], 1))


def test_native_equals_reference_on_a_closed_mesh() -> None:
    """Breaks if long silhouettes are split wrongly among the strips of work."""
    mesh, size = icosphere(3), (48, 60)
    positions = Camera.orbit(3.0, torch.tensor([0.3, 1.1, 2.0])).project(mesh.positions, size).contiguous()
    assert_native_equals_reference(positions, mesh.faces, size, 3, 1)


def assert_native_equals_reference(
    positions: Tensor, faces: Tensor, size: tuple[int, int], channels: int, seed: int, ranges: Tensor | None = None
) -> None:
    generator = torch.Generator().manual_seed(seed)
    fragments = rasterize(positions, faces, size, ranges=ranges)
    found = crossings(positions, topology(faces), fragments)
    image = torch.rand(*fragments.face_id.shape, channels, generator=generator)
    grad = torch.randn(image.shape, generator=generator)
    given = _screen(positions), found, fragments.face_id, fragments.depth, image, grad
    expected = reference.from_crossings(*given)
    assert expected.dtype == torch.float64 and expected.shape == positions[..., :2].shape
    for isa, (native,) in per_instruction_set(lambda: (kato.from_crossings(*given),)).items():
        if len(found.inner):
            assert distance(native, expected) < 1e-4, f"{isa}: {distance(native, expected)} from the reference"
        else:
            assert not native.any()


def test_the_gradient_passes_through_the_projection() -> None:
    """Breaks if clip space is not reached by the chain rule of x / w and -y / w."""
    scene = random_scene(9, SIZE)
    positions = (scene.positions * torch.linspace(0.5, 2, 12)[None, :, None]).requires_grad_()
    fragments = rasterize(positions, scene.faces, SIZE)
    found = crossings(positions, topology(scene.faces), fragments)
    image = Kato()(scene.pull + 0.5, fragments, topology(scene.faces))
    grad = scene.pull.flip(2)
    (gradient,) = torch.autograd.grad((image * grad).sum(), positions)
    given = _screen(positions.detach()), found, fragments.face_id, fragments.depth, scene.pull + 0.5, grad
    screen = reference.from_crossings(*given)
    x, y, _, w = positions.detach().double().unbind(-1)
    gx, gy = screen[..., 0] / w, -screen[..., 1] / w
    expected = torch.stack([gx, gy, torch.zeros_like(gx), -(gx * x + gy * y) / w], -1)
    assert distance(gradient, expected) < 1e-4


@MODES
def test_float64_is_for_the_reference(mode: Any) -> None:
    """Breaks if positions that the reference has drawn in float64 lose digits, or have no gradient."""
    scene = random_scene(4, SIZE)
    gradients = []
    for dtype, backend in ((torch.float32, "native"), (torch.float64, "reference")):
        positions = scene.positions.to(dtype).requires_grad_()
        fragments = rasterize(positions, scene.faces, SIZE, backend=backend)
        image = Kato(mode)(scene.pull.to(dtype) + 0.5, fragments, topology(scene.faces))
        gradients.append(torch.autograd.grad((image * scene.pull.flip(1)).sum(), positions)[0])
    assert gradients[1].dtype == torch.float64
    assert distance(*gradients) < 1e-4


# ---- use -------------------------------------------------------------------------------------------------------------


@MODES
@pytest.mark.parametrize("shift", [(0.5, -0.4, 0.0), (-0.9, 0.6, 0.0), (1.2, 0.0, 0.0)])
def test_a_sphere_finds_its_place(shift: tuple[float, float, float], mode: Any) -> None:
    """Breaks if descent along the gradient does not lead a silhouette onto one that it overlaps in part."""
    mesh, camera = icosphere(2), Camera.orbit(4.0)

    def draw(offset: Tensor) -> Tensor:
        return silhouette(mesh.with_positions(mesh.positions + offset), camera, (64, 64), gradient=Kato(mode))

    target = draw(torch.tensor(shift)).detach()
    offset = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.Adam([offset], lr=0.04)
    overlap = []
    for _ in range(99):
        optimizer.zero_grad()
        mask = draw(offset)
        overlap.append((mask * target).sum().item() / torch.maximum(mask, target).sum().item())
        (mask - target).square().sum().backward()
        optimizer.step()
    assert overlap[0] < 0.6 and max(overlap) > 0.97
