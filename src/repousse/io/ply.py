"""PLY, text and binary.

Read here and not by trimesh, which refuses binary files that mix triangles and quads, merges texture
coordinates by a tolerance, and loses vertex colours of files with texture coordinates per corner.
"""

import struct
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from repousse.geometry import Material, Texture

from .corners import Corners, listed, split
from .files import Folders
from .polygons import fans
from .textures import Pictures

_SHORT = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"}
_LONG = {"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"}
_TYPES = _SHORT | _LONG | {"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"}
_STRUCT = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "f4": "f", "f8": "d"}
_UV = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))
_RGB = ("red", "green", "blue")
_NORMAL = ("nx", "ny", "nz")


@dataclass
class _Property:
    name: str
    kind: str  # numpy's name of the type, without byte order
    count: str | None = None  # the type of the length, of a list


class _Lists(NamedTuple):
    """A property that is a list, of different lengths."""

    entries: np.ndarray
    lengths: np.ndarray


@dataclass
class _Element:
    name: str
    rows: int
    properties: list[_Property] = field(default_factory=list)


def read_ply(data: bytes, path: Path, textures: Path | None = None) -> Corners:
    """Parse a PLY file; polygons become fans. Colours of an integer type become [0, 1]. Reads positions,
    normals, uv (of vertices or of corners, "texcoord") and colours (of vertices or of faces).

    "comment TextureFile name.png", as MeshLab writes it, becomes a material of that name with this texture;
    with several of them the faces' "texnumber" tells whose is whose.

    textures  a folder besides that of `path` from which these may come
    """
    try:
        elements, encoding, names, body = _header(data)
        if encoding == "ascii":
            # Text is read as if it were binary with nothing but doubles.
            body = np.array([float(word) for word in body.split()], dtype="<f8").tobytes()
        order = ">" if encoding == "binary_big_endian" else "<"
        tables, offset = {}, 0
        for element in elements:
            tables[element.name], offset = _table(element, body, offset, order, encoding == "ascii")
        if any(axis not in tables.get("vertex", {}) for axis in "xyz"):
            raise ValueError("it has no vertices with x, y and z")
        corners, owner = _corners(tables, {element.name: element for element in elements})
        if names:
            _add_textures(
                corners, names, tables.get("face", {}).get("texnumber"), owner, Folders(path.parent, textures)
            )
        return corners
    except (ValueError, LookupError, OverflowError, MemoryError, struct.error) as error:
        raise ValueError(f"load: {path} is not an intact PLY file ({error}); is it cut off?") from error


def _header(data: bytes) -> tuple[list[_Element], str, list[str], bytes]:
    """Elements, encoding, names of textures, and the bytes behind the header."""
    end = data.find(b"end_header")
    line_end = data.find(b"\n", end)
    if not data.startswith(b"ply") or end < 0 or line_end < 0:
        raise ValueError("no header from `ply` to `end_header`")
    elements: list[_Element] = []
    encoding, textures = "", []
    for line in data[:end].decode("utf-8", errors="replace").splitlines():
        words = line.split()
        match words:
            case ["format", encoding, *_]:
                pass
            case ["element", name, rows]:
                elements.append(_Element(name, int(rows)))
                if elements[-1].rows < 0:
                    raise ValueError(f"{rows} rows of `{name}` are announced")
            case ["property", "list", count, kind, name]:
                elements[-1].properties.append(_Property(name, _TYPES[kind], _TYPES[count]))
            case ["property", kind, name]:
                elements[-1].properties.append(_Property(name, _TYPES[kind]))
            case ["comment", key, _, *_] if key.lower() == "texturefile":
                textures.append(line.split(None, 2)[2].strip())  # the name may have blanks
    if encoding not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise ValueError(f"unknown format {encoding!r}")
    return elements, encoding, textures, data[line_end + 1 :]


