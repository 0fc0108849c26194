"""What the figures depend on besides the code: the machine and the versions."""

import os
import platform
import re
import subprocess
from pathlib import Path

import torch

from repousse.core import native


def cpu_name() -> str:
    """The processor as it calls itself."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        info = ""
    found = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def slug(name: str) -> str:
    """A name as a file name: "AMD EPYC" is "amd-epyc"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def instruction_set() -> str:
    """The kernels in use."""
    return os.environ.get("REPOUSSE_ISA", native.instruction_sets()[-1])


def revision() -> str | None:
    """The commit, with "+" if the files differ from it; None outside a checkout."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "--short=12", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changed else "")


def description(threads: list[int]) -> dict[str, object]:
    """All of it, for the record."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "instruction_set": instruction_set(),
        "threads": threads,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "revision": revision(),
    }


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
