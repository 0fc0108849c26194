"""Kernels under threads and processes that Python starts."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from repousse.geometry import icosphere
from repousse.ops import crossings, interpolate, rasterize

# Shared by the scripts below: a picture that gives several threads something to do.
PREAMBLE = """
import os, sys, torch
from repousse.geometry import icosphere
from repousse.ops import rasterize
mesh = icosphere(2)
positions = torch.cat([mesh.positions * 0.8, torch.ones(len(mesh.positions), 1)], 1)[None]
positions[..., 2] = positions[..., 2] * 0.5 + 0.5
def draw():
    return rasterize(positions, mesh.faces, (96, 96)).face_id
"""
FORK = """
torch.set_num_threads(2)
expected = draw()
for generation in range(2):  # a child of a child as well
    child = os.fork()
    if child == 0:
        for _ in range(20):
            assert torch.equal(draw(), expected)
        continue
    _, status = os.waitpid(child, 0)
    assert torch.equal(draw(), expected)
    os._exit(os.waitstatus_to_exitcode(status))
os._exit(0)
"""
COUNT = """
def started():
    return len(os.listdir("/proc/self/task"))
before = started()
for count in (1, 2, 3, 1):
    torch.set_num_threads(count)
    draw()
    print(started() - before, end=" ")
"""


def run(script: str) -> str:
    # The limit only turns a hanging process into a failure.
    command = [sys.executable, "-W", "ignore", "-c", PREAMBLE + script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_can_draw() -> None:
    """Breaks if a child waits for threads that only its parent has (a DataLoader worker would hang)."""
    run(FORK)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
def test_torchs_number_of_threads_is_respected() -> None:
    """Breaks if kernels start more threads than torch.set_num_threads allows, or none; they are kept for later."""
    assert run(COUNT).split() == ["0", "1", "2", "2"]


def test_python_threads_do_not_disturb_each_other() -> None:
    """Breaks if two calls at once share scratch memory, the pool's job, or the thread-local instruction set."""
    mesh = icosphere(2)

    def work(seed: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        points = mesh.positions * (0.3 + 0.5 * torch.rand(1, generator=generator))
        clip = torch.cat([points[:, :2], points[:, 2:] * 0.5 + 0.5, torch.ones(len(points), 1)], 1)[None]
        clip.requires_grad_()
        fragments = rasterize(clip, mesh.faces, (50 + 9 * seed, 70 - 7 * seed))
        image = interpolate(mesh.positions, mesh.faces, fragments)
        (gradient,) = torch.autograd.grad(image.square().sum() + fragments.depth.sum(), clip)
        return [fragments.face_id, image.detach(), gradient, *crossings(clip, mesh.topology, fragments)]

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = [work(seed) for seed in range(4)]
        with ThreadPoolExecutor(4) as pool:
            for seed, found in enumerate(pool.map(work, [0, 1, 2, 3] * 8)):
                assert all(map(torch.equal, found, expected[seed % 4])), seed
    finally:
        torch.set_num_threads(threads)
