"""Reading whole files with clear errors, writing them so that no half-written file is ever seen."""

import gzip
import os
import uuid
import zlib
from pathlib import Path


def read_bytes(caller: str, path: Path) -> bytes:
    """The content of a file, unpacked if its name ends in .gz."""
    if not path.exists():
        raise FileNotFoundError(f"{caller}: there is no file {path}")
    if not path.is_file():
        raise ValueError(f"{caller}: {path} is a folder or a device, not a file")
    data = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{caller}: {path} is not an intact gzip file ({error}); is it cut off?") from error
    if not data:
        raise ValueError(f"{caller}: {path} is empty")
    return data


def write_bytes(caller: str, path: Path, data: bytes) -> None:
    """Write or replace a file in one step: a failure leaves an older file as it was, nothing beside it."""
    if path.suffix.lower() == ".gz":
        data = gzip.compress(data, mtime=0)  # no time stamp: the same mesh gives the same file
    path = path.resolve()  # a link stays a link; what it points to is replaced
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{caller}: there is no folder {path.parent}; create it first")
    if path.is_dir():
        raise ValueError(f"{caller}: {path} is a folder")
    # Opened by hand, because the files of `tempfile` are readable by their owner only.
    temporary = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def inside(folder: Path, name: str) -> Path | None:
    """The path of `name` relative to `folder`, or None if it leads out of it, by `..`, a root or a link."""
    try:
        folder = folder.resolve()
        path = (folder / name.strip().replace("\\", "/")).resolve()
    except (OSError, ValueError, RuntimeError):  # null bytes, loops of links
        return None
    return path if path.is_relative_to(folder) else None
