"""A running fit in the browser."""

import time
from collections.abc import Iterator

import pytest
import torch

from repousse.apps.fit.live import LiveView
from repousse.apps.view.eye import Eye
from repousse.apps.view.model import Model
from repousse.apps.view.style import Style, draw
from repousse.geometry import Mesh, icosphere
from repousse.shading import Ambient, Light

pytest.importorskip("viser", reason="needs viser")


class Growing:
    """A stage that counts how often it is looked at."""

    title, steps = "shape", 10

    def __init__(self) -> None:
        self.looks = 0
        self.positions = icosphere(2).positions.clone().requires_grad_()

    def step(self, i: int) -> dict[str, float]:
        with torch.no_grad():
            self.positions.mul_(1.1)
        return {}

    def state(self) -> dict[str, object]:
        return {}

    def restore(self, state: dict[str, object]) -> None: ...

    def mesh(self) -> Mesh:
        self.looks += 1
        return icosphere(2).with_positions(self.positions)

    def lights(self) -> list[Light]:
        return [Ambient(0.25)]


class Visitor:
    """Stands in for a session of the page."""

    def __init__(self) -> None:
        self.shown: list[tuple[Model, str]] = []

    def replace(self, model: Model, words: str) -> None:
        self.shown.append((model, words))

    def close(self) -> None: ...


@pytest.fixture
def live(capsys: pytest.CaptureFixture[str]) -> Iterator[LiveView]:
    live = LiveView(seconds=0.05, open=False)
    yield live
    live.close()


def test_the_page_opens_with_the_first_mesh(live: LiveView, capsys: pytest.CaptureFixture[str]) -> None:
    """Breaks if nobody is told the address, or a page opens for every mesh."""
    assert live.url is None
    live.show(icosphere(1), [Ambient()])
    assert live.url is not None and live.url in capsys.readouterr().out
    first = live.url
    live.show(icosphere(2), [Ambient()])
    assert live.url == first and not capsys.readouterr().out


def test_a_fit_is_looked_at_now_and_then(live: LiveView) -> None:
    """Breaks if a fit is slowed down by a page that nobody looks at, or by looking at every step."""
    stage = Growing()
    for i in range(200):
        live.watch(stage, i)
    assert stage.looks == 1  # the first mesh; then nobody is there
    visitor = Visitor()
    assert live._page is not None
    live._page._sessions[0] = visitor  # type: ignore[assignment]
    time.sleep(0.06)
    for _ in range(200):
        live.watch(stage, 7)
    assert 1 <= len(visitor.shown) < 100
    model, words = visitor.shown[0]
    assert "step 7 of 10" in words and f"{len(model.mesh.faces)} faces" in words


def test_what_is_shown_does_not_change_under_the_painter(live: LiveView) -> None:
    """Breaks if the picture is drawn from the very tensor that the optimiser is changing."""
    stage = Growing()
    live.watch(stage, 0)
    assert live._page is not None
    before = live._page._model.mesh.positions.clone()
    stage.step(0)
    assert torch.equal(live._page._model.mesh.positions, before)
    assert not before.requires_grad


def test_it_is_drawn_in_its_own_light() -> None:
    """Breaks if the light that was found is not used, or cannot be switched off."""
    model = Model(icosphere(2), "ball", lights=[Ambient(0.25)])
    camera = Eye((0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 4.0), 0.6, (16, 16)).camera(model, "y")
    own, panel = (draw(model, Style(shader="lambert", own_lights=own), camera, (16, 16)) for own in (True, False))
    assert own[8, 8].max() - own[8, 8].min() < 0.2 and (own - panel).abs().max() > 0.05
    plain = Model(icosphere(2), "ball")
    assert torch.equal(draw(plain, Style(shader="lambert"), camera, (16, 16)), panel)
