"""Pairs of faces along edges, against a dictionary."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repousse.geometry import icosphere, topology

# Few vertices, so that duplicate faces, edges with many faces and repeated vertices turn up all the time.
face_lists = st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=20)


@given(face_lists)
@settings(deadline=None, max_examples=100)
def test_matches_the_dictionary(faces):
    """Breaks if an edge with one or three faces is taken for a hinge, or the wrong vertices lie across from it."""
    found = topology(torch.tensor(faces), 7)
    across = {}
    for corners in faces:
        if len(set(corners)) == 3:
            for k in range(3):
                edge = tuple(sorted((corners[k], corners[(k + 1) % 3])))
                across.setdefault(edge, []).append(corners[(k + 2) % 3])
    expected = [[*edge, *sides] for edge, sides in across.items() if len(sides) == 2]
    assert found.hinges.tolist() == expected
    assert found.edges[found.hinge_edges].tolist() == [row[:2] for row in expected]


def test_closed_mesh_has_a_hinge_per_edge():
    """Breaks if edges of a closed manifold are dropped, or the result is recomputed at each use."""
    found = icosphere(2).topology
    assert len(found.hinges) == len(found.edges) == 480
    assert found.hinges is found.hinges and found.hinges.dtype == torch.int64
