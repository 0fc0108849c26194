"""Images and gradients of random scenes against the released formulas in float64."""

import pytest
import torch
from scenes import cubes, distance, draw, enlarge, ids, is_well_conditioned, pull, soup

from repousse.compat import neural_renderer as nr
from repousse.ops.kato.reference import released_depth

SIZES = [(24, 24), (20, 32)]
SEEDS = range(400)


def noise(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def conditioned(size, scale, eps, kind, background=(0, 0, 0), texture_size=2):
    """The first scene whose gradient does not hang on a pixel centre near an edge, and that gradient."""
    for seed in SEEDS:
        faces = soup(seed)
        textures = cubes(seed, *faces.shape[:2], texture_size)
        expected = draw(faces, textures, size, scale=scale, eps=eps, background=background)
        small = {"rgb": expected.rgb, "alpha": expected.alpha[..., None]}
        small["both"] = torch.cat([small["rgb"], small["alpha"]], -1)
        image = small[kind]
        if scale > 1:  # the image at the internal size
            inner = draw(faces, textures, (size[0] * scale, size[1] * scale), eps=eps, background=background)
            image = torch.cat([inner.rgb, inner.alpha[..., None]], -1)
            image = {"rgb": image[..., :3], "alpha": image[..., 3:], "both": image}[kind]
        grad = noise(small[kind].shape).double()
        arguments = (faces, ids(expected.seen), image, enlarge(grad, scale), eps)
        if is_well_conditioned(*arguments):
            return faces, textures, small[kind], grad, pull(*arguments)
    raise AssertionError("no seed gives a well-conditioned scene")


def channels_last(images, kind):
    parts = [images["rgb"].movedim(1, -1)] if kind in ("rgb", "both") else []
    parts += [images["alpha"][..., None]] if kind in ("alpha", "both") else []
    return torch.cat(parts, -1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("texture_size", [2, 3, 4])
def test_images(size, texture_size):
    """Breaks if coverage, occlusion, depth or the look-up in cubes departs, for any item of a batch."""
    faces = soup(3)
    textures = cubes(3, *faces.shape[:2], texture_size)
    background = (0.2, 0.4, 0.9)
    expected = draw(faces, textures, size, background=background)
    images = nr.rasterize_rgbad(faces, textures, size, anti_aliasing=False, background_color=background)
    assert torch.equal(images["alpha"].double(), expected.alpha)
    assert torch.allclose(images["depth"].double(), expected.depth, rtol=1e-5)
    assert torch.allclose(images["rgb"].movedim(1, -1).double(), expected.rgb, atol=1e-5)
    assert len({int(i) for i in ids(expected.seen).unique()}) >= 4, "the scene shows too few faces"


def test_every_pixel_of_many_scenes():
    """Breaks if corners are rounded, even to 1/256 pixel: then some scenes of these have a wrong pixel."""
    for seed in range(100, 200):
        faces = soup(seed)
        expected = draw(faces, cubes(0, *faces.shape[:2], 2), (24, 24), scale=2)
        images = nr.rasterize_rgbad(faces, None, 24, return_rgb=False)
        assert torch.equal(images["alpha"].double(), expected.alpha)
        assert torch.allclose(images["depth"].double(), expected.depth, rtol=1e-5)


def test_the_diagonal_of_a_square_belongs_to_both_halves():
    """Breaks if pixel centres on a border are left out, or go to another than the first face."""
    low, high = [[-0.5, -0.5, 2], [0.5, -0.5, 2], [0.5, 0.5, 2]], [[-0.5, -0.5, 2], [0.5, 0.5, 2], [-0.5, 0.5, 2]]
    textures = torch.zeros(1, 2, 2, 2, 2, 3)
    textures[:, 0, ..., 0] = textures[:, 1, ..., 1] = 1
    for halves in ([low, high], [high, low]):
        faces = torch.tensor([halves])
        assert all(nr.rasterize_silhouettes(faces[:, [i]], 16, False).sum() == 36 for i in (0, 1))
        rgb = nr.rasterize(faces, textures, 16, False)[0]
        assert [round(float(channel.sum())) for channel in rgb] == [36, 28, 0]


def test_anti_aliased_images():
    """Breaks if anti-aliasing is anything but the mean over 2 x 2 pixels, depth's `far` included."""
    faces = soup(5)
    textures = cubes(5, *faces.shape[:2], 3)
    expected = draw(faces, textures, (24, 24), scale=2)
    images = nr.rasterize_rgbad(faces, textures, 24)
    assert torch.equal(images["alpha"].double(), expected.alpha)
    assert torch.allclose(images["depth"].double(), expected.depth, rtol=1e-5)
    assert torch.allclose(images["rgb"].movedim(1, -1).double(), expected.rgb, atol=1e-5)


def test_near_and_far_are_strict_and_per_pixel():
    """Breaks if a face through a plane is dropped whole, or one that lies in a plane is drawn."""
    faces = soup(2)
    textures = cubes(2, *faces.shape[:2], 2)
    expected = draw(faces, textures, (24, 24), near=1.5, far=3.0)
    everything = draw(faces, textures, (24, 24))
    images = nr.rasterize_rgbad(faces, textures, 24, anti_aliasing=False, near=1.5, far=3.0)
    assert 0 < expected.alpha.sum() < everything.alpha.sum()
    assert (images["alpha"].double() != expected.alpha).sum() <= 1
    assert images["depth"].max() == 3.0
    flat = torch.tensor([[[[-0.9, -0.9, 2.0], [0.9, -0.9, 2.0], [0.0, 0.9, 2.0]]]])
    for near, far, drawn in ((1.0, 3.0, True), (2.0, 3.0, False), (1.0, 2.0, False), (2.5, 3.0, False)):
        assert bool(nr.rasterize_silhouettes(flat, 8, False, near, far).any()) == drawn


@pytest.mark.parametrize(("scale", "eps"), [(1, 1e-4), (1, 1e-2), (2, 1e-3)])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["alpha", "rgb", "both"])
def test_gradient_of_the_corners(kind, size, scale, eps):
    """Breaks if a term of the pseudo-gradient is off: occlusion, batch, eps, anti-aliasing, joint gate."""
    background = (0.1, 0.7, 0.3)
    faces, textures, image, grad, expected = conditioned(size, scale, eps, kind, background)
    faces.requires_grad_()
    wanted = (kind != "alpha", kind != "rgb", False)
    images = nr.rasterize_rgbad(faces, textures, size, scale == 2, 0.1, 100, eps, background, *wanted)
    found = channels_last(images, kind)
    assert torch.allclose(found.double(), image, atol=2e-3)
    (found * grad).sum().backward()
    assert faces.grad is not None
    assert expected.norm() > 0
    assert distance(faces.grad, expected) < 1e-3
    assert faces.grad[..., 2].abs().max() == 0


def test_joint_gradient_is_not_the_sum():
    """Breaks if rgb and alpha of one call are put through the gate one after the other."""
    faces, textures, _, grad, expected = conditioned((24, 24), 1, 1e-3, "both")
    faces.requires_grad_()
    options = ((24, 24), False, 0.1, 100, 1e-3)
    rgb = nr.rasterize(faces, textures, *options).movedim(1, -1)
    alpha = nr.rasterize_silhouettes(faces, *options)
    (torch.cat([rgb, alpha[..., None]], -1) * grad).sum().backward()
    assert faces.grad is not None
    assert distance(faces.grad, expected) > 0.05


@pytest.mark.parametrize("texture_size", [2, 3, 4])
def test_gradient_of_the_textures_is_exact(texture_size):
    """Breaks if the texture gradient is not the transpose of the look-up."""
    faces = soup(4)
    textures = cubes(4, *faces.shape[:2], texture_size).requires_grad_()
    rgb = nr.rasterize(faces, textures, 24)
    grad = noise(rgb.shape)
    (rgb * grad).sum().backward()
    assert textures.grad is not None
    for seed in range(3):
        step = noise(textures.shape, seed)
        change = draw(faces, step, (24, 24), scale=2).rgb.movedim(-1, 1)
        expected = (change * grad).sum()
        assert abs((textures.grad * step).sum() - expected) < 1e-3 * (change * grad).norm() * change[0].numel() ** 0.5


def test_gradient_of_the_background_counts_empty_pixels():
    """Breaks if a learned background colour gets no gradient, or one from covered pixels."""
    faces = soup(4)
    background = torch.tensor([0.1, 0.2, 0.3], requires_grad=True)
    rgb = nr.rasterize(faces, cubes(4, *faces.shape[:2], 2), 24, background_color=background)
    rgb.sum().backward()
    empty = (1 - nr.rasterize_silhouettes(faces, 24)).sum()
    assert background.grad is not None
    assert torch.allclose(background.grad, empty.expand(3))


@pytest.mark.parametrize("size", SIZES)
def test_depth_gradient(size):
    """Breaks if a corner's x, y or z misses its part of the depth gradient."""
    faces = soup(6)
    expected = draw(faces, cubes(6, *faces.shape[:2], 2), size)
    faces.requires_grad_()
    depth = nr.rasterize_depth(faces, size, anti_aliasing=False)
    grad = noise(depth.shape)
    (depth * grad).sum().backward()
    assert faces.grad is not None
    assert distance(faces.grad, released_depth(faces.detach(), ids(expected.seen), grad)) < 1e-3


def test_depth_joins_the_other_gradients():
    """Breaks if depth is lost, or gated, when it is drawn together with the silhouette."""
    faces, _, _, grad, expected = conditioned((24, 24), 1, 1e-3, "alpha")
    faces.requires_grad_()
    options = (24, False, 0.1, 100, 1e-3)
    images = nr.rasterize_rgbad(faces, None, *options, return_rgb=False)
    depth_grad = noise(images["depth"].shape, 1)
    ((images["alpha"] * grad[..., 0]).sum() + (images["depth"] * depth_grad).sum()).backward()
    face_id = ids(draw(faces, cubes(0, *faces.shape[:2], 2), (24, 24)).seen)
    expected = expected + released_depth(faces.detach(), face_id, depth_grad)
    assert faces.grad is not None
    assert distance(faces.grad, expected) < 1e-3


def test_vertices_behind_the_camera():
    """Breaks if a face that reaches behind the camera gives images or gradients that are not finite."""
    faces = torch.tensor([[[[-0.5, -0.5, 2.0], [0.5, -0.5, 2.0], [0.1, 0.3, -1.0]]]]).requires_grad_()
    images = nr.rasterize_rgbad(faces, None, 16, return_rgb=False)
    (images["alpha"].sum() + images["depth"].sum()).backward()
    assert faces.grad is not None
    assert faces.grad.isfinite().all()
    assert images["depth"].isfinite().all()
