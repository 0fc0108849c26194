"""Every GPU kernel compiles for GPUs of two makers, without any of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from calls import FOLDERS

pytest.importorskip("triton", reason="needs Triton: pip install triton")
TARGETS = ("cuda:80", "cuda:90", "hip:gfx942")


@pytest.mark.parametrize("folder", FOLDERS)
def test_kernels_compile(folder: str) -> None:
    """Fails if a kernel that the calls of an op launch does not compile, or would fuse products and sums."""
    program = Path(__file__).with_name("cross_compile.py")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(program), folder, *TARGETS], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
