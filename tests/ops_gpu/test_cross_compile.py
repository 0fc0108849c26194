"""Every GPU kernel compiles for GPUs of two makers, without any of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from calls import FOLDERS

pytest.importorskip("triton", reason="needs Triton: pip install triton")
TARGETS = ("cuda:80", "cuda:90", "hip:gfx942")


# Folders that share kernels are compiled together.
TOGETHER = ("rasterize,layers", "boundary,crossings,intersections")
ALONE = tuple(folder for folder in FOLDERS if not any(folder in group.split(",") for group in TOGETHER))


def compile_kernels(folders: str, variants: str) -> None:
    program = Path(__file__).with_name("cross_compile.py")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(program), folders, variants, *TARGETS], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]


@pytest.mark.parametrize("folders", TOGETHER + ALONE)
def test_kernels_compile(folders: str) -> None:
    """Fails if a kernel that the calls of an op launch does not compile, or would fuse products and sums."""
    compile_kernels(folders, "first")


@pytest.mark.long
@pytest.mark.parametrize("folders", TOGETHER + ALONE)
def test_every_variant_compiles(folders: str) -> None:
    """Fails if that is so for some of the constants a kernel is launched with."""
    compile_kernels(folders, "every")
