"""glTF, GLB and STL, read by trimesh; GLB and STL written."""

import io
import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from .corners import Corners, concatenate, split
from .files import inside

# Attributes that trimesh reads only together with a material; under another name it passes them on untouched.
_RENAMED = {"TEXCOORD_0": "_uv", "COLOR_0": "_color", "NORMAL": "_normal"}
_IGNORED_EXTENSIONS = ("KHR_materials_", "KHR_texture_", "KHR_lights_", "EXT_texture_")


def read_stl(data: bytes, path: Path) -> Corners:
    """Text or binary STL. Corners at the same position are one vertex again after welding."""
    return _scene(data, "stl", path)


def read_gltf(data: bytes, path: Path) -> Corners:
    """glTF and GLB: all triangle meshes of the scene, transformed and in one piece.

    v counts upwards, as in OBJ (glTF counts downwards). Materials, textures, skins and animations are named
    in the notes. Buffers are read only from inside the folder of `path`.
    """
    binary = data[:4] == b"glTF"
    try:
        text, rest = _chunks(data) if binary else (data, b"")
        tree = json.loads(text.decode("utf-8"))
        notes = _prepare(tree)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise ValueError(f"load: {path} is not an intact glTF file ({error}); is it cut off?") from error
    text = json.dumps(tree).encode()
    if not binary:
        return _scene(text, "gltf", path, notes)
    return _scene(_glb(text, rest), "glb", path, notes)


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    """JSON of a GLB file, and all chunks after it as they are."""
    _, version, length, size, kind = struct.unpack_from("<4sIII4s", data)
    if version != 2 or kind != b"JSON":
        raise ValueError("only version 2 is known")
    if length > len(data) or 20 + size > length:
        raise ValueError(f"{length} bytes are announced, the file has {len(data)}")
    return data[20 : 20 + size], data[20 + size : length]


def _glb(text: bytes, rest: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(rest), len(text), b"JSON")
    return head + text + rest


def _prepare(tree: dict) -> list[str]:
    """Rename the attributes, refuse what trimesh would read as zeros, and say what will be lost."""
    required = [e for e in tree.get("extensionsRequired", []) if not e.startswith(_IGNORED_EXTENSIONS)]
    if required:
        raise ValueError(f"it needs the extension {', '.join(required)}; export it without compression")
    other = 0
    for mesh in tree.get("meshes", []):
        for primitive in mesh["primitives"]:
            primitive.pop("extensions", None)
            other += primitive.get("mode", 4) not in (4, 5)
            attributes = primitive["attributes"]
            for old, new in _RENAMED.items():
                if old in attributes:
                    attributes[new] = attributes.pop(old)
            for index in [*attributes.values(), *([primitive["indices"]] if "indices" in primitive else [])]:
                if "sparse" in tree["accessors"][index] or "bufferView" not in tree["accessors"][index]:
                    raise ValueError("it has sparse or empty accessors; export it without compression")
    for i, node in enumerate(tree.get("nodes", [])):
        node["name"] = f"{i:09d}"  # names sort like the nodes in the file
    notes = []
    for key in ("materials", "images", "skins", "animations"):
        names = [_name(entry, i) for i, entry in enumerate(tree.get(key, []))]
        if names:
            notes.append(f"{key.replace('images', 'textures')} {', '.join(names)} were not loaded")
    if other:
        notes.append(f"{other} groups of points, lines or triangle fans were not loaded")
    return notes


def _name(entry: dict, number: int) -> str:
    uri = entry.get("uri", "")
    return repr(entry.get("name") or ("" if uri.startswith("data:") else uri) or f"#{number}")


