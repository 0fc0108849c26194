"""The default estimator against the truth: how pictures change whose pixels are integrals over their area."""

import math

import pytest
import torch
from gradients_scenes import clip, rectangle
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import cube, icosphere, join, plane, topology
from repousse.gradients import Boundary
from repousse.ops import interpolate, rasterize

SIZE = (24, 24)


def mask_gradient(positions: Tensor, faces: Tensor, pull: Tensor) -> Tensor:
    positions = positions.clone().requires_grad_()
    backend = "reference" if positions.dtype == torch.float64 else "native"
    fragments = rasterize(positions[None], faces, (pull.shape[0], pull.shape[1]), backend=backend)
    mask = (fragments.face_id >= 0).to(positions.dtype)[..., None]
    image = Boundary()(mask, fragments, topology(faces))
    return torch.autograd.grad((image[0, ..., 0] * pull).sum(), positions)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["native", "reference"])
@pytest.mark.parametrize("left", [5.2, 5.5, 5.75, 6.0])
def test_the_side_of_a_rectangle(left: float, dtype: torch.dtype) -> None:
    """Breaks if a piece goes to another pixel than the one it lies in, or its length or end points are wrong.

    A side on the border of two pixels moves the one outwards and the other inwards: half of it belongs to either.
    """
    corners, faces = rectangle(left, 4.25, 15.0, 20.0)
    pull = torch.rand(*SIZE, generator=torch.Generator().manual_seed(1)).to(dtype)
    found = mask_gradient(clip(corners, SIZE).to(dtype), faces, pull)
    by_pixels = found[:, 0] * 2 / SIZE[1]  # clip space has w = 1
    column = int(left)
    beside = pull[:, column] if left != column else (pull[:, column - 1] + pull[:, column]) / 2
    rows = torch.arange(SIZE[0])
    length = (torch.minimum(rows + 1, torch.tensor(20.0)) - torch.maximum(rows, torch.tensor(4.25))).clamp(min=0)
    assert by_pixels[[0, 3]].sum().item() == pytest.approx(-(length * beside).sum().item(), rel=1e-4)
    middle = (torch.minimum(rows + 1, torch.tensor(20.0)) + torch.maximum(rows, torch.tensor(4.25))) / 2
    lower = (middle - 4.25) / 15.75
    assert by_pixels[3].item() == pytest.approx(-(lower * length * beside).sum().item(), rel=1e-4)


@pytest.mark.parametrize("subdivisions", [2, 4, 6])
def test_growing_spheres(subdivisions: int) -> None:
    """Breaks if fine outlines lose edges or count folds twice: the area of a disc is pi r²."""
    mesh, camera = icosphere(subdivisions), Camera.look_at((0.1, 0.2, 4.0), fov=0.7)
    camera_clip = camera.project(mesh.positions, SIZE)[0]
    toward = camera.project(1.001 * mesh.positions, SIZE)[0]
    gradient = mask_gradient(camera_clip, mesh.faces, torch.ones(SIZE))
    found = (gradient * (toward - camera_clip)).sum().item() / 0.001
    d = math.sqrt(0.1**2 + 0.2**2 + 4**2)
    focal = SIZE[0] / 2 / math.tan(0.35)
    area = math.pi * focal**2 / (d**2 - 1)  # nearly a disc: the sphere is near the middle
    assert found == pytest.approx(2 * area * (1 + 1 / (d**2 - 1)), rel=0.03)


def two_cubes() -> tuple[Tensor, Tensor, Tensor]:
    angle = torch.tensor(0.6)
    turn = torch.tensor([[1, 0, 0], [0, angle.cos(), -angle.sin()], [0, angle.sin(), angle.cos()]])
    both = join([cube(), cube()])
    half = len(both.positions) // 2
    places = torch.cat([both.positions[:half] @ turn.T * 0.8 - 0.1, both.positions[half:] @ turn * 0.7 + 0.2])
    colors = 0.2 + 0.8 * torch.rand(12, 1, generator=torch.Generator().manual_seed(0))
    return places, both.faces, colors.repeat_interleave(2, 0)  # two faces to a side


def seam() -> tuple[Tensor, Tensor, Tensor]:
    sheet = plane(2.0, 3)
    colors = (sheet.positions[sheet.faces].mean(1)[:, :1] > 0.1).float() * 0.6 + 0.3
    return (
        sheet.positions @ torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(4)))[0] * 0.8,
        (sheet.faces),
        colors,
    )


def pictures(places: Tensor, faces: Tensor, colors: Tensor, camera: Camera, samples: int) -> Tensor:
    """Colour of the faces and mask, each pixel the mean of samples x samples."""
    size = SIZE[0] * samples, SIZE[1] * samples
    fragments = rasterize(camera.project(places, size), faces, size)
    drawn = torch.cat([colors, colors.new_zeros(1, 1)])[fragments.face_id.long()]
    image = torch.cat([drawn, (fragments.face_id >= 0).float()[..., None]], -1)
    return image.view(SIZE[0], samples, SIZE[1], samples, 2).double().mean((1, 3))


