"""render: every part of the picture against values known from geometry."""

import math

import pytest
import torch

from repousse.camera import Camera
from repousse.geometry import Attribute, Mesh, cube, icosphere, pack
from repousse.render import Picture, Renderer, render, silhouette
from repousse.shading import Ambient, Directional, albedo, lambert

SIZE = (24, 32)
FRONT = Camera.orbit(4.0)
AROUND = Camera.orbit(4.0, 0.3, torch.tensor([0.0, 1.0, 2.5]))


def square(half: float = 0.5) -> Mesh:
    """A square in the plane z = 0 that faces +z."""
    corners = torch.tensor([[-half, -half, 0.0], [half, -half, 0], [half, half, 0], [-half, half, 0]])
    return Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))


def same(one: Picture, other: Picture, tolerance: float = 1e-5) -> None:
    for name, a, b in zip(Picture._fields, one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}")


def rows(picture: Picture, index: int) -> Picture:
    return Picture(*(part[index : index + 1] for part in picture))


def assert_all(rows: torch.Tensor, expected) -> None:
    """Every row (N, C) is `expected`, and there is one."""
    assert len(rows)
    torch.testing.assert_close(rows, torch.tensor(expected).expand_as(rows))


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_parts_have_the_promised_shapes_and_agree_on_what_is_covered(supersample):
    # Breaks if a part has another resolution or type, or mask, ids, depth and normals disagree.
    picture = render(cube(), AROUND, SIZE, supersample=supersample)
    assert picture.color.shape == picture.normal.shape == (3, *SIZE, 3)
    assert picture.mask.shape == picture.depth.shape == picture.face_id.shape == (3, *SIZE)
    assert picture.face_id.dtype == torch.int32
    covered = picture.mask > 0
    assert covered.any() and not covered.all()
    assert torch.equal(picture.face_id >= 0, covered)
    assert torch.equal(picture.depth > 0, covered)
    torch.testing.assert_close(picture.normal.norm(dim=-1), covered.float())


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_depth_of_a_plane_is_its_distance_up_to_the_border(supersample):
    # Breaks if depth is z / w, a distance along the ray, or mixed with the background at the border.
    for camera in (FRONT, Camera.look_at((0.0, 0.0, 4.0), extent=2.0)):
        picture = render(square(0.47), camera, SIZE, supersample=supersample)
        covered = picture.mask > 0
        torch.testing.assert_close(picture.depth[covered], torch.full_like(picture.depth[covered], 4.0))
        assert supersample == 1 or ((picture.mask > 0) & (picture.mask < 1)).any()


def test_normals_are_on_the_side_of_the_viewer():
    # Breaks if back faces keep the normal that points away.
    cameras = Camera.orbit(4.0, 0.0, torch.tensor([0.0, math.pi]))
    normal = render(square(), cameras, SIZE).normal[:, SIZE[0] // 2, SIZE[1] // 2]
    torch.testing.assert_close(normal, torch.tensor([[0.0, 0, 1], [0, 0, -1]]))


def test_flat_normals_are_the_faces_and_smooth_ones_the_vertices():
    # Breaks if the two are exchanged, or smooth normals are not unit vectors.
    ball = icosphere(2)
    covered = render(ball, FRONT, SIZE).mask[0] > 0
    seen: list[torch.Tensor] = []

    def position(points, lights):
        seen.append(points.position)
        return points.color

    smooth = render(ball, FRONT, SIZE, shader=position, smooth=True).normal[0][covered]
    outward = torch.nn.functional.normalize(seen[0][0][covered], dim=-1)
    assert (smooth * outward).sum(-1).min() > 0.999
    flat = render(ball, FRONT, SIZE).normal[0][covered]
    ids = render(ball, FRONT, SIZE).face_id[0][covered].long()
    corners = ball.positions[ball.faces[ids].long()]
    expected = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    torch.testing.assert_close(flat, torch.nn.functional.normalize(expected, dim=-1), atol=1e-5, rtol=0)


def test_the_attribute_normal_is_used_when_smooth():
    # Breaks if the mesh's own normals are ignored.
    up = torch.tensor([[0.0, 2.0, 0.0]])
    mesh = square().with_attribute("normal", up, torch.zeros(2, 3, dtype=torch.int32))
    picture = render(mesh, FRONT, SIZE, smooth=True)
    assert_all(picture.normal[picture.mask > 0], (0.0, 1.0, 0.0))


@pytest.mark.parametrize("gradient", [None, "kato"])
def test_supersampling_is_the_mean_of_samples(gradient):
    # Breaks if samples are weighted unequally, or the background does not take part.
    fine = render(cube(), AROUND, (SIZE[0] * 2, SIZE[1] * 2), gradient=gradient, background=(0.2, 0.4, 0.9))
    coarse = render(cube(), AROUND, SIZE, supersample=2, gradient=gradient, background=(0.2, 0.4, 0.9))
    blocks = fine.color.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).mean((2, 4))
    torch.testing.assert_close(coarse.color, blocks)
    torch.testing.assert_close(coarse.mask, fine.mask.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).mean((2, 4)))


