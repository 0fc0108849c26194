"""Scenes and small helpers for the tests of the ops: ordinary and unfriendly triangles, in clip space."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from repousse.ops.rasterize import reference

ORDINARY = ("small", "large", "tilted", "near")
UNFRIENDLY = (
    "tiny",
    "sliver",
    "lattice",
    "copy",
    "flat",
    "aside",
    "wide",
    "beyond",
    "behind",
    "far",
    "zero",
    "nan",
    "inf",
)
KINDS = ORDINARY + UNFRIENDLY


class Scene(NamedTuple):
    """positions float32 (B, V, 4), faces int32 (F, 3), size (height, width)."""

    positions: Tensor
    faces: Tensor
    size: tuple[int, int]


def triangle(kind: str, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Three clip-space corners (3, 4) of the kind of trouble asked for."""
    height, width = size
    centre = rng.uniform(-1, 1, 2)
    spread = {"small": 6, "tiny": 0.6, "near": 2 * max(size), "beyond": 40 * max(size)}.get(kind, max(size))
    xy = centre + rng.uniform(-1, 1, (3, 2)) * spread / (width, height)
    zeta, w = rng.uniform(0, 1, 3), np.full(3, rng.uniform(0.5, 4))
    if kind == "tilted":
        w = rng.uniform(0.5, 2, 3)
    elif kind == "sliver":
        xy[2] = xy[0] + (xy[1] - xy[0]) * rng.uniform(0, 1) + rng.normal(0, 0.02, 2) / (width, height)
    elif kind == "lattice":  # corners on pixel centres, few depths: ties everywhere
        xy = (2 * rng.integers(-1, (width + 1, height + 1), (3, 2)) + 1) / (width, height) - 1
        zeta, w = np.full(3, rng.integers(1, 4) / 4), 2.0 ** rng.integers(-1, 2, 3)
    elif kind == "flat":
        xy[2] = xy[0] if rng.integers(2) else (xy[0] + xy[1]) / 2
    elif kind == "aside":
        xy += 3 * rng.choice([-1, 1], 2)
    elif kind == "wide":  # far outside the guard band
        xy[rng.integers(3)] *= 10.0 ** rng.integers(2, 7)
    corners = np.concatenate([xy, zeta[:, None], np.ones((3, 1))], 1) * w[:, None]
    if kind == "near":  # one or two corners before the near plane, usually behind the eye
        for k in range(rng.integers(1, 3)):
            corners[k, 3] = rng.uniform(-2, 1)
            corners[k, 2] = corners[k, 3] - rng.uniform(0.1, 1)
    elif kind == "behind":
        corners[:, 2:] *= -1
    elif kind == "far":
        corners[rng.integers(3), 2] *= 5
    elif kind == "zero":
        corners[rng.integers(3)] = 0
    elif kind in ("nan", "inf"):
        corners[rng.integers(3), rng.integers(4)] = float(kind) * rng.choice([-1, 1])
    return corners


