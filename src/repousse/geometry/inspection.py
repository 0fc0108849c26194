"""What a mesh is like, and what is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from repousse.geometry.components import component_labels
from repousse.geometry.mesh import Mesh


@dataclass(frozen=True)
class Inspection:
    """Counts and measures of one mesh.

    vertices, faces    how many
    components         parts that share no vertex
    boundary_edges     edges with one face: holes and borders
    crowded_edges      edges with more than two faces
    torn_edges         edges whose two faces are wound against each other
    flat_faces         faces without area, or that name a vertex twice
    doubled_faces      faces with the same three vertices as an earlier one
    unused_vertices    vertices that no face has
    low, high          corners of the bounding box
    area               of the surface, in world units
    volume             enclosed; only of closed, consistently wound meshes, negative if these are inside out
    """

    vertices: int
    faces: int
    components: int
    boundary_edges: int
    crowded_edges: int
    torn_edges: int
    flat_faces: int
    doubled_faces: int
    unused_vertices: int
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    area: float
    volume: float | None

    @property
    def watertight(self) -> bool:
        """Every edge has exactly two faces, wound alike: there is an inside."""
        return not (self.boundary_edges or self.crowded_edges or self.torn_edges)

    def problems(self) -> Iterator[str]:
        """What may surprise in pictures or in optimisation, in words."""
        counts = {
            "boundary edges (the surface is open)": self.boundary_edges,
            "edges with more than two faces": self.crowded_edges,
            "edges between faces that are wound against each other": self.torn_edges,
            "faces without area": self.flat_faces,
            "faces that occur more than once": self.doubled_faces,
            "vertices without a face": self.unused_vertices,
        }
        yield from (f"{count} {what}" for what, count in counts.items() if count)
        if self.volume is not None and self.volume < 0:
            yield "the surface is inside out"


def inspect(mesh: Mesh) -> Inspection:
    """Look at one mesh (V, 3); see `Inspection`. ValueError for poses and packed meshes."""
    if mesh.positions.ndim != 2 or mesh.ranges is not None:
        raise ValueError("inspect: this is more than one mesh; look at them one by one.")
    positions, faces = mesh.positions.detach().double(), mesh.faces.long()
    topology = mesh.topology
    corners = positions[faces]
    cross = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = cross.norm(dim=-1) / 2
    crowded = torch.zeros(len(topology.edges), dtype=torch.bool, device=faces.device)
    crowded[topology.extra[:, 0].long()] = True
    boundary, torn = int(topology.boundary.sum()), int((~topology.consistent).sum())
    closed = not (boundary or torn or crowded.any())
    volume = float((corners[:, 0] * cross).sum() / 6) if closed else None
    sorted_faces = faces.sort(-1).values
    used = torch.zeros(len(positions), dtype=torch.bool, device=faces.device)
    used[faces] = True
    low, high = positions[used].amin(0).tolist(), positions[used].amax(0).tolist()
    return Inspection(
        vertices=len(positions),
        faces=len(faces),
        components=len(component_labels(len(positions), faces)[used].unique()),
        boundary_edges=boundary,
        crowded_edges=int(crowded.sum()),
        torn_edges=torn,
        flat_faces=int((areas == 0).sum()),
        doubled_faces=len(faces) - len(sorted_faces.unique(dim=0)),
        unused_vertices=int((~used).sum()),
        low=(low[0], low[1], low[2]),
        high=(high[0], high[1], high[2]),
        area=float(areas.sum()),
        volume=volume,
    )
