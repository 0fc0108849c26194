"""`Edge` and `Antialias` against the truth: central differences of supersampled hard pictures."""

from collections.abc import Callable

import pytest
import torch
from gradients_scenes import clip, distance, rectangle
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import Mesh, cube, icosphere, join, plane, topology, torus
from repousse.gradients import Antialias, Edge, Estimator
from repousse.gradients.places import places
from repousse.ops import Fragments, rasterize

SIZE = (48, 48)
SAMPLES = 12
BOTH = pytest.mark.parametrize("estimator", [Antialias(), Edge()], ids=str)
Project = Callable[[Tensor], Tensor]


def draw(positions: Tensor, faces: Tensor, colors: Tensor, size: tuple[int, int] = SIZE) -> tuple[Fragments, Tensor]:
    """Fragments and a picture (1, H, W, 4): a colour per face, and the mask."""
    fragments = rasterize(positions.contiguous(), faces, size)
    known = torch.cat([torch.zeros(1, 4), torch.cat([colors, torch.ones(len(faces), 1)], 1)])
    return fragments, known[fragments.face_id.long() + 1]


def averaged(positions: Tensor, faces: Tensor, colors: Tensor) -> Tensor:
    """(1, H, W, 4) float64: the mean of SAMPLES² samples per pixel."""
    height, width = SIZE
    _, image = draw(positions, faces, colors, (height * SAMPLES, width * SAMPLES))
    return image.double().view(1, height, SAMPLES, width, SAMPLES, 4).mean((2, 4))


def slopes() -> Tensor:
    """A smooth gradient of some loss by the picture."""
    noise = torch.randn(1, 4, *SIZE, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.avg_pool2d(noise, 9, 1, 4, count_include_pad=False).movedim(1, -1)


def agreement(estimator: Estimator, project: Project, at: Tensor, faces: Tensor, colors: Tensor) -> tuple[float, float]:
    """Cosine and relative error of the derivatives along random directions of the parameters `at`."""
    generator = torch.Generator().manual_seed(4)
    directions, step, pull = torch.randn(6, *at.shape, generator=generator), 4e-3, slopes()
    truth = []
    for direction in directions:
        more, less = (averaged(project(at + sign * step * direction), faces, colors) for sign in (1, -1))
        truth.append(((more - less) * pull).sum() / (2 * step))
    parameters = at.clone().requires_grad_()
    fragments, image = draw(project(parameters), faces, colors)
    loss = (estimator(image, fragments, topology(faces)) * pull).sum()
    (gradient,) = torch.autograd.grad(loss, parameters)
    found, expected = (directions * gradient).flatten(1).sum(1).double(), torch.stack(truth)
    cosine = torch.cosine_similarity(found, expected, 0).item()
    return cosine, ((found - expected).norm() / expected.norm()).item()


def scaled(mesh: Mesh, scale: float, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    return mesh.with_positions(mesh.positions * scale + torch.tensor(shift))


def tilted(mesh: Mesh) -> Mesh:
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))[0]
    return mesh.with_positions(mesh.positions @ turn.T)


SCENES = {
    "a solid": (scaled(cube(), 0.6), None),
    "a smooth surface": (scaled(icosphere(3), 0.8), None),
    "an open boundary": (tilted(plane()), None),
    "one surface before itself": (torus(), None),
    "two quads through one another": (join([plane(), tilted(plane())]), (2, 2)),
    "two solids through one another": (
        join([scaled(cube(), 0.5), scaled(tilted(cube()), 0.45, (0.4, 0.2, 0.1))]),
        (12, 12),
    ),
    "two smooth surfaces through one another": (
        join([scaled(icosphere(3), 0.6, (-0.3, 0, 0)), scaled(icosphere(3), 0.5, (0.4, 0.2, 0.1))]),
        (1280, 1280),
    ),
}


def scene(name: str) -> tuple[Mesh, Tensor]:
    """The mesh, and colours that are the same all over each part: what moves is borders only."""
    mesh, parts = SCENES[name]
    colors = torch.tensor([[0.9, 0.4, 0.2], [0.1, 0.5, 0.8]])
    counts = torch.tensor(parts or (len(mesh.faces),))
    return mesh, colors[: len(counts)].repeat_interleave(counts, 0)


