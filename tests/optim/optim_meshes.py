"""Meshes for the tests of remeshing, and what is asked of them."""

import torch
from hypothesis import strategies as st
from torch import Tensor

import repousse as rp
from repousse.geometry import Mesh, inspect


@st.composite
def bumpy(draw: st.DrawFn) -> Mesh:
    """Closed and open surfaces of different genus, bent smoothly, with vertices moved about at random."""
    kind = draw(st.sampled_from(["sphere", "torus", "cube", "sheet", "two"]))
    shapes = {
        "sphere": lambda: rp.icosphere(draw(st.integers(1, 3))),
        "torus": lambda: rp.torus(resolution=(draw(st.integers(8, 24)), draw(st.integers(5, 12)))),
        "cube": lambda: rp.cube(resolution=draw(st.integers(1, 5))),
        "sheet": lambda: rp.plane(resolution=draw(st.integers(1, 9))),
        "two": lambda: rp.join([rp.icosphere(2), moved(rp.torus(resolution=(12, 8)), 3.0)]),
    }
    mesh = shapes[kind]()
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    wave = torch.randn(3, 3, generator=generator)
    bent = mesh.positions + 0.1 * torch.sin(mesh.positions @ wave)
    return Mesh(
        bent + draw(st.sampled_from([0.0, 0.01, 0.03])) * torch.randn(bent.shape, generator=generator), mesh.faces
    )


def moved(mesh: Mesh, x: float) -> Mesh:
    return mesh.with_positions(mesh.positions + torch.tensor([x, 0.0, 0.0]))


def characteristic(mesh: Mesh) -> int:
    """Vertices - edges + faces."""
    return len(mesh.positions) - len(mesh.topology.edges) + len(mesh.faces)


def loops(mesh: Mesh) -> int:
    """Number of closed lines that the border consists of."""
    edges = mesh.topology.edges[mesh.topology.boundary].tolist()
    root = {vertex: vertex for edge in edges for vertex in edge}

    def find(vertex: int) -> int:
        while root[vertex] != vertex:
            vertex = root[vertex]
        return vertex

    for a, b in edges:
        root[find(a)] = find(b)
    return len({find(vertex) for vertex in root})


def is_manifold(mesh: Mesh) -> bool:
    """Every edge has one or two faces, wound alike, and the faces around a vertex form one fan."""
    found = inspect(mesh)
    if found.crowded_edges or found.torn_edges or found.doubled_faces or found.unused_vertices:
        return False
    steps: dict[int, dict[int, int]] = {}
    for a, b, c in mesh.faces.tolist():
        for here, first, second in ((a, b, c), (b, c, a), (c, a, b)):
            steps.setdefault(here, {})[first] = second
    return all(_is_fan(fan) for fan in steps.values())


def _is_fan(fan: dict[int, int]) -> bool:
    starts = fan.keys() - set(fan.values())
    if len(starts) > 1:
        return False
    vertex, seen = next(iter(starts or fan)), 0
    while vertex in fan and seen < len(fan):
        vertex, seen = fan[vertex], seen + 1
    return seen == len(fan)


def relative_lengths(mesh: Mesh, target: float | Tensor) -> Tensor:
    """Length of each edge over its target."""
    ends = mesh.positions[mesh.topology.edges.long()]
    wanted = torch.as_tensor(target)
    if wanted.ndim:
        wanted = wanted[mesh.topology.edges.long()].mean(1)
    return (ends[:, 1] - ends[:, 0]).norm(dim=1) / wanted
