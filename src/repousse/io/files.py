"""Reading whole files with clear errors, writing them so that no half-written file is ever seen."""

import gzip
import io
import os
import uuid
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# What is packed may unpack to this many bytes, and beyond that to this many times its size. Text of meshes shrinks to
# a fifth, a file of zeros to a thousandth.
_UNPACKED, _TIMES = 2**26, 100


def read_bytes(caller: str, path: Path) -> bytes:
    """The content of a file, unpacked if its name ends in .gz.

    FileNotFoundError, or ValueError for what is no file, empty, cut off, or unpacks to suspiciously much.
    """
    if not path.exists():
        raise FileNotFoundError(f"{caller}: there is no file {path}")
    if not path.is_file():
        raise ValueError(f"{caller}: {path} is a folder or a device, not a file")
    data = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            content = _unpacked(data)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{caller}: {path} is not an intact gzip file ({error}); is it cut off?") from error
        if content is None:
            raise ValueError(
                f"{caller}: {path} has {len(data)} bytes and unpacks to suspiciously many; if you trust it, unpack it "
                "first"
            )
        data = content
    if not data:
        raise ValueError(f"{caller}: {path} is empty")
    return data


def _unpacked(data: bytes) -> bytes | None:
    """None if that is suspiciously much."""
    most = max(_UNPACKED, _TIMES * len(data))
    content = bytearray()
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        while piece := stream.read(2**20):
            content += piece
            if len(content) > most:
                return None
    return bytes(content)


def write_bytes(caller: str, path: Path, data: bytes, beside: Mapping[str, bytes] | None = None) -> None:
    """Write or replace a file in one step: a failure leaves an older file as it was, nothing beside it.

    beside  files that belong to it, by name, in the folder of `path`; a link of that name is replaced and not
            followed. All are written out before the first appears, and the file itself appears last.
    """
    if path.suffix.lower() == ".gz":
        data = gzip.compress(data, mtime=0)  # no time stamp: the same mesh gives the same file
    target = path.resolve()  # a link stays a link; what it points to is replaced
    contents = {path.parent / name: content for name, content in (beside or {}).items()} | {target: data}
    for file in contents:
        if not file.parent.is_dir():
            raise FileNotFoundError(f"{caller}: there is no folder {file.parent}; create it first")
        if file.is_dir() and not (file.is_symlink() and file != target):
            raise ValueError(f"{caller}: {file} is a folder")
        if file.is_file() and not os.access(file, os.W_OK):  # which replacing would not ask
            raise PermissionError(f"{caller}: {file} is write-protected")
    with ExitStack() as cleanup:
        written = []
        for file, content in contents.items():
            # Opened by hand, because the files of `tempfile` are readable by their owner only.
            temporary = file.with_name(f".{file.name[:100]}.{uuid.uuid4().hex}")
            cleanup.callback(temporary.unlink, missing_ok=True)
            with open(temporary, "xb") as stream:
                stream.write(content)
            written.append((temporary, file))
        for temporary, file in written:
            os.replace(temporary, file)


@dataclass(frozen=True)
class Folders:
    """Where the files that a model names may lie.

    own    the folder of the model
    other  one more folder, if the user named one
    """

    own: Path
    other: Path | None = None

    @cached_property
    def allowed(self) -> list[Path]:
        return [folder.resolve() for folder in (self.own, self.other) if folder is not None]

    def find(self, name: str, base: Path | None = None) -> Path:
        """The file that a model calls `name`.

        base  what the name is relative to; by default the folder of the model

        Names often are paths of the machine that wrote the model, so a file of that name without its folder,
        beside the model or in the other folder, serves as well. LookupError, with words that can follow the
        name, if there is none that may be read.
        """
        allowed = self.allowed
        base = allowed[0] if base is None else base.resolve()
        bare = name.strip().replace("\\", "/").rpartition("/")[2]
        places = [(base, name), (base, bare)] + [(folder, n) for folder in allowed for n in (name, bare)]
        paths = [path for folder, n in places if (path := _resolved(folder, n)) is not None]
        paths = [path for path in paths if any(path.is_relative_to(folder) for folder in allowed)]
        for path in paths:
            try:
                if path.is_file():
                    return path
            except OSError:  # a name that is too long
                continue
        named = _resolved(base, name)
        if named is None or named in paths:
            raise LookupError("is missing")
        raise LookupError("lies outside the folder of the model and was not read (`textures` of load allows another)")


def _resolved(folder: Path, name: str) -> Path | None:
    try:
        return (folder / name.strip().replace("\\", "/")).resolve()
    except (OSError, ValueError, RuntimeError):  # null bytes, loops of links
        return None