@BOTH
@pytest.mark.parametrize("name", SCENES)
def test_camera_parameters(name: str, estimator: Estimator) -> None:
    """Breaks if a kind of border (silhouette, occlusion, open boundary, intersection) is missed, counted twice or moves
    otherwise than the mesh does, or the chain to distance, elevation, azimuth and target is broken."""
    mesh, colors = scene(name)

    def project(turn: Tensor) -> Tensor:
        camera = Camera.orbit(4.2 + turn[0], 0.5 + turn[1], 0.4 + turn[2], target=turn[3:])
        return camera.project(mesh.positions, SIZE)

    cosine, error = agreement(estimator, project, torch.zeros(6), mesh.faces, colors)
    assert cosine > 0.99 and error < 0.2


@BOTH
@pytest.mark.parametrize("name", ["a solid", "an open boundary", "two quads through one another"])
def test_vertices(name: str, estimator: Estimator) -> None:
    """Breaks if the motion of a border is shared wrongly among the vertices that carry it."""
    mesh, colors = scene(name)
    camera = Camera.orbit(4.2, 0.5, 0.4)
    cosine, error = agreement(estimator, lambda p: camera.project(p, SIZE), mesh.positions, mesh.faces, colors)
    assert cosine > 0.99 and error < 0.16


def test_an_edge_with_an_end_behind_the_camera() -> None:
    """Breaks if its visible part is placed by a division by the depth of that end, or gives NaN."""
    mesh = plane()  # a floor that ends behind the eye
    camera = Camera.look_at((0.1, 0.5, 0.2), (0.0, 0.3, -1.0), fov=1.2)

    def project(shift: Tensor) -> Tensor:
        return camera.project(mesh.positions * torch.tensor([0.3, 1.0, 2.0]) + shift, SIZE)

    colors = torch.full((2, 3), 0.7)
    assert (project(torch.zeros(3))[0, :, 3] < 0).any()
    cosine, error = agreement(Edge(), project, torch.zeros(3), mesh.faces, colors)
    assert cosine > 0.98 and error < 0.16


# ---- what the two have in common, and where they differ --------------------------------------------------------------


