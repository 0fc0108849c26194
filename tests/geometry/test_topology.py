"""Topology: the native tables against a dictionary, on every kind of face list."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repousse.geometry import icosphere, topology

# Few vertices, so that duplicate faces, edges with many faces and repeated vertices turn up all the time.
face_lists = st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=30)


def tables(faces):
    """The fields of Topology by their definition: a dictionary from vertex pairs to faces along them."""
    along, face_edges = {}, []
    for face, corners in enumerate(faces):
        row = [-1, -1, -1]
        if len(set(corners)) == 3:
            for k in range(3):
                a, b = corners[k], corners[(k + 1) % 3]
                pair = (min(a, b), max(a, b))
                along.setdefault(pair, []).append((face, a < b))
                row[k] = list(along).index(pair)
        face_edges.append(row)
    edge_faces, consistent, extra = [], [], []
    for edge, users in enumerate(along.values()):
        (first, up), *others = users
        edge_faces.append([first, others[0][0] if others else -1])
        consistent.append(not others or others[0][1] != up)
        extra += [[edge, face, int(direction == up)] for face, direction in others[1:]]
    return [list(pair) for pair in along], edge_faces, consistent, extra, face_edges


@given(face_lists)
@settings(deadline=None, max_examples=200)
def test_matches_the_dictionary(faces):
    """Breaks if numbering, order, directions, surplus faces or degenerate faces go wrong anywhere."""
    found = topology(torch.tensor(faces), 7)
    fields = (found.edges, found.edge_faces, found.consistent, found.extra, found.face_edges)
    assert [field.tolist() for field in fields] == list(tables(faces))


def test_dtypes_and_shapes():
    """Breaks if kernels that read these tables raw would read something else."""
    found = topology(torch.tensor([[0, 1, 2]]))
    for field in (found.faces, found.edges, found.edge_faces, found.extra, found.face_edges):
        assert field.dtype == torch.int32 and field.is_contiguous()
    assert found.consistent.dtype == torch.bool
    assert found.extra.shape == (0, 3)
    assert found.boundary.tolist() == [True, True, True] and not found.is_closed


def test_only_degenerate_faces():
    """Breaks if a mesh without a single edge crashes."""
    found = topology(torch.tensor([[1, 1, 1], [0, 2, 0]]))
    assert len(found.edges) == 0 and found.is_closed


def test_neighbours_meet_across_a_degenerate_face():
    """Breaks if a collapsed triangle turns the edge it collapsed to into a non-manifold one."""
    found = topology(torch.tensor([[0, 1, 2], [0, 2, 0], [0, 2, 3]]))
    edge = found.edges.tolist().index([0, 2])
    assert found.edge_faces[edge].tolist() == [0, 2]
    assert bool(found.consistent[edge]) and len(found.extra) == 0


def test_unused_vertices_and_int64():
    """Breaks if vertices without faces shift anything, or int64 faces are read as int32."""
    faces = torch.tensor([[5, 9, 7], [9, 5, 11]])
    assert topology(faces, 1000).edges.tolist() == topology(faces.int()).edges.tolist()


def test_vertex_with_very_many_faces():
    """Breaks if the work at one vertex grows faster than its number of faces (this would take hours)."""
    count = 300_000
    rim = torch.arange(1, count + 1)
    found = topology(torch.stack([torch.zeros_like(rim), rim, rim % count + 1], dim=1))
    assert len(found.edges) == 2 * count
    assert int(found.boundary.sum()) == count


def test_order_of_vertices_does_not_matter():
    """Breaks if the answer depends on vertex numbers rather than on the faces' order."""
    faces = icosphere(2).faces
    names = torch.randperm(162, generator=torch.Generator().manual_seed(0)).int()
    plain, renamed = topology(faces), topology(names[faces])
    assert torch.equal(plain.edge_faces, renamed.edge_faces)
    assert torch.equal(names[plain.edges].sort(dim=1).values, renamed.edges)


@pytest.mark.parametrize(
    ("faces", "count", "error", "text"),
    [
        ([[0, 1, 2]], 2, IndexError, "`faces` holds index 2 but there are 2 vertices \\(face 0\\)"),
        ([[0, 1, 2], [0, -1, 2]], None, IndexError, "`faces` holds index -1 .* \\(face 1\\)"),
        ([[0, 1, 2**40]], None, ValueError, "too many: .* int32"),
        ([[0, 1]], None, ValueError, "must be \\(F, 3\\) but is \\(1, 2\\)"),
        ([[0.0, 1.0, 2.0]], None, TypeError, "has dtype torch.float32"),
    ],
)
def test_bad_input(faces, count, error, text):
    """Breaks if wrong faces reach native code, or the message no longer names the culprit."""
    with pytest.raises(error, match=f"topology: .*{text}"):
        topology(torch.tensor(faces), count)
