"""Points on surfaces: where they lie, how they are spread, how they move."""

import pytest
import torch

from repousse.geometry import Mesh, cube, face_normals, icosphere, pack, plane
from repousse.geometry.sampling import sample_surface


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_points_are_what_the_barycentrics_say():
    """Breaks if points, faces, weights and normals do not belong together."""
    mesh = icosphere(1)
    points, normals, face_id, bary = sample_surface(mesh, 500, generator=seeded())
    assert points.shape == normals.shape == (1, 500, 3) and face_id.shape == (1, 500) and face_id.dtype == torch.int32
    assert bary.shape == (1, 500, 2) and bary.min() >= 0 and bary.sum(-1).max() <= 1
    weights = torch.cat([bary, 1 - bary.sum(-1, keepdim=True)], dim=-1)[0]
    corners = mesh.positions[mesh.faces.long()][face_id[0].long()]
    torch.testing.assert_close(points[0], (weights[..., None] * corners).sum(1))
    torch.testing.assert_close(normals[0], face_normals(mesh.positions, mesh.faces)[face_id[0].long()])


def test_faces_get_their_share_of_points():
    """Breaks if faces are chosen by number rather than area, or one without area is chosen."""
    positions = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [4, 0, 0], [0, -2, 0]])
    mesh = Mesh(positions, torch.tensor([[0, 1, 2], [0, 1, 3], [0, 4, 3], [0, 3, 1], [0, 1, 2], [1, 3, 3]]))
    count = 100_000
    ids = sample_surface(mesh, count, generator=seeded()).face_id[0].long()
    shares = torch.bincount(ids, minlength=6) / count  # areas 1/2, 0, 4, 0, 1/2, 0
    assert (shares[[1, 3, 5]] == 0).all()
    torch.testing.assert_close(shares[[0, 2, 4]], torch.tensor([0.1, 0.8, 0.1]), atol=0.005, rtol=0)


def test_points_are_even_inside_a_face():
    """Breaks if points gather at a corner: the mean of u, v, u^2 and uv over a right triangle is known."""
    mesh = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
    x, y, _ = sample_surface(mesh, 200_000, generator=seeded()).points[0].unbind(1)
    found = torch.stack([x.mean(), y.mean(), x.square().mean(), (x * y).mean()])
    torch.testing.assert_close(found, torch.tensor([1 / 3, 1 / 3, 1 / 6, 1 / 12]), atol=2e-3, rtol=0)


def test_poses_and_packed_meshes():
    """Breaks if a mesh gets points of another, or face ids do not count in the whole mesh."""
    ball = icosphere(1)
    poses = ball.with_positions(torch.stack([ball.positions, 10 * ball.positions + 100]))
    found = sample_surface(poses, 300, generator=seeded())
    assert found.points.shape == (2, 300, 3) and int(found.face_id.max()) < 80
    assert found.points[0].abs().max() <= 1 and (found.points[1] - 100).abs().max() <= 10
    packed = pack([ball, cube(), plane()])
    found = sample_surface(packed, 300, generator=seeded())
    for mesh, (first, number) in enumerate(packed.ranges.tolist()):
        ids = found.face_id[mesh]
        assert int(ids.min()) >= first and int(ids.max()) < first + number
    assert (found.points[2, :, 1] == 0).all()
    assert torch.allclose(found.points[1].abs().amax(1), torch.ones(300))


def test_sizes_of_meshes_do_not_disturb_each_other():
    """Breaks if areas are added over all meshes, where a small one drowns in the rounding of a large one."""
    ball = icosphere(1).to(torch.float64)
    poses = ball.with_positions(torch.stack([1e9 * ball.positions, 1e-9 * ball.positions]))
    found = sample_surface(poses, 2000, generator=seeded())
    assert len(found.face_id[1].unique()) == 80


def test_repeatable():
    """Breaks if the generator is not the only source of chance."""
    first, second = (sample_surface(icosphere(1), 100, generator=seeded(3)).points for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, sample_surface(icosphere(1), 100, generator=seeded(4)).points)


def test_derivative():
    """Breaks if points do not move with their faces, or normals do not turn with them."""
    mesh = icosphere(0).to(torch.float64)

    def sampled(positions):
        found = sample_surface(mesh.with_positions(positions), 30, generator=seeded())
        return found.points, found.normals

    assert torch.autograd.gradcheck(sampled, mesh.positions.requires_grad_(), fast_mode=True, eps=1e-7, atol=1e-4)


@pytest.mark.parametrize(
    ("positions", "count", "text"),
    [
        (torch.zeros(3, 3), 5, "mesh 0 of the batch has no area"),
        (torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, float("nan"), 0]]), 5, "mesh 0 of the batch .* not finite"),
        (torch.eye(3), 0, "`count` must be a whole number"),
        (torch.eye(3), 2.5, "`count` must be a whole number"),
    ],
)
def test_bad_input(positions, count, text):
    """Breaks if there is no surface and points come back all the same."""
    with pytest.raises(ValueError, match=f"sample_surface: {text}"):
        sample_surface(Mesh(positions, torch.tensor([[0, 1, 2]])), count)
