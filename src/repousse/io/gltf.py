"""glTF and GLB scenes, read: geometry by trimesh, materials by `gltf_materials`."""

import struct
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from repousse.geometry import Material

from .corners import Corners, concatenate, concatenated_materials
from .gltf_file import GltfFile
from .gltf_materials import KNOWN_EXTENSIONS, MaterialReader, Surface
from .scenes import Placed, read_scene

# What our own files hold besides: v as it was before it was turned upside down, and which primitive each face went to.
EXACT_V = "_REPOUSSE_V"
FACE_RUNS = "repousse_faces"
# Files may require these and are read without: they change how a shape looks, not the shape.
_APPEARANCE = ("KHR_materials_", "KHR_texture_", "KHR_lights_", "EXT_texture_")
_TRIANGLES, _STRIP = 4, 5
_FLOAT, _UNSIGNED = (5126,), (5121, 5123, 5125)
# What accessors may hold: their types, and the types of their numbers.
_ACCESSORS = {
    "POSITION": (("VEC3",), _FLOAT),
    "NORMAL": (("VEC3",), _FLOAT),
    "TEXCOORD_": (("VEC2",), _FLOAT + _UNSIGNED),
    "COLOR_": (("VEC3", "VEC4"), _FLOAT + _UNSIGNED),
    "indices": (("SCALAR",), _UNSIGNED),
}


@dataclass
class _Primitive:
    """One primitive of a mesh.

    mesh      number of the mesh
    surface   what it is made of
    vertices  equal for primitives that share their vertices
    runs      [[primitive, number of faces], ...] along the faces of the mesh before it was cut into primitives
    """

    mesh: int
    surface: Surface | None
    vertices: object
    runs: Any


def read_gltf(data: bytes, path: Path) -> Corners:
    """glTF and GLB: all triangle meshes of the scene with their materials, transformed and in one piece.

    v counts upwards, as in OBJ (glTF counts downwards). Faces come mesh by mesh and primitive by primitive, those
    of our own files in the order that they had. Vertices that primitives share are not repeated. What is not read
    is named in the notes: textures that are missing, broken or of unknown kinds, all but one set of uv, unknown
    extensions, points and lines, skins, morph targets, animations. Other files are read only from inside the
    folder of `path`.
    """
    try:
        file = GltfFile.parse(data, path.parent)
        _check(file)
        reader = MaterialReader(file)
        notes = _lost(file.tree)
        primitives = _separate(file, reader)
    except (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError, struct.error) as error:
        raise ValueError(f"load: {path} is not an intact glTF file ({error}); is it cut off?") from error
    materials = reader.materials
    found = [(primitives[int(placed.name)], placed) for placed in read_scene(*file.packed(), path, file)]
    found.sort(key=lambda entry: (entry[0].mesh, entry[1].node))
    wholes = []
    for _, group in groupby(found, key=lambda entry: entry[1].node.split(".")[0]):
        wholes.append(_whole([(primitive, _corners(primitive, placed, materials)) for primitive, placed in group]))
    whole = concatenate(wholes)
    whole.notes += notes + reader.notes
    return whole


def _check(file: GltfFile) -> None:
    """Refuse what trimesh would read as zeros, as numbers of another kind, or at another place."""
    tree = file.tree
    required = [e for e in tree.get("extensionsRequired", []) if not e.startswith(_APPEARANCE)]
    if required:
        raise ValueError(f"it needs the extension {', '.join(required)}; export it without compression")
    for mesh in tree.get("meshes", []):
        for primitive in mesh["primitives"]:
            for name, index in primitive["attributes"].items():
                _check_accessor(file, name, index)
            if "indices" in primitive:
                _check_accessor(file, "indices", primitive["indices"])
    for node in tree.get("nodes", []):
        if "mesh" in node:
            file.entry("meshes", node["mesh"])
    # With one parent for each node, and none for the roots, nothing that a scene shows can be part of a loop.
    roots = file.entry("scenes", tree.get("scene", 0)).get("nodes", []) if tree.get("scenes") else []
    seen = set()
    for index in [*roots, *(child for node in tree.get("nodes", []) for child in node.get("children", []))]:
        file.entry("nodes", index)
        if index in seen:
            raise ValueError(f"nodes[{index}] stands in several places or contains itself")
        seen.add(index)


def _check_accessor(file: GltfFile, name: str, index: object) -> None:
    accessor = file.entry("accessors", index)
    if "sparse" in accessor or "bufferView" not in accessor:
        raise ValueError("it has sparse or empty accessors; export it without compression")
    file.entry("buffers", file.entry("bufferViews", accessor["bufferView"])["buffer"])
    kinds, components = _ACCESSORS.get(name.rstrip("0123456789"), ((), ()))
    if kinds and accessor["type"] not in kinds:
        raise ValueError(f"its {name} is {accessor['type']} instead of {' or '.join(kinds)}")
    if components and accessor["componentType"] not in components:
        raise ValueError(f"its {name} has numbers of an unexpected kind; export it without compression")


