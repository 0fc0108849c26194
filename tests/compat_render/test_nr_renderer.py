"""The Renderer object: defaults, the two flavours it serves, cameras, options."""

import math

import numpy as np
import pytest
import torch
from scenes import cubes, distance

from repousse.compat import neural_renderer as nr

VERTICES = torch.tensor([[[-0.6, -0.5, 0.1], [0.7, -0.4, -0.3], [0.1, 0.8, 0.4], [0.2, 0.1, -0.9]]])
FACES = torch.tensor([[[0, 1, 2], [0, 1, 3], [1, 2, 3], [2, 0, 3]]])
TEXTURES = cubes(0, 1, 4, 2)
CALIBRATION = {
    "K": torch.tensor([[[60.0, 0.0, 30.0], [0.0, 60.0, 34.0], [0.0, 0.0, 1.0]]]),
    "R": torch.eye(3)[None],
    "t": torch.tensor([[[0.0, 0.0, 3.0]]]),
}


def small(**options):
    return nr.Renderer(image_size=24, **options)


def test_defaults():
    """Breaks if a released default changes."""
    renderer = nr.Renderer()
    assert (renderer.image_size, renderer.anti_aliasing, renderer.fill_back) == (256, True, True)
    assert (renderer.near, renderer.far, renderer.rasterizer_eps) == (0.1, 100, 1e-3)
    assert (renderer.camera_mode, renderer.perspective, renderer.viewing_angle) == ("look_at", True, 30)
    assert renderer.eye == pytest.approx([0, 0, -(math.sqrt(3) + 1)])
    assert (renderer.light_intensity_ambient, renderer.light_intensity_directional) == (0.5, 0.5)
    for name, value in (
        ("background_color", (0, 0, 0)),
        ("camera_direction", (0, 0, 1)),
        ("light_color_ambient", (1, 1, 1)),
        ("light_color_directional", (1, 1, 1)),
        ("light_direction", (0, 1, 0)),
    ):
        assert tuple(getattr(renderer, name)) == value
    assert nr.Renderer(**CALIBRATION).camera_mode == "projection"
    assert nr.Renderer(viewing_angle=45).eye == pytest.approx([0, 0, -2])


def test_the_original_returns_colours_and_the_port_three_images():
    """Breaks if one of the two kinds of program no longer gets what it unpacks."""
    original = small()
    rgb = original.render(VERTICES, FACES, TEXTURES)
    assert isinstance(rgb, torch.Tensor)
    assert rgb.shape == (1, 3, 24, 24)
    for renderer in (small(camera_mode="look_at"), original):
        images = renderer(VERTICES, FACES, TEXTURES)
        assert [image.shape[-2:] for image in images] == [(24, 24)] * 3
        assert torch.equal(images[0], rgb)
        assert torch.equal(renderer(VERTICES, FACES, TEXTURES, mode="rgb"), rgb)
        assert torch.equal(renderer(VERTICES, FACES, mode="depth"), images[1])
        assert torch.equal(renderer(VERTICES, FACES, mode="silhouettes"), images[2])
        assert torch.equal(renderer.render_rgb(VERTICES, FACES, TEXTURES), rgb)
        assert torch.equal(renderer.render_depth(VERTICES, FACES), images[1])
        assert torch.equal(renderer.render_silhouettes(VERTICES, FACES), images[2])
    assert len(small(camera_mode="look_at").render(VERTICES, FACES, TEXTURES)) == 3


def test_projection_by_attribute_and_by_call():
    """Breaks if a calibrated camera is ignored, or the picture is mirrored or upside down."""
    alpha = small(**CALIBRATION, orig_size=64).render_silhouettes(VERTICES, FACES)
    assert 20 < alpha.sum() < 300
    for renderer in (small(), small(camera_mode="projection")):
        assert torch.equal(renderer.render_silhouettes(VERTICES, FACES, **CALIBRATION, orig_size=64), alpha)
        assert torch.equal(renderer(VERTICES, FACES, mode="silhouettes", **CALIBRATION, orig_size=64), alpha)
    assert len(small().render(VERTICES, FACES, TEXTURES, **CALIBRATION, orig_size=64)) == 3
    # y points down in an OpenCV camera and x right: the lone vertex of a marked corner says where it went.
    marked = torch.tensor([[[0.5, 0.7, 0.0], [0.9, 0.7, 0.0], [0.7, 1.0, 0.0]]])
    row, column = (
        small(**CALIBRATION, orig_size=64)
        .render_silhouettes(marked, torch.tensor([[[0, 1, 2]]]))[0]
        .nonzero()
        .double()
        .mean(0)
    )
    assert column.item() == pytest.approx((30 + 60 * 0.7 / 3) * 24 / 64 - 0.5, abs=0.7)
    assert row.item() == pytest.approx((34 + 60 * 0.8 / 3) * 24 / 64 - 0.5, abs=0.7)