@pytest.mark.parametrize("scene", [two_cubes, seam])
def test_creases_seams_and_intersections(scene) -> None:
    """Breaks if a border that is no silhouette is passed over: flat shades of a solid, faces of a sheet in two colours,
    two solids through each other."""
    places, faces, colors = scene()
    camera = Camera.look_at((0.4, 0.7, 3.0), fov=0.8)
    generator = torch.Generator().manual_seed(7)
    shift, waves = torch.randn(3, generator=generator), torch.randn(3, 3, generator=generator)
    motion = shift + torch.sin(2 * places @ waves)
    step = 0.004
    ends = [pictures(places + sign * step * motion, faces, colors, camera, 24) for sign in (1, -1)]
    truth = (ends[0] - ends[1]) / (2 * step)

    count = SIZE[0] * SIZE[1]
    moved = places.expand(count, -1, -1).clone().requires_grad_()
    fragments = rasterize(camera.project(moved, SIZE), faces, SIZE)
    drawn = torch.cat([colors, colors.new_zeros(1, 1)])[fragments.face_id.long()]
    image = torch.cat([drawn, (fragments.face_id >= 0).float()[..., None]], -1)
    image = Boundary()(image, fragments, topology(faces))
    pulls = torch.eye(count).view(count, *SIZE)
    for channel in range(2):
        (gradient,) = torch.autograd.grad(image[..., channel], moved, pulls, retain_graph=True)
        found, expected = (gradient * motion).sum((1, 2)).double(), truth[..., channel].flatten()
        assert torch.cosine_similarity(found, expected, dim=0) > 0.98
        assert (found - expected).norm() < 0.2 * expected.norm()


def test_smooth_shading_is_no_crease() -> None:
    """Breaks if changes of colour inside a surface are taken for borders: their derivative would count twice."""
    sheet = plane(2.0, 3)
    colors = sheet.positions[:, :2].contiguous()
    positions = Camera.look_at((0.3, 0.5, 1.2), fov=0.8).project(sheet.positions, SIZE).requires_grad_()
    fragments = rasterize(positions, sheet.faces, SIZE)
    image = interpolate(colors, sheet.faces, fragments).detach()
    estimated = Boundary()(image, fragments, sheet.topology)
    inside = torch.nn.functional.max_pool2d((fragments.face_id < 0).float(), 5, 1, 2) == 0
    (found,) = torch.autograd.grad(estimated, positions, inside[..., None].expand_as(image).float())
    (outline,) = torch.autograd.grad(Boundary()(image, fragments, sheet.topology), positions, torch.ones_like(image))
    assert found.norm() < 0.01 * outline.norm()


@pytest.mark.parametrize("shading", ["linear", "limb"])
@pytest.mark.parametrize("left", [5.1, 5.3, 5.45, 5.6, 5.9])
def test_shading_beside_a_silhouette(left: float, shading: str) -> None:
    """Breaks if a jump is taken where the inner pixel's centre lies: shading moves along with the edge here.

    Together with the derivative at covered centres, a pixel of the edge must change by what its inner border shows.
    """
    columns = 200
    x = torch.linspace(0, 1, columns + 1, dtype=torch.float64) ** 2 * (30.0 - left)  # finer towards the left
    rise = x if shading == "linear" else x.sqrt()
    places = torch.stack([torch.stack([left + x, torch.full_like(x, y)], -1) for y in (-2.0, 30.0)], 1).flatten(0, 1)
    positions = clip(places, SIZE).float()
    positions[:, 2] = 0.5 - 0.05 * rise.repeat_interleave(2).float()
    colors = (0.2 + 0.1 * rise).repeat_interleave(2)[:, None].float()
    corner = 2 * torch.arange(columns)[:, None]
    faces = torch.cat([corner + torch.tensor([[0, 2, 1]]), corner + torch.tensor([[1, 2, 3]])]).to(torch.int32)
    positions.requires_grad_()
    fragments = rasterize(positions[None], faces, SIZE)
    image = interpolate(colors, faces, fragments)
    image = Boundary()(image, fragments, topology(faces))
    (found,) = torch.autograd.grad(image[0, 12, 5, 0], positions)
    by_shift = found[:, 0].sum().item() * 2 / SIZE[1]
    border = 6 - left if shading == "linear" else math.sqrt(6 - left)
    assert by_shift == pytest.approx(-(0.2 + 0.1 * border), rel=0.06)


def test_no_second_derivative() -> None:
    """Breaks if a second derivative is silently 0."""
    corners, faces = rectangle(5.2, 4.25, 15.0, 20.0)
    positions = clip(corners, SIZE)[None].requires_grad_()
    fragments = rasterize(positions, faces, SIZE)
    weights = torch.rand(1, *SIZE, 1, requires_grad=True)
    image = Boundary()((fragments.face_id >= 0).float()[..., None], fragments, topology(faces))
    (first,) = torch.autograd.grad((image * weights).sum(), positions, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        first.square().sum().backward()
