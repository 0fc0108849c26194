"""binvox files: read, written, and refused."""

import gzip
import io
from pathlib import Path

import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from repousse.io import load
from repousse.voxels import VoxelGrid, load_binvox, save_binvox, voxel_iou, voxelize

HEADER = b"#binvox 1\ndim 2 2 2\ntranslate 0 0 0\nscale 1\ndata\n"


def write(folder: Path, data: bytes, name: str = "shape.binvox") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_axes_and_runs(tmp_path: Path) -> None:
    """Breaks if y and z are exchanged: in the file y changes fastest, then z, then x."""
    runs = bytes([0, 1, 1, 2, 0, 3, 1, 2, 0, 4])  # 0 | 1 1 | 0 0 0 | 1 1 | 0 0 0 0
    header = b"#binvox 1\ndim 3 2 2\ntranslate 1 2 3\nscale 6\ndata\n"
    grid = load_binvox(write(tmp_path, header + runs))
    # Cells 1, 2, 6 and 7 of the file, as [x, y, z].
    assert grid.occupancy.nonzero().tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 1], [1, 1, 1]]
    assert grid.origin.tolist() == [1, 2, 3] and grid.cell == 2


@settings(deadline=None, max_examples=40)
@given(st.tuples(*[st.integers(1, 12)] * 3), st.integers(0, 2**31), st.sampled_from([0.0, 0.02, 0.5, 1.0]))
def test_round_trip(tmp_path_factory, shape: tuple[int, int, int], seed: int, density: float) -> None:
    """Breaks if a run of more than 255 cells, an empty or a full grid is written wrongly."""
    generator = torch.Generator().manual_seed(seed)
    origin = torch.randn(3, generator=generator, dtype=torch.float64)
    grid = VoxelGrid(torch.rand(*shape, generator=generator) < density, origin, 0.37)
    path = tmp_path_factory.getbasetemp() / "round_trip.binvox.gz"
    save_binvox(path, grid)
    again = load_binvox(path)
    assert torch.equal(again.occupancy, grid.occupancy) and torch.equal(again.origin, grid.origin)
    assert torch.allclose(again.cell, grid.cell, rtol=1e-15)


def test_trimesh_reads_the_same(tmp_path: Path) -> None:
    """Breaks if other programs see the written grid turned."""
    occupied = torch.rand(9, 9, 9, generator=torch.Generator().manual_seed(0)) < 0.3
    save_binvox(tmp_path / "a.binvox", VoxelGrid(occupied, (1.0, 2.0, 3.0), 0.5))
    other = trimesh.exchange.binvox.load_binvox(io.BytesIO((tmp_path / "a.binvox").read_bytes()))
    assert (other.matrix == occupied.numpy()).all()


def test_a_real_file(shared_data: Path) -> None:
    """Breaks if comments, blank lines or the order of the header matter, or the grid is turned against its mesh."""
    path = shared_data / "shapes" / "binvox" / "chair_model.binvox"
    grid = load_binvox(path)
    other = trimesh.exchange.binvox.load_binvox(io.BytesIO(path.read_bytes()))
    assert (other.matrix == grid.occupancy.numpy()).all() and grid.shape == (32, 32, 32)
    with pytest.warns(UserWarning, match="missing"):
        mesh = load(path.with_name("chair_model.obj.gz"))
    ours = voxelize(mesh, 32, fill="none", bounds=(grid.origin, grid.origin + 32 * grid.cell))
    assert voxel_iou(ours, grid) > 0.98
    assert voxel_iou(ours.occupancy.transpose(0, 2), grid) < 0.5


def test_values_of_floats_are_rounded(tmp_path: Path) -> None:
    """Breaks if probabilities are cut off."""
    save_binvox(tmp_path / "a.binvox", VoxelGrid(torch.tensor([[[0.49, 0.5]]])))
    assert load_binvox(tmp_path / "a.binvox").occupancy.tolist() == [[[False, True]]]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is empty"),
        (b"OFF\n", "not a binvox file"),
        (b"#binvox 1\ndim 2 2 2\n", "no line `data`"),
        (b"#binvox 1\ndata\n", "should have lines"),
        (b"#binvox 1\ndim 2 2\ndata\n", "should have lines"),
        (b"#binvox 1\ndim 2 2 2\nscale one\ndata\n", "should have lines"),
        (b"#binvox 1\ndim 2 2 -2\ndata\n", "impossible numbers"),
        (b"#binvox 1\ndim 2 2 2\nscale 0\ndata\n", "impossible numbers"),
        (b"#binvox 1\ndim 2 2 2\ntranslate 0 nan 0\ndata\n", "impossible numbers"),
        (b"#binvox 1\ndim 99999 99999 99999\ndata\n\x01\x08", "impossible numbers"),
        (b"#binvox 1\ndim 1000 1000 1000\ndata\n\x01\x08", r"holds 8 cells, .* = 1000000000; is it cut off"),
        (HEADER + b"\x01\x07", "holds 7 cells, .* is it cut off"),
        (HEADER + b"\x01\x08\x00", "ends in the middle of a run"),
        (HEADER + b"\x01\x08\x00\x01", "holds 9 cells"),
        (HEADER + b"\x07\x08", "holds the value 7"),
        (HEADER, "holds 0 cells"),
    ],
)
def test_broken_files(tmp_path: Path, data: bytes, complaint: str) -> None:
    """Breaks if a broken file crashes, is read in part, or takes the memory that its header asks for."""
    with pytest.raises(ValueError, match=complaint):
        load_binvox(write(tmp_path, data))


def test_packed_files(tmp_path: Path) -> None:
    """Breaks if .gz is not unpacked, or a cut one not recognised."""
    packed = gzip.compress(HEADER + b"\x01\x08")
    assert load_binvox(write(tmp_path, packed, "a.binvox.gz")).occupancy.all()
    with pytest.raises(ValueError, match="not an intact gzip file"):
        load_binvox(write(tmp_path, packed[:-9], "b.binvox.gz"))
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_binvox(tmp_path / "missing.binvox")


def test_a_batch_has_no_file(tmp_path: Path) -> None:
    """Breaks if the grids of a batch are written as one."""
    with pytest.raises(ValueError, match="batch of 2 grids"):
        save_binvox(tmp_path / "a.binvox", VoxelGrid(torch.zeros(2, 3, 3, 3)))
    assert not list(tmp_path.iterdir())