def test_a_calibration_may_be_set_later():
    """Breaks if K, R and t assigned to a renderer are ignored, or overrule a mode that was asked for."""
    expected = small(**CALIBRATION, orig_size=64).render(VERTICES, FACES, TEXTURES)
    later = small(orig_size=64)
    for name, value in CALIBRATION.items():
        setattr(later, name, value)
    for found, image in zip(later.render(VERTICES, FACES, TEXTURES), expected, strict=True):
        assert torch.equal(found, image)
    asked = small(camera_mode="look_at")
    asked.K = CALIBRATION["K"]
    assert asked.camera_mode == "look_at"
    later.camera_mode = "look_at"
    assert torch.equal(later(VERTICES, FACES, mode="depth"), asked(VERTICES, FACES, mode="depth"))


def test_one_mesh_from_many_calibrated_cameras():
    """Breaks if a batch that only the cameras have is refused."""
    t = CALIBRATION["t"] + torch.tensor([0.0, 1.0, 2.0])[:, None, None]
    renderer = small(**CALIBRATION, orig_size=64)
    rgb = renderer(VERTICES, FACES, TEXTURES, "rgb", t=t)
    alone = renderer(VERTICES, FACES, TEXTURES, "rgb", t=t[2:])
    assert rgb.shape == (3, 3, 24, 24)
    assert torch.equal(rgb[2:], alone)


def test_arrays_and_numbers_of_any_kind():
    """Breaks if numpy's arrays and numbers, which programs for the original hold, are refused."""
    expected = small().render(VERTICES, FACES, TEXTURES)
    for size in (np.int64(24), 24.0, torch.tensor([24, 24])):
        renderer = nr.Renderer(image_size=size)
        assert torch.equal(renderer.render(VERTICES.numpy(), FACES.numpy(), TEXTURES.numpy()), expected)
    corners = nr.vertices_to_faces(VERTICES, FACES) + torch.tensor([0, 0, 3.0])
    options = (24, False, 0.1, 100, 1e-3)
    found = nr.rasterize(corners.numpy(), TEXTURES.numpy(), *options)
    assert torch.equal(found, nr.rasterize(corners, TEXTURES, *options))


def test_camera_modes_agree_where_they_must():
    """Breaks if `look` ignores its direction, or "none" moves vertices of either kind of program."""
    at, along = small(), small()
    at.eye = along.eye = (0.5, 0.8, -2.5)
    along.camera_mode = "look"
    along.camera_direction = torch.tensor([-0.5, -0.8, 2.5])
    assert torch.equal(at.render_silhouettes(VERTICES, FACES), along.render_silhouettes(VERTICES, FACES))
    expected = at.render_silhouettes(VERTICES, FACES)
    camera_space = nr.look_at(VERTICES, at.eye)
    original, port = small(), small(camera_mode="look_at")
    original.camera_mode = port.camera_mode = "none"
    assert torch.equal(original.render_silhouettes(camera_space, FACES), expected)
    assert torch.equal(port.render_silhouettes(nr.perspective(camera_space), FACES), expected)
    flat = small()
    flat.perspective = False
    expected = nr.rasterize_silhouettes(
        nr.vertices_to_faces(nr.look_at(VERTICES, flat.eye), torch.cat([FACES, FACES.flip(-1)], 1)), 24
    )
    assert torch.equal(flat.render_silhouettes(VERTICES, FACES), expected)


