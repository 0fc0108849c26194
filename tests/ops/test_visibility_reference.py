"""The reference of visibility against independent facts: exact geometry, rays, symmetries."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ops_scenes import Scene, build, from_pixels, scenes, seeds
from torch import Tensor

from repousse.ops.rasterize.reference import visibility


def ids(positions: Tensor, faces: Tensor, size: tuple[int, int], cull: str | None = None) -> Tensor:
    return visibility(positions, faces, size, None, cull)[0][0]


def cross(a, b, c) -> int:
    return int((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def triangulate(side: int, rng: np.random.Generator) -> list[list[tuple[int, int]]]:
    """A random exact triangulation of the square [0, side]^2 with integer vertices."""
    s = side
    triangles = [[(0, 0), (s, 0), (s, s)], [(0, 0), (s, s), (0, s)]]
    for point in rng.integers(0, s + 1, (rng.integers(0, 12), 2)).tolist():
        split = []
        for corners in triangles:
            turn = 1 if cross(*corners) > 0 else -1
            sides = [turn * cross(corners[k], corners[k - 2], point) for k in range(3)]
            if min(sides) < 0 or sorted(sides)[1] == 0:  # outside, or on a corner
                split.append(corners)
            else:
                split += [[corners[k], corners[k - 2], tuple(point)] for k in range(3) if sides[k] > 0]
        triangles = split
    return [list(rng.permutation(corners)) for corners in triangles]


@settings(deadline=None, max_examples=40)
@given(seeds, st.sampled_from([1, 0.5, 3 / 256]))
def test_a_triangulated_square_is_covered_exactly_once(seed: int, scale: float) -> None:
    """Breaks if a pixel centre on a shared edge or vertex is hit twice or missed (fill rule, snapping)."""
    rng = np.random.default_rng(seed)
    triangles = triangulate(24, rng)
    size = (32, 32)
    corners = np.array(triangles, dtype=np.float64).reshape(-1, 2) * scale + 2.5
    positions = from_pixels(corners.tolist(), size)
    faces = torch.arange(len(corners)).reshape(-1, 3)
    hits = torch.stack([ids(positions, face[None], size) >= 0 for face in faces]).sum(0)
    centres = torch.arange(32) + 0.5
    inside = (centres >= 2.5) & (centres < 2.5 + 24 * scale)
    assert torch.equal(hits, (inside[:, None] & inside).long())
    assert torch.equal(ids(positions, faces, size) >= 0, hits > 0)


def test_facing_is_counter_clockwise_as_seen() -> None:
    """Breaks if the y-down orientation is read the wrong way round, for whole or for clipped faces."""
    size = (8, 8)
    up, left, right = (4, 1), (1, 7), (7, 7)  # up, left, right: counter-clockwise as seen
    positions = from_pixels([up, left, right, (4, 4)], size)
    faces = torch.tensor([[0, 1, 2], [0, 2, 1], [0, 3, 3]])
    assert visibility(positions, faces, size)[1].tolist() == [[1, -1, 0]]
    positions[0, 0, 2] = -0.1  # the upper corner now lies before the near plane
    face_id, facing = visibility(positions, faces, size)
    assert facing.tolist() == [[1, -1, 0]]
    assert (face_id >= 0).any()


def test_culling_drops_the_side_it_names() -> None:
    """Breaks if "back" and "front" are swapped."""
    size = (8, 8)
    positions = from_pixels([(4, 1), (1, 7), (7, 7)], size, [0.2, 0.2, 0.2])
    faces = torch.tensor([[0, 1, 2], [0, 2, 1]])
    assert set(ids(positions, faces, size, cull="back").unique().tolist()) == {-1, 0}
    assert set(ids(positions, faces, size, cull="front").unique().tolist()) == {-1, 1}


def test_equal_depth_goes_to_the_lowest_id() -> None:
    """Breaks if ties depend on the order of drawing or on the winding."""
    size = (16, 16)
    positions = from_pixels([(0, 0), (16, 0), (16, 16), (0, 16)], size)
    faces = torch.tensor([[1, 2, 3], [3, 1, 0], [0, 1, 2], [2, 0, 3], [3, 2, 1]])
    found = ids(positions, faces, size)
    alone = torch.stack([ids(positions, face[None], size) >= 0 for face in faces])
    assert torch.equal(found, alone.int().argmax(0).int())
    tilted = build(["large"], 3, size)
    assert set(ids(tilted.positions, tilted.faces.repeat(3, 1), size).unique().tolist()) <= {-1, 0}


def test_nearest_face_wins_where_planes_intersect() -> None:
    """Breaks if depth is not linear on the screen between the corners."""
    size = (16, 32)
    square = [(0, 0), (32, 0), (32, 16), (0, 16)]
    positions = torch.cat([from_pixels(square, size, [0.25, 0.75, 0.75, 0.25]), from_pixels(square, size, 0.5)], 1)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    slanted = ids(positions, faces, size) < 2
    assert torch.equal(slanted, (torch.arange(32) < 16).expand(16, 32))


@pytest.mark.parametrize(("scale", "left", "right"), [(1, 0.25, 0.75), (3, 0.125, 0.875)])
def test_depth_is_taken_at_the_pixel_centre(scale: int, left: float, right: float) -> None:
    """Breaks if depth planes are off by a fraction of a pixel, in float32 or (wide faces) float64."""
    size = (16, 32)
    x, y = (16 - 16 * scale, 16 + 16 * scale), (8 - 8 * scale, 8 + 8 * scale)
    square = [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])]
    at = (16.5 - x[0]) / (x[1] - x[0])
    level = left + at * (right - left)  # of the slope at the centres of column 16
    slope, flat = from_pixels(square, size, [left, right, right, left]), from_pixels(square, size, level)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    # A tie in that column, exact in binary fractions, so whichever is listed first is drawn there.
    assert torch.equal(ids(torch.cat([slope, flat], 1), faces, size)[0] < 2, torch.arange(32) <= 16)
    assert torch.equal(ids(torch.cat([flat, slope], 1), faces, size)[0] >= 2, torch.arange(32) < 16)


@settings(deadline=None, max_examples=25)
@given(scenes(max_batch=1), seeds)
def test_permuting_the_faces_permutes_the_ids(scene: Scene, seed: int) -> None:
    """Breaks if a face's pixels or depth depend on its place in the list."""
    order = torch.tensor(np.random.default_rng(seed).permutation(len(scene.faces)))
    plain = ids(*scene)
    shuffled = ids(scene.positions, scene.faces[order], scene.size)
    assert torch.equal(plain >= 0, shuffled >= 0)
    mapped = torch.where(shuffled >= 0, order[shuffled.long().clamp(min=0)], -1)
    differ = mapped != plain  # only where two faces tie: there, the one listed first is drawn
    for pair in torch.stack([plain, mapped], -1)[differ].unique(dim=0).long():
        here = differ & (plain == pair[0]) & (mapped == pair[1])
        assert (ids(scene.positions, scene.faces[pair], scene.size)[here] == 0).all()
        assert (ids(scene.positions, scene.faces[pair.flip(0)], scene.size)[here] == 0).all()


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(-20, 20), st.integers(-20, 20), st.booleans())
def test_moving_by_whole_pixels_moves_the_ids(seed: int, dx: int, dy: int, wide: bool) -> None:
    """Breaks if coverage or depth depend on where on the image a triangle lies, or on the image's border."""
    size, faces = (64, 64), torch.arange(18).reshape(-1, 3)
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 64 * 256, (18, 2)) / 256
    if wide:
        corners = corners * 8 - 200
    zeta = rng.uniform(0, 1, 18).tolist()
    here = ids(from_pixels(corners.tolist(), size, zeta), faces, size)
    there = ids(from_pixels(np.add(corners, (dx, dy)).tolist(), size, zeta), faces, size)
    kept_here = here[max(0, -dy) : 64 - max(0, dy), max(0, -dx) : 64 - max(0, dx)]
    kept_there = there[max(0, dy) : 64 - max(0, -dy), max(0, dx) : 64 - max(0, -dx)]
    assert torch.equal(kept_here, kept_there)


