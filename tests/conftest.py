"""Fixtures shared by all tests."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

# Without a GPU its kernels are run by Triton's interpreter, which has to be chosen before anything imports them.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

# Workers of pytest-xdist share the cores among them; with threads of their own they would only wait for each other.
# Tests of threads ask for the number that they need.
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)

# No test fails for being slow.
patient: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
# The suite draws the same examples every time, so that it fails for a change and not by chance; `make check-long` looks
# for new ones.
settings.register_profile("repeatable", derandomize=True, **patient)
settings.register_profile("explore", derandomize=False, **patient)
settings.load_profile("repeatable")

# Scenes and helpers of the ops' tests (`ops_scenes`, `ops_everywhere`) serve other folders too.
for folder in ("ops", "ops_gpu"):
    sys.path.insert(0, str(Path(__file__).parent / folder))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real meshes and photos that lies beside the checkout; tests that need it skip without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the real data in {folder}")
    return folder
