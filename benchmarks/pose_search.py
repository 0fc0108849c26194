"""How many searches for a camera find it, by estimator: `python -m benchmarks.pose_search`.

The problem of `repousse find-camera`: one silhouette of the teapot, a camera that looks at it from an unknown place.
Each search starts once, within 60 degrees of the truth (uniformly on that part of the sphere) and at 0.8 to 1.5 times
its distance, and is over after 270 steps of Adam. It has converged if it ends within a degree. All searches of a row
run as one batch; they do not affect one another.
"""

import argparse
import math
import time

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import repousse as rp
from repousse.apps.find_camera import FAR_TO_NEAR, FindCamera, Search, errors
from repousse.apps.views import orbit
from repousse.gradients import names
from repousse.render import silhouette

WITHIN = 60.0  # degrees
CONVERGED = 1.0  # degrees


def starts(truth: Tensor, count: int, seed: int) -> Tensor:
    """Places (count, 3) to start from; none within 5 degrees of the poles, where a camera has no upright."""
    random = torch.Generator().manual_seed(seed)
    distance, found = truth.norm(), []
    while len(found) < count:
        direction = torch.nn.functional.normalize(torch.randn(3, generator=random), dim=0)
        far = distance * (0.8 + 0.7 * torch.rand(1, generator=random))
        near_enough = direction @ truth > distance * math.cos(math.radians(WITHIN))
        if near_enough and abs(direction[1]) < math.sin(math.radians(85)):
            found.append(direction * far)
    return torch.stack(found)


def search(gradient: str, settings: FindCamera, count: int, seed: int) -> Tensor:
    """Degrees (count,) between each search's result and the truth."""
    sought = orbit(settings, settings.elevation, settings.azimuth)
    mesh, truth = rp.teapot().normalized(), sought.position[0]
    target = silhouette(mesh, sought, (settings.size, settings.size), gradient=None, supersample=settings.supersample)
    schedule = FindCamera(gradient=gradient, distance=settings.distance).schedule()
    running = Search(
        mesh,
        target[0],
        starts(truth, count, seed),
        schedule,
        fov=math.radians(settings.fov),
        supersample=settings.supersample,
    )
    for i in range(schedule.steps):
        running.step(i)
    return torch.tensor([errors(found, truth)[0] for found in running.best])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=20, help="searches per estimator")
    parser.add_argument("--size", type=int, default=64, help="width and height of the silhouettes in pixels")
    parser.add_argument("--seed", type=int, default=0, help="of the places where searches start")
    parser.add_argument("--azimuth", type=float, default=FindCamera.azimuth, help="of the sought camera, degrees")
    parser.add_argument("--elevation", type=float, default=FindCamera.elevation, help="of the sought camera, degrees")
    parser.add_argument("gradients", nargs="*", default=[*reversed(names()), FAR_TO_NEAR], help="default: all")
    given = parser.parse_args()
    settings = FindCamera(size=given.size, azimuth=given.azimuth, elevation=given.elevation)
    table = Table("gradient", f"converged of {given.starts}", "degrees off: median", "worst", "CPU seconds")
    for gradient in given.gradients:
        began = time.process_time()
        degrees = search(gradient, settings, given.starts, given.seed)
        row = gradient, str(int((degrees < CONVERGED).sum())), f"{degrees.median():.2f}", f"{degrees.max():.1f}"
        table.add_row(*row, f"{time.process_time() - began:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
