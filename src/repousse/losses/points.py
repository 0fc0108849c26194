"""Losses that compare clouds of points."""

from torch import Tensor

from repousse.core.checks import describe
from repousse.geometry.nearest import nearest
from repousse.geometry.vectors import length


def chamfer(points: Tensor, target: Tensor, *, squared: bool = False) -> Tensor:
    """Chamfer distance: how far the points lie from the target on average, and the target from the points.

        ½ mean over points of the distance to the nearest target + ½ mean over targets of that to the nearest point

    >>> chamfer(sample_surface(mesh, 5000).points, scan).mean()

    points   float (B, N, 3) or (N, 3)
    target   float (B, M, 3) or (M, 3)  one target goes with all clouds of points, and the other way round
    squared  average squared distances instead

    Returns (B,). Unsquared it is the "Chamfer-L1" of Mescheder et al. (2019), in the unit of the points; the sum of Fan
    et al. (2017) is twice the squared one. Both directions for themselves: `nearest_distances`. Differentiable in both
    (each point is pulled by its nearest neighbours); the derivative is 0 where points coincide.
    """
    to_target, to_points = nearest_distances(points, target, squared=squared)
    return (to_target.mean(1) + to_points.mean(1)) / 2


def nearest_distances(points: Tensor, target: Tensor, *, squared: bool = False) -> tuple[Tensor, Tensor]:
    """Distances (B, N) from the points to the nearest target, and (B, M) from targets to points; see `chamfer`."""
    points, target = paired_clouds("nearest_distances", points, target)
    to_target = points - rows_at(nearest(points, target), target)
    to_points = target - rows_at(nearest(target, points), points)
    if squared:
        return to_target.square().sum(-1), to_points.square().sum(-1)
    return length(to_target), length(to_points)


def rows_at(index: Tensor, rows: Tensor) -> Tensor:
    """The rows (B, N, C) of (B, M, C) at `index` (B, N)."""
    return rows.gather(1, index.unsqueeze(-1).expand(-1, -1, rows.shape[-1]))


def paired_clouds(owner: str, points: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both as (B, N, 3) and (B, M, 3)."""
    clouds = []
    for name, cloud in (("points", points), ("target", target)):
        if not isinstance(cloud, Tensor) or not cloud.is_floating_point():
            raise TypeError(f"{owner}: `{name}` must be a tensor of floats, got {describe(cloud)}.")
        if cloud.ndim not in (2, 3) or cloud.shape[-1] != 3 or not cloud.numel():
            raise ValueError(f"{owner}: `{name}` must be (N, 3) or (B, N, 3), not empty, got {describe(cloud)}.")
        clouds.append(cloud if cloud.ndim == 3 else cloud.unsqueeze(0))
    batch = max(len(cloud) for cloud in clouds)
    if any(len(cloud) not in (1, batch) for cloud in clouds) or points.device != target.device:
        raise ValueError(
            f"{owner}: `points` is {describe(points)} but `target` {describe(target)}. "
            "Both need one device and the same batch, or a batch of 1."
        )
    first, second = (cloud.expand(batch, -1, -1) for cloud in clouds)
    return first, second