@pytest.mark.parametrize("mode", ["silhouettes", "depth", "rgb"])
def test_planes_count_in_every_mode(mode):
    """Breaks if silhouettes or depth go back to planes of their own."""
    renderer = small()
    renderer.background_color = (-1, -1, -1)
    renderer.anti_aliasing = False

    def covered():
        image = renderer(VERTICES, FACES, TEXTURES, mode=mode)
        return {"silhouettes": image > 0, "depth": image != renderer.far, "rgb": image.amin(1) >= 0}[mode].sum()

    everything = covered()
    renderer.near = 2.5
    front_cut = covered()
    renderer.far = 2.8
    assert 0 < covered() < front_cut
    # The tip nearest to the camera is cut open; whatever lies behind shows.
    assert front_cut <= everything
    renderer.near, renderer.far = 4.0, 5.0
    assert covered() == 0


@pytest.mark.parametrize("mode", ["silhouettes", "rgb"])
def test_eps_counts_in_every_mode(mode):
    """Breaks if `rasterizer_eps` stops reaching the gradient."""
    gradients = []
    for eps in (1e-3, 1e-3, 1e-1):
        renderer = small(light_intensity_directional=0.0)
        renderer.rasterizer_eps = eps
        vertices = VERTICES.clone().requires_grad_()
        renderer(vertices, FACES, torch.ones(1, 4, 2, 2, 2, 3), mode=mode).square().sum().backward()
        gradients.append(vertices.grad)
    assert torch.equal(gradients[0], gradients[1])
    assert distance(gradients[2], gradients[0].double()) > 0.1


@pytest.mark.parametrize("fill_back", [True, False])
def test_nothing_is_changed_in_place(fill_back):
    """Breaks if a second rendering sees textures darkened by the first, or leaves cannot be optimised."""
    textures = TEXTURES.clone().requires_grad_()
    renderer = small(fill_back=fill_back, camera_mode="look_at")
    first = renderer(VERTICES, FACES, textures)[0]
    second = renderer(VERTICES, FACES, textures)[0]
    first.sum().backward()
    assert torch.equal(first, second)
    assert torch.equal(textures.detach(), TEXTURES)
    assert textures.grad is not None


def test_fill_back_shows_the_back_with_its_texture():
    """Breaks if backs are missing, or their cubes are not turned with the corners."""
    triangle, cube = FACES[:, :1], cubes(1, 1, 1, 3)
    options = {"camera_mode": "look_at", "light_intensity_ambient": 1.0, "light_intensity_directional": 0.0}
    one_sided = small(fill_back=False, **options)
    two_sided = small(**options)
    sides = [triangle, triangle.flip(-1)]
    shown = [one_sided.render_silhouettes(VERTICES, side).sum() > 0 for side in sides]
    assert sorted(shown) == [False, True]
    front = sides[shown.index(True)]
    seen = one_sided(VERTICES, front, cube, mode="rgb")
    turned = cube.permute(0, 1, 4, 3, 2, 5)
    assert torch.equal(two_sided(VERTICES, front, cube, mode="rgb"), seen)
    assert torch.allclose(two_sided(VERTICES, front.flip(-1), turned, mode="rgb"), seen, atol=1e-5)


def test_options_for_each_image():
    """Breaks if eyes, backgrounds or lights given per image are mixed up or refused."""
    renderer = small()
    vertices, faces, textures = (part.expand(2, *part.shape[1:]) for part in (VERTICES, FACES, TEXTURES))
    options = {
        "eye": torch.tensor([[0.5, 0.8, -2.5], [2.0, 0.1, -1.5]]),
        "background_color": torch.tensor([[0.1, 0.2, 0.3], [0.9, 0.8, 0.7]]),
        "light_color_ambient": torch.tensor([[1.0, 0.5, 0.2], [0.1, 0.9, 0.4]]),
        "light_color_directional": torch.tensor([[0.3, 0.5, 1.0], [1.0, 0.9, 0.8]]),
        "light_direction": torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    }
    for name, value in options.items():
        setattr(renderer, name, value)
    together = renderer.render(vertices, faces, textures)
    for item in (0, 1):
        for name, value in options.items():
            setattr(renderer, name, value[item])
        assert torch.equal(together[item], renderer.render(VERTICES, FACES, TEXTURES)[0])
    assert torch.allclose(together[:, :, 0, 0], options["background_color"])


