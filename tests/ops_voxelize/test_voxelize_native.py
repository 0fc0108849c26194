"""The native voxeliser against the reference, and as torch sees it."""

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_everywhere import everywhere
from torch import Tensor

from repousse.geometry import icosphere
from repousse.ops import voxelize

FILLS = ("none", "solid", "carve")
# From coordinates of any kind to those that put corners, edges and faces on borders and centres of cells.
GRAININGS = (None, 4, 2, 1)


@st.composite
def soups(draw: st.DrawFn) -> tuple[Tensor, Tensor, tuple[int, int, int]]:
    """Triangles of all kinds: tied, doubled, without area, partly or wholly outside of the grid, not finite."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    size = draw(st.tuples(*[st.integers(1, 7)] * 3))
    vertices = draw(st.integers(1, 9))
    positions = torch.rand(draw(st.integers(1, 2)), vertices, 3, generator=generator) * 10 - 1.5
    grain = draw(st.sampled_from(GRAININGS))
    if grain:
        positions = (positions * grain).round() / grain
    if draw(st.booleans()):
        positions[0, 0, draw(st.integers(0, 2))] = draw(st.sampled_from([torch.nan, torch.inf, -torch.inf]))
    faces = torch.randint(0, vertices, (draw(st.integers(0, 12)), 3), generator=generator)
    return positions, faces, size


@settings(deadline=None, max_examples=60)
@given(soups(), st.sampled_from(FILLS))
@pytest.mark.filterwarnings("ignore:voxelize")
def test_native_equals_reference(soup: tuple[Tensor, Tensor, tuple[int, int, int]], fill: str) -> None:
    """Breaks if a tie, a cut at the border of the grid, a doubled or a flat face is decided differently anywhere."""
    (found,) = everywhere(lambda: (voxelize(*soup, fill=fill),))
    assert found.dtype == torch.bool
    assert torch.equal(found, voxelize(*soup, fill=fill, backend="reference"))


@pytest.mark.parametrize("fill", ["none", "solid"])
def test_large_faces_are_the_sum_of_their_parts(fill: str) -> None:
    """Breaks if products overflow for faces longer than 128 cells, for which they need 128 bits."""
    corners = torch.tensor([[-3.0, -70, -9], [197, 8, -1], [90, 60, 11], [50, -30, 60000]])
    faces = torch.tensor([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    whole = voxelize(corners[None], faces, (200, 12, 10), fill=fill)
    triangles = corners[faces]
    while (triangles.amax(1) - triangles.amin(1)).max() > 128:  # cut the longest edges in their middles
        lengths = (triangles.roll(-1, 1) - triangles).abs().amax(-1)
        turn = lengths.argmax(1, keepdim=True)[..., None]
        a, b, c = (triangles.gather(1, (turn + k).remainder(3).expand(-1, 1, 3))[:, 0] for k in range(3))
        middle = (a + b) / 2
        if ((middle * 4096).frac() != 0).any():  # no longer the same plane: go on only while it is exact
            break
        triangles = torch.cat([torch.stack([a, middle, c], 1), torch.stack([middle, b, c], 1)])
    index = torch.arange(3 * len(triangles)).view(-1, 3)
    parts = voxelize(triangles.reshape(1, -1, 3), index, (200, 12, 10), fill=fill)
    assert len(triangles) > 1000 and 0 < whole.sum() < whole.numel()
    assert torch.equal(whole, parts)


def test_a_batch_is_its_poses_one_by_one() -> None:
    """Breaks if poses share cells or working memory."""
    sphere = icosphere(1)
    poses = torch.stack([sphere.positions * radius + 6 for radius in (2.0, 5.0, 3.5)])
    together = voxelize(poses, sphere.faces, (12, 13, 11))
    assert torch.equal(together, torch.cat([voxelize(pose[None], sphere.faces, (12, 13, 11)) for pose in poses]))
    assert len(set(together.sum((1, 2, 3)).tolist())) == 3


def test_nothing_in_nothing_out() -> None:
    """Breaks if no pose, no face or a face without a finite corner is an error or fills cells."""
    for fill in FILLS:
        for backend in ("native", "reference"):
            none = torch.zeros(0, 3, dtype=torch.int64)
            assert voxelize(torch.zeros(0, 4, 3), none, (2, 3, 4), fill=fill, backend=backend).shape == (0, 2, 3, 4)
            assert not voxelize(torch.zeros(2, 4, 3), none, (2, 3, 4), fill=fill, backend=backend).any()
            with pytest.warns(UserWarning, match="1 faces are not finite"):
                lost = voxelize(
                    torch.full((1, 3, 3), torch.nan), torch.tensor([[0, 1, 2]]), (2, 2, 2), fill=fill, backend=backend
                )
            assert not lost.any()


def test_a_vertex_that_no_face_uses_may_be_anything() -> None:
    """Breaks if a broken vertex is reported although nothing is lost."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        positions = torch.tensor([[[0.5, 0.5, 0.5], [1.5, 0.5, 0.5], [0.5, 1.5, 0.5], [torch.nan, 0, 0]]])
        assert voxelize(positions, torch.tensor([[0, 1, 2]]), (2, 2, 1), fill="none").sum() == 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precisions(dtype: torch.dtype) -> None:
    """Breaks if float64 positions, which are rounded to the lattice anyway, are refused or rounded twice."""
    sphere = icosphere(1)
    positions = (sphere.positions * 5 + 6).to(dtype)[None]
    found = voxelize(positions, sphere.faces, (12, 12, 12))
    assert torch.equal(found, voxelize(positions.float(), sphere.faces, (12, 12, 12)))


