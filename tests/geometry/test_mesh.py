"""Mesh: what it accepts, what its copies share, packing."""

import pickle

import pytest
import torch

import repousse.geometry.mesh
from repousse.geometry import Attribute, Mesh, cube, icosphere, pack, plane, teapot

TRIANGLE = torch.eye(3)
FACE = torch.tensor([[0, 1, 2]])


@pytest.fixture
def builds(monkeypatch):
    """Counts how often a topology is built."""
    calls = []
    original = repousse.geometry.mesh.topology
    monkeypatch.setattr(repousse.geometry.mesh, "topology", lambda *args: calls.append(args) or original(*args))
    return calls


def test_faces_become_contiguous_int32():
    """Breaks if kernels could be handed int64 or strided faces."""
    mesh = Mesh(TRIANGLE, torch.tensor([[0, 0], [1, 1], [2, 2]]).T)
    assert mesh.faces.dtype == torch.int32 and mesh.faces.is_contiguous()
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 2]]


def test_topology_is_built_once(builds):
    """Breaks if an optimisation loop builds the topology in each step, even if first needed inside."""
    mesh = cube()
    moved = [mesh.with_positions(mesh.positions * k) for k in (1, 2, 3)]
    found = [m.with_attribute("color", m.positions).topology for m in moved]
    assert len(builds) == 1
    assert all(f is mesh.topology for f in found)
    assert mesh.to(torch.float64).topology is mesh.topology


def test_with_positions_does_not_read_faces(monkeypatch):
    """Breaks if each step of an optimisation checks all indices again."""
    mesh = cube()
    monkeypatch.setattr(repousse.geometry.mesh, "checked_faces", None)
    moved = mesh.with_positions(torch.stack([mesh.positions, mesh.positions]))
    assert moved.faces is mesh.faces and moved.attributes["uv"] is mesh.attributes["uv"]
    assert mesh.positions.ndim == 2


def test_gradient_flows_through_copies():
    """Breaks if a method detaches."""
    positions = icosphere(1).positions.clone().requires_grad_()
    mesh = pack([icosphere(1).with_positions(positions), plane()]).to(torch.float64).normalized()
    mesh.positions.square().sum().backward()
    assert positions.grad is not None and positions.grad.abs().max() > 0


def test_to_keeps_faces_and_shares_indices():
    """Breaks if a change of precision touches faces, or attributes no longer share the positions' index."""
    mesh = icosphere(1)
    mesh = mesh.with_attribute("color", mesh.positions).to(torch.float64).to("cpu")
    assert mesh.positions.dtype == mesh.attributes["uv"].values.dtype == torch.float64
    assert mesh.faces.dtype == torch.int32
    assert mesh.attributes["color"].faces is mesh.faces


def test_to_another_device():
    """Breaks if part of a mesh stays behind (the meta device stands in for an accelerator)."""
    mesh = cube()
    connections = mesh.topology
    moved = mesh.to("meta")
    assert moved.positions.is_meta and moved.faces.is_meta and moved.attributes["uv"].faces.is_meta
    assert moved.topology.edges.is_meta and mesh.topology is connections and not mesh.faces.is_meta


def test_normalized_boxes():
    """Breaks if poses or packed meshes share a box, or a point divides by zero."""
    odd = cube().positions * torch.tensor([1.0, 2.0, 3.0]) + 7
    poses = cube().with_positions(torch.stack([odd, odd * 9])).normalized().positions
    packed = pack([cube().with_positions(odd), teapot()]).normalized().positions
    for part in (poses[0], poses[1], packed[:8], packed[8:]):
        low, high = part.amin(0), part.amax(0)
        assert torch.allclose(low, -high, atol=1e-5) and float(high.max()) == pytest.approx(1)
    point = Mesh(torch.full((3, 3), 5.0), FACE).normalized()
    assert point.positions.abs().max() == 0


def test_pack():
    """Breaks if indices or ranges point into another mesh, or an attribute that one mesh lacks survives."""
    parts = [cube().with_attribute("color", cube().positions), icosphere(1), plane()]
    packed = pack(parts)
    assert packed.ranges is not None and packed.vertex_ranges is not None
    assert packed.ranges.dtype == torch.int64 and set(packed.attributes) == {"uv"}
    for mesh, (first, count), (vertex, vertices) in zip(
        parts, packed.ranges.tolist(), packed.vertex_ranges.tolist(), strict=True
    ):
        faces = slice(first, first + count)
        assert torch.equal(packed.positions[packed.faces[faces]], mesh.positions[mesh.faces])
        assert torch.equal(packed.positions[vertex : vertex + vertices], mesh.positions)
        ours, theirs = packed.attributes["uv"], mesh.attributes["uv"]
        assert torch.equal(ours.values[ours.faces[faces]], theirs.values[theirs.faces])
    assert int(packed.topology.boundary.sum()) == 4
    assert repr(packed) == "Mesh(3 meshes, 54 vertices, 94 faces, uv)"


def test_pickle_and_repr():
    """Breaks if meshes cannot go to worker processes, or print all their numbers."""
    mesh = cube()
    again = pickle.loads(pickle.dumps(mesh))
    assert torch.equal(again.positions, mesh.positions) and again.topology.is_closed
    assert repr(mesh.with_positions(mesh.positions.expand(4, 8, 3))) == "Mesh(4 × 8 vertices, 12 faces, uv)"
    assert repr(mesh.attributes["uv"]) == "Attribute(24 values of 2 channels)"