def test_the_id_of_a_pixel_is_that_of_its_nearest_sample():
    # Breaks if ids are averaged, or one of an empty or a farther sample is chosen.
    fine = render(cube(), AROUND, (SIZE[0] * 2, SIZE[1] * 2))
    coarse = render(cube(), AROUND, SIZE, supersample=2)
    depth = fine.depth.masked_fill(fine.face_id < 0, math.inf)
    depth = depth.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).transpose(2, 3).flatten(3)
    ids = fine.face_id.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).transpose(2, 3).flatten(3)
    nearest = torch.where(depth <= depth.amin(-1, keepdim=True) + 1e-5, ids, -2)
    assert (nearest == coarse.face_id[..., None]).any(-1).all()


def test_background_may_differ_between_pictures():
    # Breaks if (B, 3) is broadcast along the wrong dimension.
    colors = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    picture = render(cube(), AROUND, SIZE, background=colors)
    assert torch.equal(picture.color[:, 0, 0], colors)


def test_without_light_colors_are_as_they_are():
    # Breaks if a shader that uses no light is given shaded colours, or a fourth channel is taken for a colour.
    mesh = square().with_attribute("color", torch.tensor([[0.3, 0.6, 0.9, 0.5]]).expand(4, 4))
    picture = render(mesh, FRONT, SIZE, shader=albedo)
    assert_all(picture.color[picture.mask > 0], (0.3, 0.6, 0.9))


def test_colors_may_have_their_own_index():
    # Breaks if attributes are looked up with the index of the positions.
    mesh = Mesh(
        square().positions,
        square().faces,
        {"color": Attribute(torch.eye(3)[:2], torch.tensor([[0, 0, 0], [1, 1, 1]]))},
    )
    picture = render(mesh, FRONT, SIZE, shader=albedo)
    for face in (0, 1):
        assert_all(picture.color[picture.face_id == face], torch.eye(3)[face].tolist())


def test_a_function_is_a_shader():
    # Breaks if the points are not in world space, or the shader's colours are changed.
    picture = render(square(), FRONT, SIZE, shader=lambda points, lights: points.position, supersample=1)
    row, column = SIZE[0] // 2, SIZE[1] // 2
    expected = FRONT.unproject(torch.tensor([[column + 0.5, row + 0.5]]), torch.tensor([4.0]), SIZE)[0, 0]
    torch.testing.assert_close(picture.color[0, row, column], expected)


def test_a_shader_may_make_anything_of_empty_samples():
    # Breaks if NaN of samples that show nothing reaches the picture.
    picture = render(square(), FRONT, SIZE, shader=lambda points, lights: points.normal / points.color, background=0.5)
    assert picture.color.isfinite().all() and (picture.color[0, 0, 0] == 0.5).all()


def test_views_poses_and_packed_meshes_equal_single_pictures():
    # Breaks if a picture of a batch depends on the others, or a mesh gets another one's camera.
    meshes = [cube(), icosphere(1), square()]
    cameras = [AROUND[i] for i in range(3)]
    packed = render(pack(meshes), AROUND, SIZE, supersample=2)
    first = [0, *pack(meshes).ranges[:, 1].cumsum(0).tolist()]
    for i, (mesh, camera) in enumerate(zip(meshes, cameras, strict=True)):
        alone = render(mesh, camera, SIZE, supersample=2)
        ids = torch.where(alone.face_id >= 0, alone.face_id + first[i], alone.face_id)
        same(rows(packed, i), alone._replace(face_id=ids))
    views = render(meshes[0], AROUND, SIZE)
    poses = torch.stack([meshes[0].positions * scale for scale in (0.5, 1.0, 1.5)])
    posed = render(meshes[0].with_positions(poses), AROUND, SIZE)
    for i, camera in enumerate(cameras):
        same(rows(views, i), render(meshes[0], camera, SIZE))
        same(rows(posed, i), render(meshes[0].with_positions(poses[i]), camera, SIZE))


def test_poses_may_share_colors_and_packed_meshes_a_camera():
    # Breaks if shared and batched attributes cannot be interpolated together.
    colors = torch.rand(8, 3, generator=torch.Generator().manual_seed(0))
    mesh = cube().with_attribute("color", colors)
    poses = torch.stack([mesh.positions, mesh.positions * 0.5])
    posed = render(mesh.with_positions(poses), FRONT, SIZE)
    same(rows(posed, 1), render(mesh.with_positions(poses[1]), FRONT, SIZE))
    packed = render(pack([mesh, mesh.with_positions(poses[1])]), FRONT, SIZE)
    torch.testing.assert_close(packed.color, posed.color)


