"""Visual hulls: what masks leave of a box."""

import functools
import math

import pytest
import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import Mesh, icosphere, torus
from repousse.render import silhouette
from repousse.voxels import VoxelGrid, visual_hull, voxel_iou, voxelize
from repousse.voxels.hull import signed_distance

BOX = ((-1.3, -1.3, -1.3), (1.3, 1.3, 1.3))
SIZE = (96, 96)


def cameras(count: int = 20) -> Camera:
    number = torch.arange(count, dtype=torch.float64)
    elevation, azimuth = torch.asin(1 - (2 * number + 1) / count), number * math.pi * (3 - math.sqrt(5))
    return Camera.orbit(3.5, elevation, azimuth, fov=math.radians(40)).to(torch.float32)


@functools.cache
def case(name: str) -> tuple[Mesh, Camera, Tensor]:
    mesh = {"sphere": lambda: icosphere(4), "torus": torus}[name]()
    return mesh, cameras(), silhouette(mesh, cameras(), SIZE, gradient=None, supersample=3)


def genus(mesh: Mesh) -> float:
    topology = mesh.topology
    assert topology.is_closed and bool(topology.consistent.all())
    return 1 - (len(mesh.positions) - len(topology.edges) + len(mesh.faces)) / 2


def solid(mesh: Mesh) -> VoxelGrid:
    return voxelize(mesh, 64, bounds=BOX)


def overlap(mesh: Mesh, camera: Camera, mask: Tensor) -> Tensor:
    seen = silhouette(mesh, camera, (mask.shape[1], mask.shape[2]), gradient=None, supersample=3)
    return torch.minimum(seen, mask).sum((1, 2)) / torch.maximum(seen, mask).sum((1, 2))


@pytest.mark.parametrize(("name", "holes"), [("sphere", 0), ("torus", 1)])
def test_hull_of_a_known_shape(name: str, holes: int) -> None:
    """Breaks if the hull is shifted, too small, too large, open, inside out, or has lost its hole."""
    mesh, camera, mask = case(name)
    hull = visual_hull(mask, camera, resolution=48)
    assert genus(hull) == holes
    truth, found = solid(mesh), solid(hull)
    assert voxel_iou(truth, found) > 0.965
    contained = (truth.occupied & found.occupied).sum() / truth.occupied.sum()
    assert contained > 0.985
    assert overlap(hull, camera, mask).min() > 0.98
    assert (hull.positions.mean(0)).abs().max() < 0.02


def test_grown_hulls_contain_the_shape() -> None:
    """Breaks if `grow` does not keep all of the shape, or is in other units than cells."""
    mesh, camera, mask = case("sphere")
    hull = visual_hull(mask, camera, resolution=32, bounds=BOX, grow=1.0)
    truth, found = solid(mesh), solid(hull)
    assert not (truth.occupied & ~found.occupied).any()
    assert hull.positions.norm(dim=1).mean() == pytest.approx(1 + 2.6 / 32, abs=0.02)


def test_bounds_and_batches() -> None:
    """Breaks if given bounds are not kept, or another dtype or a mask that needs gradients is refused."""
    _, camera, mask = case("sphere")
    box = ((-2, -2, 0), (2, 2, 2))
    half = visual_hull(mask.clone().requires_grad_(), camera.to(torch.float64), resolution=24, bounds=box)
    assert genus(half) == 0
    assert half.positions[:, 2].amin() > -0.1 and half.positions[:, :2].abs().amax() == pytest.approx(1, abs=0.08)
    assert half.positions.dtype == torch.float32 and not half.positions.requires_grad


@pytest.mark.parametrize("kind", ["small", "empty corner", "everything"])
def test_a_wrong_mask_is_left_out(kind: str) -> None:
    """Breaks if one mask that contradicts the others bites into the hull."""
    mesh, camera, mask = case("torus")
    wrong = mask.clone()
    wrong[3] = 1.0 if kind == "everything" else 0.0
    if kind == "small":
        wrong[3, 40:50, 40:50] = 1
    elif kind == "empty corner":
        wrong[3, :10, :10] = 1
    found = visual_hull(wrong, camera, resolution=40)
    assert voxel_iou(solid(mesh), solid(found)) > 0.95
    if kind == "small":
        bitten = visual_hull(wrong, camera, resolution=40, bounds=BOX, robust=False)
        assert voxel_iou(solid(mesh), solid(bitten)) < 0.5


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_worlds_of_other_sizes(scale: float) -> None:
    """Breaks if the search for bounds expects objects of about one unit, or at the origin."""
    mesh, _, _ = case("sphere")
    offset = torch.tensor([3.0, -7.0, 2.0]) * scale
    moved = mesh.with_positions(mesh.positions * scale + offset)
    number = torch.arange(10.0)
    near, far = 0.01 * scale, 100 * scale
    camera = Camera.orbit(3.5 * scale, number / 4 - 1, number * 2.4, target=offset, fov=0.8, near=near, far=far)
    mask = silhouette(moved, camera, (64, 48), gradient=None, supersample=2)
    hull = visual_hull(mask, camera, resolution=32)
    radius = (hull.positions - offset).norm(dim=1) / scale
    assert radius.min() > 0.93 and radius.max() < 1.35
    assert overlap(hull, camera, mask).min() > 0.95


