"""Wavefront OBJ.

Read here and not by trimesh, because a renderer needs what trimesh gives up on the way to its single index
per vertex: the file's own index of positions, its order of faces (trimesh groups them by material), indices
relative to the current line, and errors for what is out of range.
"""

from pathlib import Path

import numpy as np

from .corners import Corners, split
from .files import inside


def read_obj(data: bytes, path: Path) -> Corners:
    """Parse an OBJ file.

    Materials are named in the notes; no file outside the folder of `path` is opened. Indices may be negative
    (counted back from the line they are on); polygons become fans; colours behind the position
    ("v x y z r g b") are taken as they are. ValueError names the line that cannot be read.
    """
    reader = _Reader()
    libraries: list[str] = []
    text = data.decode("utf-8", errors="replace").replace("\\\r\n", " ").replace("\\\n", " ")
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            if words[0] == "mtllib":
                libraries.append(line.split(None, 1)[1].strip())
            else:
                reader.line(words)
        except (ValueError, IndexError) as error:
            shown = line.strip()[:80]
            raise ValueError(f"load: {path}, line {number}: cannot read {shown!r} ({error})") from error
    corners = reader.corners()
    for library in dict.fromkeys(libraries):
        corners.notes += _library(path.parent, library)
    return corners


class _Reader:
    """Collects lines. A corner "7/2/5" is parsed once, however many faces share it."""

    def __init__(self) -> None:
        self.rows: dict[str, list[list[float]]] = {"v": [], "vt": [], "vn": []}
        self.known: dict[str, int] = {}
        self.references: list[tuple[int, int, int]] = []
        self.triangles: list[tuple[int, int, int]] = []
        self.others: set[str] = set()

    def line(self, words: list[str]) -> None:
        kind = words[0]
        if kind == "f":
            first, *rest = [self.corner(word) for word in words[1:]]
            if len(rest) < 2:
                raise ValueError("a face needs at least three corners; is the file cut off?")
            self.triangles += [(first, rest[i], rest[i + 1]) for i in range(len(rest) - 1)]
        elif kind in self.rows:
            row = [float(word) for word in words[1:]]
            if len(row) < (1 if kind == "vt" else 3):
                raise ValueError("too few numbers; is the file cut off?")
            self.rows[kind].append(row)
        elif kind in ("p", "l", "curv", "curv2", "surf"):
            self.others.add({"p": "points", "l": "lines"}.get(kind, "free-form curves and surfaces"))

    def corner(self, word: str) -> int:
        relative = "-" in word  # means another vertex on every line
        if not relative and word in self.known:
            return self.known[word]
        indices = [-1, -1, -1]
        for i, part in enumerate(word.split("/")):
            if part:
                value = int(part)
                count = len(self.rows[("v", "vt", "vn")[i]])
                if value == 0 or value >= 2**31 or value < -count:
                    raise ValueError(f"index {value} does not exist; they count from 1, or back from -1")
                indices[i] = value - 1 if value > 0 else count + value
        if indices[0] < 0:
            raise ValueError("a corner without a vertex")
        self.references.append((indices[0], indices[1], indices[2]))
        if not relative:
            self.known[word] = len(self.references) - 1
        return len(self.references) - 1

    def corners(self) -> Corners:
        triangles = np.array(self.triangles, dtype=np.int64).reshape(-1, 3)
        faces = np.array(self.references, dtype=np.int64).reshape(-1, 3)[triangles]  # (F, corner, v vt vn)
        result = Corners(_columns(self.rows["v"], 0, 3), faces[..., 0])
        if (faces[..., 1] >= 0).any():
            result.attributes["uv"] = _columns(self.rows["vt"], 0, 2), faces[..., 1]
        if (faces[..., 2] >= 0).any():
            result.attributes["normal"] = _columns(self.rows["vn"], 0, 3), faces[..., 2]
        if any(len(row) > 5 for row in self.rows["v"]):
            result.attributes["color"] = _columns(self.rows["v"], 3, 6, missing=1.0), faces[..., 0]
        if self.others:
            result.notes.append(f"{', '.join(sorted(self.others))} were not loaded")
        return result


def _columns(rows: list[list[float]], start: int, stop: int, missing: float = 0.0) -> np.ndarray:
    pad = [missing] * stop
    full = [row[start:stop] if len(row) >= stop else (row + pad)[start:stop] for row in rows]
    return np.array(full, dtype=np.float64).reshape(-1, stop - start)


def _library(folder: Path, name: str) -> list[str]:
    """What the material file would have brought, and whether it and its textures are where they should be."""
    path = inside(folder, name)
    if path is None:
        return [f"material file {name!r} was not read, it lies outside the folder of the model"]
    if not path.is_file():
        return [f"material file {name!r} is missing"]
    materials, textures = [], []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if len(words) < 2:
            continue
        if words[0].lower() == "newmtl":
            materials.append(repr(line.split(None, 1)[1].strip()))
        elif words[0].lower().startswith(("map_", "bump", "disp", "decal", "refl", "norm")):
            image = inside(folder, words[-1])
            state = ""
            if image is None:
                state = " (outside the folder of the model)"
            elif not image.is_file():
                state = " (missing)"
            textures.append(repr(words[-1]) + state)
    notes = []
    if materials:
        notes.append(f"materials {', '.join(dict.fromkeys(materials))} of {name!r} were not loaded")
    if textures:
        notes.append(f"textures {', '.join(dict.fromkeys(textures))} were not loaded")
    return notes


def write_obj(corners: Corners, digits: int) -> bytes:
    """OBJ text: positions, uv and normals keep their own indices; a colour belongs to a position, which is
    repeated where colours differ. `digits` significant digits are written."""
    number = f"%.{digits}g"
    positions, index = corners.positions, corners.faces
    if "color" in corners.attributes:
        colors, color_index = corners.attributes["color"]
        rows, index = split(len(positions), [corners.faces, color_index])
        positions = np.concatenate((positions[rows[:, 0]], colors[rows[:, 1], :3]), 1)
    chunks = [_lines("v", number, positions)]
    references = {"v": index}
    for name, key in (("uv", "vt"), ("normal", "vn")):
        if name in corners.attributes:
            values, references[key] = corners.attributes[name]
            chunks.append(_lines(key, number, values))
    corner = {
        ("v",): "%d",
        ("v", "vt"): "%d/%d",
        ("v", "vn"): "%d//%d",
        ("v", "vt", "vn"): "%d/%d/%d",
    }[tuple(references)]
    flat = np.stack(list(references.values()), -1) + 1
    chunks.append(f"f {corner} {corner} {corner}\n" * len(flat) % tuple(flat.reshape(-1).tolist()))
    return "".join(chunks).encode()


def _lines(key: str, number: str, values: np.ndarray) -> str:
    line = " ".join([key] + [number] * values.shape[1]) + "\n"
    return line * len(values) % tuple(values.reshape(-1).tolist())