def build(kinds: list[str], seed: int, size: tuple[int, int], batch: int = 1, shared: bool = False) -> Scene:
    """One triangle of each kind; `shared`: faces pick their corners among all the triangles' vertices."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(batch):
        corners: list[np.ndarray] = []
        for kind in kinds:
            copied = kind == "copy" and bool(corners)
            corners.append(corners[rng.integers(len(corners))] if copied else triangle(kind, rng, size))
        images.append(np.concatenate(corners))
    faces = np.arange(3 * len(kinds)).reshape(-1, 3)
    if shared:
        pool = min(len(kinds) + 2, 3 * len(kinds))
        faces = np.stack([rng.permutation(pool)[:3] for _ in kinds])
    return Scene(torch.tensor(np.stack(images), dtype=torch.float32), torch.tensor(faces, dtype=torch.int32), size)


sizes = st.one_of(st.integers(1, 70), st.sampled_from([4, 16, 17, 64, 65, 100, 150]))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def scenes(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS, max_batch: int = 2, max_faces: int = 9) -> Scene:
    """Scenes of any mix of triangles at any image size."""
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=max_faces))
    size = (draw(sizes), draw(sizes))
    return build(chosen, draw(seeds), size, draw(st.integers(1, max_batch)), draw(st.booleans()))


def pack(parts: list[Scene]) -> tuple[Tensor, Tensor, Tensor]:
    """Scenes of one image each as one packed mesh: positions (V, 4), faces (F, 3), ranges (B, 2)."""
    positions = torch.cat([part.positions[0] for part in parts])
    vertices = np.cumsum([0] + [part.positions.shape[1] for part in parts])
    faces = torch.cat([part.faces + int(v) for part, v in zip(parts, vertices[:-1], strict=True)])
    first = np.cumsum([0] + [len(part.faces) for part in parts])
    return positions, faces, torch.tensor(np.stack([first[:-1], np.diff(first)], 1))


def corners_on_screen(scene: Scene) -> tuple[Tensor, Tensor]:
    """float64 pixel coordinates (B, F, 3, 2) and w (B, F, 3) of the faces' corners."""
    height, width = scene.size
    points = scene.positions.double()[:, scene.faces.long()]
    half = torch.tensor([width / 2, height / 2], dtype=torch.float64)
    return points[..., :2] / points[..., 3:] * half + half, points[..., 3]


def well_conditioned(scene: Scene) -> Tensor:
    """bool (B, F): whole faces whose float32 barycentrics are good to 1e-4: no slivers, none far off."""
    xy, _ = corners_on_screen(scene)
    sides = (xy - xy.roll(1, -2)).norm(dim=-1)
    a, b = xy[..., 1, :] - xy[..., 0, :], xy[..., 2, :] - xy[..., 0, :]
    height = (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).abs() / sides.amax(-1)
    clipped = reference.project(scene.positions, scene.size).unsafe[:, scene.faces.long()].any(-1)
    return (height > 1) & (sides.amax(-1) < 500) & (xy.abs().amax((-1, -2)) < 500) & ~clipped


def reference_fragments(scene: Scene, cull: str | None = None) -> SimpleNamespace:
    """What `rasterize` returns, by the reference."""
    positions, faces, size = scene
    face_id, facing = reference.visibility(positions, faces, size, None, cull)
    bary, depth = reference.barycentrics(positions, faces, face_id, None, size)
    return SimpleNamespace(
        face_id=face_id, bary=bary, depth=depth, facing=facing, positions=positions, faces=faces, ranges=None
    )


def plain_topology(faces: Tensor) -> SimpleNamespace:
    """The fields of a `Topology`, found with dictionaries. Faces that name a vertex twice have no edges."""
    around: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for face, corners in enumerate(faces.tolist()):
        if len(set(corners)) < 3:
            continue
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            around.setdefault((min(a, b), max(a, b)), []).append((face, 1 if a < b else -1))
    edge_faces, consistent, extra = [], [], []
    for edge, ((face, direction), *others) in enumerate(around.values()):
        edge_faces.append((face, others[0][0] if others else -1))
        consistent.append(not others or others[0][1] != direction)
        extra += [(edge, f, int(d == direction)) for f, d in others[1:]]
    return SimpleNamespace(
        faces=faces.int(),
        edges=torch.tensor(list(around), dtype=torch.int32).reshape(-1, 2),
        edge_faces=torch.tensor(edge_faces, dtype=torch.int32).reshape(-1, 2),
        consistent=torch.tensor(consistent, dtype=torch.bool),
        extra=torch.tensor(extra, dtype=torch.int32).reshape(-1, 3),
    )


def from_pixels(xy: Sequence[Sequence[float]], size: tuple[int, int], zeta: Sequence[float] | float = 0.5) -> Tensor:
    """Pixel coordinates to clip space with w = 1: float32 (1, V, 4)."""
    points = torch.tensor(xy, dtype=torch.float64)
    half = torch.tensor([size[1] / 2, size[0] / 2], dtype=torch.float64)
    z = torch.as_tensor(zeta, dtype=torch.float64).expand(len(points))
    clip = torch.cat([points / half - 1, z[:, None], torch.ones(len(points), 1, dtype=torch.float64)], 1)
    return clip.float()[None]
