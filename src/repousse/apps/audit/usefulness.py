"""How often a search that follows an estimator arrives: its use, apart from its truth.

The derivative of a silhouette lives at the silhouette. Where the object that is sought and the one that is moved do not
overlap, it only says that the latter should vanish; `kato` pulls from any distance but never comes to rest. So each
search is run from starts nearby and from starts apart, and with both one after the other.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from repousse.apps.audit.shapes import rotation
from repousse.camera import Camera
from repousse.geometry import Mesh, icosphere, teapot
from repousse.optim import AdamUniform, LargeSteps
from repousse.render import silhouette

Schedule = tuple[str, ...]
SIZE = 64
ARRIVED = 0.9  # intersection over union of what was found and what was sought


@dataclass(frozen=True)
class Outcome:
    """Of the searches from all starts.

    arrived  how many
    starts   of how many
    overlap  median of the intersection over union that was reached
    """

    arrived: int
    starts: int
    overlap: float


@dataclass(frozen=True, eq=False)
class Search:
    """A kind of search.

    what  what is sought, from where, for the reader
    run   (schedule, number of starts, number of steps) -> outcome
    """

    what: str
    run: Callable[[Schedule, int, int], Outcome]


def pose(schedule: Schedule, starts: int, steps: int) -> Outcome:
    """Turn a teapot and shift it to the side and up until its mask is that of another one."""
    generator = torch.Generator().manual_seed(4)
    axes = torch.nn.functional.normalize(torch.randn(starts, 3, generator=generator), dim=1)
    turn = axes * math.radians(40) * torch.rand(starts, 1, generator=generator)
    teapots = teapot(6).normalized()
    return _placed(teapots.with_positions(0.5 * teapots.positions), turn, 0.15, schedule, steps, generator)


def place(schedule: Schedule, starts: int, steps: int) -> Outcome:
    """Shift a ball until its mask is that of another one, from where the two do not overlap."""
    return _placed(icosphere(2, 0.4), None, 1.0, schedule, steps, torch.Generator().manual_seed(5), starts)


def _placed(
    mesh: Mesh,
    turn: Tensor | None,
    distance: float,
    schedule: Schedule,
    steps: int,
    generator: torch.Generator,
    starts: int = 0,
) -> Outcome:
    """From turns (N, 3), or none, and shifts by `distance` to any side."""
    starts = starts if turn is None else len(turn)
    bearing = 2 * math.pi * torch.rand(starts, generator=generator)
    shift = (distance * torch.stack([bearing.cos(), bearing.sin()], 1)).requires_grad_()
    unknown = [shift] if turn is None else [shift, turn.requires_grad_()]
    camera = Camera.look_at((0.0, 0.9, 3.0), fov=math.radians(60))
    with torch.no_grad():
        target = silhouette(mesh, camera, (SIZE, SIZE), supersample=4)

    def masks(estimator: str, supersample: int = 1) -> Tensor:
        turned = mesh.positions if turn is None else torch.stack([mesh.positions @ rotation(one).T for one in turn])
        moved = mesh.with_positions(turned + torch.nn.functional.pad(shift, (0, 1))[:, None])
        return silhouette(moved, camera, (SIZE, SIZE), gradient=estimator, supersample=supersample)

    optimiser = torch.optim.Adam(unknown, lr=0.03)
    for estimator in _descend(optimiser, schedule, steps):
        optimiser.zero_grad()
        (masks(estimator) - target).square().sum().backward()
        optimiser.step()
    with torch.no_grad():
        return _outcome(masks("interior", 4), target.expand(starts, -1, -1))


def shape(schedule: Schedule, starts: int, steps: int) -> Outcome:
    """Bend spheres until four masks of each are those of a bumpy body; judged by four other views."""
    ball = icosphere(3)
    x, y, z = ball.positions.unbind(1)
    bumps = 0.5 * (1 + 0.35 * torch.sin(3 * x + 2 * y) + 0.25 * torch.cos(3 * z - 2 * x))
    body = ball.with_positions(ball.positions * bumps[:, None])
    seen, unseen = _ring(0.0), _ring(math.pi / 4)
    generator = torch.Generator().manual_seed(6)
    direction = torch.nn.functional.normalize(torch.randn(starts, 3, generator=generator), dim=1)
    radius = 0.2 + 0.4 * torch.rand(starts, 1, 1, generator=generator)
    begin = ball.positions * radius + 0.15 * direction[:, None]
    large = LargeSteps(ball.faces, len(ball.positions))
    parts = [large.to_differential(one).requires_grad_() for one in begin]
    with torch.no_grad():
        target, other = (silhouette(body, views, (SIZE, SIZE), supersample=4) for views in (seen, unseen))

    def masks(positions: Tensor, views: Camera, estimator: str, supersample: int = 1) -> Tensor:
        count = len(views)
        cameras = views[torch.arange(count).repeat(starts)]
        moved = ball.with_positions(positions.repeat_interleave(count, 0))
        drawn = silhouette(moved, cameras, (SIZE, SIZE), gradient=estimator, supersample=supersample)
        return drawn.view(starts, count, SIZE, SIZE)

    def positions() -> Tensor:
        return torch.stack([large.from_differential(part) for part in parts])

    optimiser = AdamUniform(parts, lr=0.04)
    for estimator in _descend(optimiser, schedule, steps):
        optimiser.zero_grad()
        (masks(positions(), seen, estimator) - target).square().sum().backward()
        optimiser.step()
    with torch.no_grad():
        found = masks(positions(), unseen, "interior", 4)
    return _outcome(found.flatten(1), other.flatten().expand(starts, -1))


SEARCHES: dict[str, Search] = {
    "pose": Search("a teapot's turn (by up to 40 degrees) and shift from one mask that overlaps", pose),
    "place": Search("a ball's shift, from one mask without overlap", place),
    "shape": Search("a bumpy body from four masks, judged by four others, from spheres inside or around it", shape),
}


def schedules(estimators: Sequence[str]) -> list[Schedule]:
    """Each estimator alone, and Kato's with the first of the others after it."""
    alone: list[Schedule] = [(name,) for name in estimators if name != "interior"]
    exact = [name for name in estimators if name not in ("interior", "kato", "kato-released", "soft")]
    return [*alone, ("kato", exact[0])] if "kato" in estimators and exact else alone


