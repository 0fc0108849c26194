"""Both modes of Kato's gradient on spheres of rising tessellation: `python -m benchmarks.kato_modes`.

The loss compares the silhouette of a sphere with a rectangle beside it; the gradient is that of the sphere's
translation. The shape on the screen hardly changes with the tessellation, so neither should the gradient.
"""

import math

import torch
from rich.console import Console
from rich.table import Table

import repousse as rp
from repousse.gradients import Kato


def translation_gradient(mesh: rp.Mesh, mode: str, target: torch.Tensor) -> torch.Tensor:
    """(3,): derivative of the squared error with respect to a common translation of all vertices."""
    camera = rp.Camera.orbit(4.0, 0.3, 0.2, fov=math.radians(45))
    translation = torch.zeros(3, requires_grad=True)
    estimator = Kato(mode="released" if mode == "released" else "crossings")
    moved = mesh.with_positions(mesh.positions + translation)
    mask = rp.silhouette(moved, camera, (target.shape[1], target.shape[2]), gradient=estimator)
    (gradient,) = torch.autograd.grad((mask - target).square().sum(), translation)
    return gradient


def main() -> None:
    """Print the table."""
    target = torch.zeros(1, 64, 64)
    target[:, 20:44, 30:60] = 1
    table = Table("faces", "length, crossings", "length, released", "cosine between the two")
    for subdivisions in range(1, 7):
        mesh = rp.icosphere(subdivisions)
        crossings, released = (translation_gradient(mesh, mode, target) for mode in ("crossings", "released"))
        cosine = torch.cosine_similarity(crossings, released, 0).item()
        table.add_row(str(len(mesh.faces)), f"{crossings.norm():.0f}", f"{released.norm():.0f}", f"{cosine:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