def test_the_frame_may_cut_the_object_off() -> None:
    """Breaks if what lies outside of a picture counts as empty although the mask reaches the picture's border."""
    mesh, camera, mask = case("sphere")
    close = Camera.orbit(1.9, torch.tensor([0.0, 0.5, -0.5]), torch.tensor([0.0, 2.0, 4.0]), fov=0.5)
    cut = silhouette(mesh, close, SIZE, gradient=None)
    assert bool((cut[:, 0] >= 0.5).any())
    hull = visual_hull(torch.cat((mask, cut)), Camera.stack([camera, close]), resolution=32)
    assert voxel_iou(solid(mesh), solid(hull)) > 0.94


def test_orthographic_cameras() -> None:
    """Breaks if the size of a pixel is taken to grow with the distance for them too."""
    mesh, _, _ = case("sphere")
    number = torch.arange(12.0)
    camera = Camera.orbit(5.0, number / 5 - 1.1, number * 2.4, extent=2.6)
    mask = silhouette(mesh, camera, SIZE, gradient=None, supersample=2)
    hull = visual_hull(mask, camera, resolution=32)
    assert hull.positions.norm(dim=1).min() > 0.95 and overlap(hull, camera, mask).min() > 0.97


def test_thin_parts_stay() -> None:
    """Breaks if a plate that no picture from the side covers by half a pixel is cut away."""
    plate = icosphere(3)
    plate = plate.with_positions(plate.positions * torch.tensor([1.0, 0.004, 1.0]))
    camera = cameras(16)
    level = Camera.orbit(3.5, torch.zeros(8), torch.arange(8.0), fov=math.radians(40))
    both = Camera.stack([camera, level])
    mask = silhouette(plate, both, SIZE, gradient=None, supersample=8)
    assert mask[-1].max() < 0.5
    hull = visual_hull(mask, both, resolution=48, grow=0.5)
    assert hull.positions[:, [0, 2]].abs().amax(0).min() > 0.9 and hull.positions[:, 1].abs().max() < 0.1


def test_distances_on_a_picture() -> None:
    """Breaks if the outline is half a pixel off, or coverage between 0 and 1 does not move it."""
    mask = torch.zeros(9, 12)
    mask[:, 6:] = 1
    found = signed_distance(mask)
    assert torch.allclose(found, (torch.arange(12.0) - 5.5).expand(9, 12))
    for coverage, columns, expected in ((0.3, slice(5, 7), [-0.2, 0.8]), (0.8, slice(4, 6), [-0.7, 0.3])):
        mask[:, 5] = coverage
        found = signed_distance(mask)[:, columns]
        assert torch.allclose(found, torch.tensor(expected).expand(9, 2), atol=1e-6)
    assert signed_distance(torch.ones(4, 5)).min() > 5 and signed_distance(torch.zeros(4, 5)).max() < -5


@pytest.mark.parametrize(
    ("mask", "camera", "options", "message"),
    [
        (torch.ones(20, 8, 8, 1), cameras(), {}, "must be a float tensor"),
        (torch.ones(20, 8, 8, dtype=torch.bool), cameras(), {}, "must be a float tensor"),
        (torch.ones(19, 8, 8), cameras(), {}, "must be 19 cameras, one for each mask, got 20"),
        (torch.ones(20, 8, 8), None, {}, "got NoneType"),
        (torch.ones(20, 8, 8), cameras(), {"resolution": 2}, "`resolution`"),
        (torch.ones(20, 8, 8), cameras(), {"bounds": ((0, 0, 0), (1, -1, 1))}, "low < high"),
        (torch.ones(1, 8, 8), cameras()[:1], {}, "one mask does not say how far away"),
        (torch.full((20, 8, 8), math.nan), cameras(), {}, "not finite"),
        (torch.zeros(20, 8, 8), cameras(), {}, "mask 0 is empty"),
        (torch.ones(20, 8, 8), cameras(), {"bounds": ((90, 0, 0), (91, 1, 1)), "resolution": 8}, "nothing in common"),
    ],
)
def test_what_no_hull_is_made_of(mask, camera, options: dict, message: str) -> None:
    """Breaks if masks and cameras that do not fit together give a shape."""
    with pytest.raises((TypeError, ValueError), match=message):
        visual_hull(mask, camera, **options)


def test_masks_and_cameras_that_do_not_belong_together() -> None:
    """Breaks if contradictions end in an empty mesh or another library's error."""
    _, camera, _ = case("sphere")
    mask = torch.zeros(20, 64, 64)
    for number in range(20):  # in another corner of each picture
        mask[number, (number % 4) * 16 : (number % 4) * 16 + 8, (number // 4) * 12 : (number // 4) * 12 + 8] = 1
    with pytest.raises(ValueError, match="nothing in common"):
        visual_hull(mask, camera)
