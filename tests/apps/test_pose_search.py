"""The search for a camera: its schedule, and that it finds what single estimators miss."""

import math

import pytest
import torch
from torch import Tensor

from repousse.apps.find_camera import FindCamera, Search, errors
from repousse.apps.views import orbit
from repousse.geometry import teapot
from repousse.render import silhouette


def starts(truth: Tensor, count: int) -> Tensor:
    """(count, 3): within 60 degrees of the truth, away from the poles, at 0.8 to 1.5 times its distance."""
    random = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(64 * count, 3, generator=random), dim=1)
    near = directions @ truth > truth.norm() * math.cos(math.radians(60))
    near &= directions[:, 1].abs() < math.sin(math.radians(85))
    distances = truth.norm() * (0.8 + 0.7 * torch.rand(count, 1, generator=random))
    return directions[near][:count] * distances


def degrees(gradient: str, count: int) -> Tensor:
    settings = FindCamera(gradient=gradient)
    sought = orbit(settings, settings.elevation, settings.azimuth)
    mesh, truth, fov = teapot().normalized(), sought.position[0], math.radians(settings.fov)
    target = silhouette(mesh, sought, (64, 64), gradient=None, supersample=2)[0]
    search = Search(mesh, target, starts(truth, count), settings.schedule(), fov=fov, supersample=2)
    for i in range(search.schedule.steps):
        search.step(i)
    return torch.tensor([errors(found, truth)[0] for found in search.best])


@pytest.mark.long
def test_eighteen_of_twenty_starts_find_the_camera() -> None:
    """Breaks if the recommended schedule misses its goal, or is no better than the estimators it is made of."""
    found = {name: int((degrees(name, 20) < 1).sum()) for name in ("far-to-near", "kato-released", "boundary")}
    assert found["far-to-near"] >= 18
    assert max(found["kato-released"], found["boundary"]) < found["far-to-near"]


def test_searches_do_not_affect_one_another() -> None:
    """Breaks if the cameras of a batch share a loss, an optimiser's state or their best places."""
    settings = FindCamera(steps=6)
    mesh, sought = teapot(3).normalized(), orbit(settings, 30.0, 20.0)
    target = silhouette(mesh, sought, (24, 24), gradient=None)[0]
    places = starts(sought.position[0], 3)
    found = []
    for group in (places, places[:1], places[1:2], places[2:]):
        search = Search(mesh, target, group, settings.schedule(), fov=math.radians(60), supersample=1)
        for i in range(settings.steps):
            search.step(i)
        found.append(search.best)
    torch.testing.assert_close(found[0], torch.cat(found[1:]), rtol=1e-3, atol=1e-4)


def test_the_best_place_is_kept() -> None:
    """Breaks if a search that overshoots forgets where it was best, or one without gradient fails."""
    settings = FindCamera(gradient="interior", steps=2)
    mesh, sought = teapot(3).normalized(), orbit(settings, 30.0, 20.0)
    target = silhouette(mesh, sought, (24, 24), gradient=None)[0]
    start = sought.position.detach()
    search = Search(mesh, target, start, settings.schedule(), fov=math.radians(60), supersample=1)
    for i in range(2):
        search.step(i)
    assert torch.equal(search.best, start) and torch.equal(search.eye, start)
    assert search.loss < 1e-3
