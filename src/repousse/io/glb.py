"""GLB files, written."""

import json
import struct
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from repousse.geometry import Material, Texture

from .corners import Corners, split
from .gltf import EXACT_V, FACE_RUNS
from .gltf_file import glb
from .gltf_materials import EMISSIVE_STRENGTH, LINEAR, NEAREST, TEXTURES, WRAPS
from .images import encode_png

_ATTRIBUTES = {"normal": "NORMAL", "uv": "TEXCOORD_0", "color": "COLOR_0"}
_VERTICES, _INDICES = 34962, 34963  # what a buffer view is for
_FLOAT, _UNSIGNED = 5126, 5125
_LINEAR_MIPMAP_LINEAR = 9987
_HALF_LEVEL = 0.5 / 255


def write_glb(corners: Corners) -> bytes:
    """GLB: one mesh in float32, one vertex for each combination of attributes, one primitive for each material.

    Primitives share their vertices. `extras` of the mesh keep the order of faces, if materials are mixed, and an
    attribute of its own keeps v, if 1 - v lost bits; both mean nothing to other programs. Textures become PNG in
    8 bits, colours in sRGB. What this changes is added to `corners.notes`. ValueError for numbers that float32
    does not hold and factors that are not finite.
    """
    file = _Writer(corners.notes)
    present = [name for name in _ATTRIBUTES if name in corners.attributes]
    rows, faces = split(len(corners.positions), [corners.faces] + [corners.attributes[n][1] for n in present])
    attributes = {"POSITION": file.accessor("positions", corners.positions[rows[:, 0]])}
    for i, name in enumerate(present, 1):
        values = corners.attributes[name][0][rows[:, i]]
        if name == "uv":
            values = values.astype(np.float32)
            v = values[:, 1].astype(np.float64)
            values[:, 1] = 1 - v
            if not np.array_equal((1 - values[:, 1].astype(np.float64)).astype(np.float32), v):
                attributes[EXACT_V] = file.accessor(name, v)
        if name == "normal":
            values = _of_length_one(values)
        attributes[_ATTRIBUTES[name]] = file.accessor(name, values)
    mesh: dict = {"primitives": []}
    if corners.material_id is None:
        mesh["primitives"].append({"attributes": attributes, "indices": file.indices(faces)})
    else:
        used, owner = np.unique(corners.material_id, return_inverse=True)
        for i, material in enumerate(used):
            number = file.material(corners.materials[material], material, "uv" in present)
            indices = file.indices(faces[owner == i])
            mesh["primitives"].append({"attributes": attributes, "indices": indices, "material": number})
        if (np.diff(owner) < 0).any():
            mesh["extras"] = {FACE_RUNS: [[key, len(list(run))] for key, run in groupby(owner.tolist())]}
    return file.packed({"scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}], "meshes": [mesh]})


def _of_length_one(normals: np.ndarray) -> np.ndarray:
    """As the format demands; those that have it but for rounding, and zeros, stay as they are."""
    lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
    wrong = (np.abs(lengths - 1) > 1e-3) & (lengths > 0)
    return np.where(wrong, normals / np.where(wrong, lengths, 1), normals)


class _Writer:
    """Collects the parts of a file. What is equal is written once; methods return the number of their entry."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes
        self._blob = bytearray()
        self._entries: dict[str, list[dict]] = {}
        self._numbers: dict[object, int] = {}  # of textures and their parts
        self._images: dict[tuple[int, bool], int] = {}  # by identity of the tensor
        self._extensions: list[str] = []

    def packed(self, tree: dict) -> bytes:
        """The file, with a tree that refers to the entries."""
        tree = {"asset": {"version": "2.0", "generator": "repousse"}, **tree, **self._entries}
        tree["buffers"] = [{"byteLength": len(self._blob)}]
        if self._extensions:
            tree["extensionsUsed"] = self._extensions
        self._blob += bytes(-len(self._blob) % 4)
        return glb(json.dumps(tree).encode(), struct.pack("<I4s", len(self._blob), b"BIN\0") + self._blob)

    def accessor(self, name: str, values: np.ndarray) -> int:
        """float (N, C) or (N,), one row for each vertex. ValueError, which names it, if float32 is too small."""
        with np.errstate(over="ignore"):
            array = values.astype("<f4")
        if not np.isfinite(array).all():
            raise ValueError(f"save: `{name}` has numbers too large for float32, which is all that GLB holds")
        bounds = {"min": array.min(0).tolist(), "max": array.max(0).tolist()} if name == "positions" else {}
        view = self._view(array.tobytes(), {"target": _VERTICES})
        kind = "SCALAR" if array.ndim == 1 else f"VEC{array.shape[1]}"
        entry = {"bufferView": view, "componentType": _FLOAT, "count": len(array), "type": kind, **bounds}
        return self._add("accessors", entry)

    def indices(self, faces: np.ndarray) -> int:
        view = self._view(faces.astype("<u4").tobytes(), {"target": _INDICES})
        entry = {"bufferView": view, "componentType": _UNSIGNED, "count": faces.size, "type": "SCALAR"}
        return self._add("accessors", entry)

    def material(self, material: Material, number: int, textured: bool) -> int:
        """A material; without its textures, and with a note, unless `textured`."""
        shown = f"material {material.name or f'#{number}'!r}"
        base = self._factor(material, "base_color", shown)
        emission = self._factor(material, "emission", shown, most=np.inf)
        strength = max(1.0, *emission)
        entry: dict = {
            "pbrMetallicRoughness": {
                "baseColorFactor": base if len(base) == 4 else [*base, 1.0],
                "metallicFactor": self._factor(material, "metallic", shown)[0],
                "roughnessFactor": self._factor(material, "roughness", shown)[0],
            },
        }
        if material.name:
            entry["name"] = material.name
        if any(emission):
            entry["emissiveFactor"] = [value / strength for value in emission]
        if strength > 1:
            entry["extensions"] = {EMISSIVE_STRENGTH: {"emissiveStrength": strength}}
            self._extensions = [EMISSIVE_STRENGTH]
        if material.alpha != "opaque":
            entry["alphaMode"] = material.alpha.upper()
        if material.alpha == "mask":
            entry["alphaCutoff"] = float(material.alpha_cutoff)
        if material.double_sided:
            entry["doubleSided"] = True
        textures = dict(material.textures())
        if textures and not textured:
            self.notes.append(f"the textures of {shown}, because the mesh has no 'uv'")
            textures = {}
        for field, texture in textures.items():
            key, srgb, _ = TEXTURES[field]
            part = entry["pbrMetallicRoughness"] if key in ("baseColorTexture", "metallicRoughnessTexture") else entry
            part[key] = {"index": self._texture(texture, srgb, f"{field} of {shown}")}
        scale = self._factor(material, "normal_scale", shown, least=-np.inf, most=np.inf)[0]
        if "normalTexture" in entry and scale != 1:
            entry["normalTexture"]["scale"] = scale
        return self._add("materials", entry)

    def _factor(self, material: Material, name: str, shown: str, least: float = 0, most: float = 1) -> list[float]:
        values = torch.as_tensor(getattr(material, name), dtype=torch.float64).detach().reshape(-1).tolist()
        if not np.isfinite(values).all():
            raise ValueError(f"save: `{name}` of {shown} is {values}, not finite")
        clipped = [min(max(value, least), most) for value in values]
        if max(abs(new - old) for new, old in zip(clipped, values, strict=True)) > 1e-6:
            self.notes.append(f"`{name}` of {shown}, {values}, which was clipped")
        return clipped

    def _texture(self, texture: Texture, srgb: bool, shown: str) -> int:
        nearest = texture.filter == "nearest"
        along_u, along_v = (code for wrap in texture.wrap for code, name in WRAPS.items() if name == wrap)
        sampler = {
            "magFilter": NEAREST if nearest else LINEAR,
            "minFilter": NEAREST if nearest else _LINEAR_MIPMAP_LINEAR,
            "wrapS": along_u,
            "wrapT": along_v,
        }
        source = self._image(texture.image, srgb, shown)
        return self._once("textures", {"source": source, "sampler": self._once("samplers", sampler)})

    def _image(self, image: Tensor, srgb: bool, shown: str) -> int:
        key = (id(image), srgb)
        if key not in self._images:
            try:
                data = encode_png(image, srgb=srgb)
            except ValueError as error:
                raise ValueError(f"save: {shown}: {error}") from error
            low, high = image.detach().aminmax()
            if low < -_HALF_LEVEL or high > 1 + _HALF_LEVEL:
                self.notes.append(f"values outside [0, 1] in {shown}, which were clipped")
            if data not in self._numbers:
                view = self._view(data, {})
                self._numbers[data] = self._add("images", {"bufferView": view, "mimeType": "image/png"})
            self._images[key] = self._numbers[data]
        return self._images[key]

    def _view(self, data: bytes, fields: dict) -> int:
        self._blob += bytes(-len(self._blob) % 4)
        view = {"buffer": 0, "byteOffset": len(self._blob), "byteLength": len(data), **fields}
        self._blob += data
        return self._add("bufferViews", view)

    def _once(self, kind: str, entry: dict) -> int:
        key = (kind, *entry.items())
        if key not in self._numbers:
            self._numbers[key] = self._add(kind, entry)
        return self._numbers[key]

    def _add(self, kind: str, entry: dict) -> int:
        entries = self._entries.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1