def test_culling():
    # Breaks if cull is not passed on.
    assert render(square(), FRONT, SIZE, cull="back").mask.any()
    assert not render(square(), FRONT, SIZE, cull="front").mask.any()


def test_a_mesh_behind_the_camera_is_an_empty_picture():
    # Breaks if an empty picture raises or is not filled with the background.
    behind = Camera.look_at((0.0, 0.0, 4.0), (0.0, 0.0, 8.0))
    positions = cube().positions.clone().requires_grad_()
    picture = render(cube().with_positions(positions), behind, SIZE, supersample=2, background=0.25)
    assert not picture.mask.any() and not picture.depth.any() and (picture.face_id == -1).all()
    assert (picture.color == 0.25).all()
    (picture.color.sum() + picture.depth.sum() + picture.normal.sum()).backward()
    assert positions.grad is not None and not positions.grad.any()


def test_silhouette_is_the_mask():
    # Breaks if the two ways to a mask part.
    for supersample in (1, 2):
        mask = silhouette(cube(), AROUND, SIZE, supersample=supersample)
        assert torch.equal(mask, render(cube(), AROUND, SIZE, supersample=supersample).mask)


def test_renderer_is_render_with_settings_kept():
    # Breaks if a setting is not passed on.
    settings = {
        "lights": [Ambient(0.2), Directional(strength=0.7)],
        "shader": lambda points, lights: 0.5 * lambert(points, lights),
        "gradient": None,
        "supersample": 2,
        "background": (0.1, 0.2, 0.3),
        "smooth": True,
        "cull": "back",
    }
    same(Renderer(SIZE, **settings)(cube(), AROUND), render(cube(), AROUND, SIZE, **settings), tolerance=0)


def test_autocast_changes_nothing():
    # Breaks if geometry is computed in half precision because a network around it is.
    expected = render(cube(), AROUND, SIZE, supersample=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        same(render(cube(), AROUND, SIZE, supersample=2), expected, tolerance=0)


def test_float64_is_for_the_reference():
    # Breaks if a part of the line falls back to float32.
    picture = render(cube().to(torch.float64), AROUND.to(torch.float64), (12, 16), backend="reference")
    assert all(part.dtype == torch.float64 for part in picture[:4])


def test_backends_agree():
    # Breaks if the line is assembled differently for one of the backends.
    small = (12, 16)
    same(
        render(icosphere(1), AROUND, small, backend="native"),
        render(icosphere(1), AROUND, small, backend="reference"),
        tolerance=1e-4,
    )


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"size": (0, 8)}, ValueError, "size"),
        ({"size": (8, 8, 3)}, ValueError, "size"),
        ({"size": (8.0, 8)}, ValueError, "size"),
        ({"supersample": 0}, ValueError, "supersample"),
        ({"supersample": 1.5}, ValueError, "supersample"),
        ({"lights": 0.5}, TypeError, "lights"),
        ({"lights": "sun"}, TypeError, "lights"),
        ({"lights": [Ambient(), 0.5]}, TypeError, "lights"),
        ({"shader": Ambient()}, TypeError, "shader"),
        ({"shader": lambda points, lights: points.color[..., :1]}, ValueError, "shader"),
        ({"gradient": 3}, TypeError, "gradient"),
        ({"backend": "abacus"}, ValueError, "abacus"),
        ({"mesh": torch.zeros(3, 3)}, TypeError, "mesh"),
        ({"camera": torch.eye(4)}, TypeError, "camera"),
        ({"background": (0.0, 1.0)}, ValueError, "background"),
        ({"background": torch.zeros(4, 4, 3)}, ValueError, "background"),
        ({"gradient": "no such estimator"}, ValueError, "no such estimator"),
        ({"mesh": cube().to(torch.float64)}, ValueError, "float64"),
        ({"mesh": pack([cube(), cube()]), "camera": AROUND}, ValueError, "2 packed meshes"),
        (
            {"mesh": cube().with_positions(cube().positions.expand(2, -1, -1)), "camera": AROUND},
            ValueError,
            "match",
        ),
        ({"mesh": cube().to("meta")}, ValueError, "meta"),
    ],
)
def test_refuses_with_a_message(change, error, text):
    # Breaks if a wrong argument is accepted, or the message does not name it.
    arguments = {"mesh": cube(), "camera": FRONT, "size": SIZE} | change
    with pytest.raises(error, match=text):
        render(arguments.pop("mesh"), arguments.pop("camera"), arguments.pop("size"), **arguments)
