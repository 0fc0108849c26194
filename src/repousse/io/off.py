"""OFF and its relatives: COFF (colours), NOFF (normals), STOFF (texture coordinates) and their combinations.

Read here and not by trimesh, which drops all but positions.
"""

import re
from pathlib import Path

import numpy as np

from .corners import Corners, split

_HEADER = re.compile(r"(ST)?(C)?(N)?OFF\b", re.IGNORECASE)


def read_off(data: bytes, path: Path) -> Corners:
    """Parse a text OFF file; polygons become fans. ValueError for binary, 4-dimensional or cut off files."""
    lines = [line.partition("#")[0].split() for line in data.decode("utf-8", errors="replace").splitlines()]
    lines = [words for words in lines if words]
    header = _HEADER.fullmatch(lines[0][0]) if lines else None
    if header is None or lines[0][1:2] == ["BINARY"]:
        raise ValueError(f"load: {path} is not a text OFF file: it should begin with OFF, COFF, NOFF or STOFF")
    lines[0] = lines[0][1:]
    lines = lines if lines[0] else lines[1:]
    try:
        vertices, faces = int(lines[0][0]), int(lines[0][1])
        body = lines[1 : 1 + vertices + faces]
        if vertices < 0 or faces < 0 or len(body) < vertices + faces:
            raise ValueError(f"{vertices} vertices and {faces} faces are announced, {len(body)} lines follow")
        rows = np.array(body[:vertices], dtype=np.float64).reshape(vertices, -1)
        triangles, colored = [], False
        for words in body[vertices:]:
            length = int(words[0])
            corners = [int(word) for word in words[1 : 1 + length]]
            if len(corners) != length:
                raise ValueError(f"a face with {length} corners lists {len(corners)}")
            colored |= len(words) > 1 + len(corners)
            triangles += [(corners[0], corners[i], corners[i + 1]) for i in range(1, len(corners) - 1)]
        index = np.array(triangles, dtype=np.int64).reshape(-1, 3)
    except (ValueError, IndexError, OverflowError) as error:
        raise ValueError(f"load: {path} is not an intact OFF file ({error}); is it cut off?") from error
    result = Corners(rows[:, :3], index, notes=["colours of faces were not loaded"] * colored)
    _attributes(result, rows, [bool(part) for part in header.groups()], body[:vertices], path)
    return result


def _attributes(result: Corners, rows: np.ndarray, has: list[bool], words: list[list[str]], path: Path) -> None:
    """Cut the columns behind the position: normal, colour, texture coordinates, in this order."""
    textured, colored, normals = has
    fixed = 3 + 3 * normals + 2 * textured
    channels = rows.shape[1] - fixed
    if (colored and channels not in (3, 4)) or (not colored and channels < 0):
        raise ValueError(f"load: {path}: its header does not fit the {rows.shape[1]} numbers per vertex")
    at = 3
    if normals:
        result.attributes["normal"] = rows[:, at : at + 3], result.faces
        at += 3
    if colored:
        color = rows[:, at : at + channels]
        # Whole numbers count to 255, others to 1; only the notation tells "1 1 1" from "1.0 1.0 1.0".
        whole = all(word.isdigit() for row in words for word in row[at : at + channels])
        color = color / 255 if whole else color
        if channels == 4 and (color[:, 3] == 1).all():
            color = color[:, :3]  # the format knows no colour without alpha; this is what that looks like
        result.attributes["color"] = color, result.faces
        at += channels
    if textured:
        result.attributes["uv"] = rows[:, at : at + 2], result.faces


def write_off(corners: Corners, digits: int) -> bytes:
    """OFF text with `digits` significant digits, with one vertex for each combination of attributes."""
    present = [name for name in ("normal", "color", "uv") if name in corners.attributes]
    indices = [corners.faces] + [corners.attributes[name][1] for name in present]
    rows, faces = split(len(corners.positions), indices)
    columns, formats = [corners.positions[rows[:, 0]]], [f"%.{digits}g"] * 3
    for i, name in enumerate(present, 1):
        values = corners.attributes[name][0][rows[:, i]]
        if name == "color" and values.shape[1] == 3:
            values = np.pad(values, ((0, 0), (0, 1)), constant_values=1.0)
        columns.append(values)
        formats += [f"%#.{digits}g" if name == "color" else f"%.{digits}g"] * values.shape[1]
    kind = "ST" * ("uv" in present) + "C" * ("color" in present) + "N" * ("normal" in present) + "OFF"
    line = " ".join(formats) + "\n"
    text = f"{kind}\n{len(rows)} {len(faces)} 0\n"
    text += line * len(rows) % tuple(np.concatenate(columns, 1).reshape(-1).tolist())
    return (text + "3 %d %d %d\n" * len(faces) % tuple(faces.reshape(-1).tolist())).encode()
