"""The text of an OBJ file, as it stands: numbers, polygons, and the names of materials."""

import re
from dataclasses import dataclass, field

import numpy as np

_SKIPPED = {"p": "points", "l": "lines"} | dict.fromkeys(("curv", "curv2", "surf"), "free-form curves and surfaces")
_LEAST = {"v": 3, "vt": 1, "vn": 3}  # numbers in a line


@dataclass
class Statements:
    """What lines other than those of vertices and faces say.

    libraries  material files, in order
    materials  names of materials in order of first use -> 0, 1, 2, ...
    current    the material of the faces that follow, -1 for none
    skipped    kinds of elements that no mesh has
    """

    libraries: list[str] = field(default_factory=list)
    materials: dict[str, int] = field(default_factory=dict)
    current: int = -1
    skipped: set[str] = field(default_factory=set)

    def line(self, keyword: str, line: str) -> None:
        if keyword == "usemtl":
            name = _rest(line)
            self.current = self.materials.setdefault(name, len(self.materials)) if name else -1
        elif keyword == "mtllib":
            name = _rest(line)
            if not name:
                raise ValueError("it names no file")
            # Names may have blanks and there may be several, so what ends a name is its ending.
            self.libraries += re.split(r"(?<=\.mtl)\s+", name, flags=re.IGNORECASE)
        elif keyword in _SKIPPED:
            self.skipped.add(_SKIPPED[keyword])


@dataclass
class ObjText:
    """An OBJ file.

    rows        "v", "vt", "vn" -> float64 (N, C), with C = 6 for "v" if it has colours
    references  int64 (C, 3)  v, vt and vn of each corner of a polygon, counted from 0, -1 where it names none
    lengths     int64 (P,)    corners of each polygon
    material    int64 (P,)    number of its material, -1 for none
    statements  the rest
    """

    rows: dict[str, np.ndarray]
    references: np.ndarray
    lengths: np.ndarray
    material: np.ndarray
    statements: Statements


def parse_lines(data: bytes, what: str) -> ObjText:
    """Line by line. ValueError, beginning with `what`, names the first line that cannot be read."""
    reader = _Reader()
    for number, line in enumerate(data.decode("utf-8", errors="replace").split("\n"), 1):
        words = line.partition("#")[0].split()
        try:
            if words:
                reader.line(words, line)
        except (ValueError, IndexError) as error:
            shown = line.strip()[:80]
            raise ValueError(f"{what}, line {number}: cannot read {shown!r} ({error})") from error
    return reader.text()


class _Reader:
    """Collects lines. A corner "7/2/5" is parsed once, however many faces share it."""

    def __init__(self) -> None:
        self.rows: dict[str, list[list[float]]] = {"v": [], "vt": [], "vn": []}
        self.known: dict[str, tuple[int, ...]] = {}
        self.references: list[tuple[int, ...]] = []
        self.lengths: list[int] = []
        self.material: list[int] = []
        self.statements = Statements()

    def line(self, words: list[str], line: str) -> None:
        kind = words[0]
        if kind == "f":
            corners = [self.corner(word) for word in words[1:]]
            if len(corners) < 3:
                raise ValueError("a face needs at least three corners; is the file cut off?")
            self.references += corners
            self.lengths.append(len(corners))
            self.material.append(self.statements.current)
        elif kind in self.rows:
            row = [float(word) for word in words[1:]]
            if len(row) < _LEAST[kind]:
                raise ValueError("too few numbers; is the file cut off?")
            self.rows[kind].append(row)
        else:
            self.statements.line(kind, line)

    def corner(self, word: str) -> tuple[int, ...]:
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
        if not relative:
            self.known[word] = tuple(indices)
        return tuple(indices)

    def text(self) -> ObjText:
        colored = any(len(row) > 5 for row in self.rows["v"])
        widths = {"v": 6 if colored else 3, "vt": 2, "vn": 3}
        return ObjText(
            {key: _table(rows, widths[key], 1.0 if key == "v" else 0.0) for key, rows in self.rows.items()},
            np.array(self.references, dtype=np.int64).reshape(-1, 3),
            np.array(self.lengths, dtype=np.int64),
            np.array(self.material, dtype=np.int64),
            self.statements,
        )


def _table(rows: list[list[float]], width: int, missing: float) -> np.ndarray:
    pad = [missing] * width
    full = [row[:width] if len(row) >= width else (row + pad)[:width] for row in rows]
    return np.array(full, dtype=np.float64).reshape(-1, width)


def _rest(line: str) -> str:
    """What follows the keyword, which may have blanks; without a comment, which has a blank before it."""
    words = re.split(r"\s#", line.strip(), maxsplit=1)[0].split(None, 1)
    return words[1] if len(words) > 1 else ""
