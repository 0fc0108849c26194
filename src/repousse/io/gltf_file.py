"""glTF files taken apart and put together: JSON, chunks of bytes, and the files beside them."""

import base64
import binascii
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from .files import inside


@dataclass
class GltfFile:
    """A glTF or GLB file.

    tree    its JSON
    chunks  what follows the JSON in a GLB file, as it is; None for .gltf
    folder  of the file; nothing outside it is read
    """

    tree: dict
    chunks: bytes | None
    folder: Path

    @classmethod
    def parse(cls, data: bytes, folder: Path) -> "GltfFile":
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
        return cls(tree, chunks, folder)

    def packed(self) -> tuple[bytes, str]:
        """The file again, with its tree as it is now, and its kind, "glb" or "gltf"."""
        text = json.dumps(self.tree).encode()
        return (text, "gltf") if self.chunks is None else (glb(text, self.chunks), "glb")

    def entry(self, kind: str, index: object) -> dict:
        """Entry `index` of one of the tree's lists. ValueError if there is none or it is no object."""
        entries = self.tree.get(kind, [])
        if type(index) is not int or not 0 <= index < len(entries):
            raise ValueError(f"it refers to {kind}[{index}], but there are {len(entries)} {kind}")
        if not isinstance(entries[index], dict):
            raise ValueError(f"{kind}[{index}] is {entries[index]!r}, not an object")
        return entries[index]

    def view(self, index: int) -> bytes:
        """The bytes of a buffer view. ValueError if they are not there, FileNotFoundError if their file is not."""
        view = self.entry("bufferViews", index)
        buffer = self.entry("buffers", view["buffer"])
        data = self[buffer["uri"]] if "uri" in buffer else self._binary_chunk()
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if start < 0 or length < 0 or start + length > len(data):
            raise ValueError(f"bufferViews[{index}] ends at byte {start + length} of {len(data)}")
        return data[start : start + length]

    def __getitem__(self, uri: str) -> bytes:
        """The content of a data URI or of a file in the folder. ValueError if it lies elsewhere or is broken."""
        if uri.startswith("data:"):
            head, _, body = uri.partition(",")
            try:
                return base64.b64decode(body, validate=True) if head.endswith(";base64") else unquote_to_bytes(body)
            except binascii.Error as error:
                raise ValueError(f"its data URI is broken ({error})") from error
        path = inside(self.folder, unquote(uri))
        if path is None:
            raise ValueError(f"its file {uri!r} lies outside the folder of the model and was not read")
        if not path.is_file():
            raise FileNotFoundError(f"its file {uri!r} is missing")
        return path.read_bytes()

    def _binary_chunk(self) -> bytes:
        chunks = self.chunks or b""
        if len(chunks) < 8:
            raise ValueError("a buffer has neither a file nor bytes of its own")
        size, kind = struct.unpack_from("<I4s", chunks)
        if kind != b"BIN\0" or 8 + size > len(chunks):
            raise ValueError("its binary chunk is cut off")
        return chunks[8 : 8 + size]


def glb(text: bytes, chunks: bytes) -> bytes:
    """A GLB file of JSON and the chunks that follow it."""
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(chunks), len(text), b"JSON")
    return head + text + chunks