POINT = torch.zeros(1, 3, 3)
REFUSED = {
    "faces": ({"faces": torch.tensor([[0, 1]])}, ValueError, "`faces` must be an integer tensor"),
    "index": ({"faces": torch.tensor([[0, 1, 3]])}, IndexError, "holds index 3"),
    "shape": ({"positions": torch.zeros(1, 3, 4)}, ValueError, r"must be \(B, V, 3\), got float32 \(1, 3, 4\)"),
    "rank": ({"positions": POINT[0]}, ValueError, r"must be \(B, V, 3\)"),
    "dtype": ({"positions": POINT.int()}, TypeError, "`positions` must be a float tensor"),
    "far": ({"positions": POINT + 1e5}, ValueError, r"reach 1e\+05 cells from the origin, at most 65536"),
    "size": ({"size": (2, 0, 2)}, ValueError, "`size` must be three numbers of cells from 1 to 4096"),
    "fill": ({"fill": "all"}, ValueError, '`fill` must be "none", "solid" or "carve"'),
    "backend": ({"backend": "fast"}, ValueError, '`backend` must be "native" or "reference"'),
}


@pytest.mark.parametrize(("change", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(change: dict[str, Any], kind: type[Exception], message: str) -> None:
    """Breaks if bad input is not named."""
    given: dict[str, Any] = {"positions": POINT, "faces": torch.tensor([[0, 1, 2]]), "size": (2, 2, 2)}
    with pytest.raises(kind, match=message):
        voxelize(**(given | change))


def test_the_reference_refuses_what_it_cannot_compute_exactly() -> None:
    """Breaks if int64 overflows silently in the specification."""
    for far in (600.0, 200.0):
        positions = torch.tensor([[[0.0, 0, 0], [far, 0, 0], [0, 1, 0]]])
        with pytest.raises(ValueError, match="the reference takes faces up to 128 cells long"):
            voxelize(positions, torch.tensor([[0, 1, 2]]), (2, 2, 2), backend="reference")


@pytest.mark.parametrize("name", ["voxelize_surface", "voxelize_inside"])
def test_opcheck(name: str) -> None:
    """Breaks if a schema, a fake kernel's shapes, or the claim of having no derivative is wrong."""
    sphere = icosphere(1)
    for requires_grad in (False, True):
        positions = (sphere.positions * 2 + 3).expand(2, -1, -1).clone().requires_grad_(requires_grad)
        op = getattr(torch.ops.repousse, name).default
        torch.library.opcheck(op, (positions, sphere.faces, 6, 5, 7))
        assert not op(positions, sphere.faces, 6, 5, 7).requires_grad


def test_it_compiles_and_needs_no_gradient() -> None:
    """Breaks if something decides on data in Python, or positions that require a gradient are refused."""
    sphere = icosphere(1)
    positions = (sphere.positions * 2 + 3)[None].requires_grad_()
    torch.compiler.reset()
    for fill in FILLS:

        def run(p: Tensor, fill: str = fill) -> Tensor:
            return voxelize(p, sphere.faces, (6, 6, 6), fill=fill).float() * 2  # type: ignore[arg-type]

        expected = run(positions)
        assert not expected.requires_grad
        assert torch.equal(torch.compile(run, fullgraph=True, backend="aot_eager")(positions), expected)