def test_the_place_of_an_upright_edge() -> None:
    """Breaks if an edge's motion in pixels is off by a factor, a sign or an axis."""
    corners, faces = rectangle(8.2, 8.3, 16.1, 16.2)
    positions = clip(corners, SIZE)[None].requires_grad_()
    fragments, image = draw(positions, faces, torch.ones(2, 3))
    found = places(image, fragments, topology(faces))
    assert len(found.inner) == 4 * 8 and not found.slant.any()
    sides = [(found.inner % 48 == 15) & (found.outer % 48 == 16), (found.inner // 48 == 8) & (found.outer // 48 == 7)]
    for rows, offset, coordinate, sign in zip(sides, (0.6, 0.2), (0, 1), (1, -1), strict=True):
        torch.testing.assert_close(found.offset[rows], torch.full((8,), offset), atol=1 / 256, rtol=0)
        (gradient,) = torch.autograd.grad(found.offset[rows].sum(), positions, retain_graph=True)
        expected = torch.tensor(sign * 8 * SIZE[coordinate] / 2)
        torch.testing.assert_close(gradient[..., coordinate].sum(), expected)
        assert not gradient[..., 1 - coordinate].any()


def test_the_area_of_a_rectangle() -> None:
    """Breaks if the picture of a mask does not add up to its area, to within its corners."""
    for seed in range(6):
        x0, y0, x1, y1 = (
            torch.rand(4, generator=torch.Generator().manual_seed(seed)) * 8 + torch.tensor([8, 8, 28, 28])
        ).tolist()
        corners, faces = rectangle(x0, y0, x1, y1)
        positions = clip(corners, SIZE)[None]
        fragments, image = draw(positions, faces, torch.ones(2, 3))
        smooth = Antialias()(image, fragments, topology(faces))[..., 3]
        area = (x1 - x0) * (y1 - y0)
        assert abs(smooth.sum() - area) < 1
        assert abs(smooth.sum() - area) < abs(image[..., 3].sum() - area) or abs(image[..., 3].sum() - area) < 1


@pytest.mark.parametrize("name", SCENES)
def test_antialiased_pictures_are_near_the_average(name: str) -> None:
    """Breaks if pixels are mixed with the wrong neighbour or share, or leave the range of the colours."""
    mesh, colors = scene(name)
    positions = Camera.orbit(4.2, 0.5, 0.4).project(mesh.positions, SIZE)
    fragments, image = draw(positions, mesh.faces, colors)
    smooth, truth = Antialias()(image, fragments, mesh.topology), averaged(positions, mesh.faces, colors)
    assert (smooth - truth).square().mean() < 0.12 * (image - truth).square().mean()
    assert smooth.min() >= 0 and smooth.max() <= 1


def test_thin_rods_keep_their_share() -> None:
    """Breaks if two borders in one pixel do not add up."""
    corners, faces = rectangle(10.3, 5.2, 10.7, 30.1)
    fragments, image = draw(clip(corners, SIZE)[None], faces, torch.ones(2, 3))
    smooth = Antialias()(image, fragments, topology(faces))[0, 8:28, :, 3]
    torch.testing.assert_close(smooth[:, 10], torch.full((20,), 0.4), atol=0.01, rtol=0)
    assert not smooth[:, 9].any() and not smooth[:, 11].any()


def test_both_have_the_same_derivative() -> None:
    """Breaks if one of them forgets a border that the other has."""
    mesh, colors = scene("two solids through one another")
    pull, gradients = slopes(), []
    for estimator in (Antialias(), Edge()):
        positions = Camera.orbit(4.2, 0.5, 0.4).project(mesh.positions, SIZE).requires_grad_()
        fragments, image = draw(positions, mesh.faces, colors)
        loss = (estimator(image, fragments, mesh.topology) * pull).sum()
        gradients.append(torch.autograd.grad(loss, positions)[0])
    assert distance(*gradients) < 0.02


def test_colours_get_what_they_contribute() -> None:
    """Breaks if the smoothed image's derivative by the hard one is not that of the mixture, which is linear in it."""
    corners, faces = rectangle(8.2, 8.3, 16.1, 16.2)
    fragments, image = draw(clip(corners, SIZE)[None], faces, torch.ones(2, 3))
    image = image + torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
    image.requires_grad_()
    loss = (Antialias()(image, fragments, topology(faces)) * slopes()).sum()
    (gradient,) = torch.autograd.grad(loss, image)
    torch.testing.assert_close((gradient * image).sum(), loss)
    assert distance(gradient, slopes()) > 0.01


@BOTH
def test_float64_is_for_the_reference(estimator: Estimator) -> None:
    """Breaks if positions that the reference has drawn in float64 lose digits, or have no gradient."""
    gradients = []
    mesh, colors = scene("two solids through one another")
    for dtype, backend in ((torch.float32, "native"), (torch.float64, "reference")):
        positions = Camera.orbit(4.2, 0.5, 0.4).project(mesh.positions, SIZE).to(dtype).requires_grad_()
        fragments = rasterize(positions, mesh.faces, SIZE, backend=backend)  # type: ignore[arg-type]
        image = torch.cat([torch.zeros(1, 3), colors])[fragments.face_id.long() + 1].to(dtype)
        loss = (estimator(image, fragments, mesh.topology) * slopes()[..., :3]).sum()
        gradients.append(torch.autograd.grad(loss, positions)[0])
    assert gradients[1].dtype == torch.float64
    assert distance(*gradients) < 1e-3


@BOTH
def test_what_does_not_fit_is_refused(estimator: Estimator) -> None:
    """Breaks if a picture of other pixels is taken."""
    mesh, colors = scene("a solid")
    fragments, image = draw(Camera.orbit(4.2).project(mesh.positions, SIZE), mesh.faces, colors)
    with pytest.raises(ValueError, match="Apply the estimator before pooling or permuting"):
        estimator(image[:, 1:], fragments, mesh.topology)