def shoot(camera: np.ndarray, size: tuple[int, int], near: float, far: float) -> tuple[np.ndarray, np.ndarray]:
    """Rays through pixel centres against triangles (F, 3, 3) in camera space.

    Returns the nearest id (H, W), and where it is clear: where the ray passes no edge, and its hit no plane
    and no other hit, too closely.
    """
    height, width = size
    x = (np.arange(width) + 0.5) * 2 / width - 1
    y = (np.arange(height) + 0.5) * 2 / height - 1
    rays = np.stack([*np.meshgrid(x, y), np.ones(size)], -1)
    nearest, best = np.full(size, np.inf), np.full(size, -1)
    clear = np.ones(size, dtype=bool)
    for index, (a, b, c) in enumerate(camera):
        sides = np.stack([np.cross(p, q) for p, q in ((b, c), (c, a), (a, b))])
        volumes = rays @ sides.T  # ray . (p x q): the same sign three times if the line meets the triangle
        total = volumes.sum(-1)
        weights = volumes / total[..., None]
        z = (weights @ np.stack([a, b, c]))[..., 2]
        hit = (weights.min(-1) >= 0) & (z >= near) & (z <= far)
        reach = np.linalg.norm(sides, axis=1) * 0.02
        touches = (np.abs(volumes) < reach).any(-1) & (weights.min(-1) > -0.2)
        clear &= ~touches & (np.abs(z - near) > 0.01) & (np.abs(z - far) > 0.01)
        clear &= ~(hit & (np.abs(z - nearest) < 1e-3 * far))
        wins = hit & (z < nearest)
        best[wins], nearest[wins] = index, z[wins]
    return best, clear


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_triangles_around_the_camera_match_rays(seed: int) -> None:
    """Breaks if clipping loses, adds or moves a part of a triangle, or gives its pieces another depth."""
    rng = np.random.default_rng(seed)
    size, near, far = (24, 36), 0.1, 6.0
    camera = rng.uniform(-4, 4, (6, 3, 3))
    found, clear = shoot(camera, size, near, far)
    x, y, z = camera.reshape(-1, 3).T
    positions = np.stack([x, y, (z - near) * far / (far - near), z], 1)
    face_id = ids(torch.tensor(positions)[None], torch.arange(18).reshape(-1, 3), size).numpy()
    assert (found == face_id)[clear].all()
    assume(clear.mean() > 0.02)  # else the scene says nothing: the next one, please