def test_rectangular_images():
    """Breaks if height and width are exchanged: a wide picture is the square one, stretched."""
    square = nr.Renderer(image_size=(24, 24), anti_aliasing=False).render_silhouettes(VERTICES, FACES)[0]
    wide = nr.Renderer(image_size=(24, 72), anti_aliasing=False).render_silhouettes(VERTICES, FACES)[0]
    assert wide.shape == (24, 72)
    assert torch.equal(wide[:, 1::3], square)
    images = nr.Renderer(image_size=(10, 18)).render(VERTICES, FACES, TEXTURES)
    assert images.shape == (1, 3, 10, 18)


def test_eye_may_be_a_parameter_and_be_replaced():
    """Breaks if the camera cannot be optimised, or a Parameter blocks later positions."""
    renderer = small()
    renderer.eye = torch.nn.Parameter(torch.tensor([0.5, 0.8, -2.5]))
    renderer.render_silhouettes(VERTICES, FACES).sum().backward()
    assert [name for name, _ in renderer.named_parameters()] == ["eye"]
    assert renderer.eye.grad is not None
    assert renderer.eye.grad.abs().sum() > 0
    renderer.eye = (0, 0, -3)
    assert not list(renderer.parameters())
    assert renderer.render_silhouettes(VERTICES, FACES).sum() > 0


def test_errors_say_what_is_missing():
    """Breaks if a wrong call fails somewhere inside."""
    with pytest.raises(ValueError, match="needs K, R and t, but R, t"):
        nr.Renderer(K=CALIBRATION["K"]).render_silhouettes(VERTICES, FACES)
    with pytest.raises(ValueError, match="camera_mode"):
        nr.Renderer(camera_mode="orbit")
    with pytest.raises(ValueError, match="mode must be"):
        small()(VERTICES, FACES, TEXTURES, mode="normals")
    with pytest.raises(ValueError, match="textures"):
        small()(VERTICES, FACES)
    with pytest.raises(ValueError, match=r"T >= 2"):
        small()(VERTICES, FACES, TEXTURES[:, :, :1, :1, :1])
    with pytest.raises(ValueError, match="near and far"):
        small(near=0.0).render_depth(VERTICES, FACES)
    with pytest.raises(ValueError, match="image_size"):
        nr.rasterize_silhouettes(torch.zeros(1, 1, 3, 3), (1, 2, 3))
    with pytest.raises(ValueError, match="vertices_to_faces"):
        nr.rasterize_silhouettes(VERTICES)
    with pytest.raises(ValueError, match="background_color"):
        nr.rasterize(torch.zeros(1, 4, 3, 3), TEXTURES, background_color=torch.zeros(3, 3))


def test_rasterize_class_has_row_0_at_the_bottom():
    """Breaks if the bare step flips, shrinks or moves channels, which is the business of its callers."""
    screen = nr.vertices_to_faces(nr.perspective(nr.look_at(VERTICES, (0, 0, -2.7))), FACES)
    expected = nr.rasterize_rgbad(screen, TEXTURES, (20, 24), anti_aliasing=False, background_color=(1, 2, 3))
    rgb, alpha, depth = nr.Rasterize((20, 24), 0.1, 100, 1e-4, (1, 2, 3), True, True, True)(screen, TEXTURES)
    assert expected["rgb"] is not None
    assert torch.equal(rgb.movedim(-1, 1).flip(2), expected["rgb"])
    assert torch.equal(alpha.flip(1), expected["alpha"])
    assert torch.equal(depth.flip(1), expected["depth"])
    alone = nr.Rasterize(24, 0.1, 100, 1e-4, (0, 0, 0), return_alpha=True)(screen)
    assert (alone.rgb, alone.depth) == (None, None)
    with pytest.raises(ValueError, match="nothing to draw"):
        nr.Rasterize(24, 0.1, 100, 1e-4, (0, 0, 0))
    nr.use_unsafe_rasterizer(True)


def test_an_empty_batch_or_mesh_gives_background():
    """Breaks on zero faces or zero images."""
    assert nr.rasterize_silhouettes(torch.zeros(2, 0, 3, 3), 8).shape == (2, 8, 8)
    assert nr.rasterize_depth(torch.zeros(0, 1, 3, 3), 8).shape == (0, 8, 8)