def _table(
    element: _Element, body: bytes, offset: int, order: str, text: bool
) -> tuple[dict[str, np.ndarray | _Lists], int]:
    """The columns of an element, and its end. Lists are an (N, k) array, or `_Lists` if lengths differ."""

    def kind(name: str) -> str:
        return "<f8" if text else order + name

    # All lists as long as in the first row, which is the rule: then the rows are alike and read at once.
    fields: list[tuple] = []
    start = offset
    for p in element.properties if element.rows else ():
        if p.count is not None:
            length = int(np.frombuffer(body, kind(p.count), 1, start)[0])
            fields += [(f"{p.name} count", kind(p.count)), (p.name, kind(p.kind), (length,))]
        else:
            fields.append((p.name, kind(p.kind)))
        start = offset + np.dtype(fields).itemsize
    row = np.dtype(fields)
    end = offset + element.rows * row.itemsize
    if end <= len(body):
        if not fields:
            return {}, end
        table = np.frombuffer(body, row, element.rows, offset)
        lists = [p.name for p in element.properties if p.count is not None]
        if all((table[f"{name} count"] == table[name].shape[1]).all() for name in lists):
            return {p.name: table[p.name] for p in element.properties}, end
    elif not any(p.count for p in element.properties):
        raise ValueError(f"{element.rows} rows of `{element.name}` are announced, {len(body) - offset} bytes follow")
    return _ragged(element, body, offset, "<" if text else order, text)


def _ragged(
    element: _Element, body: bytes, offset: int, order: str, text: bool
) -> tuple[dict[str, np.ndarray | _Lists], int]:
    """`_table` of rows with lists of different lengths, whose places are found one after the other."""
    kinds = [np.dtype(order + ("f8" if text else p.kind)) for p in element.properties]
    counts = [
        None if p.count is None else struct.Struct(order + _STRUCT["f8" if text else p.count])
        for p in element.properties
    ]
    steps = list(zip(range(len(kinds)), counts, [kind.itemsize for kind in kinds], strict=True))
    places = [array("q") for _ in kinds]
    lengths = [array("q") for _ in kinds]
    for _ in range(element.rows):
        for i, count, size in steps:
            length = 1
            if count is not None:
                length = int(count.unpack_from(body, offset)[0])
                offset += count.size
                if length < 0:
                    raise ValueError(f"a list of {length} entries")
                lengths[i].append(length)
            places[i].append(offset)
            offset += length * size
        if offset > len(body):
            raise ValueError(f"{element.rows} rows of `{element.name}` are announced, fewer follow")
    columns: dict[str, np.ndarray | _Lists] = {}
    for i, p in enumerate(element.properties):
        starts = np.array(places[i], dtype=np.int64)
        if p.count is None:
            columns[p.name] = _gathered(body, starts, kinds[i])
            continue
        number = np.array(lengths[i], dtype=np.int64)
        within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        entries = _gathered(body, np.repeat(starts, number) + within * kinds[i].itemsize, kinds[i])
        columns[p.name] = _Lists(entries, number)
    return columns, offset


def _gathered(body: bytes, places: np.ndarray, kind: np.dtype) -> np.ndarray:
    """The numbers that begin at these bytes."""
    letters = np.frombuffer(body, np.uint8)
    return letters[places[:, None] + np.arange(kind.itemsize)].reshape(-1).view(kind)


def _corners(tables: dict[str, dict], elements: dict[str, _Element]) -> tuple[Corners, np.ndarray]:
    """The mesh, and the face of the file that each triangle belongs to."""
    vertex, face = tables["vertex"], tables.get("face", {})
    lists = next((face[name] for name in ("vertex_indices", "vertex_index") if name in face), None)
    flat, lengths = _flatten(lists)
    corner, owner = fans(lengths)
    result = Corners(_stack(vertex, ("x", "y", "z")), flat.astype(np.int64)[corner])
    if all(name in vertex for name in _NORMAL):
        result.attributes["normal"] = _stack(vertex, _NORMAL), result.faces
    texcoord, numbers = _flatten(face.get("texcoord"))
    if len(texcoord) and np.array_equal(numbers, 2 * lengths):
        result.attributes["uv"] = texcoord.astype(np.float64).reshape(-1, 2), corner
    else:
        for names in _UV:
            if all(name in vertex for name in names):
                result.attributes["uv"] = _stack(vertex, names), result.faces
    if all(name in vertex for name in _RGB):
        result.attributes["color"] = _color(vertex, elements["vertex"]), result.faces
    elif all(name in face for name in _RGB):
        result.attributes["color"] = _color(face, elements["face"]), np.repeat(owner[:, None], 3, 1)
    return result, owner


