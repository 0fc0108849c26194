"""Reads the text of .obj and .mtl files; knows nothing of texture cubes."""

import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

# How many words follow an option of a map line: (at least, at most); beyond the least only numbers count.
MAP_OPTIONS = {
    "-blendu": (1, 1), "-blendv": (1, 1), "-boost": (1, 1), "-bm": (1, 1), "-cc": (1, 1), "-clamp": (1, 1),
    "-imfchan": (1, 1), "-mm": (2, 2), "-o": (1, 3), "-s": (1, 3), "-t": (1, 3), "-texres": (1, 1),
}  # fmt: skip


@dataclass
class ObjFile:
    """What an .obj file says, indices counted from 0.

    vertices   float32 (V, 3)
    uv         float32 (N, 2)
    faces      int32 (F, 3), polygons cut into fans from their first corner
    uv_faces   int64 (F, 3), -1 where a corner names no texture coordinate
    materials  the material names in use, in order of their first use
    material   int64 (F,), position in `materials`
    libraries  the arguments of the mtllib lines
    """

    vertices: np.ndarray
    uv: np.ndarray
    faces: np.ndarray
    uv_faces: np.ndarray
    materials: list[str]
    material: np.ndarray
    libraries: list[str]


@dataclass
class Material:
    """Colour (Kd) and picture (map_Kd) of a material, as far as given."""

    color: tuple[float, float, float] | None = None
    picture: str | None = None


@dataclass
class _Reader:
    vertices: list[list[float]] = field(default_factory=list)
    uv: list[list[float]] = field(default_factory=list)
    corners: list[tuple[int, int]] = field(default_factory=list)  # of all polygons, one after the other
    counts: list[int] = field(default_factory=list)  # corners per polygon
    used: list[int] = field(default_factory=list)  # material per polygon
    materials: dict[str, int] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)
    name: str = ""

    def line(self, text: str) -> None:
        words = text.split()
        keyword = words[0]
        if keyword == "v":
            self.vertices.append([float(word) for word in words[1:4]])
            if len(words) < 4:
                raise ValueError("a vertex needs three coordinates")
        elif keyword == "vt":
            self.uv.append([float(word) for word in (*words[1:3], "0")[:2]])
        elif keyword == "f":
            self.polygon(words[1:])
        elif keyword == "usemtl":
            self.name = text.split(maxsplit=1)[1].strip() if len(words) > 1 else ""
        elif keyword == "mtllib" and len(words) > 1:
            self.libraries.append(text.split(maxsplit=1)[1].strip())

    def polygon(self, words: list[str]) -> None:
        for position, word in enumerate(words):
            if word.startswith("#"):
                words = words[:position]
                break
            vertex, _, rest = word.partition("/")
            texture = rest.partition("/")[0]
            self.corners.append((_resolve(int(vertex), len(self.vertices)), _resolve(int(texture or 0), len(self.uv))))
        self.counts.append(len(words))
        self.used.append(self.materials.setdefault(self.name, len(self.materials)))


def _resolve(index: int, count: int) -> int:
    """Files count from 1, or from -1 backwards; we count from 0 and write -1 for a missing index."""
    if index < -count:
        raise ValueError(f"index {index} reaches back beyond the first of {count} entries")
    return count + index if index < 0 else index - 1


def read_obj(filename: str | os.PathLike[str]) -> ObjFile:
    """Read an .obj file.

    ValueError, with the number of the line, for lines that cannot be read; also for files without vertices or
    triangles and for indices that do not exist.
    """
    reader = _Reader()
    text = Path(filename).read_text(encoding="utf-8-sig", errors="surrogateescape").replace("\\\n", " ")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith(("v ", "v\t", "vt", "f ", "f\t", "usemtl", "mtllib", " ", "\t")) and line.strip():
            try:
                reader.line(line)
            except (ValueError, IndexError) as error:
                raise ValueError(
                    f"load_obj: cannot read line {number} of {filename}, {line.strip()!r}: {error}."
                ) from error

    counts = np.asarray(reader.counts, dtype=np.int64)
    triangles = np.maximum(counts - 2, 0)
    if not reader.vertices or triangles.sum() == 0:
        raise ValueError(
            f"load_obj: {filename} has {len(reader.vertices)} vertices and {triangles.sum()} triangles. "
            "Both are needed."
        )
    # Triangle k of a polygon has its corners 0, k + 1, k + 2.
    start = np.repeat(np.cumsum(counts) - counts, triangles)
    step = np.arange(triangles.sum()) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    fan = np.stack([start, start + step + 1, start + step + 2], axis=1)
    corners = np.asarray(reader.corners, dtype=np.int64)[fan]
    found = ObjFile(
        vertices=np.asarray(reader.vertices, dtype=np.float32),
        uv=np.asarray(reader.uv, dtype=np.float32).reshape(-1, 2),
        faces=corners[:, :, 0].astype(np.int32),
        uv_faces=corners[:, :, 1],
        materials=list(reader.materials),
        material=np.repeat(np.asarray(reader.used, dtype=np.int64), triangles),
        libraries=reader.libraries,
    )
    _check_numbers(filename, found)
    return found


def _check_numbers(filename: str | os.PathLike[str], obj: ObjFile) -> None:
    for what, values in (("vertex", obj.vertices), ("texture coordinate", obj.uv)):
        wrong = ~np.isfinite(values).all(axis=1)
        if wrong.any():
            raise ValueError(f"load_obj: {what} {np.argmax(wrong) + 1} of {filename} is not finite.")
    for what, index, low, count in (
        ("vertices", obj.faces, 0, len(obj.vertices)),
        ("texture coordinates", obj.uv_faces, -1, len(obj.uv)),
    ):
        wrong = (index < low) | (index >= count)
        if wrong.any():
            face, corner = np.argwhere(wrong)[0]
            raise ValueError(
                f"load_obj: triangle {face} of {filename} asks for number {index[face, corner] + 1} of {count} {what}."
            )


def read_mtl(filename: str | os.PathLike[str]) -> dict[str, Material]:
    """Read the materials of an .mtl file, by name. Names and paths may contain blanks."""
    materials: dict[str, Material] = {}
    current = Material()
    for line in Path(filename).read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines():
        keyword, _, rest = line.strip().replace("\t", " ").partition(" ")
        rest = rest.strip()
        if keyword == "newmtl":
            current = materials.setdefault(rest, Material())
        elif keyword in ("Kd", "map_Kd") and not materials:
            current = materials.setdefault("", Material())
        if keyword == "Kd":
            try:
                color = [float(word) for word in rest.split()[:3]]
                red, green, blue = color * 3 if len(color) == 1 else color
            except ValueError as error:
                raise ValueError(f"load_obj: cannot read the line {line.strip()!r} of {filename}.") from error
            current.color = (red, green, blue)
        elif keyword == "map_Kd":
            current.picture = _map_path(rest, filename) or None
    return materials


def _map_path(arguments: str, filename: str | os.PathLike[str]) -> str:
    """The path of a map line, behind its options, which are not applied."""
    rest = arguments
    while (option := rest.split(" ", 1)[0]) in MAP_OPTIONS:
        warnings.warn(f"load_obj: the option {option} of a map_Kd line in {filename} is ignored.", stacklevel=6)
        least, most = MAP_OPTIONS[option]
        rest = rest[len(option) :].strip()
        for position in range(most):
            word, _, tail = rest.partition(" ")
            if position < least or _is_number(word):
                rest = tail.strip()
    return rest


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