class _Folder:
    """Gives trimesh the files beside the model, and none elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, name: str) -> bytes:
        path = inside(self.folder, unquote(name))
        if path is None:
            raise ValueError(f"its file {name!r} lies outside the folder of the model and was not read")
        if not path.is_file():
            raise FileNotFoundError(f"its file {name!r} is missing")
        return path.read_bytes()


def _scene(data: bytes, kind: str, path: Path, notes: list[str] | None = None) -> Corners:
    import trimesh  # here, because it takes half a second that most programs need not spend

    resolver: Any = _Folder(path.parent)  # all that trimesh asks of one
    try:
        scene = trimesh.load_scene(
            io.BytesIO(data),
            file_type=kind,
            resolver=resolver,
            process=False,
            skip_materials=True,
        )
        # trimesh walks the tree backwards; this is the order of meshes and nodes in the file.
        order = {name: i for i, name in enumerate(scene.geometry)}
        nodes = [(order[scene.graph[node][1]], node) for node in scene.graph.nodes_geometry]
        parts = []
        for _, node in sorted(nodes):
            transform, name = scene.graph[node]
            geometry = scene.geometry[name]
            if isinstance(geometry, trimesh.Trimesh):
                parts.append(_part(geometry, np.asarray(transform)))
    except Exception as error:  # whatever a parser runs into on a broken file
        cause = str(error) or type(error).__name__
        raise ValueError(f"load: {path} is not an intact {kind} file ({cause}); is it cut off?") from error
    if not parts:
        raise ValueError(f"load: {path} has no triangles; is it a {kind} file, and complete?")
    whole = concatenate(parts)
    whole.notes += notes or []
    return whole


def _part(geometry: Any, transform: np.ndarray) -> Corners:
    """One mesh of a scene, in the space of the scene."""
    positions = np.asarray(geometry.vertices, dtype=np.float64)
    faces = np.asarray(geometry.faces, dtype=np.int64)
    linear = transform[:3, :3]
    moved = not np.array_equal(transform, np.eye(4))
    if moved:  # only then, so that numbers stay exact
        positions = positions @ linear.T + transform[:3, 3]
        if np.linalg.det(linear) < 0:
            faces = faces[:, ::-1]  # a mirrored mesh would be inside out
    part = Corners(positions, faces)
    given = geometry.vertex_attributes
    if "_normal" in given:
        normals = np.asarray(given["_normal"], dtype=np.float64)
        if moved:
            normals = normals @ np.linalg.inv(linear)
            normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30)
        part.attributes["normal"] = normals, faces
    if "_uv" in given:
        u, v = _unit(given["_uv"])[:, :2].T
        part.attributes["uv"] = np.stack((u, 1 - v), -1), faces
    if "_color" in given:
        part.attributes["color"] = _unit(given["_color"]), faces
    return part


def _unit(values: np.ndarray) -> np.ndarray:
    """Integers stand for fractions of their largest value."""
    values = np.asarray(values)
    return values.astype(np.float64) / (np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1)


def write_stl(corners: Corners) -> bytes:
    """Binary STL: three positions per face, nothing shared."""
    triangles = corners.positions.astype(np.float32)[corners.faces]
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    row = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
    packed = np.zeros(len(triangles), dtype=row)
    packed["normal"] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    packed["corners"] = triangles
    return bytes(80) + struct.pack("<I", len(packed)) + packed.tobytes()


def write_glb(corners: Corners) -> bytes:
    """GLB: one mesh in float32, one vertex for each combination of attributes."""
    names = {"normal": "NORMAL", "uv": "TEXCOORD_0", "color": "COLOR_0"}
    present = [name for name in names if name in corners.attributes]
    rows, faces = split(len(corners.positions), [corners.faces] + [corners.attributes[n][1] for n in present])
    positions = corners.positions[rows[:, 0]].astype("<f4")
    low, high = positions.min(0).tolist(), positions.max(0).tolist()
    arrays = {"POSITION": positions}
    for i, name in enumerate(present, 1):
        values = corners.attributes[name][0][rows[:, i]]
        values = np.stack((values[:, 0], 1 - values[:, 1]), -1) if name == "uv" else values
        arrays[names[name]] = values.astype("<f4")
    arrays["indices"] = faces.reshape(-1).astype("<u4")
    views, accessors, offset = [], [], 0
    for key, array in arrays.items():
        target = 34963 if key == "indices" else 34962
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": array.nbytes, "target": target})
        kind, component = ("SCALAR", 5125) if array.ndim == 1 else (f"VEC{array.shape[1]}", 5126)
        accessors.append({"bufferView": len(views) - 1, "componentType": component, "count": len(array), "type": kind})
        offset += array.nbytes
    accessors[0] |= {"min": low, "max": high}
    attributes = {key: i for i, key in enumerate(arrays) if key != "indices"}
    primitive = {"attributes": attributes, "indices": len(arrays) - 1}
    tree = {
        "asset": {"version": "2.0", "generator": "repousse"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "buffers": [{"byteLength": offset}],
        "bufferViews": views,
        "accessors": accessors,
    }
    blob = b"".join(array.tobytes() for array in arrays.values())
    return _glb(json.dumps(tree).encode(), struct.pack("<I4s", len(blob), b"BIN\0") + blob)