BAD_MESHES = [
    (TRIANGLE.numpy(), FACE, TypeError, "`positions` is of type ndarray. Give a tensor"),
    (TRIANGLE.long(), FACE, TypeError, "`positions` has dtype torch.int64. Give floats: positions.float()"),
    (TRIANGLE[:, :2], FACE, ValueError, "`positions` must be (V, 3) or (B, V, 3) but is (3, 2)."),
    (TRIANGLE[:0], FACE, ValueError, "`positions` has shape (0, 3) but must hold at least one row"),
    (TRIANGLE, [[0, 1, 2]], TypeError, "`faces` is of type list. Give a tensor"),
    (TRIANGLE, FACE.float(), TypeError, "`faces` has dtype torch.float32. Give int32 or int64"),
    (TRIANGLE, FACE[0], ValueError, "`faces` must be (F, 3) but is (3,). Split polygons into triangles"),
    (TRIANGLE, FACE[:0], ValueError, "`faces` is empty. Give at least one triangle."),
    (TRIANGLE, FACE + 1, IndexError, "Indices count from 0; those of OBJ files count from 1."),
    (TRIANGLE, FACE - 1, IndexError, "`faces` holds index -1 but `positions` has 3 vertices (face 0)."),
    (TRIANGLE, FACE + 2**32, IndexError, f"`faces` holds index {2**32} but `positions` has 3 vertices"),
    (TRIANGLE.to("meta"), FACE, ValueError, "`positions` lies on meta but `faces` on cpu."),
]


@pytest.mark.parametrize(("positions", "faces", "error", "text"), BAD_MESHES)
def test_bad_mesh(positions, faces, error, text):
    """Breaks if a broken mesh is accepted, or the message no longer says what arrived."""
    with pytest.raises(error) as caught:
        Mesh(positions, faces)
    assert str(caught.value).startswith("Mesh: ") and text in str(caught.value)


def test_index_message():
    """Breaks if the message loses index, number of vertices, face or advice."""
    faces = icosphere(3).faces.clone()
    faces[97, 1] = 812
    with pytest.raises(IndexError) as caught:
        Mesh(icosphere(3).positions, faces)
    assert str(caught.value) == (
        "Mesh: `faces` holds index 812 but `positions` has 642 vertices (face 97). "
        "Was the mesh loaded with another topology?"
    )


UV = Attribute(TRIANGLE[:, :2], FACE)
BAD_USES = [
    (
        lambda: Attribute(TRIANGLE, FACE + 5),
        IndexError,
        "Attribute: `faces` holds index 5 but `values` has 3",
    ),
    (lambda: Attribute(TRIANGLE[0], FACE), ValueError, "Attribute: `values` must be (Va, C) or (B, Va, C)"),
    (lambda: Mesh(TRIANGLE, FACE, {"uv": TRIANGLE}), TypeError, "attribute 'uv' is of type Tensor."),  # type: ignore
    (
        lambda: Mesh(TRIANGLE, FACE.expand(2, 3), {"uv": UV}),
        ValueError,
        "'uv' has 1 faces but the mesh has 2",
    ),
    (
        lambda: Mesh(TRIANGLE, FACE, ranges=FACE[:, :2]),
        ValueError,
        "`ranges` and `vertex_ranges` go together",
    ),
    (
        lambda: cube().with_positions(TRIANGLE),
        ValueError,
        "Mesh.with_positions: got 3 vertices, the mesh has 8.",
    ),
    (lambda: cube().with_attribute("color", TRIANGLE), ValueError, "'color' has 3 rows but the mesh has 8"),
    (
        lambda: Mesh(TRIANGLE.expand(4, 3, 3), FACE).with_attribute("color", TRIANGLE.expand(2, 3, 3)),
        ValueError,
        "'color' has 2 sets of values but `positions` has 4 poses",
    ),
    (
        lambda: cube().with_attribute("color", torch.ones(4, 8, 3)).with_positions(torch.ones(2, 8, 3)),
        ValueError,
        "'color' has 4 sets of values but `positions` has 2 poses",
    ),
    (lambda: cube().to(torch.int64), TypeError, "Mesh.to: torch.int64 is no floating-point type"),
    (lambda: pack([]), ValueError, "pack: no meshes given"),
    (lambda: pack([pack([cube()])]), ValueError, "pack: one of the meshes is packed already"),
    (lambda: pack([Mesh(TRIANGLE[None], FACE)]), ValueError, "have `positions` (V, 3) but got (1, 3, 3)"),
    (
        lambda: pack([cube(), cube().with_attribute("uv", cube().positions)]),
        ValueError,
        "attribute 'uv' has values (24, 2), (8, 3). They must be (Va, C) with the same C",
    ),
    (
        lambda: pack([cube()]).with_positions(cube().positions[None]),
        ValueError,
        "Mesh.with_positions: packed meshes have `positions` (V, 3) but got (1, 8, 3)",
    ),
    (
        lambda: Mesh(TRIANGLE, FACE, ranges=FACE[:, :2] + 1, vertex_ranges=FACE[:, :2]),
        ValueError,
        "`ranges` holds (first, number) = (1, 2) in row 0 but the mesh has 1 faces",
    ),
]


@pytest.mark.parametrize(("use", "error", "text"), BAD_USES)
def test_bad_use(use, error, text):
    """Breaks if a method accepts what does not fit the mesh, or no longer says why not."""
    with pytest.raises(error) as caught:
        use()
    assert text in str(caught.value)
