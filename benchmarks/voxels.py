"""What turning a mesh into a grid costs: a torus of 10,000 faces."""

import repousse as rp
from benchmarks.timing import Call, Series
from repousse.ops import voxelize

WORKLOAD = "V"
TITLE = "V: 10000 faces into cells"
SURFACE = "surface, 64³"
SOLID = "solid, 64³"
CARVE = "surface + carving, 64³"
LARGE = "solid, 256³"


def series(counts: list[int]) -> list[Series]:
    """The steps for each number of threads."""
    return [Series(_steps(), count) for count in counts]


def _steps() -> dict[str, Call]:
    mesh = rp.torus(resolution=(100, 50))
    small, large = ((mesh.positions[None] + 1) * (cells / 2) for cells in (64, 256))
    return {
        SURFACE: lambda: voxelize(small, mesh.faces, (64, 64, 64), fill="none"),
        SOLID: lambda: voxelize(small, mesh.faces, (64, 64, 64)),
        CARVE: lambda: voxelize(small, mesh.faces, (64, 64, 64), fill="carve"),
        LARGE: lambda: voxelize(large, mesh.faces, (256, 256, 256)),
    }