def _outcome(found: Tensor, sought: Tensor) -> Outcome:
    """Of masks (starts, ...), both without jagged borders."""
    common, either = (pick(found, sought).flatten(1).sum(1) for pick in (torch.minimum, torch.maximum))
    overlap = common / either
    return Outcome(int((overlap > ARRIVED).sum()), len(overlap), overlap.median().item())


def measure(
    estimators: Sequence[str], starts: int = 20, steps: int = 200, done: Callable[[], None] = lambda: None
) -> dict[str, dict[str, Outcome]]:
    """Each search by each of `schedules`: outcomes by the name of the search and of the schedule."""
    found: dict[str, dict[str, Outcome]] = {name: {} for name in SEARCHES}
    for name, search in SEARCHES.items():
        for schedule in schedules(estimators):
            found[name][", then ".join(schedule)] = search.run(schedule, starts, steps)
            done()
    return found


def _descend(optimiser: torch.optim.Optimizer, schedule: Schedule, steps: int) -> Iterator[str]:
    """The estimator of each step; meanwhile the step's length falls to a twentieth."""
    rates = [group["lr"] for group in optimiser.param_groups]
    for step in range(steps):
        fade = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * fade
        yield schedule[step * len(schedule) // steps]


def _ring(first: float) -> Camera:
    """Four cameras around the origin, above and below it in turn."""
    azimuths = first + torch.arange(4) * (math.pi / 2)
    elevations = torch.tensor([0.5, -0.5, 0.5, -0.5])
    return Camera.orbit(4.0, elevations, azimuths, fov=math.radians(42))
