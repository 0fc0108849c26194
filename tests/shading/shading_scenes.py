"""Points to shade: few, at random, in float64."""

import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.shading import Points

UP = torch.tensor([0.0, 1.0, 0.0])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_unit(*shape: int, seed: int = 0) -> Tensor:
    vectors = torch.randn(*shape, 3, generator=generator(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(vectors, dim=-1)


def random_points(batch: int = 2, seed: int = 0) -> Points:
    """(batch, 3, 4) points around the origin that a camera at a distance sees from their front."""
    shape = (batch, 3, 4)
    random = generator(seed)
    position = torch.rand(*shape, 3, generator=random, dtype=torch.float64) - 0.5
    camera = Camera.look_at((0.0, 0.5, 4.0)).to(torch.float64)
    normal = random_unit(*shape, seed=seed)
    towards = torch.tensor([0.0, 0.5, 4.0], dtype=torch.float64) - position
    normal = torch.where((normal * towards).sum(-1, keepdim=True) < 0, -normal, normal)

    def share(channels: int) -> Tensor:
        return 0.1 + 0.8 * torch.rand(*shape, channels, generator=random, dtype=torch.float64)

    return Points(
        position,
        normal,
        share(3),
        metallic=share(1),
        roughness=share(1),
        emission=share(3),
        occlusion=share(1),
        camera=camera,
    )


def single_point(normal: Tensor = UP, color: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Points:
    """One white point at the origin."""
    at = torch.zeros(1, 1, 1, 3, dtype=normal.dtype)
    return Points(at, normal.expand(1, 1, 1, 3), torch.tensor(color, dtype=normal.dtype).expand(1, 1, 1, 3))
