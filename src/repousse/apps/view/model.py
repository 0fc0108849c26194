"""What is looked at."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch

from repousse.apps.common import InputError
from repousse.apps.info import load_with_notes
from repousse.apps.studio import of_something
from repousse.geometry import Inspection, Mesh, inspect, vertex_normals, with_creased_normals
from repousse.shading import AmbientOcclusion, Light

Up = Literal["y", "z"]
_MANY_FACES = 300_000


class Model:
    """A mesh, ready to be drawn in several ways, by several threads.

    mesh     centred, its longest side 2: so distances of the browser's camera suit any unit. Clay if it has neither
             materials nor colours
    name     of its file
    notes    what the reader of the file warned of
    up       the axis that points upwards
    lights   those it belongs in, if any
    normals  names of the ways to shade it, the best first
    points   (N, 3) the vertices that faces have
    radius   of the sphere around the origin that holds them all

    InputError if they are not finite or all at one place.
    """

    def __init__(
        self, mesh: Mesh, name: str, *, up: Up = "y", notes: list[str] | None = None, lights: Sequence[Light] = ()
    ) -> None:
        self.name, self.notes, self.lights = name, notes or [], tuple(lights)
        self.up: Up = up
        self._given = mesh
        self.mesh = of_something(_centred(mesh, name))
        self.points = self.mesh.positions[self.mesh.faces.unique().long()]
        self.radius = float(self.points.norm(dim=-1).amax())
        first = "from the file" if "normal" in mesh.attributes else _best(mesh)
        others = (name for name in _NORMALS if name not in (first, "from the file"))
        self.normals = (first, *others)
        self._made: dict[str, Mesh] = {}
        self._occlusion: dict[int, AmbientOcclusion] = {}
        self._inspection: Inspection | None = None
        self._making, self._inspecting = threading.Lock(), threading.Lock()

    @classmethod
    def load(cls, path: Path, up: Up | None = None) -> "Model":
        """The mesh of a file. Its vertical axis is z in STL files, which come from CAD, and y in others, if not given.

        InputError if there is no such file, or nothing in it that can be drawn.
        """
        mesh, notes = load_with_notes(path)
        suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
        return cls(mesh, path.name, up=up or ("z" if suffix.lower() == ".stl" else "y"), notes=notes)

    def dressed(self, normals: str) -> tuple[Mesh, bool]:
        """The mesh with normals of that name, and whether `render` is to interpolate them."""
        if normals == "flat":
            return self.mesh, False
        with self._making:
            if normals not in self._made:
                self._made[normals] = _NORMALS[normals](self.mesh)
            return self._made[normals], True

    def occlusion(self, rays: int) -> AmbientOcclusion:
        """A shader that keeps what it casts rays at."""
        return self._occlusion.setdefault(rays, AmbientOcclusion(rays))

    def inspection(self) -> Inspection:
        """Of the mesh as it is in the file."""
        with self._inspecting:
            if self._inspection is None:
                self._inspection = inspect(self._given)
            return self._inspection

    def summary(self) -> str:
        """The numbers of `inspection`, in Markdown."""
        found = self.inspection()
        rows = {
            "vertices": f"{found.vertices:,}",
            "faces": f"{found.faces:,}",
            "parts": f"{found.components:,}",
            "watertight": "yes" if found.watertight else "no",
            "size": " × ".join(f"{high - low:.4g}" for low, high in zip(found.low, found.high, strict=True)),
            "area": f"{found.area:.5g}",
            "volume": "-" if found.volume is None else f"{found.volume:.5g}",
            "materials": f"{len(self._given.materials)}",
            "attributes": ", ".join(self._given.attributes) or "none",
        }
        table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
        warnings = "\n".join(f"- {line}" for line in (*found.problems(), *self.notes))
        return f"| | |\n|---|---|\n{table}\n\n{warnings}"


def _centred(mesh: Mesh, name: str) -> Mesh:
    """Centred and scaled by those vertices that faces have: others are not seen."""
    used = mesh.positions[mesh.faces.unique().long()].double()
    if not used.isfinite().all():
        raise InputError(f"{name} has vertices that are not finite (NaN or infinite)")
    low, high = used.amin(0), used.amax(0)
    size = float((high - low).amax())
    if size == 0:
        raise InputError(f"all vertices of {name} are at the same place: there is nothing to see")
    positions = (mesh.positions.double() - (low + high) / 2) * (2 / size)
    return mesh.with_positions(positions.to(torch.float32))


def _best(mesh: Mesh) -> str:
    """Where faces are about a pixel large, creases cost seconds and show nothing."""
    return "creased" if len(mesh.faces) <= _MANY_FACES else "smooth"


def _smooth(mesh: Mesh) -> Mesh:
    return mesh.with_attribute("normal", vertex_normals(mesh.positions, mesh.faces))


def _as_given(mesh: Mesh) -> Mesh:
    return mesh


_NORMALS: dict[str, Callable[[Mesh], Mesh]] = {
    "from the file": _as_given,
    "creased": with_creased_normals,
    "smooth": _smooth,
    "flat": _as_given,
}
