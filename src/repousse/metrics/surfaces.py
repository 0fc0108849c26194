"""Figures that say how much surfaces are alike."""

from dataclasses import dataclass

import torch
from torch import Tensor

from repousse.core.numbers import tensor_of
from repousse.geometry import Mesh
from repousse.geometry.nearest import nearest
from repousse.geometry.sampling import sample_surface
from repousse.geometry.vectors import length
from repousse.losses.points import nearest_distances, paired_clouds, rows_at


@dataclass(frozen=True, eq=False)
class Comparison:
    """How a mesh compares with a target; each field is float (B,).

    accuracy            mean distance from the mesh to the target
    completeness        mean distance from the target to the mesh
    precision           share of the mesh that lies within the threshold of the target
    recall              share of the target that lies within the threshold of the mesh
    normal_consistency  mean |cos| of the angle between the normals of a point and of its nearest neighbour, averaged
                        over both directions; blind to which side is outside
    threshold           of precision and recall
    """

    accuracy: Tensor
    completeness: Tensor
    precision: Tensor
    recall: Tensor
    normal_consistency: Tensor
    threshold: Tensor

    @property
    def chamfer(self) -> Tensor:
        """Mean of accuracy and completeness ("Chamfer-L1")."""
        return (self.accuracy + self.completeness) / 2

    @property
    def f_score(self) -> Tensor:
        """Harmonic mean of precision and recall."""
        return _harmonic_mean(self.precision, self.recall)

    def __repr__(self) -> str:
        names = ("chamfer", "f_score", "normal_consistency")
        means = ", ".join(f"{name}={float(getattr(self, name).mean()):.4g}" for name in names)
        return f"Comparison({means})"


@torch.no_grad()
def f_score(points: Tensor, target: Tensor, threshold: float | Tensor) -> Tensor:
    """Harmonic mean of the shares of points and of targets that have the other within `threshold` (Knapitsch 2017).

    points     float (B, N, 3) or (N, 3)
    target     float (B, M, 3) or (M, 3)
    threshold  > 0, one for all or (B,)

    Returns (B,) between 0 and 1.
    """
    to_target, to_points = nearest_distances(points, target)
    limit = _checked_threshold("f_score", threshold, to_target)
    return _harmonic_mean(_share_within(to_target, limit), _share_within(to_points, limit))


@torch.no_grad()
def compare(
    mesh: Mesh,
    target: Mesh,
    *,
    samples: int = 100_000,
    threshold: float | Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Comparison:
    """Compare two surfaces by random points on both.

    >>> compare(icosphere(4), icosphere(2))
    Comparison(chamfer=0.0124, f_score=0.9973, normal_consistency=0.9961)

    mesh, target  single, poses or packed; one goes with all of the other
    samples       points on each surface. Even equal surfaces are about 1/2 sqrt(area / samples) apart
    threshold     of precision and recall; by default 1 % of the longest side of the target's bounding box
    generator     see `sample_surface`
    """
    first = sample_surface(mesh, samples, generator=generator)
    second = sample_surface(target, samples, generator=generator)
    points, targets = paired_clouds("compare", first.points, second.points)
    normals, target_normals = paired_clouds("compare", first.normals, second.normals)
    there, back = nearest(points, targets), nearest(targets, points)
    to_target = length(points - rows_at(there, targets))
    to_points = length(targets - rows_at(back, points))
    cosines = (normals * rows_at(there, target_normals)).sum(-1), (target_normals * rows_at(back, normals)).sum(-1)
    limit = _checked_threshold("compare", 0.01 * _longest_sides(target) if threshold is None else threshold, to_target)
    return Comparison(
        accuracy=to_target.mean(1),
        completeness=to_points.mean(1),
        precision=_share_within(to_target, limit),
        recall=_share_within(to_points, limit),
        normal_consistency=(cosines[0].abs().mean(1) + cosines[1].abs().mean(1)) / 2,
        threshold=limit,
    )


def _longest_sides(mesh: Mesh) -> Tensor:
    """(B): the longest side of the bounding box of each pose or packed mesh."""
    parts = [mesh.positions]
    if mesh.vertex_ranges is not None:
        parts = [mesh.positions[first : first + number] for first, number in mesh.vertex_ranges.tolist()]
    return torch.cat([(part.amax(-2) - part.amin(-2)).amax(-1).reshape(-1) for part in parts])


def _checked_threshold(owner: str, threshold: float | Tensor, distances: Tensor) -> Tensor:
    """The threshold as (B). One that lies on a GPU, which would have to be waited for, is not looked at."""
    given = torch.as_tensor(threshold)
    if given.ndim > 1 or given.numel() not in (1, len(distances)) or (given.is_cpu and not bool((given > 0).all())):
        raise ValueError(f"{owner}: `threshold` must be positive, one number or ({len(distances)},), got {threshold}.")
    return tensor_of(threshold, distances.dtype, distances.device).expand(len(distances))


def _share_within(distances: Tensor, limit: Tensor) -> Tensor:
    return (distances < limit.unsqueeze(1)).to(distances.dtype).mean(1)


def _harmonic_mean(precision: Tensor, recall: Tensor) -> Tensor:
    total = precision + recall
    return torch.where(total == 0, 0, 2 * precision * recall / torch.where(total == 0, 1, total))
