"""Checkpoints: the whole state of a fit in one file, which is either written or not."""

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from repousse.apps.common import InputError, first_line

_MAGIC = b"repousse fit 1\n"
_DIGEST = hashlib.sha256().digest_size


@dataclass
class Checkpoint:
    """Where a fit stands.

    identity  what the fit is of: settings and the digest of the input, by name; a fit of something else is not resumed
    step      steps taken by the stage that runs
    states    `Stage.state()` of each stage that was begun, in order; the last one is the one that runs
    curves    losses so far, by name
    seconds   time spent so far
    random    state of torch's global generator on the CPU
    """

    identity: dict[str, str]
    step: int = 0
    states: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    random: Tensor = field(default_factory=torch.get_rng_state)


class Checkpoints:
    """The two latest checkpoints of a folder.

    A checkpoint is written to a file beside, flushed to the disk and then renamed, so that a power cut leaves either
    the old one or the new one. The one before is kept: where the newer is damaged, the older counts.
    """

    def __init__(self, folder: Path) -> None:
        self.latest = folder / "checkpoint.pt"
        self.previous = folder / "checkpoint.previous.pt"

    def save(self, checkpoint: Checkpoint) -> None:
        """Raises InputError if the disk takes no more."""
        buffer = io.BytesIO()
        torch.save(asdict(checkpoint), buffer)
        content = buffer.getvalue()
        fresh = self.latest.with_suffix(".new")
        try:
            with fresh.open("wb") as file:
                file.write(_MAGIC + hashlib.sha256(content).digest() + content)
                file.flush()
                os.fsync(file.fileno())
            if self.latest.exists():
                os.replace(self.latest, self.previous)
            os.replace(fresh, self.latest)
            _flush_folder(self.latest.parent)
        except OSError as error:
            raise InputError(f"cannot write the checkpoint {self.latest}: {error.strerror}") from error

    def load(self, identity: Mapping[str, str]) -> tuple[Checkpoint, str | None]:
        """The latest checkpoint that can be read, and a note if it is not the latest that was written.

        InputError if there is none, or if it belongs to other settings or another input than `identity` says.
        """
        problems = []
        for path in (self.latest, self.previous):
            try:
                found = Checkpoint(**_read(path))
            except FileNotFoundError:
                continue
            except Exception as error:  # whatever a damaged file makes the reader raise
                problems.append(f"{path} is damaged ({first_line(error)})")
                continue
            _check_identity(path, found.identity, identity)
            return found, f"{problems[0]}: going on from {path.name}" if problems else None
        if problems:
            raise InputError(f"{'; '.join(problems)}: nothing to resume. Start anew without --resume.")
        raise InputError(f"there is no checkpoint in {self.latest.parent}: nothing to resume")

    def clear(self) -> None:
        """Remove what an earlier fit left in the folder."""
        for path in (self.latest, self.previous, self.latest.with_suffix(".new")):
            path.unlink(missing_ok=True)


def digest(*tensors: Tensor) -> str:
    """A fingerprint of shapes, dtypes and values."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def _read(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    head = len(_MAGIC) + _DIGEST
    if not data.startswith(_MAGIC):
        raise ValueError("it is no checkpoint of this version")
    if hashlib.sha256(data[head:]).digest() != data[len(_MAGIC) : head]:
        raise ValueError("its check sum is wrong")
    # weights_only: a checkpoint is data; what it contains is never run.
    return torch.load(io.BytesIO(data[head:]), weights_only=True)


def _check_identity(path: Path, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    other = [
        f"{name} {found.get(name, 'unset')}, not {wanted.get(name, 'unset')}"
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    ]
    if other:
        raise InputError(
            f"{path} belongs to another fit, with {'; '.join(other)}. Resume with the same settings and pictures, or "
            "start anew without --resume."
        )


def _flush_folder(folder: Path) -> None:
    """Make a rename last; where folders cannot be opened, the system sees to it by itself."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