def _lost(tree: dict) -> list[str]:
    """What the file holds and a mesh does not, in words."""
    notes = []
    for kind in ("skins", "animations"):
        names = [repr(entry.get("name") or f"#{i}") for i, entry in enumerate(tree.get(kind, []))]
        notes += [f"{kind} {', '.join(names)} were not loaded"] if names else []
    primitives = [primitive for mesh in tree.get("meshes", []) for primitive in mesh["primitives"]]
    other = sum(primitive.get("mode", _TRIANGLES) not in (_TRIANGLES, _STRIP) for primitive in primitives)
    if other:
        notes.append(f"{other} groups of points, lines or triangle fans were not loaded")
    if any(primitive.get("targets") for primitive in primitives):
        notes.append("morph targets were not loaded")
    unknown = [str(name) for name in tree.get("extensionsUsed", []) if name not in KNOWN_EXTENSIONS]
    if unknown:
        notes.append(f"extensions {', '.join(unknown)} were ignored")
    return notes


def _separate(file: GltfFile, reader: MaterialReader) -> list[_Primitive]:
    """Give each primitive of triangles a mesh and nodes of its own, whose names say which it is.

    Names sort like the file. Attributes get names under which trimesh passes them on untouched; otherwise it reads
    them only together with a material.
    """
    tree = file.tree
    primitives: list[_Primitive] = []
    meshes: list[dict] = []
    numbers: list[list[int]] = []  # of the primitives of each mesh
    for index, mesh in enumerate(tree.get("meshes", [])):
        extras = mesh.get("extras")
        runs = extras.get(FACE_RUNS) if isinstance(extras, dict) else None
        numbers.append([])
        for primitive in mesh["primitives"]:
            if primitive.get("mode", _TRIANGLES) not in (_TRIANGLES, _STRIP):
                continue
            given = primitive["attributes"]
            surface = reader.surface(primitive["material"], given) if "material" in primitive else None
            kept = {"POSITION": "POSITION", "NORMAL": "_normal", "COLOR_0": "_color", EXACT_V: EXACT_V}
            uv_set = surface.uv_set if surface else 0
            kept[f"TEXCOORD_{uv_set}"] = "_uv"
            if any(name.startswith("TEXCOORD_") and name not in kept for name in given):
                reader.note(f"of several sets of uv only TEXCOORD_{uv_set} was loaded")
            attributes = {kept[name]: accessor for name, accessor in given.items() if name in kept}
            moved = surface.transform.tobytes() if surface and surface.transform is not None else b""
            name = f"{len(primitives):09d}"
            numbers[-1].append(len(primitives))
            primitives.append(_Primitive(index, surface, (sorted(attributes.items()), moved), runs))
            plain = {key: primitive[key] for key in ("indices", "mode") if key in primitive}
            meshes.append({"name": name, "primitives": [{"attributes": attributes, **plain}]})
    tree["meshes"] = meshes
    _place(tree.setdefault("nodes", []), numbers)
    return primitives


def _place(nodes: list[dict], numbers: list[list[int]]) -> None:
    """Give nodes names that sort like the file, and a child for each primitive of their mesh.

    numbers  of the primitives of each mesh
    """
    for i in range(len(nodes)):
        node = nodes[i]
        node["name"] = f"{i:09d}"
        node.pop("camera", None)  # trimesh drops nodes that have one
        mesh = node.pop("mesh", None)
        for number in numbers[mesh] if mesh is not None else ():
            node["children"] = [*node.get("children", []), len(nodes)]
            nodes.append({"mesh": number, "name": f"{i:09d}.{number:09d}"})


def _corners(primitive: _Primitive, placed: Placed, materials: list[Material]) -> Corners:
    """One primitive, in the space of the scene."""
    positions = np.asarray(placed.mesh.vertices, dtype=np.float64)
    faces = np.asarray(placed.mesh.faces, dtype=np.int64)
    linear, shift = placed.transform[:3, :3], placed.transform[:3, 3]
    moved = not np.array_equal(placed.transform, np.eye(4))
    if moved:  # only then, so that numbers stay exact
        positions = positions @ linear.T + shift
        if np.linalg.det(linear) < 0:
            faces = faces[:, ::-1]  # a mirrored mesh would be inside out
    part = Corners(positions, faces)
    given = placed.mesh.vertex_attributes
    if "_normal" in given:
        normals = np.asarray(given["_normal"], dtype=np.float64)
        if moved:
            normals = normals @ np.linalg.inv(linear)
            normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30)
        part.attributes["normal"] = normals, faces
    if "_uv" in given:
        transform = primitive.surface.transform if primitive.surface else None
        part.attributes["uv"] = _upwards(np.asarray(given["_uv"]), given.get(EXACT_V), transform), faces
    if "_color" in given:
        part.attributes["color"] = _unit(given["_color"]), faces
    if primitive.surface is not None:
        part.materials = materials
        part.material_id = np.full(len(faces), materials.index(primitive.surface.material))
    return part


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


def _whole(pieces: list[tuple[_Primitive, Corners]]) -> Corners:
    """The primitives of one mesh as one piece."""
    first, parts = pieces[0][0], [part for _, part in pieces]
    if all(primitive.vertices == first.vertices for primitive, _ in pieces):
        faces = np.concatenate([part.faces for part in parts])
        attributes = {name: (values, faces) for name, (values, _) in parts[0].attributes.items()}
        materials, material_id = concatenated_materials(parts)
        whole = Corners(parts[0].positions, faces, attributes, materials=materials, material_id=material_id)
    else:
        whole = concatenate(parts)
    order = _former_order(first.runs, [len(part.faces) for part in parts])
    if order is not None:
        whole.faces = whole.faces[order]
        whole.attributes = {name: (values, index[order]) for name, (values, index) in whole.attributes.items()}
        whole.material_id = None if whole.material_id is None else whole.material_id[order]
    return whole


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
