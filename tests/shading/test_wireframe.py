"""wireframe: lines lie on edges, as wide as asked, and only on those that are seen."""

from functools import partial

import pytest
import torch

from repousse.camera import Camera
from repousse.geometry import Mesh, cube, icosphere
from repousse.render import render, silhouette
from repousse.shading import Points, albedo
from repousse.shading.wireframe import wireframe


def square() -> Mesh:
    """From -1 to 1 in x and y; its diagonal runs from bottom left to top right."""
    corners = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    return Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))


def darkness(mesh: Mesh, camera: Camera, width: float = 2.0, *, size: int = 60, supersample: int = 8) -> torch.Tensor:
    """(size, size): 1 on lines, 0 between them."""
    shader = partial(wireframe, base=albedo, width=width)
    picture = render(mesh, camera, (size, size), shader=shader, supersample=supersample, background=1.0, gradient=None)
    return 1 - picture.color[0, ..., 0]


@pytest.mark.parametrize("width", [1.0, 2.0, 4.0])
def test_lines_are_as_wide_as_asked(width) -> None:
    """Breaks if the width depends on supersampling, or is not that of both sides together."""
    front = Camera.look_at((0.0, 0, 5), extent=3.0)
    for supersample in (1, 4, 8):
        row = darkness(square(), front, width, supersample=supersample)[40]  # cuts both sides and the diagonal
        expected = width / 2 + 2**0.5 * width + width / 2
        assert row.sum() == pytest.approx(expected, abs=1.5 / supersample + 0.1)


def test_lines_lie_on_edges() -> None:
    """Breaks if a line is drawn elsewhere, or an edge is left out; in perspective too."""
    camera = Camera.look_at((1.5, 1.0, 3.0), fov=0.7)
    dark = darkness(square(), camera)
    ends = square().positions[square().faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).unique(dim=0).long()]
    share = torch.linspace(0, 1, 200)[:, None, None]
    on_edges = torch.lerp(ends[None, :, 0], ends[None, :, 1], share).reshape(-1, 3)
    pixels, _ = camera.to_pixels(on_edges, (60, 60))
    rows, columns = torch.meshgrid(torch.arange(60), torch.arange(60), indexing="ij")
    centres = torch.stack((columns, rows), -1).reshape(-1, 2) + 0.5
    distance = torch.cdist(centres, pixels[0]).amin(-1).view(60, 60)
    assert dark[distance > 2].max() == 0
    inside = silhouette(square(), camera, (60, 60), supersample=8)[0] == 1
    assert dark[(distance < 0.4) & inside].min() > 0.4


def test_hidden_edges_are_not_drawn() -> None:
    """Breaks if the far side of a body shines through."""
    dark = darkness(cube(), Camera.look_at((0.0, 0, 5), extent=3.0))
    assert dark[20, 35] == 0 and dark[35, 20] == 0  # off the one diagonal of the front
    assert dark.mean() < 0.2


def test_lines_fade_on_small_faces() -> None:
    """Breaks if a fine mesh is black."""
    middle = darkness(icosphere(6), Camera.look_at((0.0, 0, 5), extent=3.0))[20:40, 20:40]
    assert 0.02 < middle.mean() < 0.4 and middle.max() < 0.6


def test_needs_what_was_drawn() -> None:
    """Breaks if points without a mesh end in an AttributeError."""
    points = Points(*(torch.ones(1, 2, 2, 3) for _ in range(3)))
    with pytest.raises(ValueError, match="render"):
        wireframe(points, ())
