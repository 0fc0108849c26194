"""Voxelisation on a GPU: the cells of the CPU, to the last one."""

import pytest
import torch
from calls_voxelize import OPS, soup
from ops_gpu import gpu_kernels
from torch import Tensor

from repousse.geometry import icosphere
from repousse.ops import voxelize

pytest.importorskip("triton", reason="needs Triton: pip install triton")
from repousse.ops.gpu import worklist

# Faces that are not finite are reported on the CPU only.
pytestmark = pytest.mark.filterwarnings("ignore:voxelize")


def wide_faces(seed: int) -> tuple[Tensor, Tensor, tuple[int, int, int]]:
    """Triangles through a small grid, up to 65536 cells long: flat, nearly parallel to an axis, tied."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    x, y, z = (int(cells) for cells in torch.randint(1, 9, (3,), generator=generator))
    directions, reach = draw(4, 2, 3) * 2 - 1, 10 ** (4.7 * draw(4, 1, 1))
    if seed % 3 == 0:
        directions[..., seed // 3 % 3] *= 1e-4
    if seed % 5 == 0:
        directions[:, 1] = -directions[:, 0] * draw(4, 1)
    third = -(directions * draw(4, 2, 1)).sum(1, keepdim=True)
    corners = draw(4, 1, 3) * torch.tensor([x, y, z]) + torch.cat([directions, third], 1) * reach
    grain = (4096, 4, 2, 1)[seed % 4]
    positions = (corners * grain).round().div(grain).clamp(-65536, 65536)
    return positions.view(1, -1, 3), torch.arange(12, dtype=torch.int32).view(4, 3), (x, y, z)


@pytest.mark.parametrize("op", OPS)
def test_faces_of_all_lengths(op: str) -> None:
    """Fails if what needs 128 bits on the CPU is decided by anything but exact numbers."""
    filled = 0
    for seed in range(15):
        positions, faces, size = wide_faces(seed)
        expected = getattr(torch.ops.repousse, op)(positions, faces, *size)
        with gpu_kernels() as device:
            found = getattr(torch.ops.repousse, op)(positions.to(device), faces.to(device), *size)
        assert torch.equal(found.cpu(), expected), f"seed {seed}"
        filled += int(0 < expected.sum() < expected.numel())
    assert filled >= 4


@pytest.mark.parametrize("fill", ["none", "solid", "carve"])
def test_fewer_programs_than_work(fill: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if programs lose work, or do it twice, when there is more than each of them takes at once."""
    monkeypatch.setattr(worklist, "_PROGRAMS", 2)
    ball = icosphere(1)
    positions, size = ball.positions[None] * 6 + 6.5, (14, 13, 12)
    expected = voxelize(positions, ball.faces, size, fill=fill)  # type: ignore[arg-type]
    with gpu_kernels() as device:
        found = voxelize(positions.to(device), ball.faces.to(device), size, fill=fill)  # type: ignore[arg-type]
    assert torch.equal(found.cpu(), expected)


def test_poses_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if poses that do not fit into memory together get one another's cells."""
    from repousse.ops.voxelize import gpu

    positions, faces = soup(None, (5, 4, 6), 20, batch=3)
    expected = torch.ops.repousse.voxelize_inside(positions, faces, 5, 4, 6)
    monkeypatch.setattr(gpu, "_MOST_CELLS", 250)
    with gpu_kernels() as device:
        found = torch.ops.repousse.voxelize_inside(positions.to(device), faces.to(device), 5, 4, 6)
    assert torch.equal(found.cpu(), expected)


@pytest.mark.parametrize("op", OPS)
def test_what_reaches_too_far_is_left_out(op: str) -> None:
    """Fails if coordinates overflow, or faces without vertices are read."""
    ball = icosphere(0)
    far = torch.tensor([[1e5, 0.0, 0], [0, -1e30, 0], [2, 2, torch.inf]])
    positions = torch.cat([ball.positions * 2 + 3, far])[None]
    more = torch.tensor([[0, 1, 12], [13, 0, 1], [2, 14, 3]], dtype=torch.int32)
    expected = getattr(torch.ops.repousse, op)(positions[:, :12], ball.faces, 6, 6, 6)
    with gpu_kernels() as device:
        run = getattr(torch.ops.repousse, op)
        found = run(positions.to(device), torch.cat([ball.faces, more]).to(device), 6, 6, 6)
        assert torch.equal(found.cpu(), expected)
        with pytest.raises(IndexError, match="holds index 15"):
            run(positions.to(device), (ball.faces + 4).to(device), 6, 6, 6)
