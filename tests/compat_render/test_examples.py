"""The four example programs of the original, with the calls they make; the longest one is shortened."""

import numpy as np
import pytest
import torch
from scenes import teapot_file
from torch import nn

from repousse.compat import neural_renderer as nr

DISTANCE = 2.732


@pytest.fixture(scope="module")
def teapot(shared_data, tmp_path_factory):
    return str(teapot_file(shared_data, tmp_path_factory.mktemp("teapot")))


def load(filename):
    vertices, faces = nr.load_obj(filename)
    return torch.as_tensor(vertices)[None], torch.as_tensor(faces)[None]


def white(faces):
    return torch.ones(1, faces.shape[1], 2, 2, 2, 3)


def test_example_1_turntable(teapot):
    """Breaks if drawing views from angles, in either flavour, fails or gives an empty or unlit picture."""
    vertices, faces = load(teapot)
    port, original = nr.Renderer(camera_mode="look_at", image_size=64), nr.Renderer()
    original.image_size = 64
    for azimuth in range(0, 360, 120):
        port.eye = original.eye = nr.get_points_from_angles(DISTANCE, 30, azimuth)
        images, depth, alpha = port(vertices, faces, white(faces))
        assert torch.equal(original.render(vertices, faces, white(faces)), images)
        frame = (255 * images.detach().numpy()[0].transpose(1, 2, 0)).astype(np.uint8)
        assert frame.shape == (64, 64, 3)
        assert (frame > 140).any()
        assert alpha.sum() > 200
        assert depth.min() > 1.5


class Silhouette(nn.Module):
    """Example 2: move the vertices until the silhouette is a square."""

    def __init__(self, filename, size):
        super().__init__()
        vertices, faces = load(filename)
        self.vertices = nn.Parameter(vertices)
        self.faces = faces
        self.square = torch.zeros(1, size, size)
        self.square[:, size // 4 : -size // 4, size // 4 : -size // 4] = 1
        self.renderer = nr.Renderer(camera_mode="look_at", image_size=size)

    def forward(self):
        self.renderer.eye = nr.get_points_from_angles(DISTANCE, 0, 90)
        self.image = self.renderer(self.vertices, self.faces, mode="silhouettes")
        return torch.sum((self.image - self.square) ** 2)


def optimise(model, steps, rate, betas=(0.9, 0.999), enough=0.0):
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, betas=betas)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model()
        losses.append(loss.item())
        if losses[-1] < enough:
            break
        loss.backward()
        optimizer.step()
    return losses


def test_example_2_reaches_the_square(teapot):
    """Breaks if a silhouette loss no longer moves vertices until the silhouette is the square."""
    model = Silhouette(teapot, 256)
    losses = optimise(model, 300, 1e-3)
    assert losses[-1] < 0.01 * losses[0]
    covered, square = model.image > 0.5, model.square > 0.5
    assert (covered & square).sum() / (covered | square).sum() > 0.98


class Texture(nn.Module):
    """Example 3: paint the mesh from random sides."""

    def __init__(self, filename, size):
        super().__init__()
        self.vertices, self.faces = load(filename)
        self.textures = nn.Parameter(torch.zeros(1, self.faces.shape[1], 4, 4, 4, 3))
        ramp = torch.linspace(0.1, 0.9, size)
        self.picture = torch.stack(torch.broadcast_tensors(ramp, 1 - ramp[:, None], torch.tensor(0.5)))[None]
        self.random = np.random.default_rng(0)
        renderer = nr.Renderer(camera_mode="look_at", image_size=size)
        renderer.perspective = False
        renderer.light_intensity_directional = 0.0
        renderer.light_intensity_ambient = 1.0
        self.renderer = renderer

    def forward(self):
        self.renderer.eye = nr.get_points_from_angles(DISTANCE, 0, self.random.uniform(0, 360))
        image, _, alpha = self.renderer(self.vertices, self.faces, torch.tanh(self.textures))
        self.error = (image - self.picture).abs().mean(1)[alpha == 1].mean().item()
        return torch.sum((image - self.picture) ** 2)


def test_example_3_textures(teapot):
    """Breaks if a colour loss no longer paints the textures that are seen."""
    model = Texture(teapot, 64)
    before = model().item(), model.error
    optimise(model, 25, 0.1, (0.5, 0.999))
    assert model().item() < before[0]
    assert model.error < 0.5 * before[1]


@pytest.mark.long
def test_example_3_takes_the_colours_of_the_picture(teapot):
    """Breaks if the example as released no longer paints the teapot, whatever side is looked at."""
    model = Texture(teapot, 256)
    optimise(model, 300, 0.1, (0.5, 0.999))
    assert np.mean([(model(), model.error)[1] for _ in range(8)]) < 0.08


class Viewpoint(nn.Module):
    """Example 4: find the camera that made a picture."""

    def __init__(self, filename, size):
        super().__init__()
        self.vertices, self.faces = load(filename)
        self.renderer = nr.Renderer(camera_mode="look_at", image_size=size)
        # The reference is a colour picture from the true place; its mask is everything not quite black.
        self.renderer.eye = self.truth = nr.get_points_from_angles(DISTANCE, 30, -15)
        picture, _, _ = self.renderer.render(self.vertices, self.faces, torch.tanh(white(self.faces)))
        self.mask = (picture[0].amax(0) != 0).float()[None]
        self.place = nn.Parameter(torch.tensor([6.0, 10.0, -14.0]))
        self.renderer.eye = self.place

    def forward(self):
        image = self.renderer(self.vertices, self.faces, mode="silhouettes")
        return torch.sum((image - self.mask) ** 2)


def test_example_4_finds_the_camera(teapot):
    """Breaks if a silhouette loss no longer moves the camera to where the picture was taken from."""
    model = Viewpoint(teapot, 256)
    model.renderer.eye = model.truth
    # The mask counts every pixel that anti-aliasing has touched, so even the truth does not score 0.
    assert model().item() == pytest.approx(91.4, abs=1.0)
    model.renderer.eye = model.place
    losses = optimise(model, 1000, 0.1, enough=80)
    assert losses[-1] < 80
    assert (model.place.detach() - torch.tensor(model.truth)).norm() < 0.1


def test_the_originals_own_mesh_and_optimiser(teapot):
    """Breaks if a program of the original (its Mesh, its Adam, attributes only) does not run or learn."""
    mesh = nr.Mesh(teapot, 2)
    mesh.set_lr(0.0, 1.0)
    optimizer = nr.Adam(alpha=0.1)
    optimizer.setup(mesh)
    renderer = nr.Renderer()
    renderer.image_size = 32
    renderer.light_intensity_ambient, renderer.light_intensity_directional = 1.0, 0.0
    renderer.eye = nr.get_points_from_angles(DISTANCE, 30, 40)
    losses = []
    for _ in range(8):
        image = renderer.render(*mesh.get_batch(2))
        loss = torch.square(image[:, 0] - 1).sum()
        losses.append(loss.item())
        mesh.zero_grad()
        loss.backward()
        optimizer.update()
    assert losses[-1] < losses[0]
