"""glTF and GLB scenes, read."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repousse.geometry import Material

from .corners import Corners, concatenate, listed
from .files import Folders
from .gltf_file import GltfFile
from .gltf_materials import KNOWN_EXTENSIONS, MaterialReader, Surface
from .gltf_nodes import placed_meshes

# What our own files hold besides: v as it was before it was turned upside down, and which primitive each face went to.
EXACT_V = "_REPOUSSE_V"
FACE_RUNS = "repousse_faces"
# Files may require these and are read without: they change how a shape looks, not the shape.
_APPEARANCE = ("KHR_materials_", "KHR_texture_", "KHR_lights_", "EXT_texture_")
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
# So many vertices and corners of faces may be repeated at other places of a scene; a small file can ask for any number.
_MOST_REPEATED = 2**26


@dataclass
class _Primitive:
    """One primitive of a mesh.

    surface     what it is made of
    attributes  name in glTF -> number of the accessor, of those that are read
    indices     number of an accessor, or None
    mode        triangles, a strip or a fan
    """

    surface: Surface | None
    attributes: dict[str, int]
    indices: int | None
    mode: int

    @property
    def vertices(self) -> object:
        """Equal for primitives that share their vertices."""
        transform = self.surface.transform if self.surface else None
        return tuple(self.attributes.items()), None if transform is None else transform.tobytes()


def read_gltf(data: bytes, path: Path, textures: Path | None = None) -> Corners:
    """glTF and GLB: all triangle meshes of the scene with their materials, transformed and in one piece.

    textures  a folder besides that of `path` where textures and buffers may lie

    v counts upwards, as in OBJ (glTF counts downwards). Faces come mesh by mesh and primitive by primitive, those
    of our own files in the order that they had. Vertices that primitives share are not repeated. What is not read
    is named in the notes: textures that are missing, broken or of unknown kinds, all but one set of uv, unknown
    extensions, points and lines, skins, morph targets, animations.
    """
    try:
        file = GltfFile.parse(data, Folders(path.parent, textures))
        required = [e for e in file.tree.get("extensionsRequired", []) if not e.startswith(_APPEARANCE)]
        if required:
            raise ValueError(f"it needs the extension {', '.join(required)}; export it without compression")
        reader = MaterialReader(file)
        notes = _lost(file.tree)
        meshes = [_primitives(mesh, reader) for mesh in file.tree.get("meshes", [])]
        placed = placed_meshes(file)
        _check_size(file, [meshes[number] for number, _ in placed])
        numbers = {material: i for i, material in enumerate(reader.materials)}
        parts = []
        for number, transform in placed:
            if meshes[number]:
                extras = file.tree["meshes"][number].get("extras")
                runs = extras.get(FACE_RUNS) if isinstance(extras, dict) else None
                parts.append(_moved(_mesh(file, meshes[number], numbers, runs), transform))
    except (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError, struct.error) as error:
        raise ValueError(f"load: {path} is not an intact glTF file ({error}); is it cut off?") from error
    if not parts:
        raise ValueError(f"load: {path} has no triangles; is it a glTF file, and complete?")
    whole = concatenate(parts)
    whole.notes += notes + reader.notes
    return whole


def _lost(tree: dict) -> list[str]:
    """What the file holds and a mesh does not, in words."""
    notes = []
    for kind in ("skins", "animations"):
        names = [str(entry.get("name") or f"#{i}") for i, entry in enumerate(tree.get(kind, []))]
        notes += [f"{kind} {listed(names)} were not loaded"] if names else []
    primitives = [primitive for mesh in tree.get("meshes", []) for primitive in mesh["primitives"]]
    other = sum(primitive.get("mode", _TRIANGLES) not in (_TRIANGLES, _STRIP, _FAN) for primitive in primitives)
    if other:
        notes.append(f"{other} groups of points or lines were not loaded")
    if any(primitive.get("targets") for primitive in primitives):
        notes.append("morph targets were not loaded")
    unknown = [str(name) for name in tree.get("extensionsUsed", []) if name not in KNOWN_EXTENSIONS]
    if unknown:
        notes.append(f"extensions {', '.join(unknown)} were ignored")
    return notes


def _primitives(mesh: dict, reader: MaterialReader) -> list[_Primitive]:
    """Those of a mesh that are triangles."""
    result = []
    for primitive in mesh["primitives"]:
        mode = primitive.get("mode", _TRIANGLES)
        if mode not in (_TRIANGLES, _STRIP, _FAN):
            continue
        given = primitive["attributes"]
        surface = reader.surface(primitive["material"], given) if "material" in primitive else None
        uv = f"TEXCOORD_{surface.uv_set if surface else 0}"
        if any(name.startswith("TEXCOORD_") and name != uv for name in given):
            reader.note(f"of several sets of uv only {uv} was loaded")
        kept = {name: given[name] for name in ("POSITION", "NORMAL", "COLOR_0", uv, EXACT_V) if name in given}
        result.append(_Primitive(surface, kept, primitive.get("indices"), mode))
    return result


def _check_size(file: GltfFile, meshes: list[list[_Primitive]]) -> None:
    """Refuse a scene that repeats little so often that it fills the memory."""
    counts: dict[int, int] = {}
    total = 0
    for mesh in meshes:
        shared = {primitive.vertices: primitive.attributes["POSITION"] for primitive in mesh}
        used = [(number, "POSITION") for number in shared.values()]
        for primitive in mesh:
            if primitive.indices is None:
                used.append((primitive.attributes["POSITION"], "POSITION"))
            else:
                used.append((primitive.indices, "indices"))
        for number, name in used:
            if number not in counts:
                counts[number] = len(file.array(number, name))
            total += counts[number]
    if total > max(_MOST_REPEATED, sum(counts.values())):
        raise ValueError(f"it repeats its few vertices until there are {total}")


def _mesh(file: GltfFile, primitives: list[_Primitive], numbers: dict[Material, int], runs: Any) -> Corners:
    """A mesh in its own space.

    numbers  of the materials
    runs     [[primitive, number of faces], ...] along its faces before they were sorted by primitives, in our files
    """
    groups: dict[object, list[int]] = {}
    for i, primitive in enumerate(primitives):
        groups.setdefault(primitive.vertices, []).append(i)
    parts, owners, sizes = [], [], [0] * len(primitives)
    for group in groups.values():
        part = _vertices(file, primitives[group[0]])
        faces = [_faces(file, primitives[i], len(part.positions)) for i in group]
        materials = [-1 if (surface := primitives[i].surface) is None else numbers[surface.material] for i in group]
        counts = [len(some) for some in faces]
        part.faces = np.concatenate(faces)
        part.attributes = {name: (values, part.faces) for name, (values, _) in part.attributes.items()}
        if numbers:
            part.materials, part.material_id = list(numbers), np.repeat(materials, counts)
        parts.append(part)
        owners.append(np.repeat(group, counts))
        for i, count in zip(group, counts, strict=True):
            sizes[i] = count
    whole = concatenate(parts)
    order = np.argsort(np.concatenate(owners), kind="stable")
    former = _former_order(runs, sizes)
    order = order if former is None else order[former]
    whole.faces = whole.faces[order]
    whole.attributes = {name: (values, index[order]) for name, (values, index) in whole.attributes.items()}
    whole.material_id = None if whole.material_id is None else whole.material_id[order]
    return whole


def _vertices(file: GltfFile, primitive: _Primitive) -> Corners:
    """Positions and attributes; no faces yet."""
    arrays = {name: file.array(number, name) for name, number in primitive.attributes.items()}
    count = len(arrays["POSITION"])
    for name, values in arrays.items():
        if len(values) != count:
            raise ValueError(f"there are {count} positions, but {len(values)} of {name}")
    result = Corners(arrays["POSITION"].astype(np.float64), np.zeros((0, 3), dtype=np.int64))
    for name, values in arrays.items():
        if name == "NORMAL":
            result.attributes["normal"] = values.astype(np.float64), result.faces
        elif name.startswith("TEXCOORD_"):
            transform = primitive.surface.transform if primitive.surface else None
            result.attributes["uv"] = _upwards(values, arrays.get(EXACT_V), transform), result.faces
        elif name == "COLOR_0":
            result.attributes["color"] = _unit(values), result.faces
    return result


def _faces(file: GltfFile, primitive: _Primitive, count: int) -> np.ndarray:
    """int64 (F, 3), of `count` vertices."""
    indices = np.arange(count)
    if primitive.indices is not None:
        indices = file.array(primitive.indices, "indices")[:, 0].astype(np.int64)
    if primitive.mode == _TRIANGLES:
        if len(indices) % 3:
            raise ValueError(f"{len(indices)} indices are no triangles")
        return indices.reshape(-1, 3)
    start = np.arange(max(len(indices) - 2, 0))
    if primitive.mode == _FAN:
        corners = np.stack((start + 1, start + 2, np.zeros_like(start)), -1)
    else:  # every other triangle of a strip is turned round
        corners = np.stack((start, start + 1 + start % 2, start + 2 - start % 2), -1)
    faces = indices[corners]
    return faces[(faces != np.roll(faces, 1, -1)).all(-1)]  # strips are joined by triangles without area


def _moved(mesh: Corners, transform: np.ndarray) -> Corners:
    """The mesh in the space of the scene; its numbers stay exact where nothing moves."""
    if np.array_equal(transform, np.eye(4)):
        return mesh
    linear = transform[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused later
        mesh.positions = mesh.positions @ linear.T + transform[:3, 3]
        determinant = np.linalg.det(linear)
    if determinant < 0:  # a mirrored mesh would be inside out
        mesh.faces = mesh.faces[:, ::-1]
        mesh.attributes = {name: (values, index[:, ::-1]) for name, (values, index) in mesh.attributes.items()}
    if "normal" in mesh.attributes:
        normals, index = mesh.attributes["normal"]
        normals = normals @ np.linalg.inv(linear)
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30)
        mesh.attributes["normal"] = normals, index
    return mesh


def _upwards(stored: np.ndarray, exact: np.ndarray | None, transform: np.ndarray | None) -> np.ndarray:
    """uv with v upwards, from glTF's.

    exact      v before we wrote 1 - v in float32; it counts where the file still has this 1 - v
    transform  (3, 3) on (u, v downwards, 1), or None
    """
    uv = _unit(stored)[:, :2]
    if transform is not None:
        uv = uv @ transform[:2, :2].T + transform[:2, 2]
    u, v = uv.T
    upwards = 1 - v
    if transform is None and exact is not None and exact.size == len(uv):
        exact = np.asarray(exact, dtype=np.float64).reshape(-1)
        upwards = np.where((1 - exact).astype(np.float32) == v, exact, upwards)
    return np.stack((u, upwards), -1)


def _unit(values: np.ndarray) -> np.ndarray:
    """Integers stand for fractions of their largest value."""
    values = np.asarray(values)
    return values.astype(np.float64) / (np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1)


def _former_order(runs: Any, sizes: list[int]) -> np.ndarray | None:
    """Which of the faces, primitive after primitive, comes where; None unless the runs fit the primitives.

    runs   [[primitive, number of faces], ...]
    sizes  number of faces of each primitive
    """
    try:
        owners, counts = np.array(runs, dtype=np.int64).reshape(-1, 2).T
        if counts.min() < 0 or counts.max() > sum(sizes) or counts.sum() != sum(sizes):
            return None
        owner = np.repeat(owners, counts)
        if owner.min() < 0 or owner.max() >= len(sizes) or np.bincount(owner, minlength=len(sizes)).tolist() != sizes:
            return None
    except (ValueError, TypeError, OverflowError):
        return None
    order = np.empty(len(owner), dtype=np.int64)
    order[np.argsort(owner, kind="stable")] = np.arange(len(owner))
    return order
