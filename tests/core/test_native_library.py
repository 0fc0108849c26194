"""Finding and loading the native library, and choosing among its kernels."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from repousse.core import native
from repousse.ops import rasterize

SOURCE = Path(__file__).resolve().parents[2] / "src" / "repousse"
POSITIONS = torch.tensor([[[-0.5, -0.5, 0.5, 1.0], [0.9, -0.1, 0.5, 1.0], [0.0, 0.8, 0.5, 1.0]]])
FACES = torch.tensor([[0, 1, 2]])

WITHOUT_LIBRARY = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
sys.meta_path[:] = [BuiltinImporter, FrozenImporter, PathFinder]  # no redirection to an editable installation
sys.path.insert(0, sys.argv[1])
import torch
import repousse
from repousse.core.native import NativeLibraryError
assert repousse.__file__.startswith(sys.argv[1]), repousse.__file__

positions = torch.tensor([[[-0.5, -0.5, 0.5, 1.0], [0.9, -0.1, 0.5, 1.0], [0.0, 0.8, 0.5, 1.0]]])
faces = torch.tensor([[0, 1, 2]])
fragments = repousse.rasterize(positions, faces, (8, 9), backend="reference")
image = repousse.interpolate(torch.ones(3, 2), faces, fragments, backend="reference")
assert image.sum() == 2 * (fragments.face_id >= 0).sum() > 0
for attempt in range(2):  # the second call must not find half a library
    try:
        repousse.rasterize(positions, faces, (8, 9))
    except NativeLibraryError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("library", "complaint"),
    [(None, "was not found in"), (b"\x7fELF not much", "cannot be loaded")],
    ids=["missing", "truncated"],
)
def test_without_a_usable_library_the_reference_works(library: bytes | None, complaint: str, tmp_path: Path) -> None:
    """Breaks if importing needs the library, or its absence is not explained."""
    shutil.copytree(SOURCE, tmp_path / "repousse", ignore=shutil.ignore_patterns("*.so", "*.cpp", "__pycache__"))
    if library is not None:
        (tmp_path / "repousse" / "core" / "repousse_native.so").write_bytes(library)
    command = [sys.executable, "-c", WITHOUT_LIBRARY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    messages = done.stdout.splitlines()
    assert len(messages) == 2
    for message in messages:
        assert complaint in message and str(tmp_path) in message
        assert "Install a C++20 compiler" in message and 'backend="reference"' in message


def test_a_library_of_other_sources_is_named() -> None:
    """Breaks if a stale library ends in an AttributeError of ctypes."""
    with pytest.raises(native.NativeLibraryError, match=r"has no rp_not_there: .* Reinstall repousse"):
        native.function("rp_not_there", "pl")


@pytest.fixture
def fresh_choice(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels chosen anew, without what the environment of this test run says."""
    monkeypatch.delenv("REPOUSSE_ISA", raising=False)
    native._variants.cache_clear()
    yield
    native._variants.cache_clear()


@pytest.mark.usefixtures("fresh_choice")
def test_use_isa_chooses_the_kernels_of_this_block_only() -> None:
    """Breaks if an override leaks out of its block, past an error, or out of an inner block."""
    names = native.instruction_sets()
    kernels = {}
    for name in names:
        with native.use_isa(name):
            kernels[name] = native.kernel("rp_visibility", "plplpliiiipp")
            assert kernels[name].__name__ == f"rp_visibility_{name}"  # type: ignore[attr-defined]
    fastest = native.kernel("rp_visibility", "plplpliiiipp")
    assert fastest is kernels[names[-1]]
    with pytest.raises(RuntimeError), native.use_isa(names[0]), native.use_isa(names[-1]):
        raise RuntimeError
    assert native.kernel("rp_visibility", "plplpliiiipp") is fastest


def test_use_isa_is_private_to_a_thread() -> None:
    """Breaks if one thread's choice reaches another's kernels."""
    found = []
    with native.use_isa("base"):
        thread = threading.Thread(target=lambda: found.append(native.kernel("rp_visibility", "plplpliiiipp")))
        thread.start()
        thread.join()
    assert found == [native.kernel("rp_visibility", "plplpliiiipp")]


@pytest.mark.parametrize("name", ["", "v9", "avx2"])
def test_use_isa_refuses_other_names(name: str) -> None:
    """Breaks if an instruction set that does not exist is noticed late or not at all."""
    with pytest.raises(ValueError, match=r"use_isa: .* is not one of \('base'"), native.use_isa(name):
        pass


@pytest.mark.usefixtures("fresh_choice")
def test_the_environment_limits_all_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if REPOUSSE_ISA is ignored."""
    monkeypatch.setenv("REPOUSSE_ISA", "base")
    assert native.kernel("rp_visibility", "plplpliiiipp").__name__ == "rp_visibility_base"  # type: ignore[attr-defined]
    assert (rasterize(POSITIONS, FACES, (8, 9)).face_id == 0).any()


@pytest.mark.usefixtures("fresh_choice")
@pytest.mark.parametrize("name", ["", "v9", "AVX512"])
def test_a_wrong_environment_is_explained(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if a typing error in REPOUSSE_ISA shows as a KeyError, or is ignored."""
    monkeypatch.setenv("REPOUSSE_ISA", name)
    with pytest.raises(ValueError, match=rf"REPOUSSE_ISA='{name}' is not one of \('base'"):
        rasterize(POSITIONS, FACES, (8, 9))