def _add_textures(corners: Corners, names: list[str], numbers: object, owner: np.ndarray, folders: Folders) -> None:
    """One material for each texture. `numbers` says for each face of the file which of them it has."""
    if "uv" not in corners.attributes:
        corners.notes.append(f"texture {listed(names)} was not loaded, there are no uv")
        return
    pictures = Pictures(folders)
    for name in names:
        image = pictures.read(name, srgb=True)
        image = None if image is None else pictures.with_channels(image, 4)
        texture = None if image is None else Texture(image)
        corners.materials.append(Material(name=name, base_color_texture=texture))
    corners.notes += pictures.notes
    if not isinstance(numbers, np.ndarray) or numbers.ndim != 1:
        corners.material_id = np.zeros(len(owner), dtype=np.int64)
    else:
        given = numbers.astype(np.int64)[owner]
        corners.material_id = np.where((given >= 0) & (given < len(names)), given, -1)  # -1: without a texture


def _flatten(lists: np.ndarray | _Lists | None) -> tuple[np.ndarray, np.ndarray]:
    """All entries of a list property one after the other, and the length of each list."""
    if lists is None:
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    if isinstance(lists, _Lists):
        return lists
    if lists.ndim != 2:
        raise ValueError("what should be lists are numbers")
    return lists.reshape(-1), np.full(len(lists), lists.shape[1])


def _stack(table: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    if any(not isinstance(table[name], np.ndarray) or table[name].ndim != 1 for name in names):
        raise ValueError(f"{', '.join(names)} should be numbers, not lists")
    return np.stack([table[name].astype(np.float64) for name in names], -1)


def _color(table: dict[str, np.ndarray], element: _Element) -> np.ndarray:
    names = (*_RGB, "alpha") if "alpha" in table else _RGB
    kind = np.dtype(next(p.kind for p in element.properties if p.name == "red"))
    return _stack(table, names) / (np.iinfo(kind).max if kind.kind in "iu" else 1)


def write_ply(corners: Corners, double: bool) -> bytes:
    """Binary PLY in float or double; colours in 8 bits, as every program expects them. One vertex for each
    combination of attributes."""
    kind, letter = ("double", "<f8") if double else ("float", "<f4")
    present = [name for name in ("normal", "uv", "color") if name in corners.attributes]
    rows, faces = split(len(corners.positions), [corners.faces] + [corners.attributes[n][1] for n in present])
    names = {"normal": _NORMAL, "uv": _UV[0], "color": (*_RGB, "alpha")}
    columns: list[tuple[str, str, np.ndarray]] = []
    for i, name in enumerate(["position", *present]):
        values = corners.attributes[name][0] if i else corners.positions
        values = values[rows[:, i]]
        if name == "color":
            values = np.rint(np.clip(values, 0, 1) * 255)
        for j, column in enumerate(names.get(name, ("x", "y", "z"))[: values.shape[1]]):
            columns.append((column, "u1" if name == "color" else letter, values[:, j]))
    vertex = np.zeros(len(rows), dtype=[(name, k) for name, k, _ in columns])
    for name, _, values in columns:
        vertex[name] = values
    face = np.zeros(len(faces), dtype=[("count", "u1"), ("index", "<i4", (3,))])
    face["count"], face["index"] = 3, faces
    properties = "".join(f"property {'uchar' if k == 'u1' else kind} {name}\n" for name, k, _ in columns)
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{properties}"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    return header.encode() + vertex.tobytes() + face.tobytes()
