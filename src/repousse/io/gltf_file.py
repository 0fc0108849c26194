"""glTF files taken apart and put together: JSON, chunks of bytes, and the files beside them."""

import base64
import binascii
import json
import struct
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_to_bytes

import numpy as np

from .files import Folders

_FLOAT = 5126
_UNSIGNED = (5121, 5123, 5125)
_COMPONENTS = {5121: "<u1", 5123: "<u2", 5125: "<u4", _FLOAT: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
# What accessors may hold: their types, and the types of their numbers.
_ACCESSORS = {
    "POSITION": (("VEC3",), (_FLOAT,)),
    "NORMAL": (("VEC3",), (_FLOAT,)),
    "TEXCOORD_": (("VEC2",), (_FLOAT, *_UNSIGNED)),
    "COLOR_": (("VEC3", "VEC4"), (_FLOAT, *_UNSIGNED)),
    "indices": (("SCALAR",), _UNSIGNED),
}


@dataclass
class GltfFile:
    """A glTF or GLB file.

    tree     its JSON
    chunks   what follows the JSON in a GLB file, as it is; None for .gltf
    folders  where its other files may lie; nothing outside them is read
    """

    tree: dict
    chunks: bytes | None
    folders: Folders
    _buffers: dict[int, memoryview] = field(default_factory=dict, init=False)

    @classmethod
    def parse(cls, data: bytes, folders: Folders) -> "GltfFile":
        """ValueError, LookupError, TypeError, RecursionError or struct.error if `data` is something else."""
        text, chunks = data, None
        if data[:4] == b"glTF":
            _, version, length, size, kind = struct.unpack_from("<4sIII4s", data)
            if version != 2 or kind != b"JSON":
                raise ValueError("only version 2 is known")
            if length > len(data) or 20 + size > length:
                raise ValueError(f"{length} bytes are announced, the file has {len(data)}")
            text, chunks = data[20 : 20 + size], data[20 + size : length]
        tree = json.loads(text.decode("utf-8"))
        if not isinstance(tree, dict):
            raise ValueError("its JSON is no object")
        return cls(tree, chunks, folders)

    def entry(self, kind: str, index: object) -> dict:
        """Entry `index` of one of the tree's lists. ValueError if there is none or it is no object."""
        entries = self.tree.get(kind, [])
        if type(index) is not int or not 0 <= index < len(entries):
            raise ValueError(f"it refers to {kind}[{index}], but there are {len(entries)} {kind}")
        if not isinstance(entries[index], dict):
            raise ValueError(f"{kind}[{index}] is {entries[index]!r}, not an object")
        return entries[index]

    def view(self, index: object) -> memoryview:
        """The bytes of a buffer view. ValueError if they are not there, FileNotFoundError if their file is not."""
        view = self.entry("bufferViews", index)
        data = self._buffer(view["buffer"])
        start, length = whole(view.get("byteOffset", 0)), whole(view["byteLength"])
        if start + length > len(data):
            raise ValueError(f"bufferViews[{index}] ends at byte {start + length} of {len(data)}")
        return data[start : start + length]

    def array(self, index: object, name: str) -> np.ndarray:
        """What an accessor holds, (N, C), in the type of the file; read-only.

        name  of the attribute that it is, or "indices"

        ValueError if it is not what this may be, and for accessors that are sparse or without bytes.
        """
        accessor = self.entry("accessors", index)
        if "sparse" in accessor or "bufferView" not in accessor:
            raise ValueError("it has sparse or empty accessors; export it without compression")
        kinds, components = _ACCESSORS.get(name.rstrip("0123456789"), (("SCALAR",), (_FLOAT,)))
        if accessor["type"] not in kinds:
            raise ValueError(f"its {name} is {accessor['type']} instead of {' or '.join(kinds)}")
        if accessor["componentType"] not in components:
            raise ValueError(f"its {name} has numbers of an unexpected kind; export it without compression")
        kind = np.dtype(_COMPONENTS[accessor["componentType"]])
        row = _WIDTHS[accessor["type"]] * kind.itemsize
        view, start = self.view(accessor["bufferView"]), whole(accessor.get("byteOffset", 0))
        count = whole(accessor["count"])
        stride = whole(self.entry("bufferViews", accessor["bufferView"]).get("byteStride", row))
        if not count or stride < row or start + stride * (count - 1) + row > len(view):
            raise ValueError(f"{count} rows of accessors[{index}] do not fit in {len(view)} bytes")
        return np.ndarray((count, row // kind.itemsize), kind, view, start, (stride, kind.itemsize))

    def __getitem__(self, uri: str) -> bytes:
        """The content of a data URI or of a file in the folder. ValueError if it lies elsewhere or is broken."""
        if uri.startswith("data:"):
            head, _, body = uri.partition(",")
            try:
                return base64.b64decode(body, validate=True) if head.endswith(";base64") else unquote_to_bytes(body)
            except binascii.Error as error:
                raise ValueError(f"its data URI is broken ({error})") from error
        try:
            return self.folders.find(unquote(uri)).read_bytes()
        except LookupError as error:
            raise ValueError(f"its file {uri!r} {error.args[0]}") from error

    def _buffer(self, index: object) -> memoryview:
        buffer = self.entry("buffers", index)
        number = whole(index)
        if number not in self._buffers:
            data = self[buffer["uri"]] if "uri" in buffer else self._binary_chunk()
            self._buffers[number] = memoryview(data)
        return self._buffers[number]

    def _binary_chunk(self) -> bytes:
        chunks = self.chunks or b""
        if len(chunks) < 8:
            raise ValueError("a buffer has neither a file nor bytes of its own")
        size, kind = struct.unpack_from("<I4s", chunks)
        if kind != b"BIN\0" or 8 + size > len(chunks):
            raise ValueError("its binary chunk is cut off")
        return chunks[8 : 8 + size]


def whole(value: object) -> int:
    """A number of things, or ValueError."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} should be a whole number")
    return value


def glb(text: bytes, chunks: bytes) -> bytes:
    """A GLB file of JSON and the chunks that follow it."""
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(chunks), len(text), b"JSON")
    return head + text + chunks