def test_a_plane_through_the_camera_reaches_the_horizon() -> None:
    """Breaks if triangles with vertices behind the camera are dropped or turned inside out."""
    size = (20, 20)
    ground = torch.tensor([[-50.0, 1, -50], [50, 1, -50], [50, 1, 50], [-50, 1, 50]])
    x, y, z = ground.unbind(1)
    positions = torch.stack([x, y, (z - 0.1) * 100 / 99.9, z], 1)[None]
    face_id, facing = visibility(positions, torch.tensor([[0, 1, 2], [0, 2, 3]]), size)
    assert torch.equal(face_id[0] >= 0, (torch.arange(20) >= 10)[:, None].expand(20, 20))
    assert facing[0, 0] == facing[0, 1] != 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("coordinate", range(4))
def test_a_face_with_a_vertex_that_is_not_finite_covers_nothing(bad: float, coordinate: int) -> None:
    """Breaks if such a face is drawn, culled as a side, or takes its neighbours with it."""
    size = (8, 8)
    positions = from_pixels([(0, 0), (8, 0), (8, 8), (0, 8)], size)
    positions[0, 3, coordinate] = bad
    face_id, facing = visibility(positions, torch.tensor([[0, 2, 1], [0, 3, 2]]), size)
    assert facing.tolist() == [[1, 0]]
    assert set(face_id.unique().tolist()) == {-1, 0}


def test_a_packed_mesh_draws_each_range_alone() -> None:
    """Breaks if a range's faces leak into another image or ids count from the range's start."""
    size = (6, 6)
    positions = from_pixels([(0, 0), (6, 0), (6, 6), (0, 6)], size)[0]
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    face_id, facing = visibility(positions, faces, size, torch.tensor([[1, 1], [0, 0], [0, 2]]))
    assert [set(image.unique().tolist()) for image in face_id] == [{-1, 1}, {-1}, {0, 1}]
    assert facing.shape == (1, 2)
